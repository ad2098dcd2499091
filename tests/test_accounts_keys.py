"""Integration keys: made, verified, rotated, ended, revoked; wrong ones counted."""

import contextlib
import re
from datetime import timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.accounts import keys, wrong_keys
from arrivals.accounts.models import IntegrationKey, SignInFailure, WrongKeys
from arrivals.errors import Conflict, Invalid, NotFound, TooMany

pytestmark = pytest.mark.django_db
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture(autouse=True)
def _nothing_counted(db: None) -> None:
    wrong_keys.write()
    WrongKeys.objects.all().delete()


def test_a_key_has_a_prefix_for_scanners_and_only_its_hash_is_kept() -> None:
    key, secret = keys.create("CI", write=True, by="ada@example.com")
    assert secret.startswith("arr_")
    assert len(secret) == 44
    assert secret[4:].isalnum()
    assert secret not in str(IntegrationKey.objects.filter(pk=key.pk).values().get())
    assert key.hint == f"arr_…{secret[-4:]}"


def test_a_key_is_verified_until_it_is_revoked() -> None:
    key, secret = keys.create("CI", write=False, by="ada@example.com")
    found = keys.verify(secret)
    assert found is not None
    assert (found.pk, found.write) == (key.pk, False)
    keys.revoke(key.pk)
    keys.revoke(key.pk)
    assert keys.verify(secret) is None


@pytest.mark.parametrize("wrong", ["", "arr_", "arr_" + "a" * 40, "ARR_x", "arr_\x00", "arr_ü", "\udce9"])
def test_a_wrong_key_is_not_found(wrong: str) -> None:
    keys.create("CI", write=False, by="ada@example.com")
    assert keys.verify(wrong, address="192.0.2.1") is None


def test_the_time_of_last_use_is_noted_at_most_once_a_minute() -> None:
    key, secret = keys.create("CI", write=False, by="ada@example.com")
    keys.verify(secret)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    keys.verify(secret)
    key.refresh_from_db()
    assert key.last_used_at == first
    IntegrationKey.objects.update(last_used_at=first - timedelta(seconds=61))
    keys.verify(secret)
    key.refresh_from_db()
    assert key.last_used_at >= first


def test_after_sixty_wrong_keys_an_address_is_told_to_wait_and_right_keys_still_work() -> None:
    _, secret = keys.create("CI", write=False, by="ada@example.com")
    for _ in range(60):
        assert keys.verify("arr_wrong", address="192.0.2.1") is None
    with pytest.raises(TooMany) as refused:
        keys.verify("arr_wrong", address="192.0.2.1")
    assert 0 < (refused.value.retry_after or 0) <= 301
    assert SignInFailure.objects.count() == 60  # a flood does not fill the table
    assert keys.verify("arr_wrong", address="192.0.2.2") is None
    assert keys.verify(secret, address="192.0.2.1") is not None
    SignInFailure.objects.update(at=clock.now() - timedelta(minutes=6))
    assert keys.verify("arr_wrong", address="192.0.2.1") is None


