"""A workflow built on its page: steps in blocks, values put in, steps tried, published, and seen running."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.server import Server
from tests.test_browser import opened, pytestmark, send

__all__ = ["pytestmark"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("browser") / "home").set_up().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def report(server: Server) -> str:
    """The id of a report of those who exported, with ada on it."""
    key = server.setup["write_key"]
    send(server, key, "ada")
    rules = {"all": [{"any": [{"kind": "track", "name": "export"}]}]}
    segment = api(server, "POST", "/segments", {"name": "Exporters", "rules": rules})
    columns = ["visitor.id", {"count": "track", "name": "export", "as": "exports"}]
    given = {"name": "Exports", "segment": segment["id"], "range": {"ever": True}, "columns": columns}
    return str(api(server, "POST", "/reports", given)["id"])


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    """A signed-in page that must not log an error or break the content security policy."""
    with opened(server) as (page, problems):
        page.set_default_timeout(10_000)
        yield page
    assert [one for one in problems if "422" not in one] == []


def api(server: Server, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {server.setup['integration_key']}"}
    answer = httpx.request(method, f"{server.url}/api/v2{path}", headers=headers, json=body)
    answer.raise_for_status()
    return answer.json()


def definition(page: Page) -> Any:
    return json.loads(page.locator("#definition").input_value())


def add(page: Page, kind: str, *, to: Locator | None = None) -> None:
    """Add a step of a type at the end of a block; without one, of the workflow."""
    block = to or page.locator(".tree > .block")
    block.locator("> .adder > button.add").last.click()
    page.locator(".types").get_by_role("button", name=kind).click()


def step(page: Page, id_: str) -> Locator:
    return page.locator(f'[data-step="{id_}"]')


def test_a_workflow_with_paths_a_delay_and_a_formatter_is_built_tried_and_runs(
    server: Server, page: Page, report: str
) -> None:
    page.goto(f"/workflows/new?report={report}")
    page.get_by_label("Name", exact=True).fill("Exports by number")
    add(page, "Formatter")
    formatter = step(page, "format")
    formatter.get_by_label("Function", exact=True).select_option("text.upper")
    formatter.get_by_role("button", name="Insert a value into Input").click()
    page.get_by_label("Find a value", exact=True).fill("visitor.id")
    expect(page.locator(".values-panel")).to_contain_text("ada")
    page.get_by_role("button", name="{{ visitor.id }}", exact=True).click()
    expect(formatter.get_by_label("Input", exact=True)).to_have_value("{{ visitor.id }}")
    formatter.get_by_role("button", name="Test format").click()
    expect(formatter.locator(".tried")).to_contain_text('"value": "ADA"')
    expect(page).to_have_url(re.compile(r"/workflows/wf_\w+/edit$"))  # kept as a draft by the test

    add(page, "Delay")
    step(page, "delay").get_by_label("How long", exact=True).select_option("until")
    step(page, "delay").get_by_label("Until", exact=True).fill("2020-01-01T00:00:00Z")
    add(page, "Paths")
    paths = step(page, "paths")
    paths.get_by_label("Name of branch 1", exact=True).fill("Many")
    paths.get_by_label("Condition 1.1: value", exact=True).fill("{{ row.exports }}")
    paths.get_by_label("Condition 1.1: operator", exact=True).select_option("gte")
    paths.locator(".rule").get_by_label("value", exact=True).fill("3")
    many, others = paths.locator(".branch .block").nth(0), paths.locator(".branch .block").nth(1)
    add(page, "Action", to=many)
    step(page, "step").get_by_label("Text *", exact=True).fill("Many exports")
    add(page, "Action", to=others)
    few = step(page, "step_2")
    few.get_by_role("button", name="Insert a value into Text *").click()
    page.get_by_label("Find a value", exact=True).fill("format")
    page.get_by_label("Find a value", exact=True).press("Enter")
    expect(few.get_by_label("Text *", exact=True)).to_have_value("{{ steps.format.value }}")
    few.get_by_label("Text *", exact=True).press_sequentially(" exported little")
    step(page, "tell").get_by_role("button", name="Remove tell").click()
    assert [one["type"] for one in definition(page)["steps"]] == ["formatter", "delay", "paths"]

    page.get_by_role("button", name="Test all").click()
    expect(page.locator(".said-of-tests")).to_have_text("4 steps were tested for ada.")
    expect(paths.locator("> .step-body .tried")).to_contain_text("Taken: Otherwise.")
    expect(few.locator(".tried")).to_contain_text("Went well")
    expect(step(page, "step").locator(".step-head .state")).to_have_text("not tested")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator("h1 .state")).to_have_text("off")
    expect(page.locator(".outline").first).to_contain_text("Many: if {{ row.exports }} is at least 3")
    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#on-report")).to_have_text("1")
    expect(page.locator("#activation .untested")).to_contain_text("step")
    page.locator("#activation-go").click()
    expect(page.locator("h1 .state")).to_have_text("off")  # the browser asks for the tick first
    page.get_by_label("Turn it on all the same", exact=True).check()
    page.locator("#activation-go").click()
    expect(page.locator("h1 .state")).to_have_text("on")

    send(server, server.setup["write_key"], "grace")
    page.get_by_role("link", name="Exports", exact=True).click()
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#check-result")).to_contain_text("2 on the report")  # she may have been seen before it
    page.goto("/inbox")
    expect(page.locator("#messages")).to_contain_text("GRACE exported little", timeout=10_000)
    expect(page.locator("#messages")).to_contain_text("ADA exported little")  # of the test


def test_steps_are_moved_copied_renamed_and_put_elsewhere(page: Page, report: str) -> None:
    page.goto(f"/workflows/new?report={report}")
    step(page, "tell").get_by_label("Id of tell", exact=True).fill("First one")
    step(page, "tell").get_by_label("Id of tell", exact=True).press("Tab")
    add(page, "Action")
    step(page, "step").get_by_label("Text *", exact=True).fill("{{ steps.first_one.id }}")
    step(page, "first_one").get_by_label("Id of first_one", exact=True).fill("begin")
    step(page, "first_one").get_by_label("Id of first_one", exact=True).press("Enter")
    expect(step(page, "step").get_by_label("Text *", exact=True)).to_have_value("{{ steps.begin.id }}")

    def order() -> list[str]:
        return [one["id"] for one in definition(page)["steps"]]

    down = step(page, "begin").get_by_role("button", name="Move down")
    down.focus()
    page.keyboard.press("Alt+ArrowDown")
    assert order() == ["step", "begin"]
    expect(page.locator(".step-head .state").first).to_have_text("not finished", timeout=5000)
    expect(step(page, "step").locator(".problems")).to_contain_text("is not done before this one")
    page.get_by_role("button", name="Undo the last change of the steps").click()
    assert order() == ["begin", "step"]
    step(page, "begin").get_by_role("button", name="Duplicate begin").click()
    assert order() == ["begin", "begin_2", "step"]
    add(page, "Loop")
    step(page, "begin_2").get_by_role("button", name="Cut begin_2").click()
    step(page, "each").locator(".block > .adder > button.add").last.click()
    page.get_by_role("button", name="Put begin_2 here").click()
    assert definition(page)["steps"][2]["steps"][0]["id"] == "begin_2"
    step(page, "begin_2").get_by_role("button", name="Move up").click()
    assert order() == ["begin", "step", "begin_2", "each"]


def test_an_unfinished_draft_is_kept_and_a_refusal_stands_at_its_step(page: Page, report: str) -> None:
    page.goto(f"/workflows/new?report={report}")
    page.get_by_label("Name", exact=True).fill("Not yet")
    add(page, "Filter")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("steps[1].all[0].any[0].left")
    expect(step(page, "only").locator(".field.wrong")).to_have_count(1)
    page.get_by_role("button", name="Keep it unfinished").click()
    expect(page.get_by_role("status").first).to_contain_text("Kept as a draft")
    page.reload()
    expect(step(page, "only").locator(".step-head .state")).to_have_text("not finished")
    page.goto(page.url.removesuffix("/edit"))
    expect(page.locator(".notice")).to_contain_text("It is not finished")
    expect(page.get_by_role("button", name="Activate")).to_have_count(0)


def test_a_failed_test_says_why_and_dry_ones_send_nothing(server: Server, page: Page, report: str) -> None:
    page.goto(f"/workflows/new?report={report}")
    add(page, "Action")
    second = step(page, "step")
    second.get_by_label("App", exact=True).select_option("webhook")
    second.get_by_label("Address *", exact=True).fill("http://127.0.0.1:9/{{ visitor.id }}")
    page.get_by_label("Only show, send nothing", exact=True).check()
    before = len(api(server, "GET", "/inbox")["items"])
    page.get_by_role("button", name="Test all").click()
    expect(second.locator(".tried")).to_contain_text("http://127.0.0.1:9/ada")
    assert len(api(server, "GET", "/inbox")["items"]) == before
    page.get_by_label("Only show, send nothing", exact=True).uncheck()
    second.get_by_role("button", name="Test step").click()
    expect(second.locator(".tried.failed")).to_be_visible()
    expect(second.locator(".step-head .state")).to_have_text("test failed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_type_of_step_and_trigger_fits_a_phone(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto("/workflows/new?trigger=manual")
    page.get_by_label("Name", exact=True).fill("Everything")
    kinds = page.get_by_label("Trigger", exact=True).locator("option").evaluate_all("all => all.map(one => one.value)")
    page.locator(".tree > .block > .adder > button.add").last.click()
    labels = page.locator(".types button b").all_inner_texts()
    page.keyboard.press("Escape")
    for label in labels:
        add(page, label)
    add(page, "Paths", to=page.locator(".branch .block").first)
    assert {one["type"] for one in definition(page)["steps"]} >= {"action", "filter", "paths", "loop", "delay"}
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    for kind in kinds:
        page.get_by_label("Trigger", exact=True).select_option(kind)
        assert definition(page)["trigger"]["kind"] == kind
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, kind


def test_a_schedule_for_each_visitor_of_a_report_and_an_event_with_its_re_entry_are_made_on_the_page(
    page: Page, report: str
) -> None:
    page.goto("/workflows/new")
    page.get_by_label("Name", exact=True).fill("Each morning")
    page.get_by_label("Trigger").select_option("schedule")
    assert definition(page)["trigger"] == {"kind": "schedule", "every": "day", "at": "09:00"}
    page.get_by_label("For each visitor on").select_option(report)
    page.get_by_label("How often").select_option("hour")
    assert definition(page)["trigger"] == {"kind": "schedule", "every": "hour", "each": {"report": report}}
    page.get_by_label("For each visitor on").select_option("")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("h1")).to_contain_text("Each morning")

    page.goto("/workflows/new?trigger=event")
    page.get_by_label("Name", exact=True).fill("Each export")
    page.get_by_label("Name of the event").fill("export")
    page.get_by_label("Re-entry").select_option("each_return")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("main")).to_contain_text("Re-entry: each such event runs.")
