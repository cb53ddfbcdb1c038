"""Runs configure steps in order, each on all its servers at once, and reports testcases."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from infraci.base.deadline import Deadline
from infraci.base.mask import Masker
from infraci.base.parallel import in_parallel
from infraci.configure.log import ServerLog
from infraci.configure.registry import driver_of
from infraci.configure.settle import look_before, settle
from infraci.configure.step import (
    Applied,
    Changes,
    OnStep,
    RecoveryLimits,
    Step,
    StepRun,
    Target,
)
from infraci.configure.testcases import not_begun, of_failure, of_success, of_unchanged
from infraci.errors import CommitError, ExitCode, InfraciError
from infraci.ledger.run_folder import RunFolder
from infraci.model.configure_steps import ConfigureStep
from infraci.model.run import READY, Server, Testcase
from infraci.ssh import Session

_RECOVERY = RecoveryLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFailure:
    """Why a step failed on one server."""

    server: Server
    step: str
    error: InfraciError

    @property
    def text(self) -> str:
        """The error's message and details."""
        return "\n\n".join(filter(None, (self.error.message, self.error.details)))


class StepFailedError(InfraciError):
    """A step failed on these servers; later steps were not begun.

    The commit failed if any of them is a failure of the commit's own files.
    """

    def __init__(self, failures: Sequence[ServerFailure]) -> None:
        self.failures = tuple(failures)
        self.exit_code = ExitCode.worst(failure.error.exit_code for failure in failures)
        first, *others = self.failures
        message = first.error.message
        if others:
            names = ", ".join(failure.server.name for failure in others)
            message += f" (and on {names})"
        categories = {failure.error.category for failure in self.failures}
        category = first.error.category if len(categories) == 1 else ""
        super().__init__(
            message,
            hint=first.error.hint,
            category=category,
            details="\n\n".join(failure.text for failure in self.failures),
        )


class NotIdempotentError(CommitError):
    """Steps applied a second time changed something."""

    def __init__(self, changed: Sequence[tuple[str, Server, Changes]]) -> None:
        steps = list(dict.fromkeys(step for step, _, _ in changed))
        (_, server, what), *others = changed
        more = f" and {len(others)} more" if others else ""
        super().__init__(
            "cannot accept the configuration: applied a second time, it still changes something:"
            f" {', '.join(steps)} (on {server.name}: {what[0]}{more})",
            hint="let these change nothing where nothing is to do, or leave idempotence out",
            details="\n".join(
                f"{step} on {server.name}: {one}" for step, server, what in changed for one in what
            ),
        )


def configure_servers(
    steps: Sequence[ConfigureStep],
    servers: Sequence[Server],
    *,
    session_of: Callable[[Server], Session],
    run_folder: RunFolder,
    root: Path,
    outputs: Mapping[str, object],
    run_id: str,
    commit: str,
    logs: Path,
    deadline: Deadline,
    idempotence: bool = False,
    masker: Masker | None = None,
    on_step: OnStep | None = None,
    on_testcases: Callable[[Sequence[Testcase]], None] | None = None,
    driver: Callable[[ConfigureStep], Step] = driver_of,
    recovery: RecoveryLimits = _RECOVERY,
) -> None:
    """Take ``servers`` through ``steps``; what each prints is in ``<logs>/<server>.log``.

    ``on_step`` is called before each step and of the tasks within it, ``on_testcases`` after
    each step with what became of it on each server, masked. Raises :class:`StepFailedError` with
    all servers on which the first failing step failed, and with ``idempotence``
    :class:`NotIdempotentError` with all that a second time changes. On Ctrl-C the sessions are
    closed, which ends what still runs.
    """
    masker = masker or Masker()
    tell = on_step or _silent
    report = on_testcases or (lambda testcases: None)
    with ExitStack() as stack:
        targets = [
            Target(
                server=server,
                open=partial(session_of, server),
                run=StepRun(
                    root=root,
                    outputs=outputs,
                    run_id=run_id,
                    commit=commit,
                    deadline=deadline,
                    log=stack.enter_context(ServerLog(logs / f"{server.word}.log", masker)).write,
                    tell=partial(_tell, tell, masker, server),
                    show=partial(_tell, tell, masker, server, is_detail=True),
                    servers=tuple(servers),
                    run_folder=run_folder,
                    recovery=recovery,
                ),
            )
            for server in servers
        ]
        turns = list(_turns([driver(options) for options in steps], targets))
        changed: list[tuple[str, Server, Changes]] = []
        for number, turn in enumerate([*turns, *map(_again, turns if idempotence else ())]):
            later = turns[number + 1 :] if number < len(turns) else ()
            applied = _take_through(turn, later, tell, report, masker)
            if turn.is_again:
                changed += [(turn.step.name, s, a.changes) for s, a in applied if a.changes]
        if changed:
            raise NotIdempotentError(changed)


