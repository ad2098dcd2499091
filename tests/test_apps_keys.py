"""Secrets at rest, in a real server: not to be read in its files, nor in its log, and not without their key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Server

pytestmark = pytest.mark.server
TOKEN = "xoxb-123456789012-very-secret"
FIRST, SECOND = "f" * 40, "s" * 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path / "home", ARRIVALS_SECRET_KEYS=FIRST).set_up()
    yield one
    one.stop()


def at_rest(server: Server) -> bytes:
    files = [path for path in server.home.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files) + server.log.read_bytes()


def test_a_secret_is_in_no_file_and_its_key_is_needed_to_start(server: Server) -> None:
    server.start()
    with server.client() as client:
        made = client.post("/connections", json={"app": "slack", "name": "Team", "fields": {"bot_token": TOKEN}})
        assert made.status_code == 201
        assert TOKEN not in made.text
        listed = client.get("/connections").text
    assert made.json()["id"] in listed
    assert TOKEN not in listed
    server.stop()
    kept = at_rest(server)
    assert TOKEN.encode() not in kept
    assert b"very-secret" not in kept
    assert "ARRIVALS_DATABASE_URL" in server.environ or b"Team" in kept  # we looked in the right place

    server.environ["ARRIVALS_SECRET_KEYS"] = SECOND
    refused = server.run("serve", check=False)
    assert refused.returncode == 1
    [line] = [one for one in refused.stderr.splitlines() if one.strip()]
    assert line.startswith(
        "arrivals: The connection 'Team' was encrypted with a key that is not in ARRIVALS_SECRET_KEYS"
    )
    assert TOKEN not in refused.stdout + refused.stderr

    server.environ["ARRIVALS_SECRET_KEYS"] = f"{SECOND},{FIRST}"
    server.start()
    with server.client() as client:
        assert client.get(f"/connections/{made.json()['id']}").json()["state"] == "ok"
