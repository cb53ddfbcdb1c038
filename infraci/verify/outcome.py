"""Turns pytest's reports of one test into the fields of its testcase."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import paramiko
import pytest

from infraci.base.lines import first_line, last_line
from infraci.errors import UnreachableError
from infraci.model.run import ErrorKind, Outcome

#: How much of a check's own output is kept, when it passed and when it did not.
_KEEP_PASSED = 10_000
_KEEP_FAILED = 200_000
#: What pytest says of an assertion that compares nothing.
_BARE = re.compile(
    r"(?:AssertionError: )?(?P<assertion>assert (?P<value>(?:not )?[\w.'\"()\[\]{}-]+))$",
    re.MULTILINE,
)


class CheckReports:
    """The reports of a check's set-up, call and tear-down, as they come."""

    def __init__(self) -> None:
        self._reports: list[pytest.TestReport] = []

    def add(self, report: pytest.TestReport) -> None:
        """Take a report; what is run again begins anew."""
        if str(report.outcome) == "rerun":  # pytest-rerunfailures
            self._reports.clear()
        else:
            self._reports.append(report)

    def verdict(self) -> Mapping[str, Any]:
        """The fields of a testcase that say how it went."""
        failed = [report for report in self._reports if report.failed]
        skipped = [report for report in self._reports if report.skipped]
        if failed:
            found = _failed(failed)
        elif skipped:
            reason = _skip_reason(skipped[0])
            found = {"outcome": Outcome.SKIPPED, "message": first_line(reason), "text": reason}
        else:
            found = {"outcome": Outcome.PASSED}
        keep = _KEEP_FAILED if failed else _KEEP_PASSED
        return {
            **found,
            "duration_s": sum(report.duration for report in self._reports),
            **self._output(keep),
        }

    def _output(self, keep: int) -> Mapping[str, str]:
        if not self._reports:
            return {}
        last = self._reports[-1]  # it has the output of all phases
        log = f"{last.caplog.rstrip()}\n" if last.caplog else ""
        return {"stdout": _tail(last.capstdout, keep), "stderr": _tail(last.capstderr + log, keep)}


def error_kind(error: BaseException, when: str) -> ErrorKind | None:
    """Say what sort of error this is; None for a check that simply failed."""
    if _is_unreachable(error):
        return ErrorKind.INFRASTRUCTURE
    if when == "call":
        return None
    return ErrorKind.SPEC if isinstance(error, pytest.FixtureLookupError) else ErrorKind.SETUP


def classname_of(nodeid: str) -> str:
    """Name file and classes as JUnit does: ``specs.web.test_nginx.TestPorts``."""
    path, *names = nodeid.split("[", 1)[0].split("::")
    module = path.removesuffix(".py").replace("/", ".")
    return ".".join([module, *names[:-1]])


def _failed(failed: list[pytest.TestReport]) -> Mapping[str, Any]:
    first = failed[0]
    said: str | None = first.__dict__.get("infraci_kind")
    kind = None if said is None else ErrorKind(said)
    if kind is None and first.when != "call":
        kind = ErrorKind.SETUP
    message = first.__dict__.get("infraci_message") or _crash_message(first)
    return {
        "outcome": Outcome.FAILURE if kind is None else kind.outcome,
        "message": first_line(message),
        "text": "\n\n".join(_story(report) for report in failed),
        "kind": kind,
    }


def _story(report: pytest.TestReport) -> str:
    clear = report.when == "call" or isinstance(report.longrepr, str)
    heading = "" if clear else f"in {report.when}:\n"
    sudo = [text for name, text in report.sections if name == "sudo"]
    return "\n\n".join([heading + report.longreprtext, *sudo])


def _crash_message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return _with_source(str(crash.message), report)
    return last_line(report.longreprtext, "failed")


def _with_source(message: str, report: pytest.TestReport) -> str:
    """The message; of one that only says what was asserted to be true, the asserted line too.

    ``assert False`` tells nothing where the spec has ``assert host.file("/x").exists``.
    """
    bare = _BARE.match(message)
    source = _asserted(report) if bare else ""
    if bare is None or not source or source == bare["assertion"]:
        return message
    return f"AssertionError: {source}: {bare['value']}"


def _asserted(report: pytest.TestReport) -> str:
    """The line at which the check failed; empty where pytest shows none, or no assertion."""
    entries = getattr(getattr(report.longrepr, "reprtraceback", None), "reprentries", ())
    lines = getattr(entries[-1], "lines", ()) if entries else ()
    marked = [line.removeprefix(">").strip() for line in lines if line.startswith(">")]
    return marked[-1] if marked and marked[-1].startswith("assert ") else ""


def _skip_reason(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail.removeprefix('reason: ')}".rstrip(": ")
    reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _is_unreachable(error: BaseException) -> bool:
    """Whether the connection to a server is what failed, ours or another of Testinfra's."""
    if isinstance(error, UnreachableError | paramiko.SSHException):
        return True
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    module = frame.tb_frame.f_globals.get("__name__", "") if frame is not None else ""
    return isinstance(error, RuntimeError) and module.startswith("testinfra.backend.")


def _tail(text: str, keep: int) -> str:
    return (
        text if len(text) <= keep else f"[{len(text) - keep} characters left out]\n{text[-keep:]}"
    )
