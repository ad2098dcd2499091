"""A Postgres of the tests' own, started from the installed binaries and ended with the test process."""

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

import psycopg

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
BINARIES = FOUND[0].parent if FOUND else None


class Postgres:
    """A server whose data is in ``folder``, on a free port. It does not run as root, so root becomes postgres."""

    def __init__(self, folder: Path) -> None:
        assert BINARIES is not None
        self.folder = folder
        self._user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        folder.mkdir(parents=True)
        if self._user:
            entry = pwd.getpwnam("postgres")
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            folder.parent.chmod(0o755)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"postgres://arrivals@127.0.0.1:{self.port}/postgres"
        self._run("initdb", "-U", "arrivals", "--auth=trust", "-E", "UTF8", "--no-sync")
        atexit.register(self.forget)

    def start(self) -> "Postgres":
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.folder} -c max_connections=200"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self.folder / "log"), "start")
        return self

    def stop(self, *, check: bool = True) -> None:
        """At once, as a crash: what was committed is there when it starts again."""
        self._run("pg_ctl", "-m", "immediate", "stop", check=check)

    def forget(self) -> None:
        if self.folder.exists():
            self.stop(check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        assert BINARIES is not None
        subprocess.run(
            [BINARIES / program, "-D", self.folder / "data", *arguments],
            check=check,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **self._user,
        )


def start(folder: Path) -> str:
    """Start a server whose data is in ``folder``; return its URL."""
    return Postgres(folder).start().url


def own_database() -> dict[str, str]:
    """The setting of a new empty database where the suite runs on Postgres, else nothing."""
    url = os.environ.get("ARRIVALS_DATABASE_URL", "")
    if not url.startswith("postgres"):
        return {}
    name = f"server_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return {"ARRIVALS_DATABASE_URL": url.rsplit("/", 1)[0] + f"/{name}"}
