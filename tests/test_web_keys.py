"""The page of the integration keys: made, shown once, rotated, revoked, and what it warns of."""

from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys, wrong_keys
from arrivals.accounts.models import AuditEntry, IntegrationKey, Person, WrongKeys
from arrivals.collect import sources

pytestmark = pytest.mark.django_db
PAGE = "/settings/keys"


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(Person.objects.create(email="admin@example.com", role="admin"))
    wrong_keys.write()
    WrongKeys.objects.all().delete()
    return client


def text(client: Client) -> str:
    return unescape(client.get(PAGE).content.decode())


def test_a_key_is_shown_once_and_works(admin: Client) -> None:
    source, _ = sources.create("Shop")
    form = {"name": "CI", "write": "on", "source": source.id, "form": "pendo.us", "expires_at": "2030-01-31"}
    answer = admin.post(PAGE, form)
    secret = answer.context["secret"]
    assert secret.endswith(".us")
    assert answer.content.decode().count(secret) == 2  # to read, and on the button that copies it
    assert secret not in text(admin)
    key = keys.verify(secret)
    assert key is not None
    assert (key.write, key.source_id, clock.iso(key.expires_at)) == (True, source.id, "2030-02-01T00:00:00.000Z")  # type: ignore[arg-type]
    assert "only <a" in text(admin)
    assert AuditEntry.objects.get().details["expires_at"] == "2030-02-01T00:00:00.000Z"


REFUSED = [
    ({"name": ""}, "1 to 200 characters"),
    ({"name": "CI", "form": "jwt"}, "must be one of arrivals"),
    ({"name": "CI", "source": "src_none"}, "There is no source"),
    ({"name": "CI", "expires_at": "soon"}, "a date or a time"),
    ({"name": "CI", "expires_at": "2020-01-01"}, "in the future"),
]


@pytest.mark.parametrize(("form", "sentence"), REFUSED)
def test_a_refused_form_says_why_keeps_what_was_typed_and_makes_no_key(
    admin: Client, form: dict[str, str], sentence: str
) -> None:
    answer = admin.post(PAGE, {"write": "on", **form})
    assert answer.status_code == 422
    page = unescape(answer.content.decode())
    assert sentence in page
    assert f'name="name" value="{form["name"]}"' in page
    assert 'name="write" checked' in page
    assert not IntegrationKey.objects.exists()
    assert not AuditEntry.objects.exists()


def test_after_a_rotation_the_page_tells_old_from_new_and_warns_while_the_old_one_is_used(admin: Client) -> None:
    old, secret = keys.create("CI", write=False, by="ada@example.com")
    answer = admin.post(f"{PAGE}/{old.pk}/rotate", {"overlap": "1h"})
    page = answer.content.decode()
    assert keys.verify(answer.context["secret"]) is not None
    assert f"It takes the place of <code>{old.hint}</code>, which still works" in page
    assert f"old: replaced by <code>{answer.context['made'].hint}</code>" in page
    assert "after it was rotated" not in page
    keys.verify(secret, address="192.0.2.8", client="nightly/1")
    assert "after it was rotated, from 192.0.2.8 by nightly/1" in text(admin)


@pytest.mark.parametrize("overlap", ["", "3h"])
def test_a_wrong_overlap_rotates_nothing(admin: Client, overlap: str) -> None:
    old, _ = keys.create("CI", write=False, by="ada@example.com")
    answer = admin.post(
        f"{PAGE}/{old.pk}/rotate", {"overlap": overlap}, headers={"Referer": f"http://testserver{PAGE}"}
    )
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert "It must be one of 0, 1h, 1d, 7d." in text(admin)
    assert IntegrationKey.objects.count() == 1


def test_a_key_that_ends_soon_is_warned_of(admin: Client) -> None:
    for days in (3, 30):
        end = clock.now() + timedelta(days=days, minutes=1)
        keys.create(f"Key {days}", write=False, by="ada@example.com", expires_at=end)
    page = text(admin)
    assert ">in 3 d<" in page
    assert page.count("Rotate it, and put the new key in its place") == 1


def test_ended_keys_stand_apart_with_who_still_uses_them(admin: Client) -> None:
    expired, secret = keys.create("Old", write=False, by="ada@example.com", expires_at=clock.now() + timedelta(hours=1))
    revoked, _ = keys.create("Gone", write=False, by="ada@example.com")
    IntegrationKey.objects.filter(pk=expired.pk).update(expires_at=clock.now())
    assert admin.post(f"{PAGE}/{revoked.pk}/revoke").status_code == 302
    keys.verify(secret, address="192.0.2.9")
    page = text(admin)
    assert "No keys that work" in page
    assert "Expired and revoked (2)" in page
    assert "from 192.0.2.9" in page
    assert "1 refused in the last day, the last from 192.0.2.9" in page


def test_a_key_of_a_deleted_source_is_shown_as_one_that_sees_nothing(admin: Client) -> None:
    source, _ = sources.create("Shop")
    keys.create("CI", write=False, by="ada@example.com", source_id=source.id)
    sources.delete(source.id)
    assert "a source that was deleted: nothing" in text(admin)


def test_a_member_neither_rotates_nor_revokes(admin: Client) -> None:
    key, _ = keys.create("CI", write=False, by="ada@example.com")
    member = Client()
    member.force_login(Person.objects.create(email="member@example.com"))
    for what in ("rotate", "revoke"):
        assert member.post(f"{PAGE}/{key.pk}/{what}", {"overlap": "0"}).status_code == 403
    assert IntegrationKey.objects.get().state == "active"
