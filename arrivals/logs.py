"""How the log is written: text for people, or one JSON object a line for machines. To stderr."""

import json
import logging
import sys

from arrivals import clock


class JsonFormatter(logging.Formatter):
    """One object a line: at, level, name, message, and error with its traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": clock.iso(clock.now()),
            "level": record.levelname.lower(),
            "name": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(style: str) -> None:
    """Start logging in ``style``: text or json (ARRIVALS_LOG)."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    handler.setFormatter(JsonFormatter() if style == "json" else plain)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "uvicorn.error", "aiohttp.access", "django.request"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
