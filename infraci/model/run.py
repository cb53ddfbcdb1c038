"""What a run is made of: its commit, servers, phases, testcases and verdict.

All times are seconds since the epoch (UTC); all durations are seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from infraci.errors import ExitCode, InfraciError
from infraci.model.server_names import aliases

#: A server's state in the progress display when no phase waits for it.
READY = "ready"


class Phase(StrEnum):
    """The way of a commit, in order."""

    PLAN = "plan"
    PROVISION = "provision"
    UPDATE = "update"  # of an upgrade only
    CONFIGURE = "configure"
    VERIFY = "verify"
    DESTROY = "destroy"


class Round(StrEnum):
    """Whose specs a phase or testcase is about; only an upgrade has others than the first."""

    HEAD = "head"  # those of the commit under test
    BASE = "base"  # those of the commit that is upgraded from
    ROLLBACK = "rollback"  # the base's again, after an update that failed was rolled back


class Verdict(StrEnum):
    """What a run says of its commit."""

    PASSED = "passed"
    FAILED = "failed"  # the commit's own files made a phase fail
    INVALID = "invalid"  # the commit's own files cannot be read
    ERROR = "error"  # the cloud, the network or this machine failed: no commit is blamed
    INTERRUPTED = "interrupted"

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a command that ends with this verdict."""
        return _EXIT_CODES[self]

    @classmethod
    def of(cls, exit_code: ExitCode) -> Verdict:
        """The verdict that ends with an exit code."""
        return next(verdict for verdict in cls if verdict.exit_code is exit_code)


