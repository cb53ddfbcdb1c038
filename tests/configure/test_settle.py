"""What a step does to its server's SSH is told of that step; servers that are lost come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from infraci.configure import StepError, StepFailedError
from infraci.configure.step import RecoveryLimits
from infraci.errors import ExitCode, UnreachableError
from infraci.model.configure_steps import ScriptStep
from infraci.ssh import HostKeyError, fingerprint, generate_key
from tests.configure.conftest import StepRunner
from tests.sshd import Sshd, running_sshd


@pytest.fixture
def own(runner_of: Callable[[Sshd], StepRunner], tmp_path: Path) -> Iterator[StepRunner]:
    """A server that the test may hurt."""
    with running_sshd(tmp_path / "sshd") as sshd:
        yield runner_of(sshd)


def fails(runner: StepRunner, script: str) -> StepFailedError:
    """Two steps, of which the first does something to SSH."""
    runner.script("hurt.sh", f"#!/bin/sh\nset -e\n{script}\n")
    runner.script("next.sh", "#!/bin/sh\n")
    with pytest.raises(StepFailedError) as caught:
        runner.configure(_script("hurt.sh"), _script("next.sh"))
    assert [name for name, _ in runner.begun if ":" not in name] == ["script hurt.sh"]
    return caught.value


def test_a_key_that_is_no_longer_accepted(own: StepRunner) -> None:
    error = fails(own, f": > {own.sshd.folder}/authorized_keys")
    assert error.exit_code is ExitCode.FAILED
    assert error.message == (
        "cannot go on after script hurt.sh: cannot log in to web-0 as root: key refused, though"
        " the connection from before still works"
    )


def test_a_server_that_no_longer_listens(own: StepRunner) -> None:
    error = fails(own, f"kill {own.sshd.process.pid}")
    assert error.exit_code is ExitCode.FAILED
    assert "after script hurt.sh: cannot reach web-0" in error.message
    assert "Connection refused" in error.message


def test_a_server_that_restarts(own: StepRunner) -> None:
    """Its listener is away for a moment."""
    sshd = own.sshd
    own.recovery = RecoveryLimits()
    again = f"(sleep 1; exec /usr/sbin/sshd -D -f {sshd.folder}/sshd_config) >/dev/null 2>&1 &"
    own.script("restart.sh", f"#!/bin/sh\nkill {sshd.process.pid}\n{again}\n")
    own.script("next.sh", "#!/bin/sh\necho went on\n")
    own.configure(_script("restart.sh"), _script("next.sh"))
    assert "went on" in own.log()


def test_other_host_keys(own: StepRunner, tmp_path: Path) -> None:
    """They are the server's own if the connection of before says so; here it does not."""
    other = generate_key(tmp_path, "other")
    key = " ".join(other.public.split()[:2])
    scan = f"ssh-keyscan -t ed25519 -p {own.sshd.server.port} 127.0.0.1 2>/dev/null"
    error = fails(
        own,
        f"cp {other.private_path} {own.sshd.folder}/host_key\n"
        f"kill -HUP {own.sshd.process.pid}\n"
        f"until {scan} | grep -qF '{key}'; do sleep 0.1; done",
    )
    (before,) = own.sshd.server.host_keys
    (failure,) = error.failures
    assert isinstance(failure.error, HostKeyError)
    assert error.exit_code is ExitCode.UNTESTABLE
    assert error.message == (
        f"cannot trust web-0 after script hurt.sh: its host key is {fingerprint(key)},"
        f" and was {fingerprint(before)}"
    )
    assert "user_data" in str(error.hint)


def test_a_server_that_does_not_come_back(own: StepRunner) -> None:
    pid = own.sshd.process.pid
    error = fails(own, f"(sleep 0.5; kill -9 {pid} $(pgrep -P {pid})) >/dev/null 2>&1 & sleep 5")
    (failure,) = error.failures
    assert isinstance(failure.error, UnreachableError)
    assert not isinstance(failure.error, StepError)
    assert "the connection was lost while hurt.sh ran" in error.message


def test_a_server_that_is_away_does_not_take_the_others_time(
    runner: StepRunner, tmp_path: Path
) -> None:
    """It is waited for, as it may come back; the step is still tried on the others."""
    with running_sshd(tmp_path / "away") as sshd:
        away = sshd.named("web-1")
    runner.recovery = RecoveryLimits()
    runner.script("ok.sh", "#!/bin/sh\necho went on\n")
    with pytest.raises(StepFailedError) as caught:
        runner.configure(_script("ok.sh"), servers=[runner.sshd.named("web-0"), away], limit_s=8)
    assert [failure.server.name for failure in caught.value.failures] == ["web-1"]
    assert caught.value.exit_code is ExitCode.UNTESTABLE
    assert "went on" in runner.log("web-0")


def _script(path: str) -> ScriptStep:
    return ScriptStep(path=PurePosixPath(path), sudo=False)
