"""Find or create: looked for first at every try, made once."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import sync_to_async

from arrivals.apps.catalogue import Catalogue
from arrivals.engine import runs
from arrivals.errors import InvalidDefinition
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import definitions
from tests import makers
from tests.engine import Actions, drop, ended, in_state, make, until, update


class Crm:
    """A small product with leads, found by their mail, over HTTP."""

    def __init__(self) -> None:
        self.leads: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.status = 200
        crm = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                mail = parse_qs(urlsplit(self.path).query)["email"][0]
                self.answer({"items": [one for one in crm.leads if one["email"] == mail]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                crm.leads.append({"id": len(crm.leads) + 1, **body})
                self.answer(crm.leads[-1])

            def answer(self, data: Any) -> None:
                crm.keys.append(self.headers["Idempotency-Key"].partition(":")[2])
                text = json.dumps(data).encode()
                self.send_response(crm.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/leads"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def crm() -> Iterator[Crm]:
    one = Crm()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
async def apps() -> AsyncIterator[Catalogue]:
    one = Catalogue()
    yield one
    await one.close()


def lead(url: str) -> dict[str, Any]:
    find = {"action": "find", "inputs": {"url": url, "query": {"email": "{{ visitor.id }}"}, "at": "items"}}
    create = {"action": "send", "inputs": {"url": url, "body": {"email": "{{ visitor.id }}"}}}
    return {"id": "lead", "type": "find_or_create", "app": "webhook", "find": find, "create": create}


async def told(run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await sync_to_async(runs.get)(run_id))["steps"][0]
    return found


async def test_what_is_there_is_found_and_what_is_not_is_created(
    fresh: Warehouse, started: Any, crm: Crm, apps: Catalogue
) -> None:
    crm.leads.append({"id": 1, "email": "v0"})
    await make(lead(crm.url), members=2)
    await started(apps)
    there, new = [(await told(run.id))["outputs"] for run in sorted(await ended(2), key=lambda run: run.member)]
    assert (there["found"], there["created"], there["body"]["items"][0]["id"]) == (True, False, 1)
    assert (new["found"], new["created"], new["body"]["id"]) == (False, True, 2)
    assert [one["email"] for one in crm.leads] == ["v0", "v1"]
    assert sorted(crm.keys) == ["lead:create", "lead:find", "lead:find"]


async def test_an_error_while_looking_creates_nothing(
    fresh: Warehouse, started: Any, crm: Crm, apps: Catalogue
) -> None:
    crm.status = 500
    await make(lead(crm.url))
    await started(apps)
    await in_state("scheduled")
    assert crm.leads == []


async def test_a_404_means_that_there_is_nothing(fresh: Warehouse, started: Any, crm: Crm, apps: Catalogue) -> None:
    step = lead(crm.url)
    step["find"]["inputs"]["url"] = crm.url
    step["create"] = {"action": "request", "inputs": {"url": crm.url, "query": {"email": "x"}, "ok": [404]}}
    crm.status = 404
    await make(step)
    await started(apps)
    [run] = await ended()
    outputs = (await told(run.id))["outputs"]
    assert (run.state, outputs["created"], outputs["status"]) == ("succeeded", True, 404)


async def test_what_was_created_before_a_crash_is_found_and_not_created_again(fresh: Warehouse, started: Any) -> None:
    made: list[str] = []
    never = asyncio.Event()

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if "at" in inputs:
            return {"found": bool(made)}
        made.append(inputs["url"])
        await never.wait()  # it was done, and its answer never came
        return {}

    await make(lead("https://crm.example"), makers.post("{{ steps.lead.created }}"))
    actions = Actions(answer)
    one = await started(actions)

    async def created() -> bool:
        return bool(made)

    await until(created)
    await drop(one)
    await update(due="2020-01-01T00:00:00Z")

    async def later(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"text": inputs["text"]} if "text" in inputs else await answer(inputs)

    again = Actions(later)
    await started(again)
    [run] = await ended()
    assert (len(made), [key.partition(":")[2] for key in actions.keys]) == (1, ["lead:find", "lead:create"])
    assert [key.partition(":")[2] for key in again.keys] == ["lead:find", "tell"]
    outputs = (await told(run.id))["outputs"]
    assert (outputs["found"], outputs["created"]) == (True, False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"find": {"action": "send", "inputs": {"url": "x"}}},
            "steps[0].find.action: It must be an action of webhook that looks for something; it has find.",
        ),
        ({"find": {"action": "find", "inputs": {}}}, "steps[0].find.inputs.url: It is missing."),
        ({"create": {"action": "make"}}, "steps[0].create.action: The app webhook has no action 'make'"),
        ({"create": 1}, "steps[0].create: "),
        ({"app": "fax"}, "steps[0].app: There is no app 'fax'"),
        ({"connection": "con_x"}, "steps[0].connection: There is no connection 'con_x'."),
    ],
)
def test_what_is_wrong_in_a_definition_is_told(fresh: Warehouse, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        definitions.Tree().steps([{**lead("https://crm.example"), **change}], "steps")
    assert str(caught.value).startswith(sentence)