_EXIT_CODES: Mapping[Verdict, ExitCode] = {
    Verdict.PASSED: ExitCode.PASSED,
    Verdict.FAILED: ExitCode.FAILED,
    Verdict.INVALID: ExitCode.INVALID,
    Verdict.ERROR: ExitCode.UNTESTABLE,
    Verdict.INTERRUPTED: ExitCode.INTERRUPTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The commit under test."""

    sha: str
    author: str
    email: str
    date: str  # ISO 8601, the author's
    subject: str
    dirty: bool = False  # the working tree was tested, with changes that no commit holds

    @property
    def short(self) -> str:
        """The sha as people write it; ``+dirty`` where uncommitted changes were tested."""
        return self.sha[:10] + ("+dirty" if self.dirty else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the command line changes of a commit's stack."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    environments: Sequence[Path] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The options, without any value."""
        options = [f"-P {name}" for name in self.parameters]
        return tuple(sorted([*options, *(f"-e {path.name}" for path in self.environments)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bastion:
    """A host that is only passed on the way to others, as by ssh's ProxyJump."""

    name: str
    user: str
    address: str
    port: int = 22
    host_keys: tuple[str, ...] = ()
    private_key: str = ""  # a file on this machine; empty: the run's own
    bastion: Bastion | None = None  # through which it is reached itself
    alias: str = ""  # as a server's

    @property
    def word(self) -> str:
        """What files and programs call it: its alias; in an older record its name's own."""
        return self.alias or aliases([self.name])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server of a run's stack, and how to log in to it."""

    name: str  # the template's, which may be any text; unique within the run
    id: str  # Nova's
    role: str
    user: str
    address: str
    port: int = 22
    host_keys: tuple[str, ...] = ()  # as in known_hosts, without the host: "ssh-ed25519 AAAA…"
    address_kind: str = ""  # "access", "floating" or "fixed"
    bastion: Bastion | None = None  # through which it is reached
    alias: str = ""  # decided for all servers of a stack at once; see word

    @property
    def word(self) -> str:
        """What files and programs call it: its alias; in an older record its name's own."""
        return self.alias or aliases([self.name])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a phase did not end well."""

    kind: str  # the error's class name
    message: str
    hint: str | None = None
    details: str = ""  # Heat's events, a step's output: whatever tells the story
    blames: bool = False  # whether the commit's own files made it fail
    category: str = ""  # the class of the failure, one of infraci.errors.CATEGORIES


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseResult:
    """How one phase went."""

    phase: Phase
    started: float
    duration_s: float
    failure: Failure | None = None
    round: Round = Round.HEAD

    @property
    def label(self) -> str:
        """What the phase is called: ``verify``, ``verify (base)``."""
        return label(self.phase, self.round)


def label(phase: Phase, round_: Round) -> str:
    """What a phase is called: ``verify``, ``verify (base)``."""
    return str(phase) if round_ is Round.HEAD else f"{phase} ({round_})"


class Outcome(StrEnum):
    """How one testcase ended, in JUnit's words."""

    PASSED = "passed"
    FAILURE = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


class ErrorKind(StrEnum):
    """What went wrong with a testcase before it could pass or fail, and so whose fault it is."""

    SPEC = "spec"  # the spec itself is wrong: it cannot be loaded, or asks for no such fixture
    SETUP = "setup"  # the check's own set-up or tear-down raised
    INFRASTRUCTURE = "infrastructure"  # the cloud failed; a server could not be reached, was lost
    OUTSIDE = "outside"  # a mirror, a registry or a name server did not answer
    TIMEOUT = "timeout"  # the phase's time was over
    CRASH = "crash"  # the interpreter that ran the specs died, or was made to stop

    @property
    def outcome(self) -> Outcome:
        """A failure where the commit's own spec is wrong, else an error."""
        of_commit = self in (ErrorKind.SPEC, ErrorKind.SETUP)
        return Outcome.FAILURE if of_commit else Outcome.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Testcase:
    """What one phase does with one server, or with the stack: a spec's check, a step, a boot."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    server: str  # its name; empty for the stack
    role: str
    classname: str  # "specs.web.test_nginx", or "specs.web.test_nginx.TestClass"
    name: str  # as pytest calls it: "test_installed[web-0]"
    nodeid: str  # pytest's, relative to the commit's tree; of other phases "configure: script a.sh"
    outcome: Outcome
    phase: Phase = Phase.VERIFY
    duration_s: float = 0.0
    message: str = ""  # one line
    text: str = ""  # the whole story: traceback, reason
    stdout: str = ""
    stderr: str = ""
    file: PurePosixPath | None = None
    line: int | None = None  # 1-based
    kind: ErrorKind | None = None  # of an error, and of a spec that is wrong itself
    category: str = ""  # the class of a cloud's failure: infraci.errors.CATEGORIES


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceReference:
    """Something on the cloud that a run's stack made, by which the leak audit knows it."""

    kind: str  # Heat's type of it: "OS::Neutron::Port"
    id: str  # the cloud's


class ChangeKind(StrEnum):
    """What an update did to a resource."""

    ADDED = "added"
    REMOVED = "removed"
    REPLACED = "replaced"
    REBUILT = "rebuilt"  # the same server, with a new disk
    UPDATED = "updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceChange:
    """What an update did, or would do, to one resource."""

    path: str  # through the nested stacks: "app_servers.0"
    type: str
    kind: ChangeKind
    properties: tuple[str, ...] = ()  # that make it so; only a plan knows them


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """All that is known of a run; what the ledger keeps in ``run.json``."""

    id: str
    pipeline: str
    voting: bool
    commit: Commit
    cloud: str
    cloud_at: str = ""  # where the cloud of that name was: an address, the embedded one's folder
    stack_name: str
    stack_id: str | None = None
    tags: tuple[str, ...] = ()
    created: float
    expires: float
    destroy: str  # always, passing, never
    pid: int | None = None
    servers: tuple[Server, ...] = ()
    phases: tuple[PhaseResult, ...] = ()
    testcases: tuple[Testcase, ...] = ()
    evidence: tuple[str, ...] = ()  # files, relative to the run's folder
    verdict: Verdict | None = None  # None until known
    destroyed: bool = False
    resources: tuple[ResourceReference, ...] = ()  # known since the tear-down began
    host_keys: str = ""  # how servers' became known: "console", "injected", "unverified"
    leaks: tuple[str, ...] = ()  # what the tear-down left on the cloud
    api_calls: Mapping[str, int] = field(default_factory=dict)  # "compute GET" → how many
    outputs: Mapping[str, str] = field(default_factory=dict)  # of the stack; hidden ones masked
    base: Commit | None = None  # what an upgrade began from
    base_testcases: tuple[Testcase, ...] = ()  # of the base's specs, before the update
    rollback_testcases: tuple[Testcase, ...] = ()  # of the base's specs, after a rollback
    changes: tuple[ResourceChange, ...] = ()  # what the update did
    untrusted: bool = False  # whether the commit's programs run in a sandbox
    overrides: tuple[str, ...] = ()  # what the command line changed: "-P image", "-e site.yaml"
    blame: Mapping[str, str] = field(default_factory=dict)  # by testcase; "" is the run as a whole

    def checked(self, round_: Round) -> tuple[Testcase, ...]:
        """What was checked in a round."""
        return {
            Round.HEAD: self.testcases,
            Round.BASE: self.base_testcases,
            Round.ROLLBACK: self.rollback_testcases,
        }[round_]


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
    """The verdict that decides between several, by their exit codes; passed if there are none."""
    return Verdict.of(ExitCode.worst(verdict.exit_code for verdict in verdicts))


def exit_code_of(records: Iterable[RunRecord]) -> ExitCode:
    """The exit code of the worst voting run; an interrupted run counts even if it does not vote."""
    return ExitCode.worst(
        (record.verdict or Verdict.PASSED).exit_code
        for record in records
        if record.voting or record.verdict is Verdict.INTERRUPTED
    )
