"""The line of commits that leads to a head, and the questions about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from infraci import git
from infraci.blame.line_commits import (
    LineCommit,
    first_parents,
    inside,
    is_documentation,
    names_along,
    with_changes,
)
from infraci.blame.neighbours import flaky_share
from infraci.blame.observations import Evidence
from infraci.blame.prior import Weight
from infraci.blame.question import Question
from infraci.blame.synthetic_commits import merged, tree_of
from infraci.history import Case

#: Selects the files that matter to a testcase.
Matters = Callable[[Case, Sequence[str]], tuple[str, ...]]


@dataclass(kw_only=True)
class Line:
    """The first parents of a head, and the files that each of them changed."""

    root: Path
    head: str
    since: str | None
    pipeline_file: str
    evidence: Evidence
    matters: Matters
    reverts: Mapping[str, str]  # heads without one of the commits, by that commit
    #: Synthetic commits, and the commit of a branch that each of them stands in for.
    stand_ins: dict[str, str] = field(default_factory=dict)
    _inner: dict[str, LineCommit] = field(default_factory=dict)
    _flaky: float | None = None

    @cached_property
    def steps(self) -> tuple[LineCommit, ...]:
        """The commits, the oldest first."""
        line = with_changes(self.root, first_parents(self.root, self.head, since=self.since))
        self.evidence.look_up(step.sha for step in line)
        return line

    @cached_property
    def is_whole(self) -> bool:
        """Whether the clone has all commits."""
        return git.has_all_commits(self.root)

    def step(self, sha: str) -> LineCommit:
        """A commit of the line, or of a branch that was merged into it."""
        return self._inner.get(sha) or self._by_sha[sha]

    @cached_property
    def _by_sha(self) -> Mapping[str, LineCommit]:
        return {step.sha: step for step in self.steps}

    def question(
        self, case: Case, *, is_doubted: bool = False, in_question: Collection[Case] = ()
    ) -> Question:
        """Ask which commit of the line broke a testcase, which is one of those ``in_question``."""
        line = self.steps
        return Question(
            case=case,
            line=tuple(step.sha for step in line),
            trees=tuple(step.tree for step in line),
            names=names_along(case, line, pipeline=self.pipeline_file),
            changed=self._weigh(case, line),
            last=len(line) - 1,
            begin=min(1, len(line) - 1) if self.since else None,
            is_rooted=not line[0].parents and self.is_whole,
            is_doubted=is_doubted,
            share=self._share(in_question),
            reverts=self.reverts,
        )

    def inside(self, question: Question, merge: str, arm: int) -> Question:
        """The same question inside of a merge: on the branch that one of its parents brought in."""
        step = self.step(merge)
        *branch, whole = inside(self.root, step, arm)
        rest = [self.step(sha) for sha in question.line[question.line.index(merge) + 1 :]]
        steps = (*branch, whole, *rest)
        self._inner |= {one.sha: one for one in branch}
        self.evidence.look_up(one.sha for one in branch)
        return self._question_inside(
            question,
            steps,
            names_along(question.case, steps, pipeline=self.pipeline_file),
            last=len(branch),
            # A merge brings the main line to the branch; one of several arms also brings others.
            of_merge=Weight.UNUSED if len(step.parents) == 2 else Weight.USED,
        )

    def tried_out(self, outer: Question, inner: Question, merge: str) -> Question | None:
        """The question inside of a merge, each commit of the branch merged by itself.

        For a testcase that the branch does not have. None where that cannot be.
        """
        index = outer.line.index(merge)
        name = outer.names[index - 1] if index else None
        branch = [self.step(sha) for sha in inner.line[: inner.last]]
        if name is None or not branch:
            return None
        mainline = self.step(outer.line[index - 1])
        steps = [replace(mainline, is_base=True)]
        for step in branch:
            made = None if step.is_base else merged(self.root, mainline.sha, step.sha)
            if made is not None:
                tree = tree_of(self.root, made)
                steps.append(replace(step, sha=made, tree=tree, parents=(mainline.sha,)))
                self.stand_ins[made] = step.sha
                self._inner[made] = steps[-1]
        rest = [self.step(sha) for sha in inner.line[inner.last :]]
        names = (*[name] * len(steps), *inner.names[inner.last :])
        return self._question_inside(
            inner, (*steps, *rest), names, last=len(steps), of_merge=Weight.UNUSED
        )

    def _question_inside(
        self,
        question: Question,
        steps: Sequence[LineCommit],
        names: tuple[Case | None, ...],
        *,
        last: int,
        of_merge: Weight,
    ) -> Question:
        changed = list(self._weigh(question.case, steps))
        if changed[last] is not Weight.NOTHING:
            changed[last] = of_merge
        return replace(
            question,
            line=tuple(step.sha for step in steps),
            trees=tuple(step.tree for step in steps),
            names=names,
            changed=tuple(changed),
            last=last,
            begin=1 if steps[0].is_base else 0,
            is_rooted=not steps[0].is_base,
        )

    def _weigh(self, case: Case, steps: Sequence[LineCommit]) -> tuple[Weight, ...]:
        trees = [None, *(step.tree for step in steps)]
        return tuple(
            Weight.NOTHING if step.tree == before else self._weight(case, step)
            for step, before in zip(steps, trees, strict=False)
        )

    def _weight(self, case: Case, step: LineCommit) -> Weight:
        if self.matters(case, step.paths):
            return Weight.USED
        is_words = step.paths and all(map(is_documentation, step.paths))
        return Weight.WORDS if is_words else Weight.UNUSED

    def _share(self, in_question: Collection[Case]) -> float:
        if self._flaky is None:
            line = [step.sha for step in self.steps]
            self._flaky = flaky_share(self.evidence, line, leaving_out=in_question)
        return self._flaky
