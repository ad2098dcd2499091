"""``arrivals import --from`` and ``arrivals export`` against a real server, killed in the middle."""

import gzip
import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from tests.server import Server

pytestmark = pytest.mark.server
ROWS = 9_000
BAD = 5_000  # the number of the row that cannot be kept


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("export") / "home").set_up().start()
    yield one
    one.stop()


def command(server: Server, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "arrivals", *arguments, "--url", server.url, "--key", server.setup["integration_key"]]


def run(server: Server, *arguments: str) -> Any:
    done = subprocess.run(
        command(server, *arguments, "--json"), env=server.environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return json.loads(done.stdout)


def amplitude(path: Path) -> Path:
    """A zip of three hours, as Amplitude makes it."""
    with zipfile.ZipFile(path, "w") as archive:
        for hour in range(3):
            lines = []
            for place in range(ROWS // 3):
                number = hour * ROWS // 3 + place + 1
                lines.append(
                    json.dumps({
                        "$insert_id": f"i{number}", "user_id": f"u{number % 50}", "device_id": f"d{number % 50}",
                        "event_type": "export", "event_time": "never" if number == BAD else f"2025-0{hour + 1}-03 10:00:00.000000",
                        "event_properties": {"n": number}, "user_properties": {"plan": "pro", "step": number},
                        "groups": {"company": ["acme"]},
                    })
                )  # fmt: skip
            archive.writestr(f"1/1_2025-0{hour + 1}-03_10#0.json.gz", gzip.compress("\n".join(lines).encode()))
    return path


def settled(server: Server) -> int:
    with server.client() as client:
        return max([one["offset"] for one in client.get("/imports").json()["items"]], default=0)


def test_a_zip_comes_in_once_through_kills_and_goes_out_and_in_again(server: Server, tmp_path: Path) -> None:
    file = amplitude(tmp_path / "export.zip")
    arguments = ("import", str(file), "--source", server.setup["source_id"], "--from", "amplitude")
    client = subprocess.Popen(command(server, *arguments), env=server.environ, stdout=subprocess.DEVNULL)
    while client.poll() is None and settled(server) < 4_000:
        time.sleep(0.002)
    client.send_signal(signal.SIGKILL)
    client.wait()
    assert settled(server) < ROWS
    server.kill()
    server.start()
    done = run(server, *arguments)
    assert (done["kept"] + done["repeated"], done["refused"], done["offset"]) == (ROWS - 1, 1, ROWS)
    [refused] = map(json.loads, Path(f"{file}.rejected").read_text().splitlines())
    assert (refused["row"], refused["file"]) == (BAD, "1/1_2025-02-03_10#0.json.gz")
    assert refused["reason"] == "event_time: 'never' is not a time."

    out = tmp_path / "out"
    written = run(server, "export", str(out))["files"]
    names = {one["file"] for one in written}
    assert {f"events-2025-0{month}.parquet" for month in (1, 2, 3)} <= names
    assert {"visitors.parquet", "accounts.parquet", "links.parquet", "responses.parquet", "memberships.parquet", "reports.json"} <= names  # fmt: skip
    rows = [row for month in (1, 2, 3) for row in parquet.read_table(out / f"events-2025-0{month}.parquet").to_pylist()]
    assert sorted(json.loads(row["properties"])["n"] for row in rows) == [n for n in range(1, ROWS + 1) if n != BAD]
    assert len(parquet.read_table(out / "links.parquet")) == 50
    people = {
        row["visitor_id"]: json.loads(row["fields"]) for row in parquet.read_table(out / "visitors.parquet").to_pylist()
    }
    assert people["u0"]["agent"] == {"plan": "pro", "step": ROWS}

    again = {one["file"]: one["note"] for one in run(server, "export", str(out), "--what", "events")["files"]}
    assert set(again.values()) == {"nothing new"}

    with server.client() as api:
        other = api.post("/sources", json={"name": "Again"}).json()["id"]
        back = run(server, "import", str(out), "--source", other, "--from", "arrivals")["files"]
        assert {one["filename"] for one in back} == names - {"responses.parquet", "memberships.parquet", "reports.json"}
        assert sum(one["refused"] for one in back) == 0
        assert (
            sum(month["events"] for month in api.get("/exports", params={"source": other}).json()["months"]) == ROWS - 1
        )


def test_a_report_is_a_file(server: Server, tmp_path: Path) -> None:
    with server.client() as api:
        api.post("/events", json={"source": server.setup["source_id"], "visitor_id": "ada", "event": "x"})
        columns = ["visitor.id", {"count": "track", "name": "x", "as": "times"}]
        report = api.post("/reports", json={"name": "X", "range": {"within": "1d"}, "columns": columns}).json()
    run(server, "export", str(tmp_path), "--what", "reports")
    assert parquet.read_table(tmp_path / f"report-{report['id']}.parquet").to_pylist() == [
        {"visitor.id": "ada", "times": 1.0}
    ]
    assert [one["id"] for one in json.loads((tmp_path / "reports.json").read_text())] == [report["id"]]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("export", "x", "--what", "people"), "it must be of events, visitors"),
        (
            ("import", "README.md", "--source", "s", "--from", "ga4", "--map", "a=b"),
            "--from says what the columns mean",
        ),
        (("import", "README.md", "--source", "s", "--group", "x"), "go with --from"),
    ],
)
def test_wrong_usage_ends_with_two(server: Server, arguments: tuple[str, ...], reason: str) -> None:
    done = subprocess.run(command(server, *arguments), env=server.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
