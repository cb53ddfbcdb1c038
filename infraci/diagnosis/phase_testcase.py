"""Makes testcases of the phases before the specs: a boot, a resource, a configure step."""

from __future__ import annotations

from infraci.base.mask import Masker
from infraci.errors import ExitCode, InfraciError, OutsideError, UsageError
from infraci.model.run import ErrorKind, Outcome, Phase, Server, Testcase

#: Between the names in a testcase's id: "configure: ansible site.yml: PLAY: TASK".
SEPARATOR = ": "


def phase_testcase(
    phase: Phase,
    name: str,
    *,
    server: Server | None = None,
    outcome: Outcome = Outcome.PASSED,
    duration_s: float = 0.0,
    message: str = "",
    text: str = "",
    kind: ErrorKind | None = None,
    category: str = "",
) -> Testcase:
    """A testcase of a phase; ``name`` is the same in every run, and unique on its server."""
    return Testcase(
        server=server.name if server else "",
        role=server.role if server else "",
        classname=str(phase),
        name=f"{name}[{server.name}]" if server else name,
        nodeid=f"{phase}{SEPARATOR}{name}",
        outcome=outcome,
        phase=phase,
        duration_s=duration_s,
        message=message,
        text=text,
        kind=kind,
        category=category,
    )


def failed_testcase(
    phase: Phase,
    name: str,
    error: InfraciError,
    masker: Masker,
    *,
    server: Server | None = None,
    duration_s: float = 0.0,
) -> Testcase:
    """The testcase of what ended with an error: a failure of the commit, or an error."""
    paragraphs = (error.message, f"hint: {error.hint}" if error.hint else "", error.details)
    return phase_testcase(
        phase,
        name,
        server=server,
        outcome=outcome_of(error),
        duration_s=duration_s,
        message=masker.mask(error.message),
        text=masker.mask("\n\n".join(filter(None, paragraphs))),
        kind=kind_of(error),
        category=error.category,
    )


def blames(error: BaseException) -> bool:
    """Whether the commit's own files made it fail."""
    if not isinstance(error, InfraciError) or isinstance(error, UsageError):
        return False  # a bug, or a command line or clouds.yaml that is wrong
    return error.exit_code in (ExitCode.FAILED, ExitCode.INVALID)


def outcome_of(error: InfraciError) -> Outcome:
    """A failure if the commit's own files made it fail, else an error."""
    return Outcome.FAILURE if blames(error) else Outcome.ERROR


def kind_of(error: InfraciError) -> ErrorKind | None:
    """What kind of error it is; None for a failure of the commit."""
    if blames(error):
        return None
    is_outside = error.category == OutsideError.category
    return ErrorKind.OUTSIDE if is_outside else ErrorKind.INFRASTRUCTURE
