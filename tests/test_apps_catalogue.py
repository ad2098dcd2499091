"""The apps as the workflows and the engine see them: as data, checked, and run with the right credentials."""

import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals.apps import connections, registry
from arrivals.apps.catalogue import Catalogue
from arrivals.apps.contract import App, AuthField, Call
from arrivals.apps.models import Connection
from arrivals.errors import AuthorisationExpired, NotFound, Permanent, Retryable
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import actions
from tests.sink import Sink

CONTEXT: dict[str, Any] = {"visitor": {"id": "ann"}}


@pytest.fixture
async def catalogue(fresh: Warehouse) -> AsyncIterator[Catalogue]:
    one = Catalogue()
    yield one
    await one.close()


async def connected(app: str = "webhook", **fields: str) -> Connection:
    return await sync_to_async(connections.create)(app, "", fields)


async def call(catalogue: Catalogue, url: str, connection: str = "", **inputs: Any) -> dict[str, Any]:
    given = {"url": url, **inputs}
    return await catalogue.run(
        "webhook", "send", connection_id=connection, inputs=given, key="run_1:a", context=CONTEXT
    )


def test_the_apps_are_plain_data_in_which_no_secret_can_be() -> None:
    listed = Catalogue().apps()
    assert json.loads(json.dumps(listed)) == listed
    assert (
        [one["id"] for one in listed] == list(registry.APPS) == ["inbox", "slack", "email", "webhook", "hook", "pendo"]
    )
    for one in listed:
        assert set(one) == {"id", "name", "help", "connection", "auth", "limits", "actions"}
        assert all(set(field) == {"name", "title", "help", "secret", "required", "choices"} for field in one["auth"])
        assert all(set(action) == {"id", "title", "help", "schema", "finds"} for action in one["actions"])


def test_the_workflows_know_the_apps_there_are() -> None:
    assert isinstance(actions.catalogue(), Catalogue)


def test_a_schema_is_known_by_app_and_action() -> None:
    schema = Catalogue().schema("slack", "send_message")
    assert schema
    assert schema["required"] == ["text"]
    assert Catalogue().schema("slack", "send_fax") is None
    assert Catalogue().schema("fax", "send_message") is None


def test_which_apps_need_a_connection() -> None:
    assert {app: Catalogue().needs_connection(app) for app in registry.APPS} == {
        "inbox": False,
        "slack": True,
        "email": False,
        "webhook": False,
        "pendo": True,
        "hook": True,
    }


def test_what_is_wrong_with_a_connection(fresh: Warehouse) -> None:
    hook = connections.create("webhook", "Ours", {"secret": "s"})
    for app, id_, sentence in (
        ("webhook", hook.id, None),
        ("inbox", hook.id, "The app inbox takes no connection."),
        ("slack", "", "There is no connection ''; the app slack needs one."),
        ("slack", "con_x", "There is no connection 'con_x'."),
        ("slack", hook.id, "The connection 'Ours' is of webhook, not of slack."),
    ):
        assert Catalogue().connection_problem(app, id_) == sentence


WRONG: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("fax", "send", {}, "", "There is no action fax.send."),
    ("webhook", "receive", {}, "", "There is no action webhook.receive."),
    ("webhook", "send", {}, "inputs", "'url' is a required property"),
    ("webhook", "send", {"url": 5}, "inputs.url", "5 is not of type 'string'"),
    ("webhook", "send", {"url": "https://x", "method": "TRACE"}, "inputs.method", "'TRACE' is not one of"),
    ("webhook", "send", {"url": "https://x", "headers": []}, "inputs.headers", "is not of type 'object'"),
    ("webhook", "send", {"url": "https://x", "colour": 1}, "inputs", "'colour' was unexpected"),
    ("inbox", "post_message", {"text": None}, "inputs.text", "None is not of type 'string'"),
]


@pytest.mark.parametrize(("app", "action", "inputs", "path", "sentence"), WRONG)
async def test_inputs_that_do_not_fit_are_refused_by_their_path_and_nothing_is_called(
    catalogue: Catalogue, app: str, action: str, inputs: dict[str, Any], path: str, sentence: str
) -> None:
    with pytest.raises(Permanent) as refusal:
        await catalogue.run(app, action, connection_id="", inputs=inputs, key="k", context=CONTEXT)
    assert refusal.value.path == path
    assert sentence in refusal.value.message


