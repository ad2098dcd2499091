"""The documentation is a contract: what exists is documented, and what it links to exists."""

import re
from pathlib import Path

import pytest

from arrivals import config, errors

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    ROOT / "sdk" / "README.md",
]
EVERYTHING = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def classes(base: type[errors.ArrivalsError]) -> list[type[errors.ArrivalsError]]:
    return [base, *(one for child in base.__subclasses__() for one in classes(child))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("setting", config.SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented_with_its_default(setting: config.Setting) -> None:
    lines = [line for line in (ROOT / "docs/settings.md").read_text().splitlines() if f"`{setting.name}`" in line]
    assert lines
    assert setting.help in lines[0]
    assert not setting.default or setting.default in lines[0]


@pytest.mark.parametrize("error", classes(errors.ArrivalsError), ids=lambda error: error.__name__)
def test_every_error_code_is_documented(error: type[errors.ArrivalsError]) -> None:
    assert f"`{error.code}`" in (ROOT / "docs/api.md").read_text()


def test_every_document_can_be_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in readme, page.name


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text()
    for page in folder.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in listed, page.name
