"""From what went wrong to a verdict."""

from __future__ import annotations

import traceback
from collections.abc import Iterable

from infraci.errors import (
    DefinitionError,
    ExitCode,
    InfraciError,
    InterruptedRunError,
    UsageError,
)
from infraci.mask import Masker
from infraci.model.run import ErrorKind, Outcome, Testcase, Trouble, Verdict

#: The worst first.
ORDER = (
    Verdict.INTERRUPTED,
    Verdict.FAILED,
    Verdict.INVALID,
    Verdict.ERROR,
    Verdict.PASSED,
)


def of_error(error: BaseException) -> Verdict:
    """What an error says of the commit."""
    if isinstance(error, InterruptedRunError | KeyboardInterrupt):
        return Verdict.INTERRUPTED
    if isinstance(error, DefinitionError | UsageError):
        return Verdict.INVALID
    return Verdict.FAILED if blames(error) else Verdict.ERROR


def blames(error: BaseException) -> bool:
    """Whether an error blames the commit as a failed spec does."""
    return isinstance(error, InfraciError) and error.exit_code is ExitCode.FAILED


def of_testcases(testcases: Iterable[Testcase]) -> Verdict:
    """What the specs say: a failure blames the commit, an error says that nothing is known."""
    return worst(_of_testcase(testcase) for testcase in testcases)


def _of_testcase(testcase: Testcase) -> Verdict:
    if testcase.outcome is Outcome.FAILURE:
        return Verdict.FAILED
    if testcase.outcome is not Outcome.ERROR:
        return Verdict.PASSED
    return Verdict.INVALID if testcase.kind is ErrorKind.SPEC else Verdict.ERROR


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; passed if there are none."""
    return min(verdicts, key=ORDER.index, default=Verdict.PASSED)


def trouble_of(error: BaseException, masker: Masker) -> Trouble:
    """An error as the record keeps it, without secrets."""
    if isinstance(error, InfraciError):
        details = getattr(error, "details", "") or getattr(error, "output", "") or ""
        return Trouble(
            kind=type(error).__name__,
            message=masker.mask(error.message),
            hint=masker.mask(error.hint) if error.hint else None,
            details=masker.mask(str(details)),
            category=error.category,
            blames=blames(error),
        )
    return Trouble(
        kind=type(error).__name__,
        message=masker.mask(f"cannot go on: {type(error).__name__}: {error}"),
        hint="this is a bug in infraci",
        details=masker.mask("".join(traceback.format_exception(error))),
    )
