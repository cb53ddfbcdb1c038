"""A name has one meaning in the whole package, and says what it holds."""

from __future__ import annotations

import ast
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "infraci"
FOLDERS = ("infraci", "tests", "benchmarks")
SOURCES = sorted(PACKAGE.rglob("*.py"))

#: Classes of one name in two rooms: terms of two fields, or one thing seen from two sides.
TWO_MEANINGS = {
    "Cloud": "a connection to any cloud; the process of the embedded one",
    "PlannedServer": "as a plan shows it; as specs see it before the stack is there",
    "Router": "the record; its namespace on this machine",
    "Server": "of a run; of the embedded cloud",
    "Stack": "as Heat shows it; as specs see it",
}
#: Modules of one name, besides those of the verbs in commands/.
TWO_MODULES = {"__init__.py", "errors.py", "run.py", "security_groups.py"}
#: Names that do not say what a variable holds.
VAGUE = {"said", "told", "found", "wanted", "asked", "heard", "trouble", "troubles"}


def test_a_class_has_a_name_of_its_own() -> None:
    names = Counter(
        node.name
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, times in names.items() if times > 1} == set(TWO_MEANINGS)


def test_a_module_has_a_name_of_its_own_unless_it_is_a_verb() -> None:
    names = Counter(path.name for path in SOURCES if "commands" not in path.parts)
    assert {name for name, times in names.items() if times > 1} == TWO_MODULES


def test_variables_are_called_after_what_they_hold() -> None:
    vague = []
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.NAME and token.string in VAGUE:
                    vague.append(f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}")
    assert vague == []
