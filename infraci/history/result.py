"""The result of one run, testcase by testcase, as a line of JSON in a commit's note.

A testcase has the same name at every commit: its server's role and pytest's id, or the phase and
what it did there, without names that a run makes up. A result holds no output of servers, logs or
clouds.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, cast

from infraci.base.json_reader import read_json
from infraci.base.mask import mask
from infraci.diagnosis.phase_testcase import SEPARATOR
from infraci.model.run import (
    ErrorKind,
    Outcome,
    Phase,
    PhaseResult,
    Round,
    RunRecord,
    Testcase,
    Verdict,
)

VERSION = 1
#: The file beside a pipeline's report that holds the result of its run.
RESULT = "result.json"
#: The most bytes of a line; testcases that passed are left out first.
LONGEST = 64 * 1024
#: The year 9999, the last that is four digits long.
_LATEST = 253_402_300_800
#: How the ids of testcases of phases begin. Earlier versions wrote `upgrade.no_replace`.
_PHASE_OF = {str(phase): phase for phase in Phase} | {"upgrade.no_replace": Phase.UPDATE}
#: Random names that Heat gives: ``STACK-RESOURCE-2xj4m6kq7w5e``.
_MADE_UP = re.compile(r"-[a-z2-7]{12}(?=-|$)")


class Class(StrEnum):
    """How a testcase ended; errors by what may have caused them."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    SPEC = "spec"
    SETUP = "setup"
    INFRASTRUCTURE = "infrastructure"
    OUTSIDE = "outside"
    TIMEOUT = "timeout"
    CRASH = "crash"


#: Errors of servers, of services outside or of this machine: failures beside them prove nothing.
LOST = frozenset({Class.INFRASTRUCTURE, Class.OUTSIDE, Class.TIMEOUT, Class.CRASH})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Case:
    """A testcase, by the name that it has at every commit."""

    where: str  # the role; "role/server" where it has several servers; empty for the stack
    test: str  # pytest's id without the server's name: "specs/web/test_http.py::test_port"

    def __str__(self) -> str:
        return f"{self.test} on {self.where}" if self.where else self.test

    @property
    def phase(self) -> Phase:
        """The phase that it belongs to: "configure: script setup.sh" belongs to configure."""
        name = self.test.partition(SEPARATOR)[0]
        return _PHASE_OF.get(name, Phase.VERIFY)

    @property
    def wholes(self) -> Iterator[Case]:
        """The testcases that it is a part of, the nearest first: a task's play and step."""
        name = self.test
        while self.phase is not Phase.VERIFY and name.count(SEPARATOR) > 1:
            name = name.rpartition(SEPARATOR)[0]
            yield Case(where=self.where, test=name)

    @property
    def file(self) -> str:
        """The spec file; empty for a testcase of another phase."""
        is_spec = self.test.partition(SEPARATOR)[0] not in _PHASE_OF
        return self.test.partition("::")[0] if is_spec else ""


