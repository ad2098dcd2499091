"""The commands that speak to a running server, against one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from arrivals import clock
from arrivals.accounts import keys
from arrivals.audience import reports
from arrivals.audience.models import Report
from arrivals.cli import main
from arrivals.warehouse.client import Warehouse
from tests import events

Run = Callable[..., Result]


@pytest.fixture
def run(fresh: Warehouse, live_server: Any) -> Run:
    _, secret = keys.create("tests", write=True, by="ada@example.com")
    environ = {"ARRIVALS_URL": live_server.url, "ARRIVALS_KEY": secret}
    return lambda *arguments, **more: CliRunner().invoke(main, arguments, env={**environ, **more})


@pytest.fixture
def report(fresh: Warehouse) -> Report:
    now = clock.now()
    events.add(fresh, ("=ada", "track", "export", now), ("bob", "page", "Home", now))
    columns = ["visitor.id", {"count": "track", "name": "export", "as": "exports"}]
    return reports.create({"name": "R", "range": {"within": "30d"}, "columns": columns})


def test_the_rows_of_a_report(run: Run, report: Report) -> None:
    done = run("report", "rows", report.pk, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [{"visitor.id": "=ada", "exports": 1}, {"visitor.id": "bob", "exports": 0}]
    assert len(json.loads(run("report", "rows", report.pk, "--json", "--limit", "1").stdout)) == 1
    assert run("report", "rows", report.pk).stdout.splitlines()[0].split() == ["visitor.id", "exports"]


def test_a_report_as_csv_has_its_formulas_disarmed(run: Run, report: Report) -> None:
    assert run("report", "csv", report.pk).stdout_bytes == b"visitor.id,exports\r\n'=ada,1\r\nbob,0\r\n"
    refused = run("report", "csv", "rep_x")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "rep_x" in refused.stderr


def test_a_check_of_a_report(run: Run, report: Report) -> None:
    found = json.loads(run("report", "check", report.pk, "--json").stdout)
    assert found["on_report"] == 2
    assert run("report", "check", report.pk).stdout.startswith("2 on the report, 0 entered, 0 left")


@pytest.mark.parametrize(
    ("arguments", "environ", "status", "code"),
    [
        (["report", "rows", "rep_x"], {}, 1, "not_found"),
        (["report", "rows", "rep_x"], {"ARRIVALS_KEY": "arr_wrong"}, 1, "not_signed_in"),
        (["report", "rows", "rep_x"], {"ARRIVALS_KEY": ""}, 1, "not_signed_in"),
        (["report", "rows", "rep_x"], {"ARRIVALS_KEY": "arr_ü"}, 1, "not_signed_in"),
        (["report", "rows", "rep_x"], {"ARRIVALS_URL": "http://127.0.0.1:9"}, 1, "unavailable"),
        (["report", "rows", "rep_x"], {"ARRIVALS_URL": "ftp://x"}, 1, "invalid_setting"),
        (["report", "rows", "rep_x", "--url", "http://["], {}, 1, "unavailable"),
        (["report", "check", "rep_x"], {}, 1, "not_found"),
        (["workflow", "activate", "wf_x"], {}, 1, "not_found"),
        (["workflow", "pause", "wf_x"], {}, 1, "not_found"),
    ],
)
def test_what_is_refused_is_one_line_or_json(
    run: Run, arguments: list[str], environ: dict[str, str], status: int, code: str
) -> None:
    refused = run(*arguments, **environ)
    assert (refused.exit_code, refused.stdout) == (status, "")
    assert refused.stderr.startswith("arrivals: ")
    assert refused.stderr.count("\n") == 1
    as_json = run(*arguments, "--json", **environ)
    assert (as_json.exit_code, as_json.stderr) == (status, "")
    assert json.loads(as_json.stdout)["error"]["code"] == code


@pytest.mark.parametrize(
    "arguments",
    [
        ["report"],
        ["report", "rows"],
        ["report", "rows", "rep_x", "--limit", "0"],
        ["report", "csv", "rep_x", "--json"],
        ["workflow", "apply", "no-such-file.json"],
        ["workflow", "activate", "wf_x", "--existing", "all"],
        ["run", "replay", "run_x", "--from", "middle"],
        ["frobnicate"],
    ],
)
def test_wrong_usage_ends_with_two(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": 5}', "\xff"])
def test_a_file_that_holds_no_workflow_is_refused(run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "w.json"
    file.write_bytes(text.encode("latin-1"))
    refused = run("workflow", "apply", str(file))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "w.json" in refused.stderr
    assert run("workflow", "list", "--json").stdout == "[]\n"


def test_a_workflow_is_applied_twice_and_there_is_one(run: Run, report: Report, tmp_path: Path) -> None:
    step = {
        "id": "tell",
        "type": "action",
        "app": "inbox",
        "action": "post_message",
        "inputs": {"text": "{{ visitor.id }}"},
    }
    trigger = {"kind": "visitor_in_report", "report": report.pk}
    file = tmp_path / "w.json"
    file.write_text(json.dumps({"name": "W", "trigger": trigger, "steps": [step]}))
    [made] = json.loads(run("workflow", "apply", str(file), "--json").stdout)["changes"]
    [again] = json.loads(run("workflow", "apply", str(file), "--json").stdout)["changes"]
    assert (made["action"], again["action"], again["id"]) == ("make", "leave", made["id"])
    assert [one["id"] for one in json.loads(run("workflow", "list", "--json").stdout)] == [made["id"]]
    assert run("workflow", "activate", made["id"]).stdout == "It is on: 2 on the report, 0 of them will run.\n"
    assert run("workflow", "activate", made["id"]).exit_code == 1
    assert run("workflow", "pause", made["id"]).stdout == "W is paused.\n"
    resumed = run("workflow", "resume", made["id"], "--existing", "run", "--json")
    assert set(json.loads(resumed.stdout)) == {"on_report", "will_run"}
    assert json.loads(run("workflow", "runs", made["id"], "--json").stdout) == []
