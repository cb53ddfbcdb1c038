"""The layout of a run's folder is known in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import infraci
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Round

ROOT = Path(infraci.__file__).parent
FOLDER = RunFolder(Path("run"))
NAMES = {
    path.name
    for path in (
        FOLDER.record,
        FOLDER.login_key,
        FOLDER.host_key,
        FOLDER.ssh_config,
        FOLDER.known_hosts,
        FOLDER.stack,
        FOLDER.junit,
        FOLDER.template(Round.HEAD),
        FOLDER.environment(Round.HEAD),
    )
}
#: Files of the same names in other folders.
ELSEWHERE = {
    ("ssh/config.py", "id_ed25519"),  # what ssh-keygen calls a key
    ("templates/tosca/translator_process.py", "template.yaml"),  # of the translator
    ("verify/serverspec.py", "junit.xml"),  # in a temporary folder, written by RSpec
}


def named_files() -> Iterator[tuple[str, str]]:
    """Each module that names a file as a run's folder has it, and the name."""
    for path in ROOT.rglob("*.py"):
        module = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in NAMES:
                yield module, str(node.value)


def test_no_other_module_names_the_files_of_a_run() -> None:
    assert {(m, name) for m, name in named_files() if m != "ledger/run_folder.py"} == ELSEWHERE


def test_each_round_but_the_heads_has_folders_of_its_own() -> None:
    assert FOLDER.logs(Round.HEAD) == Path("run/logs")
    assert FOLDER.logs(Round.BASE) == Path("run/logs/base")
    assert FOLDER.template(Round.HEAD) == Path("run/template.yaml")
    assert FOLDER.template(Round.BASE) == Path("run/base/template.yaml")


def test_private_keys_are_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for path in (folder.login_key, folder.host_key, folder.record):
        path.touch()
    folder.remove_private_keys()
    folder.remove_private_keys()
    assert list(tmp_path.iterdir()) == [folder.record]
