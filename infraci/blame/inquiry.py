"""One pipeline's failures at a commit: from what is known to a finding for each testcase."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from infraci import git
from infraci.blame.commits import diff_of
from infraci.blame.finding import Answer, Culprit, Finding, FindingKind, answer
from infraci.blame.line import Line, Matters
from infraci.blame.observations import FAILURES, Evidence, is_wrong_plan
from infraci.blame.question import Question, view
from infraci.blame.search import MOST_TRIES, Budget, Search, StandUp
from infraci.blame.synthetic_commits import without
from infraci.errors import CATEGORIES, UsageError
from infraci.history import Case, Class, Result
from infraci.history.result import LOST, PLAN
from infraci.model.run import Commit, Phase, Verdict

#: More suspects are searched only by who has said what it may cost.
MOST_SUSPECTS = 500

#: What helps where no earlier run is known.
_SAY_SINCE = "no earlier run is known, so say which commit was good: --since REV"


@dataclass(kw_only=True)
class Inquiry:
    """Asks about all testcases of a pipeline that fail at a commit, at once.

    ``matters`` tells which of some files matter to a testcase, ``can_try_out`` whether commits can
    be stood up that are made for it, and ``hint`` what to do where no stack may be.
    """

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
    can_try_out: bool = False
    again: str = ""  # the command that repeats it
    hint: str = ""
    luck: random.Random = field(default_factory=random.Random)
    search: Search = field(init=False)
    line: Line = field(init=False)
    _is_tried: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.search = Search(
            evidence=self.evidence,
            stand_up=self.stand_up,
            budget=self.budget,
            target=self.target,
            luck=self.luck,
            revert=self._without if self.can_try_out else None,
        )
        self.line = Line(
            root=self.root,
            head=self.head.sha,
            since=self.since.sha if self.since else None,
            pipeline_file=self.pipeline_file,
            evidence=self.evidence,
            matters=self.matters,
            reverts=self.search.reverts,
        )

    def _without(self, sha: str) -> str | None:
        return without(self.root, self.head.sha, self._real(sha))

    def findings(self) -> tuple[Finding, ...]:
        """One for each testcase that fails at the commit; stands up what is needed for it.

        Where the commit could not be tested, one for all. Raises UsageError for a range that is
        too long to search without a budget.
        """
        self._test_head()
        known = self.evidence.of(self.head.sha)
        # What searches ran here again is about what failed before, and nothing else.
        known = tuple(result for result in known if not result.of_search) or known
        failing, doubted = _failing(known)
        others = list(self._without_question(known, {*failing, *doubted}))
        questions = [
            self.line.question(case, is_doubted=is_doubted, asked=failing)
            for cases, is_doubted in ((failing, False), (doubted, True))
            for case in cases
        ]
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

    def _without_question(self, known: Sequence[Result], asked: set[Case]) -> Iterator[Finding]:
        """What no commit can be blamed for: nothing is known, or the cloud failed."""
        if not known:
            if self._is_tried:
                yield self._finding(FindingKind.INFRASTRUCTURE, why="its runs told nothing")
            else:
                yield self._finding(
                    FindingKind.UNKNOWN, why=self.hint or "it was not run, and may not be"
                )
            return
        best: dict[Case, Class] = {}
        for result in known:
            for case, how in result.cases.items():
                how = Class.INFRASTRUCTURE if how in FAILURES and result.is_lost else how
                if best.get(case) is not Class.PASSED:
                    best[case] = how
        for case, how in sorted(best.items()):
            if case not in asked and how in LOST:
                yield self._finding(
                    FindingKind.INFRASTRUCTURE, case, why=f"it was not tested ({how})"
                )
        last = known[-1]
        if set(best.values()) <= {Class.PASSED, Class.SKIPPED} and last.verdict is Verdict.ERROR:
            kind = FindingKind.INFRASTRUCTURE if _is_of_cloud(last) else FindingKind.UNKNOWN
            yield self._finding(kind, why=last.trouble or "unknown trouble")

    def _check_length(self, questions: Sequence[Question]) -> None:
        views = [view(question, self.evidence) for question in questions]
        longest = max(
            (len(seen.suspects) for seen in views if seen and not seen.is_open_ended), default=0
        )
        if longest > MOST_SUSPECTS and self.budget.runs and not self.is_budget_given:
            raise UsageError(
                f"cannot search {longest} commits without a budget",
                hint="say how many stacks it may take (--budget N), or a later --since",
            )

    # From answers to findings

    def _answered(self, questions: Sequence[Question], stopped: str) -> Iterator[Finding]:
        answered: list[_Answered] = []
        entered: dict[str, list[int]] = {}
        for question in questions:
            if (seen := view(question, self.evidence)) is not None:
                found = answer(seen, target=self.target)
                if found.culprit is not None and self.line.step(found.culprit).is_merge:
                    entered.setdefault(found.culprit, []).append(len(answered))
                answered.append((question, found))
        for merge, numbers in entered.items():
            wholes = [answered[number] for number in numbers]
            for number, inner in zip(numbers, self._inside(merge, wholes), strict=True):
                answered[number] = inner
        for question, found in answered:
            yield self._told(question, found, stopped)

    def _inside(self, merge: str, wholes: Sequence[_Answered]) -> list[_Answered]:
        """Which commit of a merge, as far as the budget goes; else the merge stays to blame.

        Each parent but the first brought a branch in, an octopus several. Where the commits of
        none break it by themselves, the merge does.
        """
        known = list(wholes)
        arms = len(self.line.step(merge).parents) - 1
        for arm in range(1, arms + 1):
            left = [n for n, (_, found) in enumerate(known) if found.culprit == merge]
            inner = [self._entered(wholes[n][0], merge, arm) for n in left]
            self.search.go(inner)
            for number, question in zip(left, inner, strict=True):
                seen = view(question, self.evidence)
                found = answer(seen, target=self.target) if seen else None
                if found is None or found.culprit is None:
                    continue
                whole = known[number][1]
                chance = whole.probability * found.probability
                found = replace(found, kind=whole.kind, probability=chance)
                is_whole = found.culprit == merge
                known[number] = (
                    question,
                    replace(found, why=_why_merge(question, arms)) if is_whole else found,
                )
                if not is_whole and found.culprit and self.line.step(found.culprit).is_merge:
                    (known[number],) = self._inside(found.culprit, [known[number]])
        return known

    def _entered(self, question: Question, merge: str, arm: int) -> Question:
        inner = self.line.inside(question, merge, arm)
        if inner.last and inner.absent == inner.last - 1 and self.can_try_out:
            return self.line.tried_out(question, inner, merge) or inner
        return inner

    def _told(self, question: Question, found: Answer, stopped: str) -> Finding:
        case, suspects = question.case, found.suspects or {}
        finding = self._finding(
            found.kind,
            case,
            probability=found.probability,
            culprit=self._culprit(case, found.culprit, found.probability),
            since=self._commit(found.since),
            suspects=tuple(
                Culprit(commit=self._resolved(sha), probability=chance)
                for sha, chance in suspects.items()
            ),
            failed=found.failed,
            ran=found.ran,
            proof=tuple(replace(p, sha=self._real(p.sha)) for p in found.proof),
            runs_left=found.runs_left,
            time_left_s=found.runs_left * self.evidence.mean_s / self.budget.at_once,
            skipped={
                sha: why for sha, why in self.search.untestable.items() if sha in question.line
            },
            revert=found.revert,
            why=found.why,
            note=_note(case),
        )
        if found.kind is FindingKind.UNKNOWN:
            return replace(finding, why=self._why(question, stopped))
        return finding

    def _why(self, question: Question, stopped: str) -> str:
        if question.line[0] == self.head.sha and not self.line.is_whole:
            return "this clone is shallow: `git fetch --unshallow` fetches the commit's parents"
        if self.budget.runs == 0 and self.hint:
            seen = view(question, self.evidence)
            is_bounded = len(question.line) == 1 or (seen is not None and seen.is_bounded)
            return self.hint if is_bounded else f"{self.hint}; {_SAY_SINCE}"
        return stopped or "the runs contradict each other"

    def _culprit(self, case: Case, sha: str | None, probability: float) -> Culprit | None:
        if sha is None:
            return None
        step = self.line.step(sha)
        files = self.matters(case, step.paths) or step.paths
        return Culprit(
            commit=self._resolved(sha),
            probability=probability,
            files=files,
            diff=diff_of(self.root, self._real(sha), files),
        )

    def _real(self, sha: str) -> str:
        """The commit that one stands in for."""
        return self.line.stand_ins.get(sha, sha)

    def _resolved(self, sha: str) -> Commit:
        return git.resolve(self.root, self._real(sha))

    def _commit(self, sha: str | None) -> Commit | None:
        return self._resolved(sha) if sha else None

    def _finding(self, kind: FindingKind, case: Case | None = None, **known: object) -> Finding:
        finding = Finding(
            pipeline=self.evidence.pipeline,
            head=self.head,
            kind=kind,
            case=case,
            again=self.again,
            cloud=self.evidence.cloud,
        )
        return replace(finding, **known)  # type: ignore[arg-type]


#: A question, and what the evidence says.
_Answered = tuple[Question, Answer]


def _failing(known: Sequence[Result]) -> tuple[list[Case], list[Case]]:
    """The testcases that fail; and those that may, since a mirror did not answer."""
    failing: set[Case] = set()
    doubted: set[Case] = set()
    for result in known:
        lost = LOST & set(result.cases.values())
        failed = {case for case, how in result.cases.items() if how in FAILURES}
        if not lost:
            failing |= failed
        elif lost == {Class.OUTSIDE}:
            doubted |= failed | {c for c, how in result.cases.items() if how is Class.OUTSIDE}
        if is_wrong_plan(result):
            failing.add(PLAN)
    return sorted(failing), sorted(doubted - failing)


def _note(case: Case) -> str:
    """What a failure before the specs means for these."""
    if case.phase is Phase.VERIFY:
        return ""
    return f"its specs were not run: {case.phase} failed"


def _why_merge(question: Question, arms: int) -> str:
    if question.absent == question.last - 1:
        return "what it merged has no such testcase, and cannot be tried out by itself"
    if arms > 1:
        return "no branch that it merged fails by itself"
    return "both its parents pass by themselves"


def _is_of_cloud(result: Result) -> bool:
    """Whether it was the cloud that failed; a configure step may fail for any reason.

    Earlier versions wrote no testcases of what failed before the specs.
    """
    phase, _, what = result.trouble.partition(": ")
    return phase != Phase.CONFIGURE or what in CATEGORIES
