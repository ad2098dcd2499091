"""Connections: encrypted at rest, never shown again, checked before they are kept."""

import dataclasses
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from arrivals import config
from arrivals.apps import connections, registry, vault
from arrivals.apps.models import Connection
from arrivals.engine.models import Run
from arrivals.errors import Conflict, InvalidConnection, InvalidSetting, NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import workflows
from tests import makers

TOKEN = "xoxb-123456789012-secret"
NEW = "n" * 40


def with_keys(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    settings = dataclasses.replace(config.current(), secret_keys=keys)
    monkeypatch.setattr(config, "current", lambda: settings)


def test_a_secret_is_encrypted_and_shown_only_by_its_end(fresh: Warehouse) -> None:
    made = connections.create("slack", "", {"bot_token": f" {TOKEN} "})
    kept = Connection.objects.get()
    assert TOKEN.encode() not in bytes(kept.secret)
    assert TOKEN not in str(kept.public)
    assert connections.fields_of(kept) == {"bot_token": TOKEN}
    shown = connections.as_dict(made)
    assert (shown["name"], shown["state"], shown["fields"]) == ("Slack", "ok", {"bot_token": "•••• cret"})


REFUSED: list[tuple[str, Any, Any, str, str]] = [
    ("fax", "x", {}, "app", "no app 'fax'"),
    ("inbox", "x", {}, "app", "takes a connection"),
    ("slack", "x", [], "fields", "must be an object"),
    ("slack", "x", {"colour": "red"}, "fields.colour", "is not a field"),
    ("slack", "x", {"bot_token": 5}, "fields.bot_token", "must be a text"),
    ("slack", "x", {"bot_token": "xoxb-1\n2"}, "fields.bot_token", "one line"),
    ("slack", "x", {}, "fields", "either an incoming webhook"),
    ("slack", "x", {"bot_token": TOKEN, "webhook_url": "https://x"}, "fields", "either an incoming webhook"),
    ("slack", "x", {"bot_token": "nope"}, "fields", "begins with xoxb-"),
    ("slack", "x", {"webhook_url": "ftp://x"}, "fields", "https://"),
    ("slack", "n" * 201, {"bot_token": TOKEN}, "name", "1 to 200"),
    ("email", "x", {"host": "h"}, "fields.from", "missing"),
    ("email", "x", {"host": "h", "from": "nobody"}, "fields", "mail address"),
    ("email", "x", {"host": "h", "from": "a@b.c", "security": "ssl3"}, "fields", "tls, starttls, none"),
    ("email", "x", {"host": "h", "from": "a@b.c", "port": "0"}, "fields", "1 to 65535"),
]


@pytest.mark.parametrize(("app", "name", "fields", "path", "sentence"), REFUSED)
def test_wrong_fields_are_refused_by_their_path_and_nothing_is_kept(
    fresh: Warehouse, app: str, name: str, fields: Any, path: str, sentence: str
) -> None:
    with pytest.raises(InvalidConnection) as refusal:
        connections.create(app, name, fields)
    assert refusal.value.path == path
    assert sentence in refusal.value.message
    assert not Connection.objects.exists()


def test_new_credentials_heal_a_stale_connection_and_release_its_runs(fresh: Warehouse) -> None:
    made = connections.create("slack", "S", {"bot_token": TOKEN})
    assert connections.mark_stale(made.id, "Reconnect.")
    assert not connections.mark_stale(made.id, "Again.")
    workflow = makers.workflow(makers.report())
    Run.objects.create(
        workflow=workflow,
        version_id=workflow.version_id or 0,
        member="a",
        entry=1,
        state="held",
        due=None,
        connection_id=made.id,
    )
    connections.change(made.id, name="Renamed")
    assert Run.objects.get().state == "held"
    changed = connections.change(made.id, fields={"bot_token": "xoxb-new-token-value"})
    assert (changed.state, changed.name) == ("ok", "Renamed")
    assert Run.objects.get().state == "waiting"
    with pytest.raises(InvalidConnection):
        connections.change(made.id, fields={"bot_token": ""})
    assert connections.fields_of(connections.get(made.id)) == {"bot_token": "xoxb-new-token-value"}


def test_one_in_use_is_not_deleted(fresh: Warehouse) -> None:
    made = connections.create("webhook", "W", {"secret": "s"})
    workflow = makers.workflow(makers.report(), {**makers.call("https://x.example"), "connection": made.id})
    with pytest.raises(Conflict, match="'Tell' uses it"):
        connections.delete(made.id)
    workflows.delete(workflow.id)
    connections.delete(made.id)
    with pytest.raises(NotFound):
        connections.get(made.id)


def test_keys_are_rotated_by_putting_a_new_one_in_front(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    old = config.current().secret_keys[0]
    made = connections.create("slack", "S", {"bot_token": TOKEN})
    with_keys(monkeypatch, NEW, old)
    connections.check_keys()
    assert connections.fields_of(made) == {"bot_token": TOKEN}
    assert connections.rotate() == 1
    assert connections.rotate() == 0
    with_keys(monkeypatch, NEW)
    connections.check_keys()
    assert connections.fields_of(connections.get(made.id)) == {"bot_token": TOKEN}
    with_keys(monkeypatch, "o" * 40)
    with pytest.raises(InvalidSetting, match="'S' was encrypted with a key that is not in ARRIVALS_SECRET_KEYS"):
        connections.check_keys()
    with pytest.raises(InvalidSetting, match="no longer in ARRIVALS_SECRET_KEYS"):
        vault.decrypt(bytes(connections.get(made.id).secret))


ACTIONS = [(app, action) for app in registry.APPS.values() for action in app.actions]


@pytest.mark.parametrize(("app", "action"), ACTIONS, ids=[f"{app.id}.{action.id}" for app, action in ACTIONS])
def test_every_action_keeps_the_contract(app: Any, action: Any) -> None:
    Draft202012Validator.check_schema(action.schema)
    assert action.schema["additionalProperties"] is False
    assert set(action.schema["required"]) <= set(action.schema["properties"])
    assert action.title
    assert action.help.endswith(".")
    assert app.help.endswith(".")
    assert app.connection in {"none", "optional", "required"}
    assert bool(app.auth) == (app.connection != "none")
    for schema in action.schema["properties"].values():
        assert schema["title"]
        assert schema["description"].endswith(".")
    text = (Path(__file__).parents[1] / "docs" / "apps.md").read_text()
    for word in (app.name, action.id, *action.schema["properties"], *(field.name for field in app.auth)):
        assert f"`{word}`" in text or f"## {word}" in text, word


def test_logos_are_drawings() -> None:
    for logo in Path(registry.__file__).parent.glob("*/logo.svg"):
        assert ElementTree.parse(logo).getroot().tag.endswith("svg")
