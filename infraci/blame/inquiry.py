"""Finds the culprits of all testcases of a pipeline that fail at a commit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from infraci import git
from infraci.blame.finding import Answer, Culprit, Finding, FindingKind, answer
from infraci.blame.line import Line, Matters
from infraci.blame.line_commits import diff_of
from infraci.blame.observations import FAILURES, Evidence, is_wrong_plan
from infraci.blame.question import Question, view
from infraci.blame.search import MOST_TRIES, Budget, Search, StandUp
from infraci.blame.synthetic_commits import without
from infraci.errors import CATEGORIES, UsageError
from infraci.history import Case, Class, Result
from infraci.history.result import LOST, PLAN
from infraci.model.run import Commit, Phase, Verdict

#: More suspects are searched only if the user has set a budget.
MOST_SUSPECTS = 500

#: The hint if no earlier run is known.
_SAY_SINCE = "no earlier run is known, so say which commit was good: --since REV"


@dataclass(kw_only=True)
class Inquiry:
    """Searches for the culprits of all failing testcases of a pipeline at a commit, at once.

    ``matters`` selects the files that matter to a testcase, ``can_try_out`` allows stacks of
    synthetic commits, and ``hint`` says what to do if no stack may be stood up.
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
    rng: random.Random = field(default_factory=random.Random)
    search: Search = field(init=False)
    line: Line = field(init=False)
    _is_tried: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.search = Search(
            evidence=self.evidence,
            stand_up=self.stand_up,
            budget=self.budget,
            target=self.target,
            rng=self.rng,
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
        """One finding for each testcase that fails at the commit; stands stacks up as needed.

        A commit that could not be tested has one finding. Raises UsageError for a range that is
        too long to search without a budget.
        """
        self._test_head()
        known = self.evidence.of(self.head.sha)
        # Runs of searches concern only the testcases that failed before.
        known = tuple(result for result in known if not result.of_search) or known
        failing, doubted = _failing(known)
        others = list(self._without_question(known, {*failing, *doubted}))
        questions = [
            self.line.question(case, is_doubted=is_doubted, in_question=failing)
            for cases, is_doubted in ((failing, False), (doubted, True))
            for case in cases
        ]
        self._check_length(questions)
        stopped = self.search.go(questions)
        return (*self._answered(questions, stopped), *others)

    def _test_head(self) -> None:
        """Test the commit unless it has results; retry if the cloud fails."""
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
        self, known: Sequence[Result], in_question: set[Case]
    ) -> Iterator[Finding]:
        """Findings that blame no commit: there is no result, or the cloud failed."""
        if not known:
            if self._is_tried:
                yield self._finding(FindingKind.INFRASTRUCTURE, why="its runs gave no result")
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
            if case not in in_question and how in LOST:
                yield self._finding(
                    FindingKind.INFRASTRUCTURE, case, why=f"it was not tested ({how})"
                )
        last = known[-1]
        if set(best.values()) <= {Class.PASSED, Class.SKIPPED} and last.verdict is Verdict.ERROR:
            kind = FindingKind.INFRASTRUCTURE if _is_of_cloud(last) else FindingKind.UNKNOWN
            yield self._finding(kind, why=last.failure or "for an unknown reason")

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

    def _answered(self, questions: Sequence[Question], stopped: str) -> Iterator[Finding]:
        answered: list[_Answered] = []
        entered: dict[str, list[int]] = {}
        for question in questions:
            if (seen := view(question, self.evidence)) is not None:
                best = answer(seen, target=self.target)
                if best.culprit is not None and self.line.step(best.culprit).is_merge:
                    entered.setdefault(best.culprit, []).append(len(answered))
                answered.append((question, best))
        for merge, numbers in entered.items():
            wholes = [answered[number] for number in numbers]
            for number, inner in zip(numbers, self._inside(merge, wholes), strict=True):
                answered[number] = inner
        for question, best in answered:
            yield self._finding_of(question, best, stopped)

    def _inside(self, merge: str, wholes: Sequence[_Answered]) -> list[_Answered]:
        """Search the branches of a merge for the commit; without a budget the merge stays blamed.

        Each parent but the first brought a branch in. If no commit of a branch breaks the testcase
        by itself, the merge does.
        """
        known = list(wholes)
        arms = len(self.line.step(merge).parents) - 1
        for arm in range(1, arms + 1):
            left = [n for n, (_, best) in enumerate(known) if best.culprit == merge]
            inner = [self._entered(wholes[n][0], merge, arm) for n in left]
            self.search.go(inner)
            for number, question in zip(left, inner, strict=True):
                seen = view(question, self.evidence)
                best = answer(seen, target=self.target) if seen else None
                if best is None or best.culprit is None:
                    continue
                whole = known[number][1]
                chance = whole.probability * best.probability
                best = replace(best, kind=whole.kind, probability=chance)
                is_whole = best.culprit == merge
                known[number] = (
                    question,
                    replace(best, why=_why_merge(question, arms)) if is_whole else best,
                )
                if not is_whole and best.culprit and self.line.step(best.culprit).is_merge:
                    (known[number],) = self._inside(best.culprit, [known[number]])
        return known

    def _entered(self, question: Question, merge: str, arm: int) -> Question:
        inner = self.line.inside(question, merge, arm)
        if inner.last and inner.absent == inner.last - 1 and self.can_try_out:
            return self.line.tried_out(question, inner, merge) or inner
        return inner

    def _finding_of(self, question: Question, best: Answer, stopped: str) -> Finding:
        case, suspects = question.case, best.suspects or {}
        finding = self._finding(
            best.kind,
            case,
            probability=best.probability,
            culprit=self._culprit(case, best.culprit, best.probability),
            since=self._commit(best.since),
            suspects=tuple(
                Culprit(commit=self._resolved(sha), probability=chance)
                for sha, chance in suspects.items()
            ),
            failed=best.failed,
            ran=best.ran,
            proof=tuple(replace(p, sha=self._real(p.sha)) for p in best.proof),
            runs_left=best.runs_left,
            time_left_s=best.runs_left * self.evidence.mean_s / self.budget.at_once,
            skipped={
                sha: why for sha, why in self.search.untestable.items() if sha in question.line
            },
            revert=best.revert,
            why=best.why,
            note=_note(case),
        )
        if best.kind is FindingKind.UNKNOWN:
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
        """The commit that a synthetic one stands in for; itself for any other."""
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


#: A question and its answer.
_Answered = tuple[Question, Answer]


def _failing(known: Sequence[Result]) -> tuple[list[Case], list[Case]]:
    """The testcases that fail, and those that may have failed because a mirror did not answer."""
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
    """A remark for a failure before the specs."""
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
    """Whether the cloud failed; a configure step may fail for any reason.

    Earlier versions wrote no testcases of phases before the specs.
    """
    phase, _, what = result.failure.partition(": ")
    return phase != Phase.CONFIGURE or what in CATEGORIES
