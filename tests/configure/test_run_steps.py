"""Steps in order, servers at once, every failing server reported."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest

import infraci.configure
from infraci.base.deadline import Deadline
from infraci.base.mask import Masker
from infraci.configure import (
    NotIdempotentError,
    StepError,
    StepFailedError,
    StepRun,
    configure_servers,
)
from infraci.configure.step import Applied, Part, StepOutsideError
from infraci.errors import ExitCode, PhaseTimeoutError, UnreachableError
from infraci.ledger.run_folder import RunFolder
from infraci.model.configure_steps import ConfigureStep, ScriptStep
from infraci.model.run import ErrorKind, Outcome, Phase, Server, Testcase
from infraci.ssh import Session
from tests.configure.conftest import StepRunner
from tests.sshd import Sshd


@dataclass
class Step(infraci.configure.Step):
    """A driver that meets the others at a barrier, and fails where it is told to."""

    options: ScriptStep
    name: str = field(init=False)
    roles: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.name = str(self.options.path)
        self.roles = self.options.roles

    def apply(self, session: Session, server: Server, run: StepRun) -> Applied:
        arguments = self.options.arguments
        run.log("applied")
        if server.name in arguments:
            message = f"{server.name}: {self.name} failed"
            error = StepError(message, details="E: no", parts=self.parts)
            raise StepOutsideError(error) if "outside" in arguments else error
        if "bug" in arguments:
            raise ZeroDivisionError
        if "meet" in arguments:
            BARRIER.wait(timeout=20)
        if "interrupt" in arguments:
            raise KeyboardInterrupt
        if "lose" in arguments:
            raise UnreachableError(f"cannot reach {server.name}")
        changes = tuple(a for a in arguments if a.startswith(f"changes {server.name}"))
        return Applied(changes=changes, parts=self.parts)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Two tasks, of which the second failed where arguments say so."""
        if "parts" not in self.options.arguments:
            return ()
        failed = "part-fails" in self.options.arguments
        outcome = Outcome.FAILURE if failed else Outcome.PASSED
        return (
            Part(name="PLAY: one", outcome=Outcome.PASSED),
            Part(name="PLAY: two", outcome=outcome, message="two: no", text="secret: no"),
        )


def _driver(options: ConfigureStep) -> Step:
    assert isinstance(options, ScriptStep)
    return Step(options)


BARRIER = threading.Barrier(3)
NAMES = ("web-0", "web-1", "db-0")


def _step(name: str, *arguments: str, roles: tuple[str, ...] = ()) -> ConfigureStep:
    return ScriptStep(path=PurePosixPath(name), arguments=arguments, roles=roles)


def _configure(
    sshd: Sshd,
    folder: Path,
    *steps: ConfigureStep,
    deadline: Deadline | None = None,
    idempotence: bool = False,
    testcases: list[Testcase] | None = None,
) -> list[tuple[str, list[str]]]:
    begun: list[tuple[str, list[str]]] = []
    sessions = {
        name: Session.open(sshd.server, private_key=sshd.key.private_path, timeout_s=10)
        for name in NAMES
    }
    try:
        configure_servers(
            steps,
            [sshd.named(name, name.partition("-")[0]) for name in NAMES],
            session_of=lambda server: sessions[server.name],
            run_folder=RunFolder(folder),
            root=folder,
            outputs={},
            run_id="run-1",
            commit="abc",
            logs=folder,
            deadline=deadline or Deadline(60, phase="configure"),
            idempotence=idempotence,
            masker=Masker(["secret"]),
            on_step=lambda step, servers, is_detail=False: (
                None if is_detail else begun.append((step, [s.name for s in servers]))
            ),
            on_testcases=None if testcases is None else testcases.extend,
            driver=_driver,
        )
    finally:
        alive = [session.is_alive for session in sessions.values()]
        for session in sessions.values():
            session.close()
        begun.append(("alive", [str(all(alive))]))
    return begun


