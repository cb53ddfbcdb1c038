"""Groups a run's testcases into JUnit's suites, as plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from infraci.history.result import Case, case_name
from infraci.ledger.run_folder import evidence_of
from infraci.model.cause import failure_sentence
from infraci.model.run import (
    Outcome,
    Phase,
    PhaseResult,
    Round,
    RunRecord,
    Server,
    Testcase,
)
from infraci.report.header import header

#: The phases that have a suite of their own, and the name of their testcase.
_PHASES: Mapping[Phase, str] = {
    Phase.PLAN: "the stack, the scripts and the specs can be read",
    Phase.PROVISION: "every server of the stack can be logged in to",
    Phase.UPDATE: "the stack is updated to the commit",
    Phase.CONFIGURE: "every configure step ends well",
    Phase.VERIFY: "every spec can be run",
    Phase.DESTROY: "nothing is left of the stack",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite and its cases."""

    name: str
    package: str
    hostname: str
    started: float
    properties: Mapping[str, str]
    cases: Sequence[Testcase]


def suites(record: RunRecord, folder: Path) -> Iterator[Suite]:
    """Yield a suite for each phase with its testcases of the stack, then one for each server.

    A server's suite has its boot, its configure steps and its specs. Suites of an upgrade's base,
    and of a rollback to it, say so in their names; the testcases of the commit have the same names
    in every run.
    """
    for result in record.phases:
        package = _package(record, result.round)
        cases = list(_phase_cases(record, result, package))
        if cases:
            yield Suite(
                name=f"{package}.{result.phase}",
                package=package,
                hostname=record.cloud,
                started=result.started,
                properties=properties(record, folder),
                cases=cases,
            )
    for round_ in Round:
        yield from _servers(record, round_, folder)
    yield from _stack(record, folder)


def _servers(record: RunRecord, round_: Round, folder: Path) -> Iterator[Suite]:
    package = _package(record, round_)
    verified = [
        result.started
        for result in record.phases
        if result.phase is Phase.VERIFY and result.round is round_
    ]
    for server, cases in _by_server(record, round_):
        yield Suite(
            name=f"{package}.{server.name}",
            package=package,
            hostname=server.name,
            started=verified[0] if verified else record.created,
            properties=properties(record, folder, server),
            cases=[_with_header(record, case, server, round_) for case in _unique(cases)],
        )


def _stack(record: RunRecord, folder: Path) -> Iterator[Suite]:
    """A suite of the stack's testcases whose phase has no suite: specs without a server."""
    package = _package(record, Round.HEAD)
    shown = {result.phase for result in record.phases} - {Phase.VERIFY}
    cases = [case for case in record.testcases if not case.server and case.phase not in shown]
    if cases:
        yield Suite(
            name=f"{package}.stack",
            package=package,
            hostname=record.cloud,
            started=record.created,
            properties=properties(record, folder),
            cases=[_with_header(record, case) for case in _unique(cases)],
        )


def _package(record: RunRecord, round_: Round) -> str:
    package = f"infraci.{record.pipeline}"
    return package if round_ is Round.HEAD else f"{package}.{round_}"


def _phase_cases(record: RunRecord, result: PhaseResult, package: str) -> Iterator[Testcase]:
    """A phase's testcases of the stack; one for the whole phase if no testcase has its outcome."""
    testcases = [case for case in record.checked(result.round) if case.phase is result.phase]
    failed = [c for c in testcases if c.outcome in (Outcome.FAILURE, Outcome.ERROR)]
    if (not failed) if result.failure else (not testcases):
        whole = _whole_phase(record, result, package)
        if whole is not None:
            yield whole
    of_stack = [case for case in testcases if not case.server]
    if result.phase is not Phase.VERIFY:
        yield from (_with_header(record, c, round_=result.round) for c in _unique(of_stack))


def _whole_phase(record: RunRecord, result: PhaseResult, package: str) -> Testcase | None:
    title = _PHASES.get(result.phase)
    if title is None or (result.failure is None and result.phase in (Phase.PLAN, Phase.VERIFY)):
        return None  # later testcases show that it passed
    case = Testcase(
        server="",
        role="",
        classname=f"{package}.{result.phase}",
        name=title,
        nodeid=str(result.phase),
        outcome=Outcome.PASSED,
        duration_s=result.duration_s,
    )
    if result.failure is None:
        return case
    failure = result.failure
    head = header(record, round_=result.round)
    blame = _blame(record, Case(where="", test=str(result.phase)), result.round)
    parts = [blame + head, failure.message, failure.hint or "", failure.details]
    return replace(
        case,
        outcome=Outcome.FAILURE if failure.blames else Outcome.ERROR,
        message=f"{failure.category}: {failure.message}" if failure.category else failure.message,
        category=failure.category,
        text="\n\n".join(part for part in parts if part),
    )


