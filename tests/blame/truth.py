"""Made-up truths: what would happen at each commit, instead of the stacks that would show it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infraci import git
from infraci.blame.finding import Finding
from infraci.blame.inquiry import Inquiry
from infraci.blame.observations import Evidence
from infraci.blame.search import Budget
from infraci.history import Case, Class, Result
from infraci.model.run import Phase, Verdict

ANSWER = Case(where="web", test="specs/web/test_http.py::test_answer")
PORT = Case(where="web", test="specs/web/test_http.py::test_port")
#: What a testcase does at a commit: how often it fails there; None where it is not there.
Truth = Callable[[str], float | None]


@dataclass(kw_only=True)
class World:
    """Stands in for the stacks: answers from a truth, and lists the commits that it tested."""

    truths: Mapping[Case, Truth]
    ways: Mapping[Case, Class] = field(default_factory=dict)  # how a testcase fails
    cloud_fails: float = 0.0
    invalid: frozenset[str] = frozenset()
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    tested: list[str] = field(default_factory=list)
    runs: int = 0

    def __call__(self, shas: Sequence[str]) -> Sequence[Result | None]:
        """Stand up commits for a search."""
        return [self.run(sha, of_search=True) for sha in shas]

    def run(self, sha: str, *, of_search: bool = False) -> Result | None:
        """Test a commit."""
        self.tested.append(sha)
        self.runs += 1
        verdict, cases, failure = Verdict.PASSED, {}, ""
        if sha in self.invalid:
            verdict, failure = Verdict.INVALID, "plan: PipelineFileError"
        elif self.rng.random() < self.cloud_fails:
            verdict, failure = Verdict.ERROR, "provision: quota"
        else:
            rates = {case: truth(sha) for case, truth in self.truths.items()}
            cases = {
                case: self.ways.get(case, Class.FAILED)
                if self.rng.random() < rate
                else Class.PASSED
                for case, rate in rates.items()
                if rate is not None
            }
            cases[Case(where="web", test="specs/web/test_http.py::test_up")] = Class.PASSED
            verdict = self._verdict(cases)
        return Result(
            run=f"web-{self.runs}",
            pipeline="web",
            cloud="local",
            time=1_700_000_000 + 100 * self.runs,
            took_s=60,
            verdict=verdict,
            failure=failure,
            of_search=of_search,
            cases=cases,
        )

    def _verdict(self, cases: dict[Case, Class]) -> Verdict:
        """Of a run; one that failed before its specs has no result of these."""
        classes = {*cases.values()} - {Class.PASSED}
        if any(case.phase is not Phase.VERIFY for case in cases if cases[case] in classes):
            for case in [case for case in cases if case.phase is Phase.VERIFY]:
                del cases[case]
        if not classes:
            return Verdict.PASSED
        return Verdict.ERROR if classes == {Class.OUTSIDE} else Verdict.FAILED


def broken(by: str, line: Sequence[str], *, rate: float = 0.0) -> Truth:
    """Fails from a commit of a line on; before it, as often as it is flaky."""
    bad = frozenset(line[line.index(by) :])
    return lambda sha: 1.0 if sha in bad else rate


def known(world: World, shas: Iterable[str]) -> dict[str, list[Result]]:
    """The history of commits that were tested when they came."""
    results = {sha: [result] for sha in shas if (result := world.run(sha)) is not None}
    world.tested.clear()
    return results


def inquire(
    root: Path,
    world: World,
    history: Mapping[str, Sequence[Result]],
    *,
    runs: int = 40,
    head: str = "HEAD",
    since: str | None = None,
    touched: Iterable[str] = (),
    **changes: Any,
) -> tuple[Finding, ...]:
    """Ask about all that fails at a commit; ``touched`` are the files that matter."""
    used = set(touched)
    return Inquiry(
        root=root,
        head=git.resolve(root, head),
        pipeline_file=changes.pop("pipeline_file", "pipelines/web.yaml"),
        evidence=Evidence(lambda shas: history, pipeline="web", cloud="local"),
        stand_up=changes.pop("stand_up", world),
        budget=Budget(runs=runs, at_once=changes.pop("at_once", 1), **changes.pop("limits", {})),
        matters=changes.pop(
            "matters", lambda case, paths: tuple(path for path in paths if path in used)
        ),
        since=git.resolve(root, since) if since else None,
        rng=changes.pop("rng", random.Random(1)),
        **changes,
    ).findings()
