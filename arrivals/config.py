"""The settings: one table of name, type, default and help.

The documentation, ``arrivals settings`` and the validation at the start all read this table. Values come from the
environment; a variable with ``_FILE`` added names a file that holds the value. A value that is unclear stops the
start with one line. ``current()`` is read once per process.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from arrivals.errors import InvalidSetting


@dataclass(frozen=True)
class Setting:
    """One row of the table. ``kind`` is text, folder, url, integer, boolean, choice or secrets."""

    name: str
    kind: str
    default: str
    help: str
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The attribute of ``Config`` that holds it: ``ARRIVALS_CHECK_MINUTES`` is ``check_minutes``."""
        return self.name.removeprefix("ARRIVALS_").lower()


SETTINGS = (
    Setting(
        "ARRIVALS_HOME",
        "folder",
        "~/.arrivals",
        "Folder that holds the data, the secret keys and the log of imports. `make run` uses `./var`.",
    ),
    Setting(
        "ARRIVALS_DATABASE_URL",
        "url",
        "",
        "Control database. Empty: SQLite in the home folder. Postgres: `postgres://user:password@host:5432/name`.",
        schemes=("sqlite", "postgres", "postgresql"),
    ),
    Setting(
        "ARRIVALS_WAREHOUSE_URL",
        "url",
        "",
        "Event store. Empty: embedded chDB in the home folder (`chdb:///absolute/path`). A ClickHouse server: `http://user:password@host:8123/database`.",
        schemes=("chdb", "http", "https", "clickhouse", "clickhouses"),
    ),
    Setting(
        "ARRIVALS_RESERVE_MB",
        "integer",
        "512",
        "Room on the event store's disk that is kept free: with less, events are refused (503) until there is more.",
        low=64,
        high=1_000_000,
    ),
    Setting("ARRIVALS_HOST", "text", "127.0.0.1", "Address to listen on."),
    Setting("ARRIVALS_PORT", "integer", "8000", "Port to listen on; 0 takes a free one.", low=0, high=65535),
    Setting(
        "ARRIVALS_PUBLIC_URL",
        "url",
        "",
        "Address under which people and snippets reach this server. Empty: made from host and port.",
        schemes=("http", "https"),
    ),
    Setting(
        "ARRIVALS_SECRET_KEYS",
        "secrets",
        "",
        "Comma-separated secrets of 32 characters or more, newest first: the first signs and encrypts, all are accepted. Empty: made on the first start and kept in the home folder with mode 0600.",
    ),
    Setting(
        "ARRIVALS_ALLOW_PRIVATE_NETWORKS",
        "boolean",
        "false",
        "Whether actions and webhooks may reach private, loopback and link-local addresses.",
    ),
    Setting(
        "ARRIVALS_CHECK_MINUTES",
        "integer",
        "5",
        "Minutes between two checks of a watched report.",
        low=1,
        high=60,
    ),
    Setting(
        "ARRIVALS_HISTORY_DAYS",
        "integer",
        "365",
        "Days for which it is kept what ended runs were given, did and said; 0 keeps it for ever. That they ran is always kept.",
        low=0,
        high=3660,
    ),
    Setting(
        "ARRIVALS_TASKS_A_MONTH",
        "integer",
        "0",
        "Tasks (actions that succeeded) that all workflows together may do in a month; at the limit runs are held until the next. 0: any number.",
        low=0,
        high=10**12,
    ),
    Setting(
        "ARRIVALS_FLOOD",
        "integer",
        "100",
        "More arrivals than this for one workflow at once are held until a person releases or discards them. 0: none are held.",
        low=0,
        high=1_000_000_000,
    ),
    Setting(
        "ARRIVALS_TURN_OFF_HOURS",
        "integer",
        "0",
        "Hours of grace between the notice that nearly all runs of a workflow fail and turning it off; 0: at once.",
        high=720,
    ),
    Setting(
        "ARRIVALS_SMTP_URL",
        "url",
        "",
        "Mail server for the email app and for notices: `smtp://user:password@host:587?starttls=1&from=arrivals@example.com`. Empty: the email app needs a connection of its own.",
        schemes=("smtp", "smtps"),
    ),
    Setting(
        "ARRIVALS_SLACK_URL",
        "url",
        "https://slack.com/api",
        "Base address of Slack's API, for a gateway or a test.",
        schemes=("http", "https"),
    ),
    Setting("ARRIVALS_LOG", "choice", "text", "How the log is written.", choices=("text", "json")),
    Setting(
        "ARRIVALS_URL",
        "url",
        "",
        "For the command only: the server to speak to. Empty: ARRIVALS_PUBLIC_URL, or the host and port.",
        schemes=("http", "https"),
    ),
    Setting("ARRIVALS_KEY", "text", "", "For the command only: the integration key to speak with."),
)


