"""What people read says what the code does."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from infraci.errors import CATEGORIES, CommitError
from infraci.heat import RefusedError
from tests import docs_embedded_cloud, docs_failures

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")])
SOURCES = [path for folder in ("infraci", "tests") for path in (ROOT / folder).rglob("*.py")]
#: Python files that are not ours: a reader's specs, and the examples of CONTRIBUTING.md.
READERS = re.compile(r"specs/|helper\.py|.*(?:ROOM|salt)")


def _links(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:|#", target):
            yield target.partition("#")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [target for target in _links(page) if not (page.parent / target).exists()]
    assert broken == []


def test_the_page_of_the_embedded_cloud_says_what_the_code_does() -> None:
    text = docs_embedded_cloud.PAGE.read_text()
    assert text == docs_embedded_cloud.made(text), "run: python -m tests.docs_embedded_cloud"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_files_and_tests_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"(?:[\w-]+/)*\w+\.py\b(?:::\w+)*", page.read_text())
    assert [name for name in named if not READERS.match(name) and not _is_there(name)] == []


def _is_there(name: str) -> bool:
    """Whether a page may call a file so: by the end of its path, and by what it defines."""
    path, *parts = name.split("::")
    texts = [file.read_text() for file in SOURCES if f"/{file}".endswith(f"/{path}")]
    return any(all(re.search(rf"(def|class) {part}\b", text) for part in parts) for text in texts)


def test_the_architecture_shows_the_layers_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [set(layer.split(" | ")) for layer in contracts["contracts"][0]["layers"]]
    text = (ROOT / "ARCHITECTURE.md").read_text()
    (shown,) = re.findall(r"^    (errors ←.*(?:\n .*)*)", text, re.MULTILINE)
    assert [set(layer.split()) for layer in shown.split("←")] == layers[:0:-1]


def test_every_folder_of_tests_is_a_room_or_explained() -> None:
    rooms = {path.name for path in (ROOT / "infraci").iterdir()}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    explained = set(re.findall(r"`(\w+)`", (ROOT / "CONTRIBUTING.md").read_text()))
    assert folders - rooms <= explained


def test_every_page_is_in_the_index() -> None:
    index = set(_links(ROOT / "docs/README.md"))
    assert {page.name for page in ROOT.glob("docs/*.md")} - {"README.md"} <= index


def test_the_page_of_failures_says_what_the_code_does() -> None:
    text = docs_failures.PAGE.read_text()
    assert text == docs_failures.made(text), "run: python -m tests.docs_failures"


def test_every_class_of_failures_is_documented() -> None:
    assert {row.category for row in docs_failures.rows()} - {""} == set(CATEGORIES)


def test_every_failure_of_the_commit_is_documented() -> None:
    shown = {row.error for row in docs_failures.rows()}
    # What Heat refuses is in the table by its words.
    assert set(_below(CommitError)) - {RefusedError} <= shown


def _below(error: type[Exception]) -> Iterator[type[Exception]]:
    for kind in error.__subclasses__():
        if kind.__module__.startswith("infraci."):
            yield kind
            yield from _below(kind)
