"""The command line: names, help, manual, and errors as exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from infraci import __version__
from infraci.cli import COMMANDS, cli, main

MANUAL = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()


def command_of(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def all_commands() -> Iterator[tuple[str, click.Command]]:
    for name in COMMANDS:
        command = command_of(name)
        yield name, command
        if isinstance(command, click.Group):
            for inner, child in command.commands.items():
                yield f"{name} {inner}", child


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_the_commands_own(name: str) -> None:
    assert command_of(name).name == name
    assert command_of(name).get_short_help_str(200) == COMMANDS[name][1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_chapter(name: str) -> None:
    assert f"### infraci {name}\n" in MANUAL


@pytest.mark.parametrize(("name", "command"), list(all_commands()))
def test_every_option_is_in_the_manual(name: str, command: click.Command) -> None:
    assert f"infraci {name}" in MANUAL
    chapter = MANUAL.partition(f"### infraci {name.split()[0]}\n")[2].partition("\n### ")[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            for option in parameter.opts:
                known = chapter
                if option in ("--parameter", "--environment", "-P", "-e"):
                    known = MANUAL
                assert option in known, f"{name} {option}"


def test_the_manual_promises_no_other_commands() -> None:
    known = {name for name, _ in all_commands()}
    for line in re.findall(r"^    infraci ((?:[a-z-]+ ?){1,2})", MANUAL, re.MULTILINE):
        words = line.split()
        assert words[0] in known or " ".join(words) in known


@pytest.mark.parametrize(("name", "command"), list(all_commands()))
def test_every_option_says_what_it_does(name: str, command: click.Command) -> None:
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{name} {parameter.name}"


def run(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-P", "-m", "infraci", *arguments], capture_output=True, text=True, **more
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from infraci.cli import main; main(['--help']); "
        "print([n for n in ('openstack', 'pydantic', 'paramiko', 'rich', 'git', 'yaml', 'heat')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version() -> None:
    assert run("--version").stdout == f"infraci, version {__version__}\n"


def test_an_unknown_command_has_a_near_name() -> None:
    done = run("pln")
    assert done.returncode == 2
    assert 'Did you mean "plan"?' in done.stderr


def test_an_error_has_message_hint_and_code(tmp_path: Path) -> None:
    done = run("list", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot find a git repository")
    assert "\nhint: " in done.stderr
    assert done.stdout == ""


def test_a_bug_is_short_and_leaves_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**options: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(command_of("schema"), "callback", broken)
    assert main(["schema"]) == 3
    printed = capsys.readouterr().err
    assert "this is a bug in infraci: ZeroDivisionError: oops" in printed
    log = re.search(r"\S+/infraci-bug-\S+\.log", printed)
    assert log is not None
    assert "Traceback" in Path(log[0]).read_text()
    Path(log[0]).unlink()


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(**options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_of("schema"), "callback", interrupted)
    assert main(["schema"]) == 130


def test_a_reader_that_goes_away() -> None:
    pipe = f"{sys.executable} -m infraci schema | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_schema_is_json() -> None:
    assert json.loads(run("schema").stdout)["title"] == "infraci pipeline"
    assert json.loads(run("schema", "--project").stdout)["title"] == "infraci project"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    assert "_INFRACI_COMPLETE" in run("completion", shell).stdout


def test_completion_of_commands() -> None:
    environment = {
        **os.environ,
        "_INFRACI_COMPLETE": "bash_complete",
        "COMP_WORDS": "infraci pro",
        "COMP_CWORD": "1",
    }
    code = "import sys; from infraci.cli import main; sys.argv[0] = 'infraci'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["plain,provision"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.parametrize("words", ["list --json", "--json list", "-q --json list -v"])
def test_json_stands_before_or_after_the_command(repository: Path, words: str) -> None:
    done = run(*words.split(), cwd=repository)
    assert (done.stdout, done.returncode) == ("[]\n", 0)


def test_a_command_without_json_says_so(repository: Path) -> None:
    done = run("--json", "run", cwd=repository)
    assert done.returncode == 2
    assert "run prints no JSON" in done.stderr


@pytest.mark.parametrize("words", [["-v", "-q", "-q"], ["-v"], []])
def test_verbosity_counts_before_and_after_the_command(words: list[str]) -> None:
    command = command_of("list")
    context = click.Context(cli, obj=1)
    inner = command.make_context("list", list(words), parent=context)
    assert inner.obj == 1 + words.count("-v") - words.count("-q")


def test_resuming_takes_no_other_commit(repository: Path) -> None:
    done = run("run", "--resume", "web", "--commit", "HEAD", cwd=repository)
    assert done.returncode == 2
    assert "--resume goes on with its run's commit" in done.stderr
