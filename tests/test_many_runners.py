"""Several runners on one Postgres, each in a process of its own: each call once, whoever dies, stops or is older."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests import makers
from tests.server import Server
from tests.sink import Sink

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(os.environ.get("ARRIVALS_TEST_DATABASE") != "postgres", reason="needs Postgres"),
]
LEASE_SECONDS = 15
VISITORS = 160  # more than the 100 runs of one workflow that a runner has under way
# A version of the code that has no steps of the type formatter yet.
OLDER = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "arrivals.settings"
django.setup()
from arrivals.engine.steps.registry import EXECUTE
del EXECUTE["formatter"]
from arrivals.cli import main
main()
"""
FORMATTER = {"id": "loud", "type": "formatter", "function": "text.upper", "input": "{{ visitor.id }}"}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """All parts, with visitors."""
    server = Server(tmp_path_factory.mktemp("many") / "home").set_up().start()
    for batch in range(VISITORS // 40):
        names = [f"v{batch * 40 + number}" for number in range(40)]
        server.send(*({"type": "track", "event": "x", "userId": name} for name in names)).raise_for_status()
    yield server
    server.stop()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as one:
        yield one


@pytest.fixture
def beside(product: Server) -> Iterator[Callable[..., Server]]:
    """Starts a runner beside the product."""
    made: list[Server] = []

    def start(command: tuple[str, ...] = Server.command) -> Server:
        one = product.beside()
        one.command = command
        made.append(one.start("--only", "runner"))
        return one

    yield start
    for one in made:
        one.stop()


def begin(product: Server, *steps: dict[str, Any], members: int = VISITORS) -> str:
    """Run a workflow of these steps for so many visitors, and return its id."""
    names = [f"v{number}" for number in range(members)]
    with product.client() as api:
        made = api.post("/workflows", json={"name": "Many", "trigger": {"kind": "manual"}, "steps": list(steps)})
        workflow = made.raise_for_status().json()["id"]
        api.post(f"/workflows/{workflow}/activate", json={"existing": "skip"}).raise_for_status()
        api.post(f"/workflows/{workflow}/start", json={"visitors": names}).raise_for_status()
    return str(workflow)


def asked(product: Server, question: str, *given: Any) -> list[Any]:
    with psycopg.connect(product.environ["ARRIVALS_DATABASE_URL"], autocommit=True) as connection:
        return connection.execute(question.encode(), given).fetchall()


def owners(product: Server, workflow: str) -> Counter[str]:
    """How many runs of it each runner is executing."""
    found = asked(
        product, "SELECT owner FROM engine_run WHERE workflow_id = %s AND state = 'running' AND owner <> ''", workflow
    )
    return Counter(owner for (owner,) in found)


def until(check: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)
    return found


def ended(product: Server, workflow: str) -> Counter[str]:
    """The states of its runs, when all have ended."""

    def over() -> Counter[str]:
        found = asked(product, "SELECT state, ended_at IS NULL FROM engine_run WHERE workflow_id = %s", workflow)
        return Counter() if any(open_ for _, open_ in found) else Counter(state for state, _ in found)

    return until(over)


def calls(*names: str, sink: Sink) -> list[dict[str, Any]]:
    return [makers.call(f"{sink.url}/{name}", name) for name in names]


def test_two_runners_share_the_runs_and_each_call_is_made_once(
    product: Server, sink: Sink, beside: Callable[..., Server]
) -> None:
    beside()
    sink.seconds = 0.5
    workflow = begin(product, *calls("first", "second", sink=sink))
    both: Counter[str] = until(lambda: found if len(found := owners(product, workflow)) == 2 else None)
    assert ended(product, workflow) == {"succeeded": VISITORS}, both
    assert set(Counter(call.key for call in sink.calls).values()) == {1}
    assert len(sink.calls) == 2 * VISITORS


def test_the_runs_of_a_killed_runner_are_taken_over_within_15_seconds(
    product: Server, sink: Sink, beside: Callable[..., Server]
) -> None:
    sink.seconds = 0.5
    alone = begin(product, *calls("alone", sink=sink), members=1)
    [alive] = until(lambda: owners(product, alone))
    ended(product, alone)
    sink.calls.clear()
    second = beside()
    workflow = begin(product, *calls("first", "second", "third", sink=sink))
    until(lambda: len(owners(product, workflow)) == 2)
    time.sleep(0.3)
    second.kill()
    killed = time.monotonic()
    held = asked(product, "SELECT id, owner FROM engine_run WHERE workflow_id = %s AND state = 'running'", workflow)
    dead = {id_ for id_, owner in held if owner != alive}
    assert dead
    until(lambda: not any(owner != alive for owner in owners(product, workflow)))
    assert time.monotonic() - killed < LEASE_SECONDS + 2
    assert ended(product, workflow) == {"succeeded": VISITORS}
    times = Counter(call.key for call in sink.calls)
    again = {key.split(":")[0] for key, number in times.items() if number > 1}
    assert again <= dead, "a call was made again that was not in flight"
    assert len(times) == 3 * VISITORS
    assert max(times.values()) <= 2


def test_a_runner_that_is_stopped_lets_its_calls_end_and_leaves_the_rest_at_once(
    product: Server, sink: Sink, beside: Callable[..., Server]
) -> None:
    second = beside()
    sink.seconds = 1.0
    workflow = begin(product, *calls("first", "second", sink=sink))
    until(lambda: len(owners(product, workflow)) == 2)
    assert second.process is not None
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(timeout=40) == 0
    stopped = time.monotonic()
    assert len(owners(product, workflow)) <= 1
    assert ended(product, workflow) == {"succeeded": VISITORS}
    assert time.monotonic() - stopped < LEASE_SECONDS - 3, "something waited for a lease to end"
    assert set(Counter(call.key for call in sink.calls).values()) == {1}
    assert "Traceback" not in second.log.read_text()


def test_an_older_runner_does_what_it_knows_and_leaves_the_rest_to_the_newer_one(
    product: Server, sink: Sink, beside: Callable[..., Server]
) -> None:
    older = beside((sys.executable, "-c", OLDER))
    sink.seconds = 0.5
    known = begin(product, *calls("first", sink=sink))
    both = until(lambda: found if len(found := owners(product, known)) == 2 else None)
    new = begin(product, FORMATTER, makers.call(f"{sink.url}/loud", "tell", body={"said": "{{ steps.loud.value }}"}))
    assert ended(product, known) == {"succeeded": VISITORS}, both
    assert ended(product, new) == {"succeeded": VISITORS}
    assert set(Counter(call.key for call in sink.calls).values()) == {1}
    assert f"{new} use steps that this version does not know" in older.log.read_text()
    assert "Traceback" not in older.log.read_text()
