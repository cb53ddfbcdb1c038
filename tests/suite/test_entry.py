"""Without a stack the plugin costs nothing, and with a mistake it says so in one message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

IMPORTED = """\
import sys, pytest
status = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]])
heavy = {"openstack", "paramiko", "pydantic", "git", "rich", "testinfra.backend.paramiko"}
ours = {name for name in sys.modules if name.split(".")[0] == "infraci"}
print(status, sorted(heavy & sys.modules.keys()), sorted(ours))
"""

#: What a session with workers imports, whether it has stacks or not.
_BROKER = [
    "infraci.base",
    "infraci.base.json_lines",
    "infraci.base.json_reader",
    "infraci.suite.xdist_broker",
]


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run pytest there; its exit status, and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("workers", "more"),
    [([], []), (["-n1"], _BROKER)],
    ids=["alone", "xdist"],
)
def test_without_the_option_nothing_is_imported(
    tmp_path: Path, workers: list[str], more: list[str]
) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(tmp_path), *workers], capture_output=True, text=True
    )
    ours = sorted(["infraci", "infraci.suite", "infraci.suite.entry", *more])
    assert done.stdout.splitlines()[-1] == f"0 [] {ours}"


def test_a_fixture_without_a_stack_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(infraci_stack): pass\n")
    status, output = run(tmp_path)
    assert status == 1
    assert "infraci_stack needs a stack: pytest --infraci PIPELINE" in output


def test_a_marker_that_narrows_is_no_trouble_without_a_stack(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.infraci(role='web')\ndef test_it(): pass\n"
    )
    status, output = run(tmp_path, "--strict-markers", "-W", "error")
    assert status == 0, output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--infraci=x", "--hosts=ssh://a"], "cannot take both --infraci and --hosts"),
        (["--infraci-run=x", "--hosts=ssh://a"], "cannot take both --infraci-run and --hosts"),
        (["--infraci-run=x", "--infraci-cloud=c"], "both --infraci-run and --infraci-cloud"),
    ],
)
def test_options_that_clash(tmp_path: Path, arguments: list[str], message: str) -> None:
    status, output = run(tmp_path, *arguments)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert message in output
    assert "Traceback" not in output
