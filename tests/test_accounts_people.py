"""People: made, signed in, slowed down, kept out."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection

from arrivals import clock
from arrivals.accounts import audit, people
from arrivals.accounts.models import AuditEntry, Person, SignInFailure, SignInLink
from arrivals.errors import ArrivalsError, Conflict, Invalid, NotFound, NotSignedIn, TooMany

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"


@pytest.fixture
def ada() -> Person:
    return people.create("Ada@Example.com ", password=PASSWORD, role="admin", name="Ada")


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"email": "ada"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "a@b.example\x00"}, "email"),
        ({"email": f"{'a' * 250}@b.example"}, "email"),
        ({"password": ""}, "password"),
        ({"password": "short"}, "password"),
        ({"password": "password123"}, "password"),
        ({"role": "owner"}, "role"),
        ({"role": ""}, "role"),
        ({"name": "x" * 201}, "name"),
    ],
)
def test_a_person_with_a_wrong_part_is_refused_and_nothing_is_stored(values: dict[str, str], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        people.create(**{"email": "ada@example.com", "password": PASSWORD, **values})
    assert refused.value.path == path
    assert not Person.objects.exists()


def test_an_address_is_one_whatever_its_case(ada: Person) -> None:
    assert ada.email == "ada@example.com"
    with pytest.raises(Conflict, match=r"ada@example\.com"):
        people.create("ADA@example.com", password=PASSWORD)
    assert people.sign_in(" ADA@EXAMPLE.COM", PASSWORD, address="192.0.2.1") == ada


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com", "", "\x00", "x" * 5000])
def test_a_wrong_sign_in_says_the_same_for_known_and_unknown_addresses(ada: Person, email: str) -> None:
    with pytest.raises(NotSignedIn, match=r"^The e-mail address or the password is wrong\.$"):
        people.sign_in(email, "wrong", address="192.0.2.1")


def test_an_unknown_address_takes_as_long_as_a_wrong_password(settings: object) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]  # type: ignore[attr-defined]
    people.create("ada@example.com", password=PASSWORD)

    def seconds(email: str) -> float:
        began = time.thread_time()
        with pytest.raises(NotSignedIn):
            people.sign_in(email, "wrong", address=email)
        return time.thread_time() - began

    known, unknown = seconds("ada@example.com"), seconds("nobody@example.com")
    assert 0.5 < known / unknown < 2


def test_after_ten_refusals_even_the_right_password_has_to_wait(ada: Person) -> None:
    for number in range(10):
        with pytest.raises(NotSignedIn):
            people.sign_in(ada.email, "wrong", address=f"192.0.2.{number}")
    with pytest.raises(TooMany) as refused:
        people.sign_in(ada.email, PASSWORD, address="198.51.100.1")
    assert 0 < (refused.value.retry_after or 0) <= 901
    SignInFailure.objects.update(at=clock.now() - timedelta(minutes=16))
    assert people.sign_in(ada.email, PASSWORD, address="198.51.100.1") == ada


def test_a_network_address_that_tries_many_people_has_to_wait(ada: Person) -> None:
    for number in range(10):
        with pytest.raises(NotSignedIn):
            people.sign_in(f"p{number}@example.com", "wrong", address="192.0.2.1")
    with pytest.raises(TooMany):
        people.sign_in(ada.email, PASSWORD, address="192.0.2.1")
    assert people.sign_in(ada.email, PASSWORD, address="192.0.2.2") == ada


def test_a_sign_in_that_succeeds_starts_the_count_anew(ada: Person) -> None:
    for _ in range(3):
        for _ in range(6):
            with pytest.raises(NotSignedIn):
                people.sign_in(ada.email, "wrong", address="192.0.2.1")
        assert people.sign_in(ada.email, PASSWORD, address="192.0.2.1") == ada
    assert not SignInFailure.objects.exists()


def test_a_link_signs_in_once(ada: Person) -> None:
    path = people.link(ada)
    token = path.removeprefix("/sign-in/link/")
    assert path != token
    assert token not in str(SignInLink.objects.values().get())
    assert people.use_link(token) == ada
    with pytest.raises(NotSignedIn, match="used"):
        people.use_link(token)


@pytest.mark.parametrize("token", ["", "x", "\x00", "\udce9", "x" * 10_000])
def test_an_unknown_link_is_refused(ada: Person, token: str) -> None:
    people.link(ada)
    with pytest.raises(NotSignedIn):
        people.use_link(token)


def test_a_link_ends(ada: Person) -> None:
    token = people.link(ada, minutes=-1).removeprefix("/sign-in/link/")
    with pytest.raises(NotSignedIn):
        people.use_link(token)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_a_link_at_the_same_moment_one_gets_in(ada: Person) -> None:
    token = people.link(ada).removeprefix("/sign-in/link/")
    ready, outcomes = threading.Barrier(4), []

    def use() -> None:
        ready.wait()
        try:
            outcomes.append(people.use_link(token).pk)
        except ArrivalsError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted([ada.pk, "not_signed_in", "not_signed_in", "not_signed_in"])


def test_somebody_who_is_kept_out_cannot_sign_in_by_password_or_link(ada: Person) -> None:
    bob = people.create("bob@example.com", password=PASSWORD)
    token = people.link(bob).removeprefix("/sign-in/link/")
    people.deactivate(bob.pk)
    with pytest.raises(NotSignedIn):
        people.sign_in(bob.email, PASSWORD, address="192.0.2.1")
    with pytest.raises(NotSignedIn):
        people.use_link(token)
    people.activate(bob.pk)
    assert people.sign_in(bob.email, PASSWORD, address="192.0.2.1") == bob


def test_the_last_admin_stays_an_admin_and_active(ada: Person) -> None:
    people.create("bob@example.com", password=PASSWORD)
    for change in (lambda: people.change_role(ada.pk, "member"), lambda: people.deactivate(ada.pk)):
        with pytest.raises(Conflict, match="last admin"):
            change()
    ada.refresh_from_db()
    assert (ada.role, ada.is_active) == ("admin", True)


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_remove_each_other_at_the_same_moment_leave_one(ada: Person) -> None:
    bob = people.create("bob@example.com", password=PASSWORD, role="admin")
    ready = threading.Barrier(2)

    def remove(person: Person) -> None:
        ready.wait()
        try:
            people.change_role(person.pk, "member")
        except Conflict:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=[person]) for person in (ada, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Person.objects.filter(role="admin").count() == 1


def test_a_role_is_changed_and_a_wrong_one_refused(ada: Person) -> None:
    bob = people.create("bob@example.com", password=PASSWORD)
    assert people.change_role(bob.pk, "admin").is_admin
    assert not people.change_role(ada.pk, "member").is_admin
    with pytest.raises(Invalid) as refused:
        people.change_role(bob.pk, "king")
    assert refused.value.path == "role"
    with pytest.raises(NotFound):
        people.change_role("usr_x", "admin")
    assert [person.email for person in people.all_people()] == ["ada@example.com", "bob@example.com"]


def test_another_password_ends_the_old_one_and_the_count(ada: Person) -> None:
    for number in range(10):
        with pytest.raises(NotSignedIn):
            people.sign_in(ada.email, "wrong", address=f"192.0.2.{number}")
    with pytest.raises(Invalid):
        people.set_password(ada.pk, "short")
    before = ada.get_session_auth_hash()
    changed = people.set_password(ada.pk, "another long password")
    assert changed.get_session_auth_hash() != before
    assert people.sign_in(ada.email, "another long password", address="198.51.100.1") == ada
    with pytest.raises(NotSignedIn):
        people.sign_in(ada.email, PASSWORD, address="198.51.100.1")


def test_the_audit_log_says_who_did_what() -> None:
    audit.note("ada@example.com", "workflow.activate", "wf_1", existing="skip")
    audit.note("key:arr_…abcd" + "x" * 300, "run.replay", "run_1")
    newest, first = audit.recent()
    assert newest["who"].startswith("key:arr_…abcd")
    assert {**first, "at": ""} == {
        "at": "",
        "who": "ada@example.com",
        "action": "workflow.activate",
        "subject": "wf_1",
        "details": {"existing": "skip"},
    }
    assert AuditEntry.objects.count() == 2
