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


def start(folder: Path) -> str:
    """Start a server whose data is in ``folder``; return its URL. It does not run as root, so root becomes postgres."""
    assert BINARIES is not None
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    folder.mkdir(parents=True)
    if user:
        entry = pwd.getpwnam("postgres")
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        for parent in (folder.parent,):
            parent.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **user}
    subprocess.run(
        [BINARIES / "initdb", "-D", data, "-U", "arrivals", "--auth=trust", "-E", "UTF8", "--no-sync"],
        check=True,
        **quiet,
    )
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c max_connections=200"
    subprocess.run(
        [BINARIES / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "log", "start"],
        check=True,
        **quiet,
    )

    def stop() -> None:
        subprocess.run([BINARIES / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=False, **quiet)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return f"postgres://arrivals@127.0.0.1:{port}/postgres"


def own_database() -> dict[str, str]:
    """The setting of a new empty database where the suite runs on Postgres, else nothing."""
    url = os.environ.get("ARRIVALS_DATABASE_URL", "")
    if not url.startswith("postgres"):
        return {}
    name = f"server_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return {"ARRIVALS_DATABASE_URL": url.rsplit("/", 1)[0] + f"/{name}"}
