"""Mail, against a real SMTP server on loopback."""

import dataclasses
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from arrivals import config
from arrivals.apps.contract import Call
from arrivals.apps.email.app import send
from arrivals.apps.outbound import Outbound
from arrivals.errors import AppError, AuthorisationExpired, Permanent, Retryable
from tests.server import free_port


class Mailbox:
    """Keeps what it is sent; refuses as a test says."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refusal = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
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
]


@pytest.mark.parametrize(("inputs", "path"), WRONG)
async def test_a_wrong_head_is_refused_and_nothing_is_sent(mail: Any, inputs: dict[str, str], path: str) -> None:
    box, port = mail
    with pytest.raises(Permanent) as refusal:
        await send(call(port, **inputs))
    assert refusal.value.path == path
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
