"""A real Arrivals in a process of its own, for tests that need one: started, killed, started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests import postgres


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """``setup`` is what ``arrivals setup`` printed. ``environ`` adds or replaces settings. ``command`` starts it."""

    command = (sys.executable, "-m", "arrivals")

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {name: value for name, value in os.environ.items() if not name.startswith(("ARRIVALS_", "DJANGO_"))}
        self.environ = {
            **own,
            "ARRIVALS_HOME": str(home),
            "ARRIVALS_PORT": str(self.port),
            "ARRIVALS_ALLOW_PRIVATE_NETWORKS": "true",
            **postgres.own_database(),
            **environ,
        }
        self.log = home.parent / f"{home.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.setup: dict[str, Any] = {}

    def beside(self, **environ: str) -> "Server":
        """Another process on the same stores, to be started with ``--only runner``; its address is its own."""
        home = self.home.parent / f"{self.home.name}-{free_port()}"
        keys = (self.home / "secret_keys").read_text().strip().replace("\n", ",")
        database = {"ARRIVALS_DATABASE_URL": self.environ["ARRIVALS_DATABASE_URL"], "ARRIVALS_SECRET_KEYS": keys}
        other = Server(home, **database, **environ)
        other.setup = self.setup
        return other

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command with this server's settings."""
        done = subprocess.run(
            [sys.executable, "-m", "arrivals", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        if check and done.returncode:
            raise AssertionError(
                f"arrivals {' '.join(arguments)} ended with {done.returncode}: {done.stderr or done.stdout}"
            )
        return done

    def set_up(self) -> "Server":
        """Make the first admin and the first source."""
        self.setup = json.loads(
            self.run("setup", "--email", "admin@example.com", "--password", "a long password", "--json").stdout
        )
        return self

    def start(self, *arguments: str, seconds: float = 120) -> "Server":
        """Start ``arrivals serve`` and wait until it is healthy."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "serve", *arguments], env=self.environ, stdout=log, stderr=log
            )
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/api/v2/health", timeout=2).status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"The server did not start:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM and wait for a clean end; the exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)

    def client(self) -> httpx.Client:
        """A client of /api/v2 with the key that setup made."""
        headers = {"Authorization": f"Bearer {self.setup['integration_key']}"}
        return httpx.Client(base_url=f"{self.url}/api/v2", headers=headers, timeout=60)

    def send(self, *events: dict[str, Any], client: httpx.Client | None = None) -> httpx.Response:
        """Send events to the collector with the first source's write key."""
        post = client.post if client else httpx.post
        return post(
            f"{self.url}/v1/batch", auth=(self.setup["write_key"], ""), json={"batch": list(events)}, timeout=30
        )