#: The testcase of the plan, which fails where a commit's own files are wrong.
PLAN = Case(where="", test=str(Phase.PLAN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one run."""

    run: str
    pipeline: str
    cloud: str
    overrides: tuple[str, ...] = ()  # of the command line: "-P image", "-e site.yaml"
    time: int  # when it began, in seconds since the epoch
    took_s: int = 0
    verdict: Verdict
    failure: str = ""  # "provision: quota"
    of_search: bool = False  # a search for a culprit started the run
    cut: bool = False  # a line does not hold all testcases
    cases: Mapping[Case, Class] = field(default_factory=dict)

    @property
    def is_lost(self) -> bool:
        """Whether servers were lost, so that the commit need not be the cause of a failure."""
        return not LOST.isdisjoint(self.cases.values())

    @property
    def is_complete(self) -> bool:
        """Whether the commit has no other testcases than the result.

        A run that ended before its specs does not know them.
        """
        if not self.cases or self.cut or self.verdict not in (Verdict.PASSED, Verdict.FAILED):
            return False
        unknown = LOST | {Class.SPEC}
        return self.stopped_at is None and unknown.isdisjoint(self.cases.values())

    @property
    def stopped_at(self) -> Phase | None:
        """The phase before the specs that failed, so that the phases after it were not run."""
        failed = [c for c, how in self.cases.items() if how not in (Class.PASSED, Class.SKIPPED)]
        phases = {case.phase for case in failed} - {Phase.VERIFY}
        return min(phases, key=list(Phase).index, default=None)

    def __str__(self) -> str:
        return f"{self.run} ({self.verdict})"


def invalid(*, pipeline: str, cloud: str, overrides: tuple[str, ...] = ()) -> Result:
    """The result for a commit whose pipelines cannot be loaded, of which there is no run."""
    return Result(
        run="",
        pipeline=pipeline,
        cloud=cloud,
        overrides=overrides,
        time=int(time.time()),
        verdict=Verdict.INVALID,
        failure="plan: its pipelines cannot be loaded",
        of_search=True,
        cases={PLAN: Class.FAILED},
    )


def result_of(record: RunRecord, *, of_search: bool = False) -> Result | None:
    """The result of a run; None if it says nothing about a commit."""
    if record.commit.dirty or record.verdict in (None, Verdict.INTERRUPTED):
        return None
    failed = next((result for result in record.phases if result.failure is not None), None)
    return Result(
        run=record.id,
        pipeline=record.pipeline,
        cloud=record.cloud,
        overrides=tuple(sorted(record.overrides)),
        time=int(record.created),
        took_s=round(sum(result.duration_s for result in record.phases)),
        verdict=Verdict(record.verdict),
        failure=_reason(failed, record) if failed else "",
        of_search=of_search,
        cases=dict([*_phases(record), *_testcases(record)]),
    )


def _reason(result: PhaseResult, record: RunRecord) -> str:
    """Why a phase failed, without any output: the class of the failure, or the testcase."""
    category = result.failure.category if result.failure else ""
    failed = [
        case
        for case in record.checked(result.round)
        if case.phase is result.phase and case.outcome is Outcome.FAILURE
    ]
    if category or not failed:
        return f"{result.label}: {category or 'failed'}"
    return f"{case_name(record, failed[0])} failed"


def _phases(record: RunRecord) -> Iterator[tuple[Case, Class]]:
    """Testcases of whole phases: a failed plan has no other one, and an update is one."""
    phases = {case.phase for case in record.testcases if case.outcome is Outcome.FAILURE}
    for result in record.phases:
        if result.round is not Round.HEAD or result.phase is Phase.DESTROY:
            continue
        case = Case(where="", test=str(result.phase))
        if result.failure is None:
            if result.phase in (Phase.PLAN, Phase.UPDATE):
                yield case, Class.PASSED
        elif result.failure.blames and result.phase not in phases:
            yield case, Class.FAILED


def _testcases(record: RunRecord) -> Iterator[tuple[Case, Class]]:
    roles = _roles(record)
    named = {_named(testcase, roles): _class_of(testcase) for testcase in record.testcases}
    for case, class_ in named.items():
        # The parts of a testcase that passed take no room.
        if class_ is not Class.PASSED or Class.PASSED not in map(named.get, case.wholes):
            yield case, class_


def _class_of(testcase: Testcase) -> Class:
    if testcase.outcome is Outcome.FAILURE and testcase.kind is ErrorKind.SPEC:
        return Class.SPEC
    if testcase.outcome is Outcome.ERROR:
        return Class((testcase.kind or ErrorKind.INFRASTRUCTURE).value)
    return {
        Outcome.PASSED: Class.PASSED,
        Outcome.FAILURE: Class.FAILED,
        Outcome.SKIPPED: Class.SKIPPED,
    }[testcase.outcome]


def case_name(record: RunRecord, testcase: Testcase) -> Case:
    """The name that a run's testcase has at every commit."""
    return _named(testcase, _roles(record))


def _named(testcase: Testcase, roles: Mapping[str, str]) -> Case:
    test = _without_server(mask(testcase.nodeid), testcase.server)
    return Case(where=roles.get(testcase.server, ""), test=test)


def _roles(record: RunRecord) -> dict[str, str]:
    """Each server's role; with the server's name if several servers have that role."""
    roles = {case.server: case.role for case in record.testcases if case.server}
    roles |= {server.name: server.role for server in record.servers}
    several = Counter(roles.values())
    unique: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for name, role in roles.items():
        title = role if several[role] == 1 else f"{role}/{_lasting(name, record.stack_name)}"
        taken[title] += 1
        unique[name] = title if taken[title] == 1 else f"{title}#{taken[title]}"
    return unique


def _lasting(name: str, stack: str) -> str:
    """A server's name without the parts that Heat adds to a name that it makes up.

    Heat puts the stack's name before it (of a long one, two letters and its end), and adds random
    words.
    """
    begin, _, rest = name.partition("-")
    for start in range(len(stack) - 3):
        tail = f"{stack[start:]}-"
        if start == 0 and name.startswith(tail):
            return _MADE_UP.sub("", name.removeprefix(tail)) or name
        if start and stack.startswith(begin) and len(begin) == 2 and rest.startswith(tail):
            return _MADE_UP.sub("", rest.removeprefix(tail)) or name
    return name


def _without_server(nodeid: str, server: str) -> str:
    """``test_port[web-0-80]`` as ``test_port[80]``: a server's name is no part of a test's."""
    path, bracket, parameters = nodeid.partition("[")
    if not (bracket and server):
        return nodeid
    shown = server.encode("unicode_escape").decode("ascii")  # as pytest has names in its ids
    inner = re.sub(rf"(^|-){re.escape(shown)}(?=-|$)", "", parameters.removesuffix("]"), count=1)
    inner = inner.strip("-")
    return f"{path}[{inner}]" if inner else path


def dump(result: Result) -> str:
    """The result as one line, shortened to :data:`LONGEST`."""
    line = _line(result)
    if _is_short(line):
        return line
    failed = {case: class_ for case, class_ in result.cases.items() if class_ is Class.FAILED}
    result = replace(result, cut=True, cases=failed)
    while not _is_short(line := _line(result)):
        half = list(result.cases.items())[: len(result.cases) // 2]
        result = replace(result, cases=dict(half))
    return line


def _is_short(line: str) -> bool:
    return len(line.encode("utf-8", "replace")) <= LONGEST


def _line(result: Result) -> str:
    cases: dict[str, dict[str, list[str]]] = {}
    for case, class_ in sorted(result.cases.items()):
        cases.setdefault(class_, {}).setdefault(case.where, []).append(case.test)
    # Keys never change within a version: clones with an older infraci read the notes as well.
    fields = {
        "v": VERSION,
        "run": result.run,
        "pipeline": result.pipeline,
        "cloud": result.cloud,
        "given": list(result.overrides),
        "time": result.time,
        "took": result.took_s,
        "verdict": result.verdict,
        "trouble": mask(result.failure),
        "search": result.of_search,
        "cut": result.cut,
        "cases": cases,
    }
    kept = {name: value for name, value in fields.items() if value not in ("", False, [])}
    return json.dumps(kept, separators=(",", ":"))


def parse(line: str) -> Result:
    """The result that a line holds. Raises ValueError, with the reason, if it holds none."""
    try:
        content: object = read_json(line)
    except ValueError as error:
        raise ValueError("it is not JSON") from error
    fields = content if isinstance(content, dict) else {}
    version = _field(fields, "v", int)
    if version != VERSION:
        raise ValueError(f"it is of version {version}, and this infraci reads {VERSION}")
    try:
        verdict = Verdict(_field(fields, "verdict", str))
    except ValueError as error:
        raise ValueError("it has no verdict") from error
    if not 0 <= _field(fields, "time", int) < _LATEST:
        raise ValueError("it has a time that no calendar has")
    return Result(
        run=_field(fields, "run", str, ""),
        pipeline=_field(fields, "pipeline", str),
        cloud=_field(fields, "cloud", str),
        overrides=tuple(str(item) for item in _field(fields, "given", list, [])),
        time=_field(fields, "time", int),
        took_s=_field(fields, "took", int, 0),
        verdict=verdict,
        failure=_field(fields, "trouble", str, ""),
        of_search=_field(fields, "search", bool, False),
        cut=_field(fields, "cut", bool, False),
        cases=dict(_cases(_field(fields, "cases", dict))),
    )


def _cases(classes: Mapping[str, Any]) -> Iterator[tuple[Case, Class]]:
    for name, roles in classes.items():
        if name not in set(Class):
            raise ValueError(f'it has testcases of an unknown class "{name}"')
        for where in roles if isinstance(roles, dict) else ():
            tests = _field(roles, where, list)
            yield from ((Case(where=where, test=str(test)), Class(name)) for test in tests)


_REQUIRED = object()


def _field(fields: Mapping[str, Any], name: str, type_: type, default: object = _REQUIRED) -> Any:
    value = fields.get(name, default)
    if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
        raise ValueError(f'it has no "{name}" that is {type_.__name__}')
    return cast(Any, value)