@dataclass(frozen=True)
class Config:
    """The values of all settings, in Python types."""

    home: Path
    database_url: str
    warehouse_url: str
    reserve_mb: int
    host: str
    port: int
    public_url: str
    secret_keys: tuple[str, ...]
    allow_private_networks: bool
    check_minutes: int
    history_days: int
    tasks_a_month: int
    flood: int
    turn_off_hours: int
    smtp_url: str
    slack_url: str
    log: str
    url: str
    key: str

    @property
    def embedded(self) -> bool:
        """Whether the warehouse lives in this process, so that no second process may open it."""
        return self.warehouse_url.startswith("chdb:")


def read(environ: Mapping[str, str]) -> Config:
    """Read all settings from ``environ``, with the home folder's defaults filled in. Writes nothing.

    Raises:
        InvalidSetting: a value is not allowed; the message names the variable and what is allowed.
    """
    values: dict[str, Any] = {row.field: _value(row, _text(row, environ)) for row in SETTINGS}
    home: Path = values["home"]
    values["database_url"] = values["database_url"] or f"sqlite:///{home / 'arrivals.db'}"
    values["warehouse_url"] = values["warehouse_url"] or f"chdb://{home / 'warehouse'}"
    values["public_url"] = (values["public_url"] or f"http://{values['host']}:{values['port']}").rstrip("/")
    values["url"] = (values["url"] or values["public_url"]).rstrip("/")
    values["slack_url"] = values["slack_url"].rstrip("/")
    return Config(**values)


@cache
def current() -> Config:
    """The settings of this process. Makes the home folder and, where none are set, its secret keys.

    Raises:
        InvalidSetting: a value is not allowed, or the home folder cannot be made or written.
    """
    config = read(os.environ)
    try:
        config.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InvalidSetting(
            f"ARRIVALS_HOME is {str(config.home)!r}, which cannot be used: {error.strerror}."
        ) from error
    if config.secret_keys:
        return config
    return Config(**{**config.__dict__, "secret_keys": _kept_keys(config.home)})


def _text(row: Setting, environ: Mapping[str, str]) -> str:
    name = f"{row.name}_FILE"
    if row.name in environ and environ.get(name):
        raise InvalidSetting(f"{row.name} and {name} are both set; set only one.")
    if not environ.get(name):
        return environ.get(row.name, "").strip() or row.default
    try:
        return Path(environ[name]).read_text(encoding="utf-8").strip() or row.default
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{name} names {environ[name]!r}, which cannot be read as text.") from error


def _value(row: Setting, text: str) -> Any:
    match row.kind:
        case "folder":
            return Path(text).expanduser().absolute()
        case "integer":
            if not (text.isascii() and text.isdigit()) or not row.low <= int(text) <= row.high:
                raise InvalidSetting(f"{row.name} is {text!r}; it must be a whole number from {row.low} to {row.high}.")
            return int(text)
        case "boolean":
            if text.lower() not in {"true", "false", "1", "0", "yes", "no"}:
                raise InvalidSetting(f"{row.name} is {text!r}; it must be true or false.")
            return text.lower() in {"true", "1", "yes"}
        case "choice":
            if text not in row.choices:
                raise InvalidSetting(f"{row.name} is {text!r}; it must be one of {', '.join(row.choices)}.")
            return text
        case "secrets":
            keys = tuple(key.strip() for key in text.split(",") if key.strip())
            if any(len(key) < 32 for key in keys):
                raise InvalidSetting(f"{row.name} has a key of fewer than 32 characters; make each at least 32 long.")
            return keys
        case "url":
            scheme = urlsplit(text).scheme if text else ""
            if text and scheme not in row.schemes:
                allowed = ", ".join(f"{one}://" for one in row.schemes)
                raise InvalidSetting(
                    f"{row.name} must start with one of {allowed}; it starts with {scheme + '://' if scheme else 'no scheme'}."
                )
            return text
        case _:
            return text


def _kept_keys(home: Path) -> tuple[str, ...]:
    """The keys kept in the home folder. Two first starts at once agree on one: a key appears whole, or not at all."""
    path, draft = home / "secret_keys", home / f".secret_keys.{os.getpid()}"
    if not path.exists():
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(48) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # the other one was first
                os.link(draft, path)
        except OSError as error:
            raise InvalidSetting(
                f"ARRIVALS_HOME is {str(home)!r}, which cannot be written: {error.strerror}."
            ) from error
        finally:
            draft.unlink(missing_ok=True)
    keys = tuple(key.strip() for key in path.read_text(encoding="utf-8").replace("\n", ",").split(",") if key.strip())
    if not keys or any(len(key) < 32 for key in keys):
        raise InvalidSetting(
            f"{path} holds no usable key; put one of 32 characters or more there, or restore it from a backup."
        )
    return keys