def test_steps_in_order_on_the_servers_of_their_roles_at_once(sshd: Sshd, tmp_path: Path) -> None:
    steps = [_step("first", "meet"), _step("second", roles=("web",)), _step("third", roles=("x",))]
    assert _configure(sshd, tmp_path, *steps)[:3] == [
        ("first", ["web-0", "web-1", "db-0"]),
        ("second", ["web-0", "web-1"]),
        ("third", []),
    ]
    lines = (tmp_path / "web-1.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "==> first",
        "applied",
        "==> first: done",
        "==> second",
        "applied",
        "==> second: done",
    ]
    assert all(line.split(" ")[0].endswith("Z") for line in lines)


def test_all_servers_that_failed_are_reported_and_later_steps_not_begun(
    sshd: Sshd, tmp_path: Path
) -> None:
    with pytest.raises(StepFailedError) as caught:
        _configure(sshd, tmp_path, _step("first", "web-1", "db-0"), _step("second"))
    error = caught.value
    assert error.message == "web-1: first failed (and on db-0)"
    assert [failure.server.name for failure in error.failures] == ["web-1", "db-0"]
    assert "db-0: first failed" in error.details
    assert error.exit_code is ExitCode.FAILED
    assert "second" not in (tmp_path / "web-0.log").read_text()
    assert "==> first: web-1: first failed" in (tmp_path / "web-1.log").read_text()


