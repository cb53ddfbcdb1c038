"""The tables of docs/failures.md, made from the code: ``python -m tests.docs_failures``.

What a row says of class, outcome and exit status is read from the table of causes, from the errors
themselves, or from how verdicts are found; only what happened and what to do is told here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infraci import errors
from infraci.configure.run_steps import NotIdempotentError
from infraci.configure.step import StepError, StepOutsideError
from infraci.diagnosis import outside
from infraci.diagnosis.sudo import SudoRefusedError
from infraci.errors import ExitCode, InfraciError
from infraci.heat.causes import CAUSES, OWN_ID, Cause
from infraci.model.problem import FileError, TemplateError
from infraci.model.run import ErrorKind, Outcome, Phase, Testcase, verdict_of_testcases
from infraci.pipeline.server_health import GuestError, LockedOutError
from infraci.pipeline.upgrade import UntestableUpgradeError
from infraci.plan import LfsPointerError
from infraci.ssh import HostKeyError, LoginRefusedError

PAGE = Path(__file__).parents[1] / "docs" / "failures.md"
#: Between these lines the page is made by this module.
BEGIN = "<!-- {}: made by python -m tests.docs_failures -->"
END = "<!-- end of {} -->"

_PROVISION_UPDATE = "provision, update"
_BOOT = "provision: a server boots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Something that goes wrong."""

    phase: str
    what: str
    category: str
    exit_code: ExitCode
    advice: str
    words: tuple[str, ...] = ()
    #: The error that it is told by, if it is by one of its own.
    error: type[InfraciError] | None = field(default=None, repr=False)

    @property
    def outcome(self) -> str:
        """What JUnit has it as."""
        blames = self.exit_code in (ExitCode.FAILED, ExitCode.INVALID)
        return "failure" if blames else "error"

    @property
    def line(self) -> str:
        """The row as Markdown."""
        words = "<br>".join(f"`{_shown(words)}`" for words in self.words)
        category = f"`{self.category}`" if self.category else ""
        cells = (
            self.phase, self.what, words, category, f"`{self.outcome}`", str(int(self.exit_code)),
            self.advice,
        )  # fmt: skip
        return _line(cells)


def _shown(words: str) -> str:
    return words.replace(OWN_ID, "ID").replace("`", "'")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _of_error(
    phase: str, what: str, error: type[InfraciError], advice: str, *, category: str = ""
) -> Row:
    return Row(
        phase=phase,
        what=what,
        category=category or error.category,
        exit_code=error.exit_code,
        advice=advice,
        error=error,
    )


def _of_cause(cause: Cause) -> Row:
    return Row(
        phase=_PROVISION_UPDATE,
        what=cause.what,
        category=cause.category,
        exit_code=ExitCode.FAILED if cause.blames else ExitCode.UNTESTABLE,
        advice=cause.advice,
        words=cause.says,
    )


def _of_check(
    phase: Phase, what: str, advice: str, outcome: Outcome, kind: ErrorKind | None = None
) -> Row:
    """What a testcase of that outcome makes of a run."""
    case = Testcase(
        server="",
        role="",
        classname="",
        name="",
        nodeid="",
        outcome=outcome,
        phase=phase,
        kind=kind,
    )
    exit_code = verdict_of_testcases([case]).exit_code
    return Row(phase=str(phase), what=what, category="", exit_code=exit_code, advice=advice)


