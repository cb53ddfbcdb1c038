"""The commands that messages name: quoted, and with what they need where they are typed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import infraci
from infraci.base.invocation import in_folder, invocation
from infraci.cli import COMMANDS
from infraci.heat import LOCAL

ROOT = Path(infraci.__file__).parent
#: A command in a message that goes on with a value.
_COMMAND = re.compile(rf"infraci ({'|'.join(COMMANDS)})( .*)?[ =]\Z", re.DOTALL)


@pytest.fixture(autouse=True)
def _no_cloud_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFRACI_CLOUD", raising=False)


@pytest.mark.parametrize(
    ("words", "cloud", "command"),
    [
        (("destroy", "web-1"), LOCAL, "infraci destroy web-1"),
        (("destroy", "web-1"), "", "infraci destroy web-1"),
        (("destroy", "web-1"), "far", "infraci destroy --cloud far web-1"),
        (("run", "web[small]"), "my cloud", "infraci run --cloud 'my cloud' 'web[small]'"),
        (("gc",), "far", "infraci gc --cloud far"),
    ],
)
def test_a_command_works_as_it_stands(words: tuple[str, ...], cloud: str, command: str) -> None:
    assert invocation(*words, cloud=cloud) == command


def test_the_embedded_cloud_is_named_where_another_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INFRACI_CLOUD", "far")
    assert invocation("run", "web", cloud=LOCAL) == "infraci run --cloud local web"
    assert invocation("list") == "infraci list"


def test_a_command_is_led_to_the_folder_it_is_for() -> None:
    here = Path("/a/b")
    assert in_folder("infraci list", Path("/a"), here=here) == "infraci list"
    assert in_folder("infraci list", Path("/a/b c"), here=here) == "cd '/a/b c' && infraci list"


def test_no_message_forms_a_command_by_itself() -> None:
    formed = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr) and _is_command(node)
    ]
    assert formed == [], "have infraci.base.invocation form it"


def _is_command(string: ast.JoinedStr) -> bool:
    """Whether a command, and then a value in it, are part of a formatted string."""
    parts = zip(string.values, string.values[1:], strict=False)
    return any(
        isinstance(before, ast.Constant)
        and _COMMAND.search(str(before.value))
        and isinstance(value, ast.FormattedValue)
        for before, value in parts
    )
