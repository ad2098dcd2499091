"""Mail over SMTP."""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from arrivals import config
from arrivals.apps import addresses
from arrivals.apps.contract import Action, App, AuthField, Call, schema
from arrivals.errors import AuthorisationExpired, Permanent, Retryable

SECONDS = 25.0
PORTS = {"tls": 465, "starttls": 587, "none": 25}
MOST_RECIPIENTS = 50


async def send(call: Call) -> dict[str, Any]:
    """Send one mail. Its Message-ID is made of the idempotency key, so that a repetition can be recognised."""
    server = _server(call.auth)
    message = _message(call, server["from"])
    await _deliver(server, message)
    return {"message_id": message["Message-ID"], "to": message["To"].split(", ")}


async def test(call: Call) -> None:
    """Sign in to the mail server."""
    await _deliver(_server(call.auth), None)


def _server(auth: Mapping[str, str]) -> dict[str, str]:
    """Host, port, username, password, security and from: the connection's, else those of ARRIVALS_SMTP_URL."""
    if auth:
        security = auth.get("security", "starttls")
        return {"port": str(PORTS[security]), "username": "", "password": "", **auth, "security": security}
    url = config.current().smtp_url
    if not url:
        raise Permanent("There is no mail server: choose a connection, or set ARRIVALS_SMTP_URL.")
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    security = (
        "tls" if parts.scheme == "smtps" else "starttls" if query.get("starttls", "0") in {"1", "true"} else "none"
    )
    return {
        "host": parts.hostname or "",
        "port": str(parts.port or PORTS[security]),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "security": security,
        "from": query.get("from", f"arrivals@{parts.hostname}"),
    }


def _message(call: Call, sender: str) -> EmailMessage:
    inputs = call.inputs
    message = EmailMessage()
    try:
        message["From"] = _one_line(sender, "from")
        message["To"] = ", ".join(_addresses(inputs["to"], "to"))
        if inputs.get("reply_to"):
            message["Reply-To"] = ", ".join(_addresses(inputs["reply_to"], "reply_to"))
        message["Subject"] = _one_line(inputs["subject"], "subject")
        message.set_content(inputs["text"])
        if inputs.get("html"):
            message.add_alternative(inputs["html"], subtype="html")
    except ValueError as error:
        raise Permanent(f"The mail cannot be written: {error}.", path="inputs") from error
    except (AttributeError, IndexError) as error:  # the standard library on some broken addresses
        raise Permanent("The mail cannot be written: an address has a wrong form.", path="inputs") from error
    message["Date"] = formatdate(usegmt=True)
    domain = parseaddr(sender)[1].rpartition("@")[2] or "arrivals.invalid"
    message["Message-ID"] = f"<{hashlib.sha256(call.key.encode()).hexdigest()[:32]}@{domain}>"
    message["Idempotency-Key"] = call.key
    return message


async def notice(to: str, subject: str, text: str, key: str) -> None:
    """Send a mail of Arrivals itself, by the server of ARRIVALS_SMTP_URL; that may be on a private address, since it was
    chosen by whoever runs Arrivals. Raises AppError."""
    server = _server({})
    call = Call({"to": to, "subject": subject, "text": text}, {}, key, {}, None)  # type: ignore[arg-type]
    await _deliver(server, _message(call, server["from"]), opened=addresses.made)


