"""Notices: told once for each cause, to whom they concern, and mailed at once, on the hour or never."""

import asyncio
import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.db import transaction

from arrivals import clock, config
from arrivals.accounts import people
from arrivals.accounts.models import Person
from arrivals.engine import mails, notices
from arrivals.engine.models import Notice, NoticeTo
from arrivals.errors import Invalid, NotFound
from arrivals.warehouse.client import Warehouse
from tests import makers
from tests.server import free_port

PASSWORD = "a long password"


class Mailbox:
    """Keeps what it is sent; refuses while a test says so."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, Any]] = []
        self.answer = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer:
            return self.answer
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.rcpt_tos[0], mail))
        return "250 OK"

    def subjects(self) -> list[tuple[str, str]]:
        return sorted((to, str(mail["Subject"])) for to, mail in self.mails)


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    url = f"smtp://127.0.0.1:{controller.port}?from=arrivals@example.com"
    # The operator's own server may be on a private address, whatever actions may reach.
    changed = dataclasses.replace(config.current(), smtp_url=url, allow_private_networks=False)
    monkeypatch.setattr(config, "current", lambda: changed)
    yield box
    controller.stop()


def admin(email: str = "ada@example.com") -> Person:
    return people.create(email, password=PASSWORD, role="admin")


def told(once: str = "one", kind: str = "run_failed", **more: Any) -> bool:
    lines = ["The step tell failed.", ("The run:", "/runs/run_1")]
    return notices.tell(kind, f"It failed: {once}", lines, once=once, **more)


def send() -> int:
    """Send all that is due; return how many mails that were tried."""
    count = 0
    while mail := mails.claim():
        asyncio.run(mails.deliver(mail))
        count += 1
    return count


def test_one_cause_makes_one_mail_with_its_links(fresh: Warehouse, mailbox: Mailbox) -> None:
    admin()
    assert told()
    assert not told()
    assert send() == 1
    assert send() == 0
    [(to, mail)] = mailbox.mails
    assert (to, mail["Subject"]) == ("ada@example.com", "It failed: one")
    assert f"The run: {config.current().public_url}/runs/run_1" in mail.get_content()
    [row] = notices.page(Person.objects.get().pk)[0]
    assert row["mailed_at"]


def test_a_cause_that_is_rolled_back_tells_nobody(fresh: Warehouse, mailbox: Mailbox) -> None:
    admin()

    def rolled_back() -> None:
        with transaction.atomic():
            told()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rolled_back()
    assert (send(), Notice.objects.count()) == (0, 0)


def test_admins_and_who_made_the_workflow_hear_of_it_and_nobody_else(fresh: Warehouse, mailbox: Mailbox) -> None:
    admin()
    for name in ("maker", "other"):
        people.create(f"{name}@example.com", password=PASSWORD)
    workflow = makers.workflow(makers.report())
    workflow.versions.update(created_by="maker@example.com")
    told(workflow=workflow.id)
    send()
    assert [to for to, _ in mailbox.subjects()] == ["ada@example.com", "maker@example.com"]


def test_hourly_is_one_mail_on_the_hour_and_never_is_none(fresh: Warehouse, mailbox: Mailbox) -> None:
    hourly, never = admin(), admin("never@example.com")
    notices.choose(hourly.pk, "hourly")
    notices.choose(never.pk, "never")
    noon = clock.parse("2026-05-01T12:00:00Z")
    for minute in (1, 20, 59):
        with clock.standing(noon + timedelta(minutes=minute)):
            told(f"at {minute}")
            assert mails.claim() is None
    with clock.standing(noon + timedelta(hours=1)):
        told("later")
        mail = mails.claim()
        assert mail is not None
        asyncio.run(mails.deliver(mail))
        assert mails.claim() is None
    assert mailbox.subjects() == [("ada@example.com", "3 notices, the first: It failed: at 1")]
    assert len(notices.page(never.pk)[0]) == 4
    with pytest.raises(Invalid, match="at_once, hourly, never"):
        notices.choose(never.pk, "weekly")


def test_many_failures_of_a_workflow_do_not_fill_a_mailbox(fresh: Warehouse, mailbox: Mailbox) -> None:
    admin()
    workflow = makers.workflow(makers.report())
    noon = clock.parse("2026-05-01T12:00:00Z")
    with clock.standing(noon):
        for number in range(20):
            told(f"failure {number:02}", workflow=workflow.id)
        assert send() == notices.MOST_AT_ONCE
    with clock.standing(noon + timedelta(hours=1)):
        assert send() == 1
    assert mailbox.subjects()[0] == ("ada@example.com", "15 notices, the first: It failed: failure 05")


def test_a_mail_that_is_refused_is_tried_again_and_its_error_shown(fresh: Warehouse, mailbox: Mailbox) -> None:
    who = admin()
    mailbox.answer = "451 not now"
    told()
    now = clock.now()
    for number, wait in enumerate((*mails.AGAIN, None)):
        assert send() == 1, number
        row = NoticeTo.objects.get()
        assert "answered 451" in notices.page(who.pk)[0][0]["mail_error"]
        assert (row.due is None) == (wait is None)
        if row.due and wait:
            assert abs(row.due - now - wait) < timedelta(seconds=30)
            NoticeTo.objects.update(due=now)
    NoticeTo.objects.update(due=now, tries=1)
    mailbox.answer = ""
    send()
    row = NoticeTo.objects.get()
    assert row.mailed_at is not None
    assert (row.due, row.error) == (None, "")


def test_killed_between_sending_and_noting_it_is_sent_again_with_the_same_id(
    fresh: Warehouse, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin()
    told()
    now = clock.now()
    with monkeypatch.context() as killed:
        killed.setattr(mails, "_sent", lambda _mail: None)
        assert send() == 1  # and is claimed for two minutes
    with clock.standing(now + timedelta(minutes=3)):
        assert send() == 1
    first, second = (mail["Message-ID"] for _, mail in mailbox.mails)
    assert first == second


def test_without_a_mail_server_notices_are_on_the_page_and_not_mailed_later(fresh: Warehouse) -> None:
    who = admin()
    told()
    assert mails.claim(has_server=False) is None
    assert mails.claim(has_server=True) is None
    [row] = notices.page(who.pk)[0]
    assert (row["subject"], row["seen"], row["mail_error"]) == ("It failed: one", False, mails.NO_SERVER)


def test_notices_are_seen_one_by_one_or_all(fresh: Warehouse) -> None:
    who, other = admin(), admin("other@example.com")
    for number in range(3):
        told(str(number))
    first, next_ = notices.page(who.pk, limit=2)
    assert [row["subject"] for row in first] == ["It failed: 2", "It failed: 1"]
    assert [row["subject"] for row in notices.page(who.pk, cursor=next_ or "")[0]] == ["It failed: 0"]
    notices.seen(who.pk, first[0]["id"])
    assert (notices.unseen(who.pk), notices.unseen(other.pk)) == (2, 3)
    notices.seen(who.pk)
    assert (notices.unseen(who.pk), notices.unseen(other.pk)) == (0, 3)
    with pytest.raises(NotFound):
        notices.seen(who.pk, "ntc_none")
    with pytest.raises(Invalid, match="cursor"):
        notices.page(cursor="run_1")
