"""Integration keys: made, verified, revoked; wrong ones counted."""

from datetime import timedelta

import pytest

from arrivals import clock
from arrivals.accounts import keys
from arrivals.accounts.models import IntegrationKey, SignInFailure
from arrivals.errors import Invalid, NotFound, TooMany

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_key_needs_a_name(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        keys.create(name, write=False, by="ada@example.com")
    assert refused.value.path == "name"
    assert not IntegrationKey.objects.exists()


def test_revoking_an_unknown_key_says_so() -> None:
    with pytest.raises(NotFound, match="key_x"):
        keys.revoke("key_x")
