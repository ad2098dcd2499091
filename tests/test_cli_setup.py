"""``arrivals setup``, ``settings``, ``doctor``, ``backup`` and ``restore``, as processes on a home folder of their own."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from arrivals.cli import lock
from tests import postgres

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ON_POSTGRES = os.environ.get("ARRIVALS_TEST_DATABASE") == "postgres"
only_default_stores = pytest.mark.skipif(ON_POSTGRES, reason="Skipped: backup and restore are for the default stores.")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> Run:
    base = {name: value for name, value in os.environ.items() if not name.startswith(("ARRIVALS_", "DJANGO_"))}
    base |= {"ARRIVALS_HOME": str(home), **postgres.own_database()}

    def run(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "arrivals", *arguments]
        return subprocess.run(command, env={**base, **environ}, capture_output=True, text=True, check=False, timeout=60)

    return run


def set_up(run: Run) -> dict[str, str]:
    done = run("setup", "--email", "ada@example.com", "--json")
    assert done.returncode == 0, done.stderr
    made: dict[str, str] = json.loads(done.stdout)
    return made


def test_setup_prints_everything_once_and_a_second_call_changes_nothing(run: Run, home: Path) -> None:
    made = set_up(run)
    assert list(made) == ["url", "email", "password", "source_id", "write_key", "track_secret", "integration_key"]
    assert made["integration_key"].startswith("arr_")
    assert len(made["password"]) >= 20
    assert not (home / "warehouse").exists()  # a running server holds it; setup has no need of it
    again = run("setup", "--email", "bob@example.com")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("arrivals: Arrivals is set up already")
    assert again.stderr.count("\n") == 1
    as_json = run("setup", "--email", "bob@example.com", "--json")
    assert (as_json.returncode, as_json.stderr) == (1, "")
    assert json.loads(as_json.stdout)["error"]["code"] == "conflict"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--email", "ada"], 1, "email"),
        (["--email", "ada@example.com", "--password", "short"], 1, "password"),
        ([], 2, "--email"),
        (["--email", "ada@example.com", "--colour", "red"], 2, "--colour"),
    ],
)
def test_a_setup_that_is_refused_can_be_done_again(run: Run, arguments: list[str], code: int, said: str) -> None:
    refused = run("setup", *arguments)
    assert (refused.returncode, refused.stdout) == (code, "")
    assert said in refused.stderr
    set_up(run)


def test_of_two_setups_at_the_same_moment_one_is_done(run: Run) -> None:
    run("doctor")  # makes the home folder and the keys, so that the two meet at the database
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda name: run("setup", "--email", f"{name}@example.com", "--json"), ["ada", "bob"]))
    assert sorted(done.returncode for done in both) == [0, 1], [done.stderr for done in both]
    (refused,) = [done for done in both if done.returncode]
    assert json.loads(refused.stdout)["error"]["code"] == "conflict"


def test_settings_show_every_value_with_secrets_masked(run: Run, home: Path) -> None:
    secret, word = "s" * 40, "hunter2"
    done = run(
        "settings", "--json", ARRIVALS_SECRET_KEYS=secret, ARRIVALS_SMTP_URL=f"smtp://me:{word}@mail.example.com",
        ARRIVALS_KEY="arr_secret",
    )  # fmt: skip
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["ARRIVALS_CHECK_MINUTES"]["value"] == "5"
    assert rows["ARRIVALS_SMTP_URL"]["value"] == "smtp://me:••••@mail.example.com"
    assert rows["ARRIVALS_SECRET_KEYS"]["source"] == "environment"
    assert not any(hidden in done.stdout for hidden in (secret, word, "arr_secret"))
    assert done.stderr == ""
    assert not home.exists()


@pytest.mark.parametrize("arguments", [["settings"], ["serve"], ["doctor"], ["setup", "--email", "a@b.example"]])
def test_a_wrong_setting_is_one_line(run: Run, arguments: list[str]) -> None:
    refused = run(*arguments, ARRIVALS_PORT="eighty")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "arrivals: ARRIVALS_PORT is 'eighty'; it must be a whole number from 0 to 65535.\n"


def test_the_doctor_names_what_is_wrong(run: Run, home: Path) -> None:
    set_up(run)
    (home / "secret_keys").chmod(0o644)
    done = run("doctor", "--json", ARRIVALS_SMTP_URL="smtp://127.0.0.1:9")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert {name: check["ok"] for name, check in checks.items() if name != "connections"} == {
        "home folder": True,
        "disk": True,
        "secret keys": False,
        "control database": True,
        "event store": True,
        "mail server": False,
    }
    assert "chmod 600" in checks["secret keys"]["detail"]


def test_the_doctor_says_that_tables_are_missing(run: Run) -> None:
    done = run("doctor")
    assert done.returncode == 1
    assert "FAIL  control database: It answers, but" in done.stdout


@only_default_stores
def test_a_backup_brings_everything_back(run: Run, home: Path, tmp_path: Path) -> None:
    made = set_up(run)
    run("doctor")  # opens the event store, so that there is one
    keys = (home / "secret_keys").read_bytes()
    file = tmp_path / "arrivals.tar.gz"
    done = run("backup", str(file))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["arrivals.tar.gz", "home"]

    elsewhere = tmp_path / "elsewhere"
    restored = run("restore", str(file), ARRIVALS_HOME=str(elsewhere))
    assert restored.returncode == 0, restored.stderr
    assert (elsewhere / "secret_keys").read_bytes() == keys
    assert stat.S_IMODE((elsewhere / "secret_keys").stat().st_mode) == 0o600
    assert (elsewhere / "warehouse").is_dir()
    with sqlite3.connect(elsewhere / "arrivals.db") as database:
        assert database.execute("SELECT email FROM accounts_person").fetchall() == [(made["email"],)]
    assert "The embedded event store opens" in run("doctor", ARRIVALS_HOME=str(elsewhere)).stdout


@only_default_stores
def test_a_restore_over_data_is_refused_and_with_force_keeps_what_was_there(
    run: Run, home: Path, tmp_path: Path
) -> None:
    set_up(run)
    file = tmp_path / "arrivals.tar.gz"
    run("backup", str(file))
    (home / "note").write_text("mine")
    refused = run("restore", str(file))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--force" in refused.stderr
    assert (home / "note").exists()
    assert run("restore", str(file), "--force").returncode == 0
    assert not (home / "note").exists()
    (aside,) = tmp_path.glob("home.before-*")
    assert (aside / "note").read_text() == "mine"


@only_default_stores
def test_while_a_server_runs_neither_is_done(run: Run, home: Path, tmp_path: Path) -> None:
    set_up(run)
    file = tmp_path / "arrivals.tar.gz"
    with lock.held(home):
        refused = run("backup", str(file))
        assert refused.returncode == 1
        assert f"process {os.getpid()}" in refused.stderr
        assert not file.exists()
        assert lock.is_held(home)
    assert not lock.is_held(home)
    assert run("backup", str(file)).returncode == 0
    with lock.held(home):
        assert run("restore", str(file), "--force").returncode == 1
    assert run("backup", str(file)).returncode == 1  # never over a file that exists


def archive(file: Path, **members: tarfile.TarInfo) -> Path:
    with tarfile.open(file, "w:gz") as made:
        for member in members.values():
            made.addfile(member)
    return file


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@only_default_stores
@pytest.mark.parametrize(
    "wrong",
    [
        member("../outside"),
        member("/tmp/outside"),
        member("other"),
        member("warehouse/../../outside"),
        member("warehouse/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("warehouse/link", tarfile.SYMTYPE, "../../outside"),
        member("warehouse/hard", tarfile.LNKTYPE, "arrivals.db"),
        member("warehouse/device", tarfile.CHRTYPE),
        member("about.json"),
    ],
    ids=lambda one: one.name + one.linkname,
)
def test_an_archive_that_is_not_ours_changes_nothing(
    run: Run, home: Path, tmp_path: Path, wrong: tarfile.TarInfo
) -> None:
    file = archive(tmp_path / "wrong.tar.gz", wrong=wrong)
    home.mkdir()
    (home / "note").write_text("mine")
    refused = run("restore", str(file), "--force")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("\n") == 1
    assert sorted(one.name for one in home.iterdir()) == ["lock", "note"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home", "wrong.tar.gz"]


@only_default_stores
def test_half_an_archive_changes_nothing(run: Run, home: Path, tmp_path: Path) -> None:
    set_up(run)
    file, half = tmp_path / "arrivals.tar.gz", tmp_path / "half.tar.gz"
    run("backup", str(file))
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    before = sorted(one.name for one in home.iterdir())
    refused = run("restore", str(half), "--force")
    assert refused.returncode == 1
    assert "not a whole backup" in refused.stderr
    assert sorted(one.name for one in home.iterdir()) == before


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_other_stores_have_tools_of_their_own(run: Run, tmp_path: Path, command: str) -> None:
    file = tmp_path / "x.tar.gz"
    if command == "restore":
        file.write_bytes(b"")
    refused = run(command, str(file), ARRIVALS_DATABASE_URL="postgres://a:b@127.0.0.1:9/c")
    assert refused.returncode == 1
    assert "pg_dump" in refused.stderr
