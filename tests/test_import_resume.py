"""``arrivals import`` against a real server: to its end, whichever side dies on the way, and only once."""

import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.server import Server, free_port

pytestmark = pytest.mark.server
ROWS = 24_000
BAD = {7, 2_000, 2_001, 11_111, 24_000}  # numbers of data rows that cannot be kept; batches have 2,000 rows


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("import") / "home").set_up().start()
    yield one
    one.stop()


@pytest.fixture
def source(server: Server) -> dict[str, Any]:
    with server.client() as client:
        made: dict[str, Any] = client.post("/sources", json={"name": "Shop"}).json()
    return made


def command(server: Server, file: Path, source: str, *more: str, key: str = "") -> list[str]:
    return [
        sys.executable, "-m", "arrivals", "import", str(file), "--source", source, "--url", server.url,
        "--key", key or server.setup["integration_key"], *more,
    ]  # fmt: skip


PURCHASES = ("--map", "visitor=who", "--map", "ts=when", "--set", "event=purchase")


def run(server: Server, file: Path, source: str, *more: str, key: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(server, file, source, *more, key=key), env=server.environ, capture_output=True, text=True, check=False
    )


def imported(server: Server, file: Path, source: str, *more: str) -> dict[str, Any]:
    done = run(server, file, source, *(more or PURCHASES), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def events(server: Server, event: str = "purchase") -> tuple[int, float]:
    """How many events of this name there are, and the sum of their property n: asked as anybody may."""
    columns = [{"count": "track", "name": event, "as": "times"}, {"sum": "track", "name": event, "property": "n", "as": "n"}]  # fmt: skip
    with server.client() as client:
        report = client.post("/reports", json={"name": "All", "range": {"ever": True}, "columns": ["visitor.id", *columns]}).json()  # fmt: skip
        lines = client.get(f"/reports/{report['id']}/rows.csv").text.splitlines()[1:]
        client.delete(f"/reports/{report['id']}")
    rows = [line.split(",") for line in lines]
    return sum(int(row[1]) for row in rows), sum(float(row[2] or 0) for row in rows)


def shop(path: Path, salt: str, rows: int = ROWS) -> Path:
    """Purchases with five bad rows; every 100th row is exactly like the one before."""
    lines = ["who,when,n,salt"]
    for number in range(1, rows + 1):
        same = number - 1 if number % 100 == 0 else number
        when = "never" if number in BAD else f"2025-{same % 12 + 1:02}-{same % 28 + 1:02}"
        lines.append(f"v{same % 500},{when},{same},{salt}")
    path.write_text("\n".join(lines) + "\n")
    return path


def expected(rows: int = ROWS) -> tuple[int, int]:
    good = [number for number in range(1, rows + 1) if number not in BAD]
    return len(good), sum(number - 1 if number % 100 == 0 else number for number in good)


def rejected(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"{file}.rejected").read_text().splitlines()]


def test_rejected_rows_are_kept_with_reasons_and_the_same_file_again_changes_nothing(
    server: Server, source: dict[str, Any], tmp_path: Path
) -> None:
    file = shop(tmp_path / "shop.csv", "a")
    before = events(server)
    first = imported(server, file, source["id"])
    assert (first["kept"], first["repeated"], first["refused"]) == (ROWS - len(BAD), 0, len(BAD))
    assert (first["state"], first["offset"], first["already_imported"]) == ("done", ROWS, False)
    assert first["rejected"] == f"{file}.rejected"
    count, total = expected()
    assert events(server) == (before[0] + count, before[1] + total)
    assert [one["row"] for one in rejected(file)] == sorted(BAD)
    assert rejected(file)[0] == {"row": 7, "reason": "ts: 'never' is not a time.", "text": "v7,never,7,a"}

    text = run(server, file, source["id"], *PURCHASES)
    assert (text.returncode, text.stdout) == (0, "Already imported: shop.csv changed nothing.\n")
    again = imported(server, file, source["id"])
    assert (again["already_imported"], again["id"], again["kept"]) == (True, first["id"], first["kept"])
    assert events(server) == (before[0] + count, before[1] + total)
    assert len(rejected(file)) == len(BAD)