async def test_an_action_runs_with_its_connections_decrypted_fields(catalogue: Catalogue) -> None:
    made = await connected(bearer_token="sesame")
    with Sink() as sink:
        assert (await call(catalogue, sink.url, made.id))["status"] == 200
        assert sink.calls[0].headers["authorization"] == "Bearer sesame"
        assert sink.calls[0].key == "run_1:a"
        await call(catalogue, sink.url)
        assert "authorization" not in sink.calls[1].headers


async def test_a_deleted_connection_fails_and_a_stale_one_waits_without_a_call(catalogue: Catalogue) -> None:
    gone, stale = await connected(secret="a"), await connected(secret="b")
    await sync_to_async(connections.delete)(gone.id)
    with Sink() as sink:
        with pytest.raises(Permanent, match="was deleted"):
            await call(catalogue, sink.url, gone.id)
        await call(catalogue, sink.url, stale.id)
        await catalogue.mark_stale(stale.id, "The token was revoked.")
        with pytest.raises(AuthorisationExpired, match=r"The token was revoked\."):
            await call(catalogue, sink.url, stale.id)
        assert len(sink.calls) == 1
        assert (await sync_to_async(connections.get)(stale.id)).state == "stale"


async def test_new_credentials_of_a_stale_connection_count_at_once(catalogue: Catalogue) -> None:
    made = await connected(bearer_token="old")
    await catalogue.mark_stale(made.id, "Reconnect it.")
    with Sink() as sink:
        with pytest.raises(AuthorisationExpired):
            await call(catalogue, sink.url, made.id)
        await sync_to_async(connections.change)(made.id, fields={"bearer_token": "new"})
        await call(catalogue, sink.url, made.id)
        assert [one.headers["authorization"] for one in sink.calls] == ["Bearer new"]


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An app that accepts only the token "new"; the tokens it was given."""
    given: list[str] = []

    async def send(call: Call) -> dict[str, Any]:
        given.append(call.auth["token"])
        if call.auth["token"] != "new":
            raise AuthorisationExpired("Not this one.")
        return {}

    async def test(call: Call) -> None:
        await send(call)

    action = dataclasses.replace(registry.APPS["webhook"].actions[0], run=send)
    app = App("webhook", "Picky", "", (action,), (AuthField("token", "Token", secret=True),), "required", test=test)
    monkeypatch.setitem(registry.APPS, "webhook", app)
    return given


async def test_credentials_changed_during_a_call_are_not_blamed_for_the_old_ones(
    catalogue: Catalogue, picky: list[str]
) -> None:
    made = await connected(token="old")
    with pytest.raises(AuthorisationExpired, match="Not this one"):
        await call(catalogue, "https://x.example", made.id)
    assert picky == ["old"]
    await catalogue._auth(made.id, made.app)  # remembered, as in a runner that uses it all the time
    await sync_to_async(connections.change)(made.id, fields={"token": "new"})
    assert await call(catalogue, "https://x.example", made.id) == {}
    assert picky == ["old", "old", "new"]
    assert (await sync_to_async(connections.get)(made.id)).state == "ok"


async def test_a_connection_is_tried_by_its_apps_own_test(catalogue: Catalogue, picky: list[str]) -> None:
    good, bad = await connected(token="new"), await connected(token="old")
    await catalogue.test(good.id)
    with pytest.raises(AuthorisationExpired):
        await catalogue.test(bad.id)
    with pytest.raises(NotFound, match="con_x"):
        await catalogue.test("con_x")


async def test_an_app_without_a_test_takes_any_connection(catalogue: Catalogue) -> None:
    await catalogue.test((await connected(secret="s")).id)


async def test_a_mail_server_is_tried_by_signing_in(catalogue: Catalogue) -> None:
    made = await connected("email", host="127.0.0.1", port="9", security="none", **{"from": "a@example.com"})
    with pytest.raises(Retryable, match="cannot be reached"):
        await catalogue.test(made.id)
