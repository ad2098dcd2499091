"""The loop that mails notices. See ``Mails._run`` for the steps."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import close_old_connections, transaction
from django.db.models import F

from arrivals import background, clock, config
from arrivals.engine.models import Notice, NoticeTo
from arrivals.errors import ArrivalsError

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
CLAIM = timedelta(minutes=2)
AGAIN = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6))
TOO_LATE = timedelta(days=1)  # a mail server that was set up today does not send last month's notices
MOST_TOGETHER = 100
NO_SERVER = "There is no mail server: set ARRIVALS_SMTP_URL."


class Sender(Protocol):
    """The apps' side (``arrivals.apps.email.notices``)."""

    def ready(self) -> bool:
        """Whether there is a mail server."""
        ...

    async def send(self, *, to: str, subject: str, text: str, key: str) -> None:
        """Send one mail. ``key`` is the same when it is sent again. Raises AppError."""
        ...


_installed: list[Sender] = []


def install(sender: Sender) -> None:
    _installed[:] = [sender]


def ready() -> bool:
    """Whether there is a mail server."""
    return bool(_installed) and _installed[0].ready()


@dataclass(frozen=True)
class Mail:
    """A mail to one person about one or several notices; ``rows`` are the ids of their ``NoticeTo``."""

    rows: tuple[int, ...]
    to: str
    subject: str
    text: str
    key: str
    tries: int


class Mails(background.Loop):
    """Sends what is due. Any number of processes may run it."""

    async def _run(self) -> None:
        """Each second, while something is due:

        1. Claim the notices of one mail: one, or all of a person's that go together. Their time of being due moves to the
           claim's end in 2 minutes, in one transaction that no two processes can both do.
        2. Send the mail.
        3. Note that it was sent, or when it is tried again: 1 m, 5 m, 30 m, 2 h, 6 h later, and then no more.
        Killed between 2 and 3, the claim ends and the mail is sent again: at least once, with the same Message-ID, by which a
        mailbox may recognise it. Killed anywhere else, it is sent once. Nothing is lost: the page shows every notice.
        """
        while True:
            try:
                while mail := await asyncio.to_thread(claim, has_server=ready()):
                    await deliver(mail)
            except Exception:
                log.exception("Notices could not be mailed.")
            await asyncio.sleep(LOOK_SECONDS)


async def deliver(mail: Mail) -> None:
    """Steps 2 and 3."""
    try:
        await _installed[0].send(to=mail.to, subject=mail.subject, text=mail.text, key=mail.key)
    except ArrivalsError as error:
        log.warning("A notice could not be mailed: %s", error)
        await asyncio.to_thread(_failed, mail, error)
    else:
        await asyncio.to_thread(_sent, mail)


def claim(*, has_server: bool = True) -> Mail | None:
    """Step 1. What is too old, or has no server to be sent by, is noted as not sent."""
    close_old_connections()
    now = clock.now()
    try:
        with transaction.atomic():
            due = NoticeTo.objects.filter(due__lte=now)
            if not has_server:
                due.update(due=None, error=NO_SERVER)
                return None
            due.filter(notice__at__lt=now - TOO_LATE).update(due=None, error="It could not be sent for a day.")
            first = due.select_for_update(skip_locked=True, of=("self",)).order_by("due", "id").first()
            if first is None:
                return None
            rows = [first]
            if first.together:
                same = due.filter(person=first.person_id, together=True, tries=first.tries).order_by("id")
                rows = list(same.select_for_update(skip_locked=True, of=("self",))[:MOST_TOGETHER])
            ids = [row.pk for row in rows]
            NoticeTo.objects.filter(pk__in=ids).update(due=now + CLAIM, tries=F("tries") + 1)
            found = list(Notice.objects.filter(to__in=ids).order_by("id"))
            return _mail(first, found, tuple(ids))
    finally:
        close_old_connections()


def _mail(first: NoticeTo, found: Sequence[Notice], rows: tuple[int, ...]) -> Mail:
    subject = found[0].subject
    if len(found) > 1:
        subject = f"{len(found)} notices, the first: {subject}"[:300]
    text = "\n\n".join(_written(one, titled=len(found) > 1) for one in found)
    home = config.current().public_url
    text += f"\n\n--\nAll notices: {home}/notices\nWhen you get such mails: {home}/settings/me#notices\n"
    key = f"notice:{found[0].pk}:{len(found)}:{first.person_id}"
    return Mail(rows, first.person.email, subject, text, key, first.tries + 1)


def _written(notice: Notice, *, titled: bool) -> str:
    home = config.current().public_url
    lines = [f"{line[0]} {home}{line[1]}" if len(line) > 1 else line[0] for line in notice.lines]
    return "\n".join([f"# {notice.subject}", *lines] if titled else lines)


def _sent(mail: Mail) -> None:
    _note(mail, due=None, error="", mailed_at=clock.now())


def _failed(mail: Mail, error: ArrivalsError) -> None:
    # A wrong password may be set right by the next try, so that no error is the last word at once.
    due: datetime | None = clock.now() + AGAIN[mail.tries - 1] if mail.tries <= len(AGAIN) else None
    _note(mail, due=due, error=error.message[:300])


def _note(mail: Mail, **values: object) -> None:
    close_old_connections()
    try:
        NoticeTo.objects.filter(pk__in=mail.rows).update(**values)
    finally:
        close_old_connections()