def test_another_map_of_the_same_file_is_another_import_whose_rows_are_known(
    server: Server, source: dict[str, Any], tmp_path: Path
) -> None:
    file = shop(tmp_path / "shop.csv", "b", rows=300)
    first = imported(server, file, source["id"])
    before = events(server)
    other = imported(server, file, source["id"], *PURCHASES, "--map", "visitor.custom.salt=salt", "--only-mapped")
    assert other["id"] != first["id"]
    assert (other["kept"], other["repeated"]) == (0, first["kept"])
    assert events(server) == before


def test_a_second_map_adds_metadata_of_the_same_rows(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("who,when,n,plan\nzoe,2026-01-31,1,gold\nyan,2026-01-31,1,\n")
    imported(server, file, source["id"])
    before = events(server)
    arguments = ("--map", "visitor=who", "--map", "visitor.custom.plan=plan", "--only-mapped")
    assert imported(server, file, source["id"], *arguments)["kept"] == 2
    assert events(server) == before
    rules = {"all": [{"any": [{"kind": "visitor", "field": "custom.plan", "op": "is", "value": "gold"}]}]}
    with server.client() as client:
        assert client.post("/segments/preview", json={"rules": rules}).json()["count"] == 1


def test_equal_rows_both_count_also_across_batches(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "same.csv"
    file.write_text("who,when,n\n" + "ann,2026-01-31,1\n" * 4_500)
    before = events(server)
    assert imported(server, file, source["id"])["kept"] == 4_500
    assert events(server) == (before[0] + 4_500, before[1] + 4_500)


def test_rows_of_many_years_are_taken(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text("who,when,n\n" + "".join(f"ann,{1971 + n // 4}-{n % 4 + 1:02}-01,{n}\n" for n in range(180)))
    before = events(server)
    assert imported(server, file, source["id"])["kept"] == 180
    assert events(server)[0] == before[0] + 180


def test_rows_too_long_for_one_body_together_are_taken(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_text("who,when,n,note\n" + "".join(f"ann,2026-01-31,{n},{'x' * 28_000}\n" for n in range(800)))
    assert file.stat().st_size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    before = events(server)
    assert imported(server, file, source["id"])["kept"] == 800
    assert events(server)[0] == before[0] + 800


def settled(server: Server, source: str) -> int:
    with server.client() as client:
        return max([one["offset"] for one in client.get("/imports").json()["items"] if one["source"] == source], default=0)  # fmt: skip


def start(server: Server, file: Path, source: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(server, file, source, *PURCHASES, "--json"),
        env=server.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_client_killed_in_the_middle_goes_on_where_it_was(
    server: Server, source: dict[str, Any], tmp_path: Path
) -> None:
    file = shop(tmp_path / "shop.csv", "c")
    before = events(server)
    kills = 0
    for part in (2_000, 8_000, 14_000):
        client = start(server, file, source["id"])
        while client.poll() is None and settled(server, source["id"]) < part:
            time.sleep(0.002)
        if client.poll() is None:
            client.send_signal(signal.SIGKILL)
            kills += 1
        client.communicate()
    assert kills
    with Path(f"{file}.rejected").open("a") as half:
        half.write('{"row": 11111, "reas')  # killed in the middle of writing it down
    done = imported(server, file, source["id"])
    assert (done["offset"], done["refused"]) == (ROWS, len(BAD))
    count, total = expected()
    assert done["kept"] + done["repeated"] == count
    assert events(server) == (before[0] + count, before[1] + total)
    assert [one["row"] for one in rejected(file)] == sorted(BAD)


def test_a_server_killed_in_the_middle_is_waited_for(tmp_path: Path) -> None:
    server = Server(tmp_path / "home").set_up().start()
    try:
        file = shop(tmp_path / "shop.csv", "d")
        client = start(server, file, server.setup["source_id"])
        while client.poll() is None and settled(server, server.setup["source_id"]) < 4_000:
            time.sleep(0.002)
        assert client.poll() is None
        server.kill()
        server.start()
        out, err = client.communicate(timeout=60)
        assert (client.returncode, err) == (0, "")
        done = json.loads(out)
        assert (done["state"], done["offset"], done["refused"]) == ("done", ROWS, len(BAD))
        assert events(server) == expected()
        assert [one["row"] for one in rejected(file)] == sorted(BAD)
    finally:
        server.stop()


def test_a_file_that_breaks_off_is_said_and_what_was_read_of_it_stays(
    server: Server, source: dict[str, Any], tmp_path: Path
) -> None:
    whole = gzip.compress(shop(tmp_path / "shop.csv", "e").read_bytes())
    file = tmp_path / "cut.csv.gz"
    file.write_bytes(whole[: len(whole) * 3 // 4])
    for _ in range(2):
        done = run(server, file, source["id"], *PURCHASES)
        assert (done.returncode, done.stdout) == (1, "")
        assert "breaks off" in done.stderr
        assert done.stderr.count("\n") == 1
    assert 0 < settled(server, source["id"]) < ROWS


def test_calls_of_the_tracking_api_need_no_map(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    calls = [
        {"type": "track", "userId": "ann", "event": "lined", "properties": {"n": 3}, "timestamp": "1999-01-31T00:00:00Z"},
        {"type": "track", "userId": "ann", "event": "lined", "properties": {"n": 4}, "messageId": "m1"},
        {"type": "track", "userId": "ann", "event": "lined", "properties": {"n": 4}, "messageId": "m1", "again": True},
        {"type": "track", "userId": "ann"},
        {"type": "identify", "userId": "ann", "traits": {"plan": "pro"}},
    ]  # fmt: skip
    file.write_text("".join(json.dumps(one) + "\n" for one in calls) + "not json\n")
    done = imported(server, file, source["id"], "--json")
    assert (done["kept"], done["repeated"], done["refused"]) == (3, 1, 2)
    assert [(one["row"], one["reason"][:6]) for one in rejected(file)] == [(4, "event:"), (6, "It is ")]
    assert events(server, "lined") == (2, 7)


WRONG_USAGE: list[tuple[str, ...]] = [
    (),
    ("no-such-file.csv", "--source", "src_x"),
    (".", "--source", "src_x"),
    ("FILE",),
    ("FILE", "--source", "src_x", "--map", "visitor"),
    ("FILE", "--source", "src_x", "--map", "=who"),
    ("FILE", "--source", "src_x", "--map", "visitor=nobody"),
    ("FILE", "--source", "src_x", "--set", "event="),
    ("FILE", "--source", "src_x", "--colour", "red"),
]


@pytest.mark.parametrize("arguments", WRONG_USAGE, ids=" ".join)
def test_wrong_usage_ends_with_two_and_sends_nothing(
    server: Server, source: dict[str, Any], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = tmp_path / "shop.csv"
    file.write_text("who,when\nann,2026-01-31\n")
    given = [str(file) if one == "FILE" else source["id"] if one == "src_x" else one for one in arguments]
    done = server.run("import", *given, "--key", server.setup["integration_key"], "--url", server.url, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error:" in done.stderr
    assert settled(server, source["id"]) == 0


REFUSED: list[tuple[str, str, dict[str, str], tuple[str, ...], str]] = [
    ("a wrong key", "not_signed_in", {"key": "arr_wrong"}, (), "key"),
    ("an unknown source", "not_found", {"source": "src_nobody"}, (), "src_nobody"),
    ("no server", "unavailable", {"url": "http://127.0.0.1:{port}"}, (), "arrivals serve"),
    ("another server", "internal_error", {"url": "{url}/elsewhere"}, (), "is it Arrivals?"),
    ("an unknown field", "invalid", {}, ("--map", "customer=who"), "'customer' is not a field"),
    ("no visitor", "invalid", {"map": "ts=when"}, (), "--map visitor=COLUMN"),
    ("a date format that is none", "invalid", {}, ("--date-format", "dd/mm/yyyy"), "%d/%m/%Y"),
    ("a file that is empty", "invalid", {"text": ""}, (), "is empty"),
    ("a header with a name twice", "invalid", {"text": "who,who\n"}, (), "has 'who' twice"),
]


@pytest.mark.parametrize(("what", "code", "given", "more", "sentence"), REFUSED, ids=[one[0] for one in REFUSED])
def test_what_is_refused_ends_with_one_and_a_line_or_json(
    server: Server,
    source: dict[str, Any],
    tmp_path: Path,
    what: str,
    code: str,
    given: dict[str, str],
    more: tuple[str, ...],
    sentence: str,
) -> None:
    file = tmp_path / "shop.csv"
    file.write_text(given.get("text", "who,when\nann,2026-01-31\n"))
    arguments = ["import", str(file), "--source", given.get("source", source["id"])]
    arguments += ["--key", given.get("key", server.setup["integration_key"])]
    arguments += ["--url", given.get("url", "{url}").format(url=server.url, port=free_port())]
    arguments += ["--map", given.get("map", "visitor=who"), *more]
    plain = server.run(*arguments, check=False)
    assert (plain.returncode, plain.stdout) == (1, "")
    assert plain.stderr.startswith("arrivals: ")
    assert plain.stderr.count("\n") == 1
    assert sentence in plain.stderr
    as_json = server.run(*arguments, "--json", check=False)
    assert (as_json.returncode, as_json.stderr) == (1, "")
    assert json.loads(as_json.stdout)["error"]["code"] == code
    assert settled(server, source["id"]) == 0
    assert not Path(f"{file}.rejected").exists()


def on_a_terminal(arguments: list[str], environ: dict[str, str]) -> tuple[int, str]:
    """The exit status, and what a person saw on a terminal."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(arguments, env=environ, stdin=end, stdout=end, stderr=end, close_fds=True)
    os.close(end)
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        seen += piece
    os.close(terminal)
    return process.wait(timeout=30), seen.decode()


def test_the_bar_is_for_people(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    file = shop(tmp_path / "shop.csv", "g", rows=5_000)
    environ = {**server.environ, "TERM": "xterm", "COLUMNS": "100"}
    status, seen = on_a_terminal(command(server, file, source["id"], *PURCHASES), environ)
    assert status == 0
    assert "Importing shop.csv" in seen
    assert "100%" in seen
    assert "4,997 rows kept, 0 repeated, 3 refused." in seen
    other = shop(tmp_path / "other.csv", "h", rows=5_000)
    status, seen = on_a_terminal([*command(server, other, source["id"], *PURCHASES), "--json"], environ)
    assert (status, json.loads(seen)["kept"]) == (0, 4_997)
    piped = run(server, shop(tmp_path / "third.csv", "i", rows=5_000), source["id"], *PURCHASES)
    assert piped.stderr == ""
    assert piped.stdout.splitlines() == [
        "4,997 rows kept, 0 repeated, 3 refused.",
        f"Refused rows and their reasons are in {tmp_path}/third.csv.rejected.",
    ]


def test_a_folder_comes_in_but_for_what_holds_no_rows(server: Server, source: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "export"
    (folder / "2026").mkdir(parents=True)
    row = {"uuid": "u", "event": "x", "distinct_id": "ann", "timestamp": "2026-01-31T12:00:00Z", "properties": {}}
    files = {
        "1.jsonl": b"", "2.jsonl.gz": gzip.compress(b""), "3.bin": b"\xff\xfe\x00", "2026/4.jsonl": json.dumps(row).encode(),
        "_SUCCESS": b"", "2026/1_manifest.json": b'{"files": ["1.jsonl"]}',
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).write_bytes(content)
    result = run(server, folder, source["id"], "--from", "posthog")
    assert result.returncode == 1
    assert result.stdout == "4.jsonl: 1 rows kept, 0 repeated, 0 refused.\n"
    assert "3.bin cannot be read" in result.stderr
    assert not list(folder.rglob("*.rejected"))
