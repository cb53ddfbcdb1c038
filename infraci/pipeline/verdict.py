"""Verdicts: what errors, testcases and several runs come to, and the exit code of that."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from pathlib import Path

from infraci.base.display import with_relative_paths
from infraci.base.mask import Masker
from infraci.diagnosis.phase_testcase import blames
from infraci.errors import ExitCode, InfraciError, of_machine
from infraci.model.run import ErrorKind, Failure, Outcome, RunRecord, Testcase, Verdict


def verdict_of_error(error: BaseException) -> Verdict:
    """What an error says of the commit."""
    if isinstance(error, KeyboardInterrupt):
        return Verdict.INTERRUPTED
    if isinstance(error, InfraciError):
        return Verdict.of(error.exit_code)
    return Verdict.ERROR


def verdict_of_testcases(testcases: Iterable[Testcase]) -> Verdict:
    """What testcases say: a failure is the commit's, an error says that nothing is known."""
    return worst_verdict(_verdict_of_testcase(testcase) for testcase in testcases)


def _verdict_of_testcase(testcase: Testcase) -> Verdict:
    if testcase.outcome is Outcome.FAILURE:
        return Verdict.INVALID if testcase.kind is ErrorKind.SPEC else Verdict.FAILED
    return Verdict.ERROR if testcase.outcome is Outcome.ERROR else Verdict.PASSED


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that decides between several, by their exit codes; passed if there are none."""
    return Verdict.of(ExitCode.worst(verdict.exit_code for verdict in verdicts))


def exit_code_of(records: Iterable[RunRecord]) -> ExitCode:
    """That of the worst voting run; one that does not vote counts when it was interrupted."""
    return ExitCode.worst(
        (record.verdict or Verdict.PASSED).exit_code
        for record in records
        if record.voting or record.verdict is Verdict.INTERRUPTED
    )


def failure_of(error: BaseException, masker: Masker, *, root: Path) -> Failure:
    """An error as the record has it: without secrets, and with the repository's paths.

    ``root`` is where the commit's files are now.
    """

    def fit(text: object) -> str:
        return with_relative_paths(masker.mask(str(text)), root)

    error = of_machine(error) or error
    if isinstance(error, InfraciError):
        return Failure(
            kind=type(error).__name__,
            message=fit(error.message),
            hint=fit(error.hint) if error.hint else None,
            details=fit(error.details),
            category=error.category,
            blames=blames(error),
        )
    return Failure(
        kind=type(error).__name__,
        message=fit(f"cannot go on: {type(error).__name__}: {error}"),
        hint="this is a bug in infraci",
        details=fit("".join(traceback.format_exception(error))),
    )