def rows() -> tuple[Row, ...]:
    """All rows, in the order of the phases."""
    return (
        _of_error(
            "plan",
            "a file of the commit cannot be read: YAML that is none, a key that no pipeline has, a "
            "file that is missing, a spec with a syntax error",
            FileError,
            "the report has its line; `infraci plan` finds it without a cloud's making anything",
        ),
        _of_error(
            "plan",
            "a template cannot be read, or TOSCA cannot be translated",
            TemplateError,
            "the report has its line",
        ),
        _of_error(
            "plan",
            "this clone has an LFS pointer instead of a file's content",
            LfsPointerError,
            "`git lfs pull`",
        ),
        *map(_of_cause, CAUSES),
        Row(
            phase=_PROVISION_UPDATE,
            what="a resource fails, and its reason tells nothing that infraci knows",
            category="",
            exit_code=ExitCode.UNTESTABLE,
            advice="the report has the reason and the stack's events",
        ),
        _of_error(
            _PROVISION_UPDATE,
            "a signal does not come, and a server that could send it is gone, off, or never booted",
            errors.UnreachableError,
            "`openstack server event list ID` says what became of it",
        ),
        _of_error(
            _PROVISION_UPDATE,
            "a signal does not come or tells of a failure, and it or a console shows that a mirror "
            "or registry was not reached",
            errors.OutsideError,
            "run it again once that can be reached",
        ),
        _of_error(
            _BOOT,
            "a server is there, but does not come up, or is lost",
            GuestError,
            "the end of its console is in the report, all of it in the run's `evidence/`",
        ),
        _of_error(
            _BOOT,
            "a server has booted, cloud-init has ended there, and it refuses the login or nothing "
            "answers at its port",
            LockedOutError,
            "what do the template and its user data say of users, keys, ports and security groups?",
        ),
        _of_error(
            _BOOT,
            "a server refuses the run's key, and may still be booting",
            LoginRefusedError,
            "does cloud-init run there, and for that user (`servers:` in the pipeline)?",
        ),
        _of_error(
            _BOOT,
            "a server shows another host key than its console",
            HostKeyError,
            "who else answers at that address?",
        ),
        _of_error(
            _BOOT,
            "no server has a role that the pipeline's specs or steps are for",
            errors.DefinitionError,
            "the roles: metadata of the servers, or `servers: roles:` in the pipeline",
        ),
        _of_error(
            "update",
            "the base of an upgrade does not pass by itself",
            UntestableUpgradeError,
            "mend the base first, or upgrade from another commit",
        ),
        _of_check(
            Phase.UPDATE,
            "a resource that `no_replace` protects is replaced",
            "the report names it; `infraci plan` says so before",
            Outcome.FAILURE,
        ),
        _of_error(
            "configure",
            "a step fails: a script, cloud-init's user data, a play, a manifest, a cookbook",
            StepError,
            "the report has the end of its output, `logs/` all of it",
        ),
        _of_error(
            "configure",
            "a step fails, and its output tells that something outside was not reached (below)",
            StepOutsideError,
            "run it again once that can be reached, or have a mirror of your own",
        ),
        _of_error(
            "configure",
            "applied a second time, a step still changes something (`idempotence: true`)",
            NotIdempotentError,
            "the report lists the changes",
        ),
        _of_error(
            "configure",
            "a step cannot be begun, for want of something on this machine",
            errors.ConfigureError,
            "the message names it",
        ),
        _of_error(
            "configure, verify",
            "the connection to a server is lost",
            errors.UnreachableError,
            "what became of the server? its console is in the evidence",
        ),
        _of_error(
            "configure, verify",
            "the phase's time is over",
            errors.PhaseTimeoutError,
            "more time by `timeouts:` in the pipeline",
        ),
        _of_error(
            "verify",
            "sudo on a server refuses what a spec runs by `host.sudo()` or `--sudo`",
            SudoRefusedError,
            "the message has the reason; password-less sudo in the image or in user data",
        ),
        _of_check(Phase.VERIFY, "a spec fails", "the report has pytest's account", Outcome.FAILURE),
        _of_check(
            Phase.VERIFY,
            "a spec cannot be loaded, or asks for a fixture that there is not",
            "the report has its line",
            Outcome.FAILURE,
            ErrorKind.SPEC,
        ),
        _of_check(
            Phase.VERIFY,
            "a spec's own set-up or tear-down raises",
            "the report has the traceback",
            ErrorKind.SETUP.outcome,
            ErrorKind.SETUP,
        ),
        _of_check(
            Phase.VERIFY,
            "the interpreter that runs the specs dies",
            "run it again; the report has its last words",
            Outcome.ERROR,
            ErrorKind.CRASH,
        ),
        _of_error(
            "destroy",
            "the tear-down does not end: Heat cannot delete the stack, nor can infraci take it "
            "apart",
            errors.CloudError,
            "the report names what is left, and the commands that remove it; `infraci destroy RUN` "
            "tries again",
            category="delete",
        ),
        _of_error(
            "destroy",
            "the stack is deleted, but something of it is still there",
            errors.CloudError,
            "as for `delete`; look at why Heat left it: `deletion_policy: Retain`, or a service "
            "that lost a request",
            category="leak",
        ),
    )


_HEAD = ("phase", "what happened", "words", "class", "it is", "exit status", "what to do")


def _causes() -> Iterator[str]:
    yield _line(_HEAD)
    yield _line(["---"] * len(_HEAD))
    yield from (row.line for row in rows())


def _outside() -> Iterator[str]:
    yield _line(("program", "what it prints"))
    yield _line(("---", "---"))
    signatures: Sequence[tuple[str, str, re.Pattern[str]]] = getattr(outside, "SIGNATURES", ())
    for program, prints, _ in signatures:
        yield _line((program, f"`{_shown(prints)}`"))


#: What is made, by the name between whose marks it stands.
TABLES: Mapping[str, tuple[str, ...]] = {
    "failures and errors": tuple(_causes()),
    "what is outside": tuple(_outside()),
}


def made(text: str) -> str:
    """The page with its tables as they should be."""
    for name, lines in TABLES.items():
        before, begin, rest = text.partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        if not begin or not end:
            raise SystemExit(f"{PAGE} has no place for the table of {name}")
        text = "\n".join([before + begin, *lines, end + after])
    return text


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text()))