def _by_server(record: RunRecord, round_: Round) -> Iterator[tuple[Server, list[Testcase]]]:
    """Group a round's testcases by server, in the servers' order."""
    by_name: dict[str, list[Testcase]] = {}
    for case in record.checked(round_):
        if case.server:
            by_name.setdefault(case.server, []).append(case)
    # The record has the last servers; an upgrade may have replaced those of the base.
    known = {server.name: server for server in record.servers if round_ is not Round.BASE}
    order = [*(name for name in known if name in by_name), *(n for n in by_name if n not in known)]
    for name in order:
        role = by_name[name][0].role
        unknown = Server(name=name, id="", role=role, user="", address="")
        yield known.get(name, unknown), sorted(by_name[name], key=_place)


def _place(case: Testcase) -> int:
    """The position of a testcase among those of its server, in the order of phases."""
    return list(Phase).index(case.phase)


def _unique(cases: Sequence[Testcase]) -> Iterator[Testcase]:
    """Number testcases with equal class and name, of which readers drop all but one."""
    seen: dict[tuple[str, str], int] = {}
    for case in cases:
        key = (case.classname, case.name)
        seen[key] = seen.get(key, 0) + 1
        yield case if seen[key] == 1 else replace(case, name=f"{case.name} #{seen[key]}")


def _with_header(
    record: RunRecord, case: Testcase, server: Server | None = None, round_: Round = Round.HEAD
) -> Testcase:
    if case.classname == case.phase:
        case = replace(case, classname=f"{_package(record, round_)}.{case.phase}")
    if case.outcome not in (Outcome.FAILURE, Outcome.ERROR):
        return case
    head = header(record, server, round_=round_)
    blame = _blame(record, case_name(record, case), round_)
    text = f"{blame}{head}\ncheck    {case.nodeid}\n\n{case.text or case.message}"
    # A failure blames the commit; the base's specs do not test it.
    outcome = case.outcome if round_ is Round.HEAD else Outcome.ERROR
    category = f"{case.category}: " if case.category and outcome is Outcome.ERROR else ""
    return replace(case, text=text, outcome=outcome, message=f"{category}{case.message}")


def _blame(record: RunRecord, case: Case, round_: Round) -> str:
    """What the history says about who broke a testcase; a failure's text begins with it."""
    summary = record.blame.get(str(case)) or record.blame.get("", "")
    return f"{summary}\n" if summary and round_ is Round.HEAD else ""


def properties(record: RunRecord, folder: Path, server: Server | None = None) -> Mapping[str, str]:
    """The properties of a suite: the run, and its server; ``folder`` is the run's."""
    commit = record.commit
    named = {
        "infraci.run": record.id,
        "infraci.commit": commit.sha,
        "infraci.commit.dirty": json.dumps(commit.dirty),
        "infraci.author": commit.author,
        "infraci.email": commit.email,
        "infraci.date": commit.date,
        "infraci.subject": commit.subject,
        "infraci.base": record.base.sha if record.base else "",
        "infraci.pipeline": record.pipeline,
        "infraci.voting": json.dumps(record.voting),
        "infraci.stack": record.stack_name,
        "infraci.stack.id": record.stack_id or "",
        "infraci.cloud": record.cloud,
        "infraci.host_keys": record.host_keys,
        "infraci.verdict": record.verdict or "",
        "infraci.cause": failure_sentence(record),
        "infraci.api.calls": str(sum(record.api_calls.values())),
    }
    named |= {
        f"infraci.api.calls.{what.replace(' ', '.')}": str(number)
        for what, number in sorted(record.api_calls.items())
    }
    named |= {
        f"infraci.blame.{number}": f"{case or 'the run'}: {_first_line(summary)}"
        for number, (case, summary) in enumerate(sorted(record.blame.items()))
    }
    named |= {f"infraci.leak.{number}": leak for number, leak in enumerate(record.leaks)}
    if server is not None:
        named |= {
            "infraci.server": server.name,
            "infraci.server.id": server.id,
            "infraci.server.address": server.address,
            "infraci.role": server.role,
        }
    mine = evidence_of(server.word) if server is not None else ""
    for number, name in enumerate(n for n in record.evidence if n.startswith(mine)):
        named[f"infraci.evidence.{number}"] = str(folder / name)
    return named


def _first_line(summary: str) -> str:
    return summary.partition("\n")[0].removeprefix("blame").strip()