def test_trouble_with_the_connection_keeps_its_class(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(StepFailedError) as caught:
        _configure(sshd, tmp_path, _step("first", "lose"))
    assert caught.value.category == "guest"
    with pytest.raises(StepFailedError) as caught:
        _configure(sshd, tmp_path, _step("first", "lose", "web-1"))
    assert caught.value.category == ""


def test_what_changes_the_second_time_is_named(sshd: Sshd, tmp_path: Path) -> None:
    steps = [_step("first"), _step("second", "changes web-1: a", "changes db-0: b")]
    assert _configure(sshd, tmp_path, *steps)[-1] == ("alive", ["True"])
    with pytest.raises(NotIdempotentError) as caught:
        _configure(sshd, tmp_path, *steps, idempotence=True)
    assert caught.value.message == (
        "cannot accept the configuration: applied a second time, it still changes something:"
        " second (on web-1: changes web-1: a and 1 more)"
    )
    assert caught.value.details.splitlines() == [
        "second on web-1: changes web-1: a",
        "second on db-0: changes db-0: b",
    ]
    assert caught.value.exit_code is ExitCode.FAILED
    log = (tmp_path / "web-1.log").read_text()
    assert "==> first (again)" in log
    assert "==> second: done, 1 changed" in log


def test_what_changes_nothing_is_idempotent(sshd: Sshd, tmp_path: Path) -> None:
    begun = _configure(sshd, tmp_path, _step("first"), idempotence=True)
    assert [name for name, _ in begun] == ["first", "first (again)", "alive"]


def test_a_bug_is_no_failure_of_a_step(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _configure(sshd, tmp_path, _step("first", "bug"))


def test_no_step_begins_after_the_deadline(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(PhaseTimeoutError, match="still waiting for first"):
        _configure(sshd, tmp_path, _step("first"), deadline=Deadline(0, phase="configure"))


def test_ctrl_c_closes_the_sessions(runner: StepRunner) -> None:
    servers = [runner.sshd.named(name) for name in NAMES]
    sessions = [runner.session_of(server) for server in servers]
    with pytest.raises(KeyboardInterrupt):
        configure_servers(
            [_step("first", "interrupt")],
            servers,
            session_of=runner.session_of,
            run_folder=runner.run_folder(servers),
            root=runner.tree,
            outputs={},
            run_id="run-1",
            commit="abc",
            logs=runner.folder,
            deadline=Deadline(60),
            driver=_driver,
        )
    assert not any(session.is_alive for session in sessions)


def _summaries(testcases: list[Testcase]) -> list[tuple[str, str, str]]:
    assert all(case.phase is Phase.CONFIGURE for case in testcases)
    return [(c.server, c.nodeid.removeprefix("configure: "), c.outcome.value) for c in testcases]


def test_each_step_on_each_server_is_a_testcase(sshd: Sshd, tmp_path: Path) -> None:
    testcases: list[Testcase] = []
    steps = [_step("first", "parts", roles=("db",)), _step("second", roles=("web",))]
    _configure(sshd, tmp_path, *steps, _step("second", roles=("db",)), testcases=testcases)
    assert _summaries(testcases) == [
        ("db-0", "first", "passed"),
        ("db-0", "first: PLAY: one", "passed"),
        ("db-0", "first: PLAY: two", "passed"),
        ("web-0", "second", "passed"),
        ("web-1", "second", "passed"),
        ("db-0", "second #2", "passed"),
    ]


def test_what_failed_within_a_step_is_the_failure(sshd: Sshd, tmp_path: Path) -> None:
    testcases: list[Testcase] = []
    first = _step("first", "db-0", "web-0", "parts", "part-fails", roles=("db",))
    with pytest.raises(StepFailedError):
        _configure(sshd, tmp_path, first, _step("second"), testcases=testcases)
    assert _summaries(testcases) == [
        ("db-0", "first: PLAY: one", "passed"),
        ("db-0", "first: PLAY: two", "failure"),
        ("web-0", "second", "skipped"),
        ("web-1", "second", "skipped"),
        ("db-0", "second", "skipped"),
    ]
    assert testcases[1].message == "two: no"
    assert testcases[1].text == "******: no"
    assert testcases[2].message == "not begun: first failed on db-0"


def test_a_step_that_failed_as_a_whole_is_the_failure(sshd: Sshd, tmp_path: Path) -> None:
    testcases: list[Testcase] = []
    with pytest.raises(StepFailedError):
        _configure(sshd, tmp_path, _step("first", "web-1"), testcases=testcases)
    assert [outcome for _, _, outcome in _summaries(testcases)] == ["passed", "failure", "passed"]
    assert testcases[1].message == "web-1: first failed"
    assert "E: no" in testcases[1].text


def test_a_mirror_that_does_not_answer_is_no_failure(sshd: Sshd, tmp_path: Path) -> None:
    testcases: list[Testcase] = []
    step = _step("first", "db-0", "outside", "parts", "part-fails", roles=("db",))
    with pytest.raises(StepFailedError) as caught:
        _configure(sshd, tmp_path, step, testcases=testcases)
    assert caught.value.exit_code is ExitCode.UNTESTABLE
    assert caught.value.category == "outside"
    assert [(c.outcome, c.kind) for c in testcases] == [
        (Outcome.PASSED, None),
        (Outcome.ERROR, ErrorKind.OUTSIDE),
    ]


def test_a_failure_beside_a_lost_server_is_still_the_commits(sshd: Sshd, tmp_path: Path) -> None:
    testcases: list[Testcase] = []
    with pytest.raises(StepFailedError) as caught:
        _configure(sshd, tmp_path, _step("first", "lose", "web-1"), testcases=testcases)
    assert caught.value.exit_code is ExitCode.FAILED
    assert [case.kind for case in testcases] == [
        ErrorKind.INFRASTRUCTURE,
        None,
        ErrorKind.INFRASTRUCTURE,
    ]


def test_what_changes_the_second_time_is_the_failure(sshd: Sshd, tmp_path: Path) -> None:
    testcases: list[Testcase] = []
    steps = [_step("first"), _step("second", "changes web-1: a", roles=("web",))]
    with pytest.raises(NotIdempotentError):
        _configure(sshd, tmp_path, *steps, idempotence=True, testcases=testcases)
    failed = [case for case in testcases if case.outcome is Outcome.FAILURE]
    assert _summaries(failed) == [("web-1", "second (again)", "failure")]
    assert ("db-0", "first (again)", "passed") in _summaries(testcases)


def test_nothing_to_do(sshd: Sshd, tmp_path: Path) -> None:
    assert _configure(sshd, tmp_path) == [("alive", ["True"])]
