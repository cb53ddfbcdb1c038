"""Exported trees: those of living processes stay, also where these are not seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from infraci import git
from infraci.app.checkout import exported, remove_dead_trees
from tests.base.test_temporary import CONTAINER

_REMOVE = """
import sys, pathlib
from infraci.app.checkout import remove_dead_trees
print(remove_dead_trees(pathlib.Path(sys.argv[1])))
"""


def test_a_container_leaves_the_trees_of_the_others_that_share_the_folder(tmp_path: Path) -> None:
    commit = ("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "file").write_text("x")
    subprocess.run(["git", "-C", tmp_path, "add", "file"], check=True)
    subprocess.run(["git", "-C", tmp_path, *commit, "--message=Begin"], check=True)
    with exported(tmp_path, git.resolve(tmp_path)) as tree:
        other = subprocess.run(
            [*CONTAINER, sys.executable, "-c", _REMOVE, tmp_path],
            capture_output=True,
            text=True,
            check=True,
        )
        assert other.stdout == "0\n"
        assert (tree / "file").read_text() == "x"
        assert remove_dead_trees(tmp_path) == 0
    assert list(tree.parent.iterdir()) == []


def test_a_repository_without_trees_has_no_dead_ones(tmp_path: Path) -> None:
    assert remove_dead_trees(tmp_path) == 0