async def _deliver(
    server: Mapping[str, str],
    message: EmailMessage | None,
    *,
    opened: Callable[[Any], socket.socket] = addresses.opened,
) -> None:
    """Connect to a checked address, sign in where there is a user, send."""
    host, security = server["host"], server["security"]
    try:
        async with asyncio.timeout(SECONDS):
            client = aiosmtplib.SMTP(
                hostname=host,
                sock=await _connected(host, int(server["port"]), opened),
                use_tls=security == "tls",
                start_tls=security == "starttls",
                username=server["username"] or None,
                password=server["password"] or None,
                timeout=SECONDS,
            )
            async with client:
                if message is not None:
                    await client.send_message(message)
    except aiosmtplib.SMTPAuthenticationError as error:
        raise AuthorisationExpired(f"The mail server {host} does not accept the user or password.") from error
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [one.code for one in error.recipients]
        kind = Retryable if codes and all(400 <= code < 500 for code in codes) else Permanent
        raise kind(f"The mail server {host} refused the recipient: {error.recipients[0].message:.200}.") from error
    except aiosmtplib.SMTPResponseException as error:
        kind = Retryable if 400 <= error.code < 500 else Permanent
        raise kind(f"The mail server {host} answered {error.code}: {error.message:.200}.") from error
    except UnicodeError as error:
        raise Permanent(f"{host!r:.80} is not the name of a mail server.") from error
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        if _caused_by_tls(error):
            raise Permanent(
                f"The certificate or TLS of the mail server {host} was refused; is {security} the right security?"
            ) from error
        if type(error) in {aiosmtplib.SMTPException, aiosmtplib.SMTPNotSupported}:  # no STARTTLS or AUTH there
            raise Permanent(f"The mail server {host} does not do what the connection asks for: {error}") from error
        raise Retryable(f"The mail server {host} cannot be reached.") from error


def _caused_by_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            return True
        error = error.__cause__ or error.__context__
    return False


async def _connected(host: str, port: int, opened: Callable[[Any], socket.socket]) -> socket.socket:
    """A socket connected to the first address of the host that answers; each is checked before, by ``opened``."""
    loop = asyncio.get_running_loop()
    trouble: OSError = OSError("no address")
    for info in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        one = opened(info)
        try:
            await loop.sock_connect(one, info[4])
        except OSError as error:
            one.close()
            trouble = error
            continue
        return one
    raise trouble


def _addresses(text: str, name: str) -> list[str]:
    found = [one.strip() for one in _one_line(text, name).split(",") if one.strip()]
    if not 0 < len(found) <= MOST_RECIPIENTS:
        raise Permanent(f"There must be 1 to {MOST_RECIPIENTS} addresses, separated by commas.", path=f"inputs.{name}")
    for one in found:
        address = parseaddr(one)[1]
        local, at, domain = address.rpartition("@")
        if not (local and at and domain) or " " in address:
            raise Permanent(f"{one!r:.80} is not an address.", path=f"inputs.{name}")
    return found


def _one_line(text: str, name: str) -> str:
    if any(ord(mark) < 32 for mark in text):
        raise Permanent("It must be one line.", path=f"inputs.{name}")
    return text


def _check(fields: Mapping[str, str]) -> str | None:
    if fields.get("security", "starttls") not in PORTS:
        return f"Security must be one of {', '.join(PORTS)}."
    port = fields.get("port", "587")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        return "The port must be a number from 1 to 65535."
    return None if "@" in parseaddr(fields.get("from", ""))[1] else "The sender must be a mail address."


APP = App(
    id="email",
    name="Email",
    help="Sends mail over SMTP: with a connection's server, or the one of ARRIVALS_SMTP_URL.",
    connection="optional",
    auth=(
        AuthField("host", "Server", "smtp.example.com", required=True),
        AuthField("port", "Port", "465 for tls, 587 for starttls, 25 for none."),
        AuthField("security", "Security", "tls, starttls or none; starttls where left empty."),
        AuthField("username", "User name"),
        AuthField("password", "Password", secret=True),
        AuthField("from", "Sender", "The address mails come from.", required=True),
    ),
    check=_check,
    test=test,
    actions=(
        Action(
            id="send",
            title="Send a mail",
            help="Sends one mail to one or several addresses.",
            schema=schema(
                ("to", "subject", "text"),
                to={"type": "string", "title": "To", "description": "One or several addresses, separated by commas."},
                subject={"type": "string", "title": "Subject", "description": "One line."},
                text={
                    "type": "string",
                    "title": "Text",
                    "description": "The mail as plain text.",
                    "x-widget": "textarea",
                },
                html={
                    "type": "string",
                    "title": "HTML",
                    "description": "The same as HTML, if you like.",
                    "x-widget": "textarea",
                },
                reply_to={"type": "string", "title": "Reply to", "description": "Where answers go."},
            ),
            run=send,
        ),
    ),
)
