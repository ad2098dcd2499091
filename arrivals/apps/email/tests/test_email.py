"""Mail, against a real SMTP server on loopback."""

import dataclasses
import ssl
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from arrivals import clock, config
from arrivals.apps.contract import Call
from arrivals.apps.email.app import send
from arrivals.apps.email.app import test as try_connection
from arrivals.apps.outbound import Outbound
from arrivals.errors import AppError, AuthorisationExpired, Permanent, Retryable
from tests.server import free_port


class Mailbox:
    """Keeps what it is sent; refuses as a test says."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refusal = ""
        self.answer = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer:
            return self.answer
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"


def authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=isinstance(data, LoginPassword) and data.password == b"right", handled=False)


@pytest.fixture
def mail() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = Controller(
        box, hostname="127.0.0.1", port=free_port(), authenticator=authenticated, auth_require_tls=False
    )
    controller.start()
    yield box, controller.port
    controller.stop()


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), 1, clock.now() - timedelta(1), clock.now() + timedelta(1)
    )
    signed = made.add_extension(host, critical=True).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(signed.public_bytes(Encoding.PEM) + private)
    return path


def call(port: int, auth: dict[str, str] | None = None, key: str = "run_1:mail", **inputs: Any) -> Call:
    server = {"host": "127.0.0.1", "port": str(port), "security": "none", "from": "arrivals@example.com"}
    given = {"to": "ada@example.com", "subject": "Hello", "text": "A text with ü.", **inputs}
    return Call(given, {**server, **(auth or {})}, key, {}, Outbound())


async def test_a_mail_arrives_whole(mail: Any) -> None:
    box, port = mail
    outputs = await send(
        call(port, to="ada@example.com, Grace <grace@example.com>", html="<b>x</b>", reply_to="me@example.com")
    )
    [(recipients, got)] = box.mails
    assert recipients == ["ada@example.com", "grace@example.com"]
    assert (got["From"], got["Subject"], got["Reply-To"]) == ("arrivals@example.com", "Hello", "me@example.com")
    assert got.get_body(("plain",)).get_content().strip() == "A text with ü."
    assert got.get_body(("html",)).get_content().strip() == "<b>x</b>"
    assert outputs["message_id"] == got["Message-ID"]


async def test_a_repeated_call_has_the_same_message_id(mail: Any) -> None:
    box, port = mail
    for key in ("a", "a", "b"):
        await send(call(port, key=key))
    first, second, third = (got["Message-ID"] for _, got in box.mails)
    assert first == second != third


async def test_the_servers_user_and_password_are_used(mail: Any) -> None:
    box, port = mail
    await send(call(port, {"username": "me", "password": "right"}))
    with pytest.raises(AuthorisationExpired, match="user or password"):
        await send(call(port, {"username": "me", "password": "wrong"}))
    assert len(box.mails) == 1


REFUSALS: list[tuple[str, type[AppError]]] = [
    ("550 no such user", Permanent),
    ("451 try later", Retryable),
    ("421 busy", Retryable),
]


@pytest.mark.parametrize(("refusal", "kind"), REFUSALS)
async def test_the_servers_answer_decides_whether_it_is_tried_again(
    mail: Any, refusal: str, kind: type[AppError]
) -> None:
    box, port = mail
    box.refusal = refusal
    with pytest.raises(AppError) as raised:
        await send(call(port))
    assert type(raised.value) is kind
    assert box.mails == []


WRONG: list[tuple[dict[str, str], str]] = [
    ({"to": ""}, "inputs.to"),
    ({"to": "nobody"}, "inputs.to"),
    ({"to": "a@example.com\nBcc: b@example.com"}, "inputs.to"),
    ({"subject": "x\r\nBcc: b@example.com"}, "inputs.subject"),
    ({"to": ",".join(f"v{n}@example.com" for n in range(51))}, "inputs.to"),
    ({"reply_to": "me@example.com\nBcc: b@example.com"}, "inputs.reply_to"),
    ({"reply_to": "me"}, "inputs.reply_to"),
    ({"to": "a@[1.2.3.4"}, "inputs"),
    ({"subject": "\ud800"}, "inputs"),
    ({"text": "\ud800"}, "inputs"),
    ({"html": "\ud800"}, "inputs"),
]


@pytest.mark.parametrize(("inputs", "path"), WRONG)
async def test_a_wrong_head_is_refused_and_nothing_is_sent(mail: Any, inputs: dict[str, str], path: str) -> None:
    box, port = mail
    with pytest.raises(Permanent) as refusal:
        await send(call(port, **inputs))
    assert refusal.value.path == path
    assert box.mails == []


ANSWERS: list[tuple[str, type[AppError], str]] = [
    ("554 it is spam", Permanent, "answered 554: it is spam."),
    ("452 the disk is full", Retryable, "answered 452: the disk is full."),
]


@pytest.mark.parametrize(("answer", "kind", "sentence"), ANSWERS)
async def test_a_mail_that_is_not_taken_says_what_the_server_said(
    mail: Any, answer: str, kind: type[AppError], sentence: str
) -> None:
    box, port = mail
    box.answer = answer
    with pytest.raises(AppError) as raised:
        await send(call(port))
    assert type(raised.value) is kind
    assert sentence in raised.value.message


WRONG_SERVERS: list[tuple[dict[str, str], type[AppError], str]] = [
    ({"security": "tls"}, Permanent, "is tls the right security?"),
    ({"security": "starttls"}, Permanent, "does not do what the connection asks for"),
    ({"host": "a..b"}, Permanent, "'a..b' is not the name of a mail server."),
    ({"host": "does-not-exist.invalid"}, Retryable, "cannot be reached"),
]


@pytest.mark.parametrize(("auth", "kind", "sentence"), WRONG_SERVERS)
async def test_a_connection_that_does_not_fit_the_server_says_what_is_wrong(
    mail: Any, auth: dict[str, str], kind: type[AppError], sentence: str
) -> None:
    box, port = mail
    with pytest.raises(AppError) as raised:
        await send(call(port, auth))
    assert type(raised.value) is kind
    assert sentence in raised.value.message
    assert box.mails == []


async def test_a_server_is_trusted_only_with_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), tls_context=context, require_starttls=True)
    controller.start()
    try:
        with pytest.raises(Permanent, match="certificate"):
            await send(call(controller.port, {"security": "starttls"}))
        with pytest.raises(Permanent, match="530"):
            await send(call(controller.port, {"security": "none"}))
        assert box.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        await send(call(controller.port, {"security": "starttls"}))
        assert len(box.mails) == 1
    finally:
        controller.stop()


async def test_a_connection_is_tried_without_a_mail(mail: Any) -> None:
    box, port = mail
    await try_connection(call(port, {"username": "me", "password": "right"}))
    with pytest.raises(AuthorisationExpired):
        await try_connection(call(port, {"username": "me", "password": "wrong"}))
    assert box.mails == []


async def test_without_a_connection_the_settings_server_is_used(mail: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box, port = mail
    given = Call({"to": "ada@example.com", "subject": "x", "text": "y"}, {}, "k", {}, Outbound())
    with pytest.raises(Permanent, match="ARRIVALS_SMTP_URL"):
        await send(given)
    settings = dataclasses.replace(config.current(), smtp_url=f"smtp://me:right@127.0.0.1:{port}?from=x@example.com")
    monkeypatch.setattr(config, "current", lambda: settings)
    await send(given)
    assert box.mails[0][1]["From"] == "x@example.com"


async def test_a_closed_address_is_not_connected_to(mail: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box, port = mail
    settings = dataclasses.replace(config.current(), allow_private_networks=False)
    monkeypatch.setattr(config, "current", lambda: settings)
    with pytest.raises(Permanent, match="closed address"):
        await send(call(port))
    assert box.mails == []


async def test_a_server_that_is_away_may_be_back_later() -> None:
    with pytest.raises(Retryable, match="cannot be reached"):
        await send(call(9))
