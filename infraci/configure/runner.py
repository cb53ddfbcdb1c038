"""Steps in order; within a step, all its servers at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from infraci.configure.log import ServerLog
from infraci.configure.registry import DRIVERS
from infraci.configure.step import Changes, Step, StepContext, Target
from infraci.deadline import Deadline
from infraci.errors import ConfigureError, ExitCode, InfraciError
from infraci.mask import Masker
from infraci.model.configure import ConfigureStep
from infraci.model.run import Server
from infraci.parallel import in_parallel
from infraci.ssh import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFailure:
    """Why a step failed on one server."""

    server: Server
    step: str
    error: InfraciError

    @property
    def story(self) -> str:
        """Everything that is known of it."""
        details = getattr(self.error, "details", "")
        return f"{self.error.message}\n\n{details}" if details else self.error.message


class StepFailedError(ConfigureError):
    """A step failed on these servers; later steps were not begun."""

    def __init__(self, failures: Sequence[ServerFailure]) -> None:
        self.failures = tuple(failures)
        first, *others = self.failures
        message = first.error.message
        if others:
            names = ", ".join(failure.server.name for failure in others)
            message += f" (and on {names})"
        categories = {failure.error.category for failure in self.failures}
        category = first.error.category if len(categories) == 1 else ""
        super().__init__(message, hint=first.error.hint, category=category)
        self.details = "\n\n".join(failure.story for failure in self.failures)


class NotIdempotentError(ConfigureError):
    """The second time changed something; the commit is to blame, as by a failed spec."""

    exit_code = ExitCode.FAILED

    def __init__(self, changed: Sequence[tuple[str, Server, Changes]]) -> None:
        steps = list(dict.fromkeys(step for step, _, _ in changed))
        (_, server, what), *others = changed
        more = f" and {len(others)} more" if others else ""
        super().__init__(
            "cannot accept the configuration: applied a second time, it still changes something:"
            f" {', '.join(steps)} (on {server.name}: {what[0]}{more})",
            hint="let these change nothing where nothing is to do, or leave idempotence out",
        )
        self.details = "\n".join(
            f"{step} on {server.name}: {one}" for step, server, what in changed for one in what
        )


def configure_servers(
    steps: Sequence[ConfigureStep],
    servers: Sequence[Server],
    *,
    session_of: Callable[[Server], Session],
    ssh_config: Path,
    root: Path,
    outputs: Mapping[str, str],
    run_id: str,
    commit: str,
    logs: Path,
    deadline: Deadline,
    idempotence: bool = False,
    masker: Masker | None = None,
    on_step: Callable[[str, Sequence[Server]], None] | None = None,
    drivers: Mapping[type, Callable[[Any], Step]] = DRIVERS,
) -> None:
    """Take ``servers`` through ``steps``; what each says is in ``<logs>/<server>.log``.

    ``on_step`` hears of each step, and of the tasks within it, before they begin. Raises
    :class:`StepFailedError` with all servers on which the first failing step failed, and with
    ``idempotence`` :class:`NotIdempotentError` with all that a second time changes. On Ctrl-C the
    sessions are closed, which ends what still runs.
    """
    masker = masker or Masker()
    tell = on_step or (lambda step, servers: None)
    with ExitStack() as stack:
        targets = [
            Target(
                server=server,
                open=partial(session_of, server),
                context=StepContext(
                    root=root,
                    outputs=outputs,
                    run_id=run_id,
                    commit=commit,
                    deadline=deadline,
                    log=stack.enter_context(ServerLog(logs / f"{server.word}.log", masker)).write,
                    tell=partial(_tell, tell, masker, server),
                    servers=tuple(servers),
                    ssh_config=ssh_config,
                ),
            )
            for server in servers
        ]
        made = [drivers[type(options)](options) for options in steps]
        for step in made:
            _take_through(step, step.name, targets, tell)
        changed: list[tuple[str, Server, Changes]] = []
        for step in made if idempotence else ():
            again = _take_through(step, f"{step.name} (again)", targets, tell)
            changed += [(step.name, server, changes) for server, changes in again if changes]
        if changed:
            raise NotIdempotentError(changed)


def _tell(
    tell: Callable[[str, Sequence[Server]], None], masker: Masker, server: Server, text: str
) -> None:
    tell(masker.mask(text), [server])


def _take_through(
    step: Step,
    title: str,
    targets: Sequence[Target],
    tell: Callable[[str, Sequence[Server]], None],
) -> list[tuple[Server, Changes]]:
    """Apply a step to the servers that it is for; returns what it has changed on each."""
    targets = [t for t in targets if not step.roles or t.server.role in step.roles]
    tell(title, [target.server for target in targets])
    if not targets:
        return []
    deadline = targets[0].context.deadline
    deadline.check(title)
    for target in targets:
        target.context.log(f"==> {title}")
    try:
        results = step.apply_to_all(targets)
    except BaseException:
        deadline.cancel()
        for closed in in_parallel(lambda target: target.open().close(), targets):
            del closed
        raise
    failures = []
    changes: list[tuple[Server, Changes]] = []
    for target, result in zip(targets, results, strict=True):
        if isinstance(result, InfraciError):
            failures.append(ServerFailure(server=target.server, step=step.name, error=result))
        elif isinstance(result, Exception):
            raise result  # a bug, to be reported as one
        else:
            changes.append((target.server, result))
    if failures:
        raise StepFailedError(failures)
    return changes
