"""Scripts on a real server: what they get, and what becomes of those that fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from infraci.configure import NotIdempotentError, StepError, StepFailedError, StepRun
from infraci.configure.script import Script
from infraci.errors import ExitCode, UnreachableError
from infraci.model.configure_steps import ScriptStep, secrets_of_step
from infraci.model.secret import Secret
from infraci.ssh import CommandTimeoutError, generate_key
from tests.configure.conftest import StepRunner
from tests.containers import booted, inside, wait_for_login
from tests.limits import growing_limits
from tests.sshd import DAEMON, Sshd, running_sshd

LEFTOVERS = Path("/tmp")


def _script(path: str = "app.sh", **options: Any) -> ScriptStep:
    return ScriptStep(path=PurePosixPath(path), **options)


@contextmanager
def fake_program(runner: StepRunner, name: str, script: str) -> Iterator[None]:
    """A program of that name, on the search path of the runner's server."""
    path = runner.sshd.folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
    try:
        yield
    finally:
        path.unlink()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Folders of other tests, which may run at the same time, go within a moment."""
    before = _folders_of_scripts()
    yield
    left = _folders_of_scripts() - before
    for _ in Deadline(60).poll(f"{sorted(left)} to go"):
        left &= _folders_of_scripts()
        if not left:
            return


def _folders_of_scripts() -> set[Path]:
    """Those of the scripts here: what others leave where they kill a server is not for us."""
    names = {"app.sh", "next.sh", "who.sh", "long.sh"}
    scripts = LEFTOVERS.glob("infraci.*/*.sh")
    return {script.parent for script in scripts if script.name in names}


def test_what_a_script_gets(runner: StepRunner) -> None:
    runner.script(
        "app.sh",
        '#!/bin/sh\nset -eu\nprintf "%s|" "$@" "$A" "$INFRACI_SERVER" "$INFRACI_ROLE"'
        ' "$INFRACI_RUN" "$INFRACI_COMMIT" "$INFRACI_OUTPUT_LB_URL"\necho; cat; basename "$0"\n',
    )
    nasty = 'it\'s $(false) "q"\n`x`'
    runner.configure(_script(arguments=("one", "two words"), environment={"A": nasty}))
    assert runner.log() == [
        "==> script app.sh",
        'one|two words|it\'s $(false) "q"',
        "`x`|web-0|web|run-1|0123456789abcdef|http://192.0.2.1|",
        "app.sh",
        "==> script app.sh: done",
    ]


@pytest.mark.parametrize(
    ("shebang", "body"),
    [
        ("#!/usr/bin/env python3", "import sys; print('ran by', sys.version_info.major)"),
        ("#! /bin/sh -e", "false; echo not reached"),
        ("#!/usr/bin/env -S python3 -u", "print('ran by 3')"),
    ],
)
def test_the_first_line_names_the_interpreter(runner: StepRunner, shebang: str, body: str) -> None:
    runner.script("app.sh", f"{shebang}\n{body}\n")
    if "-e" in shebang.split():
        message = r"^web-0: app\.sh failed: it did not say why \(exit status 1\)$"
        with pytest.raises(StepFailedError, match=message):
            runner.configure(_script())
    else:
        runner.configure(_script())
        assert "ran by 3" in runner.log()


def test_its_environment_shows_in_no_process_list_and_its_files_are_private(
    runner: StepRunner,
) -> None:
    """The script looks for its own secret in every command line of the machine."""
    runner.script(
        "app.sh",
        "#!/bin/sh\n"
        'for f in /proc/[0-9]*/cmdline; do if grep -q "$SECRET" "$f" 2>/dev/null; then'
        ' echo "seen in $f"; fi; done\n'
        'stat -c "%a" "$0" "$(dirname "$0")" "$(dirname "$0")/.run"\n'
        'echo "the secret is $SECRET"\n',
    )
    runner.configure(_script(environment={"SECRET": "sesame99"}), secrets=["sesame99"])
    assert runner.log()[1:-1] == ["700", "700", "600", "the secret is ******"]


def test_a_script_that_fails(runner: StepRunner) -> None:
    lines = "".join(f"echo line {number}\n" for number in range(50))
    runner.script("app.sh", f"#!/bin/sh\n{lines}echo 'no package nginx' >&2\nexit 3\n")
    runner.script("next.sh", "#!/bin/sh\n")
    with pytest.raises(StepFailedError) as caught:
        runner.configure(_script(), _script("next.sh"))
    assert caught.value.message == (
        "web-0: app.sh failed: no package nginx (line 52, exit status 3)"
    )
    assert caught.value.exit_code is ExitCode.FAILED
    assert "line 49\nno package nginx\n(exit status 3)" in caught.value.details
    assert "line 10\n" not in caught.value.details
    assert [name for name, _ in runner.begun] == ["script app.sh"]


def test_a_script_that_a_signal_ends(runner: StepRunner) -> None:
    runner.script("app.sh", "#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(StepFailedError, match=r"^web-0: app\.sh failed: .*ended by SIGKILL\)$"):
        runner.configure(_script())


def test_a_script_that_takes_too_long_is_killed_with_all_it_started(runner: StepRunner) -> None:
    # Nobody else on this machine sleeps for so long.
    nap = 10**6 + os.getpid()
    runner.script("app.sh", f"#!/bin/sh\ntrap '' TERM\necho waiting\nsleep {nap} & sleep {nap}\n")
    for limit_s in growing_limits(1.0):
        with pytest.raises(StepFailedError) as caught:
            runner.configure(_script(timeout_s=limit_s))
        if "waiting" in caught.value.details:
            break
    assert caught.value.message == f"web-0: app.sh was stopped after {limit_s:g} s"
    assert "waiting" in caught.value.details
    # A killed process is gone when the kernel gets to it.
    gone = f"for _ in $(seq 50); do pgrep -fx 'sleep {nap}' || exit 0; sleep 0.1; done; exit 1"
    assert runner.sessions["web-0"].run(gone, timeout_s=10).exit_status == 0


def test_the_connection_is_lost_while_a_script_runs(
    runner_of: Callable[[Sshd], StepRunner], tmp_path: Path
) -> None:
    with running_sshd(tmp_path / "own") as own:
        runner = runner_of(own)
        note = tmp_path / "folder"
        killing = f"kill -9 {own.process.pid} $(pgrep -P {own.process.pid})"
        runner.script("app.sh", f'#!/bin/sh\ndirname "$0" >{note}\n{killing}')
        with pytest.raises(StepFailedError) as caught:
            runner.configure(_script())
    (failure,) = caught.value.failures
    assert isinstance(failure.error, UnreachableError)
    assert "the connection was lost while app.sh ran" in caught.value.message
    shutil.rmtree(note.read_text().strip())  # infraci could not


def test_a_connection_lost_before_the_script_is_no_trouble(runner: StepRunner) -> None:
    runner.script("app.sh", "#!/bin/sh\necho ran\n")
    session = runner.session_of(runner.sshd.named("web-0"))
    daemon = session.run(DAEMON, timeout_s=10).stdout.strip()
    with pytest.raises(UnreachableError):
        session.run(f"kill -9 {daemon}; sleep 600", timeout_s=10)
    runner.configure(_script())
    assert "ran" in runner.log()


@pytest.mark.cloud
def test_as_root_and_as_the_user_who_logs_in(tmp_path: Path) -> None:
    key = generate_key(tmp_path, "test")
    deadline = Deadline(90)
    with booted(tmp_path, key) as server:
        login = wait_for_login(server, private_key=key.private_path, deadline=deadline)
        with login as session:

            def configure(script: ScriptStep) -> list[str]:
                lines: list[str] = []
                run = StepRun(
                    root=tmp_path,
                    outputs={},
                    run_id="run-1",
                    commit="abc",
                    deadline=deadline,
                    log=lines.append,
                )
                Script(script).apply(session, server, run)
                return lines

            (tmp_path / "who.sh").write_text('#!/bin/sh\nid -un; echo "$A"; : >"$0.left"\n')
            assert configure(_script("who.sh", environment={"A": "b c"})) == ["root", "b c"]
            assert configure(_script("who.sh", sudo=False)) == ["debian", ""]

            (tmp_path / "long.sh").write_text("#!/bin/sh\ntrap '' TERM\nsleep 600 & sleep 601\n")
            for sudo in (True, False):
                with pytest.raises(StepError, match=r"long\.sh was stopped after 1 s"):
                    configure(_script("long.sh", timeout_s=1.0, sudo=sudo))
            with pytest.raises(CommandTimeoutError):
                session.run("sleep 600; true", timeout_s=0.5)
            assert session.run("pgrep -fx 'sleep 60[01]'", timeout_s=10).stdout == ""
            assert session.run("ls -d /tmp/infraci.*", timeout_s=10).stdout == ""

            inside(server, "sh", "-c", "rm -f /etc/sudoers.d/*")
            with pytest.raises(
                StepError, match=r"^web-0: who\.sh cannot run as root: sudo asks debian for a pass"
            ):
                configure(_script("who.sh"))


def test_what_a_script_says_of_its_changes(runner: StepRunner) -> None:
    runner.script(
        "app.sh", "#!/bin/sh\necho CHANGED the port; echo '  CHANGED the name'; echo all\n"
    )
    runner.configure(_script(), idempotence=True)
    with pytest.raises(NotIdempotentError) as caught:
        runner.configure(_script(changed_when="CHANGED"), idempotence=True)
    assert caught.value.details.splitlines() == [
        "script app.sh on web-0: CHANGED the port",
        "script app.sh on web-0: CHANGED the name",
    ]


def test_a_script_that_fails_the_second_time(runner: StepRunner) -> None:
    made = runner.folder / "made"
    runner.script("app.sh", f"#!/bin/sh\nmkdir {made}\n")
    with pytest.raises(StepFailedError, match=r"^web-0: app\.sh failed: mkdir: .*\(line 2\)$"):
        runner.configure(_script(), idempotence=True)


def test_secrets_are_masked_in_its_output(
    runner: StepRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_TOKEN", "sesame99")
    runner.script("app.sh", '#!/bin/sh\necho "$TOKEN"\n')
    step = _script(environment={"TOKEN": Secret(variable="APP_TOKEN")})
    runner.configure(step, secrets=secrets_of_step(step))
    assert runner.log()[1] == "******"


def test_a_script_that_is_not_there(runner: StepRunner) -> None:
    with pytest.raises(StepFailedError, match=r"^web-0: app\.sh cannot be read: No such file"):
        runner.configure(_script())


def test_a_flaw_is_found_before_anything_is_sent(runner: StepRunner) -> None:
    runner.script("app.sh", "#!/bin/sh\r\n")
    with pytest.raises(StepFailedError, match=r"^web-0: app\.sh cannot be run: .*CRLF"):
        runner.configure(_script())
