"""The whole of it in a real browser: sign in, source, events, segment, report, workflow, activation, message."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.server import Server

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Skipped: no chromium is installed, so the pages were not tried in a browser."
    ),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("browser") / "home").set_up().start()
    yield server
    server.stop()


# Whoever enters may have been seen before the check, when its event came in.
SECOND = re.compile("2 on the report, [01] entered, 0 left")


@contextmanager
def opened(server: Server) -> Iterator[tuple[Page, list[str]]]:
    """A page of a browser in which somebody is signed in, and what it logs as errors (of the content security policy too)."""
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(base_url=server.url, viewport={"width": 1280, "height": 900}).new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/sign-in")
        page.get_by_label("E-mail", exact=True).fill(server.setup["email"])
        page.get_by_label("Password", exact=True).fill(server.setup["password"])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="What is going on")).to_be_visible()
        yield page, problems
        browser.close()


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    """A signed-in page that must not log an error or break the content security policy."""
    with opened(server) as (page, problems):
        yield page
    assert problems == []


def send(server: Server, key: str, *visitors: str) -> None:
    batch = [{"type": "track", "event": "export", "userId": visitor, "properties": {"n": 1}} for visitor in visitors]
    httpx.post(f"{server.url}/v1/batch", auth=(key, ""), json={"batch": batch}).raise_for_status()


def test_from_a_source_to_a_message_in_the_inbox(server: Server, page: Page) -> None:
    page.get_by_role("link", name="Sources").first.click()
    page.get_by_label("New source").fill("Web shop")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#track-secret")).to_have_text(re.compile(r"^trk_"))
    key = page.locator("#write-key").inner_text()
    send(server, key, "ada")
    expect(page.locator("#events")).to_contain_text("ada", timeout=6000)

    page.goto("/segments/new")
    page.get_by_label("Name", exact=True).fill("Exporters")
    expect(page.locator("#preview")).to_contain_text("Fill in the empty field")
    page.locator("#builder input[placeholder=name]").fill("import")
    expect(page.locator("#preview .count")).to_have_text("0")
    page.locator("#builder input[placeholder=name]").fill("export")
    expect(page.locator("#preview .count")).to_have_text("1")
    expect(page.locator("#preview")).to_contain_text("ada")
    page.locator("#builder").get_by_label("number", exact=True).fill("30 days")
    expect(page.locator("#preview [role=alert]")).to_contain_text("not a duration")
    expect(page.locator(".rule.wrong")).to_have_count(1)
    page.locator("#builder").get_by_label("number", exact=True).fill("7")
    expect(page.locator("#preview .count")).to_have_text("1")
    page.get_by_role("button", name="Save").click()

    page.get_by_role("link", name="Make a report of it").click()
    page.get_by_label("Name", exact=True).fill("Exports")
    page.get_by_role("button", name="+ count").click()
    row = page.locator("#columns .rule").last
    row.get_by_label("name", exact=True).fill("export")
    row.get_by_label("name in rows").fill("exports")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("table.rows").first).to_contain_text("ada")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "ada" in Path(download.value.path()).read_text()

    page.get_by_role("link", name="Start a workflow from this report").click()
    page.get_by_label("Name", exact=True).fill("Tell of exporters")
    text = page.get_by_label("Text *").first
    text.fill("New: ")
    text.press("End")
    page.get_by_role("button", name="Insert a value into Text *").click()
    page.get_by_role("button", name="{{ visitor.id }}", exact=True).click()
    text.press_sequentially(" with {{ row.exports }}")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1 .state")).to_have_text("off")

    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#on-report")).to_have_text("1")
    expect(page.get_by_label("Start from now.")).to_be_checked()
    page.get_by_label("Turn it on all the same").check()
    page.locator("#activation-go").click()
    expect(page.locator("h1 .state")).to_have_text("on")
    workflow = page.url

    send(server, key, "grace")
    page.get_by_role("link", name="Exports", exact=True).click()
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#check-result")).to_contain_text(SECOND)

    page.goto("/inbox")
    expect(page.locator("#messages")).to_contain_text("New: grace with 1", timeout=10_000)
    expect(page.locator("#messages")).not_to_contain_text("ada")
    page.get_by_role("link", name="the run that wrote it").click()
    expect(page.locator("h1")).to_contain_text("grace")
    expect(page.locator("ol.steps")).to_contain_text("New: grace with 1")
    page.get_by_role("button", name="Replay …").click()
    page.get_by_role("button", name="Run it again").click()
    expect(page.get_by_role("status")).to_contain_text("It runs again")

    page.goto(workflow)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("h1 .state")).to_have_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#numbers")).to_contain_text("who entered meanwhile start nothing")


def test_each_answer_to_a_survey_starts_a_workflow(server: Server, page: Page) -> None:
    def answer(score: int) -> None:
        said = {"survey": "nps", "score": score, "reason": f"because {score}"}
        server.send({"type": "track", "event": "Survey Answered", "userId": "ann", "properties": said})

    answer(9)
    page.goto("/reports/new")
    page.get_by_label("Name", exact=True).fill("Answers")
    page.get_by_label("Lists").select_option("response")
    page.locator("input[name=survey]").fill("nps")
    expect(page.locator("#columns .chosen li").first).to_contain_text("response.at")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("table.rows").first).to_contain_text("because 9")

    page.get_by_role("link", name="Start a workflow from this report").click()
    expect(page.get_by_label("Trigger")).to_have_value("survey_response")
    page.get_by_label("Trigger").select_option("account_left_report")
    expect(page.locator("#builder")).to_contain_text("There is no report of accounts yet")
    page.get_by_label("Trigger").select_option("survey_response")
    page.get_by_label("Name", exact=True).fill("Tell of answers")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#on-report")).to_have_text("1")
    page.get_by_label("Turn it on all the same").check()
    page.locator("#activation-go").click()

    page.get_by_role("link", name="nps", exact=True).click()
    answer(2)
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#check-result")).to_contain_text(SECOND)
    page.goto("/inbox")
    expect(page.locator("#messages")).to_contain_text("ann scored 2 (detractor): because 2", timeout=10_000)
    expect(page.locator("#messages")).not_to_contain_text("because 9")


def test_a_recipe_shows_its_message_before_and_works_with_one_button(server: Server, page: Page) -> None:
    key = server.setup["write_key"]
    page.goto("/workflows")
    page.get_by_role("link", name="Power user reached a number of uses").click()
    expect(page.locator("#made [role=alert]")).to_contain_text("Event is missing")
    httpx.post(
        f"{server.url}/v1/batch",
        auth=(key, ""),
        json={"batch": [{"type": "track", "event": "share", "userId": name} for name in ("kim", "kim", "lee")]},
    ).raise_for_status()
    page.get_by_label("Event *").fill("share")
    page.get_by_label("Times").fill("2")
    expect(page.locator("#on-report")).to_have_text("1")
    expect(page.locator(".said")).to_contain_text("Power user of share: kim")
    page.get_by_label("Slack").check()
    expect(page.locator("#made [role=alert]")).to_contain_text("Connection is missing")
    expect(page.get_by_role("link", name="Connect it")).to_be_visible()
    page.get_by_label("Inbox").check()
    expect(page.locator("#made [role=alert]")).to_have_count(0)
    page.get_by_role("button", name="Make and activate").click()
    expect(page.get_by_role("status")).to_contain_text("starting nothing: 1.")
    expect(page.locator("h1 .state")).to_have_text("on")
    httpx.post(
        f"{server.url}/v1/batch", auth=(key, ""), json={"batch": [{"type": "track", "event": "share", "userId": "lee"}]}
    ).raise_for_status()
    page.get_by_role("link", name="Power users of share").click()
    page.get_by_role("button", name="Check now").click()
    page.goto("/inbox")
    expect(page.locator("#messages")).to_contain_text("Power user of share: lee", timeout=10_000)
    expect(page.locator("#messages")).not_to_contain_text("kim")


def test_a_key_is_shown_once_and_revoked(server: Server, page: Page) -> None:
    page.goto("/settings/keys")
    page.get_by_text("New key", exact=True).click()
    page.get_by_label("What it is for").fill("Dashboard")
    page.get_by_role("button", name="Make it").click()
    key = page.locator("#new-key").inner_text()
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{server.url}/api/v2/sources", headers=headers).status_code == 200
    assert httpx.post(f"{server.url}/api/v2/sources", headers=headers, json={"name": "x"}).status_code == 403
    page.goto("/settings/keys")
    expect(page.get_by_text(key)).to_have_count(0)
    page.locator("tr", has_text="Dashboard").get_by_role("button", name="Revoke").click()
    page.get_by_text("Expired and revoked").click()
    expect(page.locator("tr", has_text="Dashboard").last).to_contain_text("revoked")
    assert httpx.get(f"{server.url}/api/v2/sources", headers=headers).status_code == 401


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 375, "height": 800})
    paths = ["/", "/sources", "/segments", "/segments/new", "/reports", "/reports/new", "/workflows", "/workflows/new"]
    paths += ["/visitors", "/accounts", "/settings/workspace", "/search?q=x"]
    paths += ["/workflows/recipes/nps_responses", "/workflows/recipes/new_visitor"]
    paths += ["/surveys", "/surveys/new", "/surveys/new?kind=question"]
    paths += ["/inbox", "/connections", "/connections/new/slack", "/settings/keys", "/settings/people", "/settings/me"]
    for path in paths:
        page.goto(path)
        page.wait_for_timeout(80)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path


def test_the_documentation_of_the_api_works_without_the_internet(page: Page) -> None:
    foreign: list[str] = []
    page.on(
        "request",
        lambda request: (
            foreign.append(request.url)
            if "127.0.0.1" not in request.url and not request.url.startswith("data:")
            else None
        ),
    )
    page.goto("/api/v2/docs")
    expect(page.locator(".opblock").first).to_be_visible(timeout=10_000)
    assert foreign == []
