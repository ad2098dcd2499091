"""``arrivals serve``: starts, refuses to start in one line, ends cleanly; the demo shows messages within a minute."""

import re
import signal
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.server import Server

pytestmark = pytest.mark.server

WRONG: list[tuple[dict[str, str], str]] = [
    ({"ARRIVALS_PORT": "many"}, "ARRIVALS_PORT is 'many'; it must be a whole number from 0 to 65535."),
    ({"ARRIVALS_CHECK_MINUTES": "0"}, "ARRIVALS_CHECK_MINUTES is '0'; it must be a whole number from 1 to 60."),
    ({"ARRIVALS_ALLOW_PRIVATE_NETWORKS": "maybe"}, "must be true or false"),
    ({"ARRIVALS_LOG": "xml"}, "must be one of text, json"),
    ({"ARRIVALS_SECRET_KEYS": "short"}, "fewer than 32 characters"),
    ({"ARRIVALS_DATABASE_URL": "mysql://x"}, "ARRIVALS_DATABASE_URL must start with one of sqlite://, postgres://"),
    ({"ARRIVALS_SECRET_KEYS_FILE": "nothing-here"}, "cannot be read"),
    ({"ARRIVALS_HOME": "/dev/null/x"}, "which cannot be used"),
]


@pytest.mark.parametrize(("environ", "sentence"), WRONG)
def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path: Path, environ: dict[str, str], sentence: str) -> None:
    done = Server(tmp_path / "home", **environ).run("serve", check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_a_part_alone_needs_stores_that_can_be_shared(tmp_path: Path) -> None:
    done = Server(tmp_path / "home").run("serve", "--only", "watcher", check=False)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1)
    assert "ARRIVALS_WAREHOUSE_URL" in done.stderr


def test_a_taken_address_and_a_taken_folder_are_told_in_a_line(tmp_path: Path) -> None:
    server = Server(tmp_path / "home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.port))
        taken.listen()
        done = server.run("serve", check=False)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1)
    assert f"127.0.0.1:{server.port} cannot be listened on" in done.stderr
    server.set_up().start()
    try:
        second = Server(tmp_path / "home").run("serve", check=False)
        assert (second.returncode, len(second.stderr.strip().splitlines())) == (1, 1)
        assert str(server.process.pid) in second.stderr  # type: ignore[union-attr]
    finally:
        server.stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_goes_on_with_the_same_data(tmp_path: Path, how: signal.Signals) -> None:
    server = Server(tmp_path / "home").set_up().start()
    server.send({"type": "track", "event": "x", "userId": "ann"}).raise_for_status()
    assert server.process is not None
    server.process.send_signal(how)
    assert server.process.wait(timeout=40) == 0
    assert "Traceback" not in server.log.read_text()
    server.start()
    try:
        with server.client() as client:
            rules = {"all": [{"any": [{"kind": "track", "name": "x"}]}]}
            assert client.post("/segments/preview", json={"rules": rules}).json() == {"count": 1, "sample": ["ann"]}
    finally:
        assert server.stop() == 0


def test_the_demo_shows_messages_within_a_minute_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    began = time.monotonic()
    server = Server(tmp_path / "home").start("--demo")
    try:
        with closing(signed_in(server)) as http:
            while "scored" not in http.get("/inbox").text:
                assert time.monotonic() - began < 60, server.log.read_text()[-3000:]
                time.sleep(0.5)
            assert "NPS responses to a channel" in http.get("/workflows").text
            assert "succeeded" in http.get("/").text
        assert server.stop() == 0
        server.start("--demo")
        with closing(signed_in(server)) as http:
            assert "scored" in http.get("/inbox").text
            assert http.get("/workflows").text.count("NPS responses to a channel") == 1
    finally:
        assert server.stop() == 0


def signed_in(server: Server) -> httpx.Client:
    """A session of the person whom the last start's one-time link is for."""
    http = httpx.Client(base_url=server.url, follow_redirects=True, timeout=20)
    while not (links := re.findall(r"/sign-in/link/\S+", server.log.read_text())):
        time.sleep(0.05)
    http.get(links[-1]).raise_for_status()
    http.post(links[-1], data={"csrfmiddlewaretoken": http.cookies["arrivals_csrf"]}).raise_for_status()
    return http


def test_setup_beside_the_very_first_start_trips_over_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "home")
    starting = threading.Thread(target=server.start)
    starting.start()
    server.set_up()
    starting.join()
    try:
        with server.client() as client:
            assert client.get("/sources").status_code == 200
    finally:
        assert server.stop() == 0
