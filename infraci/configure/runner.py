"""Steps in order; within a step, all its servers at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infraci.configure.log import ServerLog
from infraci.configure.registry import DRIVERS
from infraci.configure.step import Step, StepContext
from infraci.deadline import Deadline
from infraci.errors import ConfigureError, InfraciError
from infraci.mask import Masker
from infraci.model.configure import ConfigureStep
from infraci.model.run import Server
from infraci.names import plain
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
        super().__init__(message, hint=first.error.hint)
        self.details = "\n\n".join(failure.story for failure in self.failures)


def configure_servers(
    steps: Sequence[ConfigureStep],
    servers: Sequence[Server],
    *,
    session_of: Callable[[Server], Session],
    root: Path,
    outputs: Mapping[str, str],
    run_id: str,
    commit: str,
    logs: Path,
    deadline: Deadline,
    masker: Masker | None = None,
    on_step: Callable[[str, Sequence[Server]], None] | None = None,
    drivers: Mapping[type, Callable[[ConfigureStep], Step]] = DRIVERS,
) -> None:
    """Take ``servers`` through ``steps``; what each says is in ``<logs>/<server>.log``.

    ``on_step`` hears of each step before it begins. Raises :class:`StepFailedError` with all
    servers on which the first failing step failed. On Ctrl-C the sessions are closed, which
    ends what still runs.
    """
    with ExitStack() as stack:
        log_of = {
            server.name: stack.enter_context(
                ServerLog(logs / f"{plain(server.name)}.log", masker or Masker())
            )
            for server in servers
        }
        for step in (drivers[type(options)](options) for options in steps):
            concerned = [s for s in servers if not step.roles or s.role in step.roles]
            if on_step is not None:
                on_step(step.name, concerned)
            deadline.check(step.name)

            def apply(server: Server, step: Step = step) -> None:
                context = StepContext(
                    root=root,
                    outputs=outputs,
                    run_id=run_id,
                    commit=commit,
                    deadline=deadline,
                    log=log_of[server.name].write,
                )
                _apply(step, session_of(server), server, context)

            try:
                results = in_parallel(apply, concerned)
            except BaseException:
                deadline.cancel()
                for closed in in_parallel(partial(_close, session_of), concerned):
                    del closed
                raise
            _judge(step, concerned, results)


def _apply(step: Step, session: Session, server: Server, context: StepContext) -> None:
    """Apply one step to one server, and log how it went."""
    context.log(f"==> {step.name}")
    try:
        step.apply(session, server, context)
    except InfraciError as error:
        context.log(f"==> {step.name}: {error.message}")
        raise
    context.log(f"==> {step.name}: done")


def _judge(step: Step, servers: Sequence[Server], results: Sequence[object]) -> None:
    failures = []
    for server, result in zip(servers, results, strict=True):
        if isinstance(result, InfraciError):
            failures.append(ServerFailure(server=server, step=step.name, error=result))
        elif isinstance(result, Exception):
            raise result  # a bug, to be reported as one
    if failures:
        raise StepFailedError(failures)


def _close(session_of: Callable[[Server], Session], server: Server) -> None:
    session_of(server).close()
