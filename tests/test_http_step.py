"""A request over HTTP as a step: what is sent, what comes back, and what each status does to the run."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals import clock
from arrivals.apps import connections
from arrivals.apps.catalogue import Catalogue
from arrivals.apps.webhook.app import SIGNATURE, signature
from arrivals.engine import runs
from arrivals.errors import InvalidDefinition
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import definitions
from tests import makers
from tests.engine import ended, in_state, make
from tests.sink import Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as one:
        yield one


@pytest.fixture
async def apps() -> AsyncIterator[Catalogue]:
    one = Catalogue()
    yield one
    await one.close()


def ask(url: str, **more: Any) -> dict[str, Any]:
    return {"id": "ask", "type": "http", "url": url, **more}


async def outputs(run_id: str) -> list[Any]:
    return [one["outputs"] for one in (await sync_to_async(runs.get)(run_id))["steps"]]


async def test_the_request_is_made_and_the_answer_is_there_for_the_next_step(
    fresh: Warehouse, started: Any, sink: Sink, apps: Catalogue
) -> None:
    sink.answer = b'{"id": 7, "tags": ["a"]}'
    sink.headers = {"Content-Type": "application/json; charset=utf-8", "X-Left": "3", "Set-Cookie": "s=1"}
    first = ask(
        f"{sink.url}/a?x=1",
        method="PUT",
        headers={"X-Who": "{{ visitor.id }}"},
        query={"q": "{{ visitor.id }} & co"},
        body={"score": "{{ row.score }}", "text": "is {{ row.score }}", "none": "{{ row.none }}"},
    )
    await make(first, makers.post("{{ steps.ask.status }} {{ steps.ask.body.id }} {{ steps.ask.headers.x-left }}"))
    await started(apps)
    [run] = await ended()
    [call] = sink.calls
    assert (call.method, call.path, call.headers["x-who"]) == ("PUT", "/a?x=1&q=v0+%26+co", "v0")
    assert call.json == {"score": 6, "text": "is 6", "none": None}
    assert call.key == f"{run.id}:ask"
    told = (await outputs(run.id))[0]
    assert (told["status"], told["body"], told["truncated"]) == (200, {"id": 7, "tags": ["a"]}, False)
    assert (told["headers"]["x-left"], "set-cookie" in told["headers"]) == ("3", False)
    assert run.state == "succeeded"


async def test_a_get_has_no_body_and_a_form_is_one(fresh: Warehouse, started: Any, sink: Sink, apps: Catalogue) -> None:
    await make(
        ask(sink.url),
        {**ask(sink.url, method="POST", format="form", body={"a": "{{ visitor.id }}", "b": 1}), "id": "form"},
        {**ask(sink.url, method="POST", format="text", body="Hi {{ visitor.id }}"), "id": "text"},
    )
    await started(apps)
    await ended()
    assert [(one.method, one.body) for one in sink.calls] == [("GET", b""), ("POST", b"a=v0&b=1"), ("POST", b"Hi v0")]
    assert sink.calls[1].headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_connection_signs_and_signs_in(fresh: Warehouse, started: Any, sink: Sink, apps: Catalogue) -> None:
    made = await sync_to_async(connections.create)(
        "webhook", "CRM", {"secret": "sesame", "bearer_token": "bearer-of-ada"}
    )
    await make(ask(sink.url, method="POST", body={"a": 1}, connection=made.id))
    await started(apps)
    [run] = await ended()
    [call] = sink.calls
    assert call.headers["authorization"] == "Bearer bearer-of-ada"
    assert call.headers[SIGNATURE.lower()] == signature("sesame", call.body)
    assert "bearer-of-ada" not in str(await sync_to_async(runs.get)(run.id))


@pytest.mark.parametrize(
    ("status", "more", "state"),
    [
        (404, {}, "failed"),
        (404, {"ok": [404]}, "succeeded"),
        (500, {"ok": [500]}, "succeeded"),
        (301, {"method": "POST"}, "failed"),
        (500, {}, "scheduled"),
        (408, {}, "scheduled"),
        (425, {}, "scheduled"),
    ],
)
async def test_what_a_status_does_to_the_run(
    fresh: Warehouse, started: Any, sink: Sink, apps: Catalogue, status: int, more: dict[str, Any], state: str
) -> None:
    sink.status = status
    await make(ask(sink.url, **more))
    await started(apps)
    run = await in_state(state)
    assert run.error is None or run.error["message"].startswith(f"127.0.0.1 answered {status}")


async def test_the_time_that_the_other_side_asks_for_is_waited(
    fresh: Warehouse, started: Any, sink: Sink, apps: Catalogue
) -> None:
    sink.status, sink.headers = 429, {"Retry-After": "40"}
    await make(ask(sink.url))
    await started(apps)
    run = await in_state("scheduled")
    assert run.due is not None
    assert timedelta(seconds=30) < run.due - clock.now() <= timedelta(seconds=40)
    assert run.tries == 0


async def test_a_long_body_is_kept_as_its_beginning_with_the_status(
    fresh: Warehouse, started: Any, sink: Sink, apps: Catalogue
) -> None:
    sink.answer = b'["' + b"x" * 100_000 + b'"]'
    await make(ask(sink.url))
    await started(apps)
    [run] = await ended()
    [told] = await outputs(run.id)
    assert (told["status"], told["truncated"], len(told["body"])) == (200, True, 16_000)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"method": "BREW"}, "steps[0].method: 'BREW' is not one of"),
        ({"ok": [9]}, "steps[0].ok[0]: 9 is less than the minimum of 200."),
        ({"connection": "con_x"}, "steps[0].connection: There is no connection 'con_x'."),
        ({"retries": 1}, "steps[0].retries: "),
    ],
)
def test_what_is_wrong_in_a_definition_is_told(fresh: Warehouse, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        definitions.Tree().steps([ask("https://x.example", **more)], "steps")
    assert str(caught.value).startswith(sentence)
