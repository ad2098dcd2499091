"""Notices to people by mail, over the server of ARRIVALS_SMTP_URL."""

from arrivals import config
from arrivals.apps.email import app


class Sender:
    """Implements ``engine.mails.Sender``."""

    def ready(self) -> bool:
        return bool(config.current().smtp_url)

    async def send(self, *, to: str, subject: str, text: str, key: str) -> None:
        await app.notice(to, subject, text, key)
