"""What `infraci run` imports, and when: little itself, and no package in two threads at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infraci.app.checkout import preloading
from tests.app.workspace import FILES, Workspace

HEAVY = ("git", "openstack", "paramiko", "pydantic", "rich", "yaml", "infraci.heat", "infraci.ssh")


def said_by(code: str, folder: Path) -> list[str]:
    """The words that a fresh interpreter prints."""
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True
    )
    return output.stdout.split()


def test_the_command_itself_is_light(tmp_path: Path) -> None:
    modules = said_by("import sys, infraci.commands.run; print(*sys.modules)", tmp_path)
    assert not set(modules) & set(HEAVY)


SPY = """\
import sys, threading
from infraci.app import checkout

class Spy:
    def find_spec(self, name, path, target=None):
        if threading.current_thread() is threading.main_thread():
            imported.append(name)

imported = []
sys.meta_path.insert(0, Spy())
with checkout.preloading("infraci.app.execute_run"):
    del imported[:]
    with checkout.open_checkout(commit="HEAD", quiet=True):
        pass
    meanwhile = list(imported)
assert "infraci.app.execute_run" in sys.modules
print(*(name for name in meanwhile if name.partition(".")[0] not in sys.stdlib_module_names))
"""


def test_git_is_asked_without_any_import(tmp_path: Path) -> None:
    repository = Workspace(folder=tmp_path / "repository", state=tmp_path)
    repository.create(FILES)
    assert said_by(SPY, repository.folder) == []


def test_what_cannot_be_imported_is_not_told_yet(capfd: pytest.CaptureFixture[str]) -> None:
    with preloading("infraci.no_such_module"):
        pass
    assert capfd.readouterr() == ("", "")