def _silent(step: str, servers: Sequence[Server], *, is_detail: bool = False) -> None:
    """Do nothing."""


def _tell(
    tell: OnStep, masker: Masker, server: Server, text: str, *, is_detail: bool = False
) -> None:
    tell(masker.mask(text), [server], is_detail=is_detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A step with the servers that it is for."""

    step: Step
    title: str  # names it in testcases: no other step of the pipeline has it
    targets: Sequence[Target] = field(repr=False)
    is_again: bool = False


def _turns(steps: Sequence[Step], targets: Sequence[Target]) -> Iterator[_Turn]:
    names: Counter[str] = Counter()
    for step in steps:
        names[step.name] += 1
        title = step.name if names[step.name] == 1 else f"{step.name} #{names[step.name]}"
        concerned = [t for t in targets if not step.roles or t.server.role in step.roles]
        yield _Turn(step=step, title=title, targets=concerned)


def _again(turn: _Turn) -> _Turn:
    return _Turn(step=turn.step, title=f"{turn.title} (again)", targets=turn.targets, is_again=True)


def _take_through(
    turn: _Turn,
    later: Sequence[_Turn],
    tell: OnStep,
    report: Callable[[Sequence[Testcase]], None],
    masker: Masker,
) -> list[tuple[Server, Applied]]:
    """Apply a step to its servers, and report; returns what it did on each.

    If it fails, the steps ``later`` are reported as not begun.
    """
    tell(turn.title, [target.server for target in turn.targets])
    if not turn.targets:
        return []
    began = time.monotonic()
    results = _apply(turn)
    took_s = time.monotonic() - began
    tell(READY, [target.server for target in turn.targets], is_detail=True)
    failures = []
    applied: list[tuple[Server, Applied]] = []
    testcases: list[Testcase] = []
    for target, result in zip(turn.targets, results, strict=True):
        server = target.server
        if isinstance(result, InfraciError):
            failures.append(ServerFailure(server=server, step=turn.step.name, error=result))
            testcases += of_failure(turn.title, server, result, took_s, masker)
        elif isinstance(result, Exception):
            raise result  # a bug, to be reported as one
        else:
            applied.append((server, result))
            of = of_unchanged if turn.is_again else of_success
            testcases += of(turn.title, server, result, took_s, masker)
    if failures:
        why = f"{failures[0].step} failed on {failures[0].server.name}"
        testcases += [
            not_begun(other.title, target.server, why)
            for other in later
            for target in other.targets
        ]
    report(testcases)
    if failures:
        raise StepFailedError(failures)
    return applied


def _apply(turn: _Turn) -> Sequence[Applied | Exception]:
    """Apply a step to all its servers, and wait until these can be logged in to after it.

    Closes their sessions when it is interrupted.
    """
    deadline = turn.targets[0].run.deadline
    deadline.check(turn.title)
    for target in turn.targets:
        target.run.log(f"==> {turn.title}")
    try:
        befores = look_before(turn.targets)
        results = turn.step.apply_to_all(turn.targets)
        return settle(turn.step, turn.targets, befores, results)
    except BaseException:
        deadline.cancel()
        for closed in in_parallel(lambda target: target.open().close(), turn.targets):
            del closed
        raise
