"""A run as JUnit's suites: plain values, before they become XML."""

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

#: The phases that have a suite of their own, and what their one case is called.
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
    """One suite for each phase, with what it did to the stack; then one for each server.

    A server's suite has its boot, its configure steps and its specs. The suites of an upgrade's
    base, and of a rollback to it, are named so: the testcases of the commit itself are called the
    same in every run.
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
    """The testcases of the stack whose phase has no suite: specs that look at no server."""
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
    """What a phase did to the stack; the phase as a whole where no testcase tells how it went."""
    testcases = [case for case in record.checked(result.round) if case.phase is result.phase]
    failed = [c for c in testcases if c.outcome in (Outcome.FAILURE, Outcome.ERROR)]
    if (not failed) if result.trouble else (not testcases):
        whole = _whole_phase(record, result, package)
        if whole is not None:
            yield whole
    of_stack = [case for case in testcases if not case.server]
    if result.phase is not Phase.VERIFY:
        yield from (_with_header(record, c, round_=result.round) for c in _unique(of_stack))


def _whole_phase(record: RunRecord, result: PhaseResult, package: str) -> Testcase | None:
    title = _PHASES.get(result.phase)
    if title is None or (result.trouble is None and result.phase in (Phase.PLAN, Phase.VERIFY)):
        return None  # what follows tells that they went well
    case = Testcase(
        server="",
        role="",
        classname=f"{package}.{result.phase}",
        name=title,
        nodeid=str(result.phase),
        outcome=Outcome.PASSED,
        duration_s=result.duration_s,
    )
    if result.trouble is None:
        return case
    trouble = result.trouble
    head = header(record, round_=result.round)
    blame = _blame(record, Case(where="", test=str(result.phase)), result.round)
    told = [blame + head, trouble.message, trouble.hint or "", trouble.details]
    return replace(
        case,
        outcome=Outcome.FAILURE if trouble.blames else Outcome.ERROR,
        message=f"{trouble.category}: {trouble.message}" if trouble.category else trouble.message,
        category=trouble.category,
        text="\n\n".join(part for part in told if part),
    )


def _by_server(record: RunRecord, round_: Round) -> Iterator[tuple[Server, list[Testcase]]]:
    """Group a round's testcases by server, in the servers' order."""
    by_name: dict[str, list[Testcase]] = {}
    for case in record.checked(round_):
        if case.server:
            by_name.setdefault(case.server, []).append(case)
    # The servers that are known are those of the end; an upgrade may have replaced the base's.
    known = {server.name: server for server in record.servers if round_ is not Round.BASE}
    order = [*(name for name in known if name in by_name), *(n for n in by_name if n not in known)]
    for name in order:
        role = by_name[name][0].role
        unknown = Server(name=name, id="", role=role, user="", address="")
        yield known.get(name, unknown), sorted(by_name[name], key=_place)


def _place(case: Testcase) -> int:
    """Where a testcase stands among those of its server: in the order of the phases."""
    return list(Phase).index(case.phase)


def _unique(cases: Sequence[Testcase]) -> Iterator[Testcase]:
    """Number what would share class and name with another: readers drop duplicates."""
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
    # A failure blames the commit, which the base's own specs say nothing of.
    outcome = case.outcome if round_ is Round.HEAD else Outcome.ERROR
    category = f"{case.category}: " if case.category and outcome is Outcome.ERROR else ""
    return replace(case, text=text, outcome=outcome, message=f"{category}{case.message}")


def _blame(record: RunRecord, case: Case, round_: Round) -> str:
    """Who broke it, as far as that is known: what a failure's text begins with."""
    said = record.blame.get(str(case)) or record.blame.get("", "")
    return f"{said}\n" if said and round_ is Round.HEAD else ""


def properties(record: RunRecord, folder: Path, server: Server | None = None) -> Mapping[str, str]:
    """What a suite says of the run, and of its server; ``folder`` is the run's."""
    commit = record.commit
    found = {
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
    found |= {
        f"infraci.api.calls.{what.replace(' ', '.')}": str(number)
        for what, number in sorted(record.api_calls.items())
    }
    found |= {
        f"infraci.blame.{number}": f"{case or 'the run'}: {_first_line(said)}"
        for number, (case, said) in enumerate(sorted(record.blame.items()))
    }
    found |= {f"infraci.leak.{number}": leak for number, leak in enumerate(record.leaks)}
    if server is not None:
        found |= {
            "infraci.server": server.name,
            "infraci.server.id": server.id,
            "infraci.server.address": server.address,
            "infraci.role": server.role,
        }
    mine = evidence_of(server.word) if server is not None else ""
    for number, name in enumerate(n for n in record.evidence if n.startswith(mine)):
        found[f"infraci.evidence.{number}"] = str(folder / name)
    return found


def _first_line(said: str) -> str:
    return said.partition("\n")[0].removeprefix("blame").strip()
