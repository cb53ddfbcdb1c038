"""Makes the testcases of a step on a server: the step as a whole, and its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infraci.base.mask import Masker
from infraci.configure.step import Applied, Part, StepError, StepOutsideError
from infraci.diagnosis.phase_testcase import (
    SEPARATOR,
    failed_testcase,
    kind_of,
    outcome_of,
    phase_testcase,
)
from infraci.errors import InfraciError, OutsideError
from infraci.model.run import ErrorKind, Outcome, Phase, Server, Testcase

_CONFIGURE = Phase.CONFIGURE


def of_success(
    title: str, server: Server, applied: Applied, took_s: float, masker: Masker
) -> Iterator[Testcase]:
    """The testcases of a step that ended well."""
    yield phase_testcase(_CONFIGURE, title, server=server, duration_s=took_s)
    yield from _parts(title, server, applied.parts, None, masker)


def of_unchanged(
    title: str, server: Server, applied: Applied, took_s: float, masker: Masker
) -> Iterator[Testcase]:
    """The testcase of a step applied a second time, which must change nothing."""
    changes = [masker.mask(change) for change in applied.changes]
    first = f"applied a second time, it still changes something: {changes[0]}" if changes else ""
    yield phase_testcase(
        _CONFIGURE,
        title,
        server=server,
        outcome=Outcome.FAILURE if changes else Outcome.PASSED,
        duration_s=took_s,
        message=f"{server.name}: {first}" if changes else "",
        text="\n".join([first, "", *changes]) if changes else "",
    )


def of_failure(
    title: str, server: Server, error: InfraciError, took_s: float, masker: Masker
) -> Iterator[Testcase]:
    """The testcases of a step that failed: its failed parts, or the step if no part failed."""
    parts = error.parts if isinstance(error, StepError | StepOutsideError) else ()
    yield from _parts(title, server, parts, error, masker)
    if not any(part.outcome in (Outcome.FAILURE, Outcome.ERROR) for part in parts):
        yield failed_testcase(_CONFIGURE, title, error, masker, server=server, duration_s=took_s)


def not_begun(title: str, server: Server, why: str) -> Testcase:
    """The testcase of a step that was never begun."""
    return phase_testcase(
        _CONFIGURE,
        title,
        server=server,
        outcome=Outcome.SKIPPED,
        message=f"not begun: {why}",
        text=f"not begun: {why}",
    )


def _parts(
    title: str,
    server: Server,
    parts: Sequence[Part],
    error: InfraciError | None,
    masker: Masker,
) -> Iterator[Testcase]:
    """Each part; what failed in a step whose ``error`` is no commit's fault is an error, too."""
    for part in parts:
        failed = error if part.outcome is Outcome.FAILURE else None
        is_outside = part.outcome is Outcome.ERROR
        yield phase_testcase(
            _CONFIGURE,
            f"{title}{SEPARATOR}{part.name}",
            server=server,
            outcome=outcome_of(failed) if failed else part.outcome,
            message=masker.mask(part.message),
            text=masker.mask(part.text),
            kind=kind_of(failed) if failed else ErrorKind.OUTSIDE if is_outside else None,
            category=failed.category if failed else OutsideError.category if is_outside else "",
        )