def test_counts_of_long_ago_are_deleted() -> None:
    SignInFailure.objects.create(subject="key:192.0.2.9", at=clock.now() - timedelta(hours=2))
    keys.verify("arr_wrong", address="192.0.2.1")
    assert not SignInFailure.objects.filter(subject="key:192.0.2.9").exists()


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\x00b"])
def test_a_key_needs_a_name(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        keys.create(name, write=False, by="ada@example.com")
    assert refused.value.path == "name"
    assert not IntegrationKey.objects.exists()


def test_revoking_an_unknown_key_says_so() -> None:
    with pytest.raises(NotFound, match="key_x"):
        keys.revoke("key_x")


FORMS = [
    ("arrivals", r"arr_[A-Za-z0-9]{40}", r"arr_…[A-Za-z0-9]{4}"),
    ("pendo", UUID, r"[0-9a-f]{4}…[0-9a-f]{4}"),
    ("pendo.us", UUID + r"\.us", r"[0-9a-f]{4}…[0-9a-f]{4}\.us"),
    ("pendo.eu", UUID + r"\.eu", r"[0-9a-f]{4}…[0-9a-f]{4}\.eu"),
]


@pytest.mark.parametrize(("form", "shape", "hint"), FORMS)
def test_a_key_has_the_form_that_was_chosen_and_any_form_is_verified(form: str, shape: str, hint: str) -> None:
    key, secret = keys.create("CI", write=False, by="ada@example.com", form=form)
    assert re.fullmatch(shape, secret)
    assert re.fullmatch(hint, key.hint)
    found = keys.verify(secret)
    assert found is not None
    assert found.pk == key.pk
    assert secret not in str(IntegrationKey.objects.values().get())
    assert keys.verify(secret.swapcase()) is None
    assert keys.verify(secret[:-3]) is None


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"form": "uuid"}, "form"),
        ({"form": ""}, "form"),
        ({"form": "pendo.mars"}, "form"),
        ({"expires_at": clock.parse("2020-01-01")}, "expires_at"),
        ({"expires_at": clock.now() - timedelta(seconds=1)}, "expires_at"),
        ({"expires_at": clock.now() + timedelta(days=3662)}, "expires_at"),
    ],
)
def test_a_wrong_form_or_end_is_refused_and_no_key_is_made(more: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        keys.create("CI", write=False, by="ada@example.com", **more)
    assert refused.value.path == path
    assert not IntegrationKey.objects.exists()


EXPIRIES = [
    ("", None),
    ("  ", None),
    ("2027-01-31", "2027-02-01T00:00:00.000Z"),  # through that day
    ("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00.000Z"),
    ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00.000Z"),
]


@pytest.mark.parametrize(("text", "expected"), EXPIRIES)
def test_the_end_of_a_key_is_a_date_or_a_time(text: str, expected: str | None) -> None:
    end = keys.expiry(text)
    assert (clock.iso(end) if end else None) == expected


@pytest.mark.parametrize("text", ["tomorrow", "31.1.2027", "2027-02-30", "9999-12-31", "90d", "\x00", "1795000000"])
def test_what_is_neither_a_date_nor_a_time_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        keys.expiry(text)
    assert refused.value.path == "expires_at"


def test_an_expired_key_is_refused_and_only_its_holder_is_told_why() -> None:
    key, secret = keys.create("CI", write=False, by="ada@example.com", expires_at=clock.now() + timedelta(minutes=5))
    assert keys.verify(secret) is not None
    assert keys.alive(key.pk)
    IntegrationKey.objects.update(expires_at=clock.now())
    assert keys.verify(secret, address="192.0.2.1") is None
    assert not keys.alive(key.pk)
    assert f"{key.hint} expired at" in keys.refusal(secret)
    assert keys.refusal("arr_other") == "The integration key is wrong."
    key.refresh_from_db()
    assert key.refused_from == "192.0.2.1"
    assert key.state == "expired"


def test_what_a_key_started_stops_when_it_is_revoked() -> None:
    key, secret = keys.create("CI", write=False, by="ada@example.com")
    assert keys.alive(key.pk)
    keys.revoke(key.pk)
    assert not keys.alive(key.pk)
    assert not keys.alive("key_none")
    assert keys.verify(secret) is None
    assert "revoked" in keys.refusal(secret)


def test_where_and_by_what_a_key_was_last_used_is_kept() -> None:
    key, secret = keys.create("CI", write=False, by="ada@example.com")
    keys.verify(secret, address="192.0.2.7", client="export\x00er/2 " + "x" * 500)
    key.refresh_from_db()
    assert key.last_used_from == "192.0.2.7"
    assert key.last_used_by.startswith("exporter/2 x")
    assert len(key.last_used_by) == 200


@pytest.mark.parametrize(("overlap", "hours"), [("1h", 1), ("1d", 24), ("7d", 168)])
def test_a_rotated_key_works_for_the_overlap_beside_its_successor(overlap: str, hours: int) -> None:
    old, secret = keys.create("CI", write=True, by="ada@example.com", source_id="src_x", form="pendo.eu")
    new, following = keys.rotate(old.pk, overlap=overlap, by="eve@example.com")
    assert (new.name, new.write, new.source_id, new.form) == ("CI", True, "src_x", "pendo.eu")
    assert (new.created_by, new.expires_at) == ("eve@example.com", None)
    assert keys.verify(secret) is not None
    assert keys.verify(following) is not None
    old.refresh_from_db()
    assert old.replaced_by == new.pk
    assert old.expires_at is not None
    assert old.replaced_at is not None
    assert old.expires_at - old.replaced_at == timedelta(hours=hours)
    IntegrationKey.objects.filter(pk=old.pk).update(expires_at=clock.now())
    assert keys.verify(secret) is None
    assert "was rotated" in keys.refusal(secret)
    assert keys.verify(following) is not None


def test_without_an_overlap_the_old_key_is_refused_at_once() -> None:
    old, secret = keys.create("CI", write=True, by="ada@example.com")
    keys.rotate(old.pk, overlap="0", by="ada@example.com")
    assert keys.verify(secret) is None
    assert not keys.alive(old.pk)


def test_a_rotation_never_makes_the_old_key_live_longer_and_the_successor_gets_its_length() -> None:
    end = clock.now() + timedelta(hours=2)
    old, _ = keys.create("CI", write=False, by="ada@example.com", expires_at=end)
    new, _ = keys.rotate(old.pk, overlap="7d", by="ada@example.com")
    old.refresh_from_db()
    assert old.expires_at == end
    assert new.expires_at is not None
    assert abs((new.expires_at - clock.now()) - timedelta(hours=2)) < timedelta(seconds=10)


def test_use_of_the_old_key_after_a_rotation_is_noted_at_once() -> None:
    old, secret = keys.create("CI", write=False, by="ada@example.com")
    keys.verify(secret, client="before")
    keys.rotate(old.pk, overlap="1d", by="ada@example.com")
    old.refresh_from_db()
    assert not old.still_used
    keys.verify(secret, client="after")
    old.refresh_from_db()
    assert (old.still_used, old.last_used_by) == (True, "after")
    keys.verify(secret, client="again")
    old.refresh_from_db()
    assert old.last_used_by == "after"  # once a minute, as ever


@pytest.mark.parametrize("state", ["revoked", "expired", "rotated already"])
def test_a_key_that_ended_or_was_rotated_is_not_rotated(state: str) -> None:
    old, _ = keys.create("CI", write=False, by="ada@example.com")
    if state == "revoked":
        keys.revoke(old.pk)
    elif state == "expired":
        IntegrationKey.objects.update(expires_at=clock.now())
    else:
        keys.rotate(old.pk, overlap="1d", by="ada@example.com")
    before = list(IntegrationKey.objects.order_by("pk").values())
    with pytest.raises(Conflict, match=state):
        keys.rotate(old.pk, overlap="1d", by="ada@example.com")
    assert list(IntegrationKey.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("overlap", ["", "2h", "-1d", "9999d", "1D", "\x00"])
def test_a_wrong_overlap_is_refused_and_nothing_is_rotated(overlap: str) -> None:
    old, _ = keys.create("CI", write=False, by="ada@example.com")
    with pytest.raises(Invalid) as refused:
        keys.rotate(old.pk, overlap=overlap, by="ada@example.com")
    assert refused.value.path == "overlap"
    assert IntegrationKey.objects.get().replaced_by == ""


def test_every_use_of_a_wrong_key_is_counted_even_of_those_that_were_told_to_wait() -> None:
    key, secret = keys.create("CI", write=False, by="ada@example.com")
    keys.revoke(key.pk)
    for _ in range(62):
        with contextlib.suppress(TooMany):
            keys.verify("arr_wrong", address="192.0.2.1")
    keys.verify(secret, address="192.0.2.2")
    found = wrong_keys.last_day()
    assert (found.uses, found.addresses, found.last_from) == (63, 2, "192.0.2.2")
    WrongKeys.objects.update(last_at=clock.now() - timedelta(hours=25))
    assert wrong_keys.last_day().uses == 0


def test_counts_of_wrong_keys_are_forgotten_and_do_not_fill_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_keys, "MOST_ADDRESSES", 3)
    monkeypatch.setattr(wrong_keys, "WRITE_EVERY", 0.0)
    ago = clock.now() - timedelta(days=2)
    WrongKeys.objects.create(address="192.0.2.1", hour=ago, uses=7, last_at=ago)
    for number in range(9):
        wrong_keys.count(f"192.0.2.{number}")
    assert WrongKeys.objects.count() == 4
    assert WrongKeys.objects.get(address="others").uses == 6
    assert wrong_keys.last_day().uses == 9
