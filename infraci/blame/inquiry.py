"""One pipeline's failures at a commit: from what is known to a finding for each testcase."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from infraci import git
from infraci.blame.commits import (
    Step,
    diff_of,
    first_parents,
    inside,
    is_whole,
    names_along,
    with_changes,
)
from infraci.blame.evidence import Evidence
from infraci.blame.finding import Answer, Culprit, Finding, Kind, answer
from infraci.blame.question import BEFORE, BEFORE_GOOD, Question, view
from infraci.blame.search import MOST_TRIES, Budget, Search, StandUp, why_untestable
from infraci.errors import CATEGORIES, UsageError
from infraci.history import Case, Class, Result
from infraci.history.result import LOST
from infraci.model.run import Commit, Phase, Verdict

#: More suspects are searched only by who has said what it may cost.
MOST_SUSPECTS = 500

#: Which of some files matter to a testcase.
Matters = Callable[[Case, Sequence[str]], tuple[str, ...]]


@dataclass(kw_only=True)
class Inquiry:
    """Asks about all testcases of a pipeline that fail at a commit, at once."""

    root: Path
    head: Commit
    pipeline_file: str
    evidence: Evidence
    stand_up: StandUp
    budget: Budget
    matters: Matters
    target: float = 0.99
    since: Commit | None = None
    is_budget_given: bool = False
    again: str = ""  # the command that repeats it
    search: Search = field(init=False)
    _is_tried: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.search = Search(
            evidence=self.evidence,
            stand_up=self.stand_up,
            budget=self.budget,
            target=self.target,
        )

    def findings(self) -> tuple[Finding, ...]:
        """One for each testcase that fails at the commit; stands up what is needed for it.

        Where the commit could not be tested, one for all. Raises UsageError for a range that is
        too long to search without a budget.
        """
        self._test_head()
        known = self.evidence.of(self.head.sha)
        # What searches ran here again is about what failed before, and nothing else.
        known = tuple(result for result in known if not result.of_search) or known
        told = [r for r in known if Class.FAILED in r.cases.values() and not r.is_lost]
        failing = sorted({c for r in told for c, how in r.cases.items() if how is Class.FAILED})
        others = list(self._without_question(known, failing))
        questions = [self._question(case) for case in failing]
        self._check_length(questions)
        stopped = self.search.go(questions)
        return (*self._answered(questions, stopped), *others)

    def _test_head(self) -> None:
        """Stand the commit up, unless something is known of it; again if the cloud fails."""
        if self.evidence.of(self.head.sha):
            return
        for _ in range(MOST_TRIES):
            if self.budget.over():
                return
            self._is_tried = True
            (result,) = self.budget.spend([self.head.sha], self.stand_up)
            if result is not None:
                self.evidence.add(self.head.sha, result)
            if result is not None and (result.verdict is not Verdict.ERROR or result.cases):
                return

    def _without_question(
        self, known: Sequence[Result], failing: Sequence[Case]
    ) -> Iterator[Finding]:
        """What no commit can be blamed for: nothing is known, the cloud failed, a spec is wrong."""
        if not known:
            if self._is_tried:
                yield self._finding(Kind.INFRASTRUCTURE, why="its runs told nothing")
            else:
                yield self._finding(Kind.UNKNOWN, why="it was not run, and may not be")
            return
        best: dict[Case, Class] = {}
        for result in known:
            for case, how in result.cases.items():
                how = Class.INFRASTRUCTURE if how is Class.FAILED and result.is_lost else how
                if best.get(case) is not Class.PASSED:
                    best[case] = how
        for case, how in sorted(best.items()):
            if case not in failing and how in LOST:
                yield self._finding(Kind.INFRASTRUCTURE, case, why=f"it was not tested ({how})")
            elif case not in failing and how in (Class.SPEC, Class.SETUP):
                yield self._finding(Kind.UNKNOWN, case, why=f"the spec itself is in error ({how})")
        if not best:
            last = known[-1]
            if last.verdict is Verdict.INVALID:
                yield self._finding(Kind.UNKNOWN, why=why_untestable(last))
            elif last.verdict is Verdict.ERROR:
                kind = Kind.INFRASTRUCTURE if _is_of_cloud(last) else Kind.UNKNOWN
                yield self._finding(kind, why=last.trouble or "unknown trouble")

    # The line, and the questions on it

    @cached_property
    def line(self) -> tuple[Step, ...]:
        """The way to the commit, with what each changed."""
        since = self.since.sha if self.since else None
        line = with_changes(self.root, first_parents(self.root, self.head.sha, since=since))
        self.evidence.look_up(step.sha for step in line)
        return line

    def _question(self, case: Case) -> Question:
        line = self.line
        return Question(
            case=case,
            line=tuple(step.sha for step in line),
            names=names_along(case, line, pipeline=self.pipeline_file),
            touching=self._touching(case, line),
            last=len(line) - 1,
            begin=min(1, len(line) - 1) if self.since else None,
            before=BEFORE_GOOD if self.since else BEFORE,
            is_rooted=not line[0].parents and self._is_whole,
        )

    def _touching(self, case: Case, line: Iterable[Step]) -> tuple[bool, ...]:
        return tuple(bool(self.matters(case, step.paths)) for step in line)

    @cached_property
    def _is_whole(self) -> bool:
        return is_whole(self.root)

    def _check_length(self, questions: Sequence[Question]) -> None:
        views = [view(question, self.evidence) for question in questions]
        longest = max((len(seen.suspects) for seen in views if seen), default=0)
        if longest > MOST_SUSPECTS and self.budget.runs and not self.is_budget_given:
            raise UsageError(
                f"cannot search {longest} commits without a budget",
                hint="say how many stacks it may take (--budget N), or a later --since",
            )

    def _inner(self, question: Question, merge: Step) -> Question:
        """The same question inside of a merge."""
        index = question.line.index(merge.sha)
        line = inside(self.root, merge)
        steps = (*line, *(self._steps[sha] for sha in question.line[index + 1 :]))
        self._steps |= {step.sha: step for step in line[:-1]}
        touching = self._touching(question.case, steps)
        last = len(line) - 1
        return Question(
            case=question.case,
            line=tuple(step.sha for step in steps),
            names=names_along(question.case, steps, pipeline=self.pipeline_file),
            touching=(*touching[:last], False, *touching[last + 1 :]),
            last=last,
            begin=min(1, last),
            before=BEFORE_GOOD,
        )

    @cached_property
    def _steps(self) -> dict[str, Step]:
        return {step.sha: step for step in self.line}

    # From answers to findings

    def _answered(self, questions: Sequence[Question], stopped: str) -> Iterator[Finding]:
        deeper: dict[str, list[Question]] = {}
        outer: dict[Case, tuple[Question, Answer]] = {}
        for question in questions:
            seen = view(question, self.evidence)
            if seen is None:
                continue
            found = answer(seen, target=self.target)
            outer[question.case] = question, found
            if self._is_entered(found):
                deeper.setdefault(found.culprit or "", []).append(question)
        for sha, inner in deeper.items():
            entered = [self._inner(question, self._steps[sha]) for question in inner]
            outer |= self._inside(sha, entered, outer)
        for case, (question, found) in outer.items():
            yield self._told(case, question, found, stopped)

    def _is_entered(self, found: Answer) -> bool:
        step = self._steps.get(found.culprit or "")
        return step is not None and len(step.parents) == 2

    def _inside(
        self,
        merge: str,
        questions: Sequence[Question],
        outer: dict[Case, tuple[Question, Answer]],
    ) -> dict[Case, tuple[Question, Answer]]:
        """Which commit of a merge, as far as the budget goes; else the merge stays to blame."""
        self.search.go(questions)
        known = {}
        for question in questions:
            _, whole = outer[question.case]
            seen = view(question, self.evidence)
            found = answer(seen, target=self.target) if seen else whole
            if found.culprit is None:
                continue
            chance = whole.probability * found.probability
            found = replace(found, kind=whole.kind, probability=chance)
            known[question.case] = question, found
            sha = found.culprit
            if sha is not None and sha != merge and self._is_entered(found):
                known |= self._inside(sha, [self._inner(question, self._steps[sha])], known)
        return known

    def _told(self, case: Case, question: Question, found: Answer, stopped: str) -> Finding:
        suspects = found.suspects or {}
        finding = self._finding(
            found.kind,
            case,
            probability=found.probability,
            culprit=self._culprit(case, found.culprit, found.probability),
            since=self._commit(found.since),
            suspects=tuple(
                Culprit(commit=git.resolve(self.root, sha), probability=chance)
                for sha, chance in suspects.items()
            ),
            failed=found.failed,
            ran=found.ran,
            proof=found.proof,
            runs_left=found.runs_left,
            time_left_s=found.runs_left * self.evidence.mean_s / self.budget.at_once,
            skipped={
                sha: why for sha, why in self.search.untestable.items() if sha in question.line
            },
        )
        if found.kind is Kind.UNKNOWN:
            return replace(finding, why=self._why(question, stopped))
        return finding

    def _why(self, question: Question, stopped: str) -> str:
        if question.line[0] == self.head.sha and not self._is_whole:
            return "this clone is shallow: `git fetch --unshallow` fetches the commit's parents"
        return stopped or "the runs contradict each other"

    def _culprit(self, case: Case, sha: str | None, probability: float) -> Culprit | None:
        if sha is None:
            return None
        paths = self._steps[sha].paths
        files = self.matters(case, paths) or paths
        return Culprit(
            commit=git.resolve(self.root, sha),
            probability=probability,
            files=files,
            diff=diff_of(self.root, sha, files),
        )

    def _commit(self, sha: str | None) -> Commit | None:
        return git.resolve(self.root, sha) if sha else None

    def _finding(self, kind: Kind, case: Case | None = None, **known: object) -> Finding:
        finding = Finding(
            pipeline=self.evidence.pipeline, head=self.head, kind=kind, case=case, again=self.again
        )
        return replace(finding, **known)  # type: ignore[arg-type]


def _is_of_cloud(result: Result) -> bool:
    """Whether it was the cloud that failed; a configure step may fail for any reason."""
    phase, _, what = result.trouble.partition(": ")
    return phase != Phase.CONFIGURE or what in CATEGORIES
