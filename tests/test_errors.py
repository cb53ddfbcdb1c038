"""What this machine lacks is told as that: no file, program or process is said to be missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infraci.errors import InfraciError, MachineError, of_machine, raise_of_machine
from infraci.git import GitError

#: Asks for something when no more files can be opened.
_FULL = """
import errno, resource
from pathlib import Path
from infraci.errors import MachineError
{imports}
def ask():
    {statement}
{before}
resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    answer = ask()
except (MachineError, OSError) as error:
    print("Too many open files" in str(error))
else:
    print("answered", answer)
"""


@pytest.mark.parametrize(
    ("imports", "before", "statement"),
    [
        (
            "from infraci.base.process import is_alive, this_process",
            "me = this_process()",
            "return is_alive(me)",
        ),
        (
            "from infraci.base.scripts import check_script",
            "",
            "return check_script(Path('/bin/ls'))",
        ),
        (
            "from infraci.model.document import read_document",
            "",
            "return read_document(Path('/etc/hostname'), file='x')",
        ),
        (
            "from infraci.base.temporary import choose_folder, make_folder",
            "",
            "choose_folder(); return make_folder('x')",
        ),
        (
            "from infraci.local.state_dir import StateDir",
            "Path('address.json').write_text('{}')",
            "return StateDir(folder=Path()).read_address()",
        ),
        ("from infraci import git; import git as _", "", "return git.run(Path(), 'status')"),
    ],
    ids=["process", "script", "document", "folder", "address", "git"],
)
def test_without_open_files_nothing_is_taken_for_missing(
    imports: str, before: str, statement: str, tmp_path: Path
) -> None:
    code = _FULL.format(imports=imports, before=before, statement=statement)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("limit", range(5, 11))
@pytest.mark.parametrize("verb", ["list", "plan"])
def test_a_command_that_may_open_few_files_tells_the_reason(
    verb: str, limit: int, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    done = subprocess.run(
        ["prlimit", f"--nofile={limit}:{limit}", sys.executable, "-P", "-m", "infraci", verb],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    is_told = done.returncode == 125 and "Too many open files" in done.stderr
    is_enough = done.returncode == 0 or "has no commit yet" in done.stderr
    assert is_told or is_enough, done.stderr


def test_a_cause_is_found_behind_another_error() -> None:
    error = ImportError("failed to initialize")
    error.__cause__ = OSError(24, "Too many open files")
    assert of_machine(ImportError("no module")) is None
    raise_of_machine(ImportError("no module"))
    with pytest.raises(MachineError, match="Too many open files"):
        raise_of_machine(error)


def test_another_message_quotes_the_reason() -> None:
    assert InfraciError("cannot read it").reason == "cannot read it"
    error = GitError("cannot run git fetch", reason="no: such remote")
    assert error.message == "cannot run git fetch: no: such remote"
    assert error.reason == "no: such remote"
