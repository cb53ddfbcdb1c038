"""``python -m benchmarks.blame``: how blame does against the algorithms it means to beat.

Populations of breakages are made up, each with its own truth: so many commits, a culprit for each
failing testcase or none, how flaky each is, how often the cloud fails, what is known beforehand.
Every algorithm gets the same breakages, and the same luck at the same commit and try.

What is counted are stacks stood up, failed ones included; a stack that failed tells nothing.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from multiprocessing import Pool

from infraci.blame import Belief, Flakiness, choose
from infraci.blame.prior import weights

NOBODY_SHARE = 0.4
TARGET = 0.99
#: What FACF's authors ask for before they name a culprit.
FACF_TARGET = 0.9999
_MOST_STACKS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A failing testcase: who broke it (None: nobody), and what is known of it."""

    culprit: int | None
    rate: float
    seen: Flakiness


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """A range of commits and the testcases that fail at its end."""

    commits: int
    touching: Sequence[bool]  # which commits changed something that the pipeline uses
    questions: Sequence[Question]
    cloud_fails: float
    seed: int


@dataclass
class World:
    """Stands stacks up at commits of a breakage; the same try at the same commit ends the same."""

    breakage: Breakage
    stacks: int = 0
    tries: dict[int, int] = field(default_factory=dict)

    def run(self, position: int) -> Sequence[bool] | None:
        """Which testcases failed there; None when the cloud did."""
        self.stacks += 1
        attempt = self.tries[position] = self.tries.get(position, -1) + 1
        luck = random.Random(f"{self.breakage.seed} {position} {attempt}")
        if luck.random() < self.breakage.cloud_fails:
            return None
        return [
            (question.culprit is not None and position >= question.culprit)
            or luck.random() < question.rate
            for question in self.breakage.questions
        ]

    def surely(self, position: int) -> Sequence[bool] | None:
        """The same, again until the cloud works; None when the budget is spent."""
        while self.stacks < _MOST_STACKS:
            failed = self.run(position)
            if failed is not None:
                return failed
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an algorithm says of one question, and how sure it is."""

    culprit: int | None
    sure: float


Algorithm = Callable[[Breakage], tuple[Sequence[Answer], int]]


def ours(breakage: Breakage, *, at_once: int = 1) -> tuple[Sequence[Answer], int]:
    """Every stack answers for all open questions."""
    world = World(breakage)
    prior = weights(breakage.touching)
    beliefs = [
        Belief(prior, nobody=NOBODY_SHARE, flakiness=question.seen)
        for question in breakage.questions
    ]
    while world.stacks < _MOST_STACKS:
        unsure = [belief for belief in beliefs if belief.certainty < TARGET]
        if not unsure:
            break
        for position in choose(unsure, range(breakage.commits), count=at_once):
            failed = world.run(position)
            if failed is not None:
                for belief, result in zip(beliefs, failed, strict=True):
                    belief.observe(position, failed=result)
    return [_answer([*b.probabilities, b.nobody]) for b in beliefs], world.stacks


def facf(
    breakage: Breakage, *, target: float = FACF_TARGET, knows_files: bool = False
) -> tuple[Sequence[Answer], int]:
    """Flake Aware Culprit Finding (Henderson et al., 2023): a testcase at a time.

    Its own prior is how far in the build a suspect is from the test; ``knows_files`` gives it
    the prior that we have in place of that, else all suspects are alike.
    """
    world = World(breakage)
    answers = []
    prior = weights(breakage.touching) if knows_files else weights([True] * breakage.commits)
    for number, question in enumerate(breakage.questions):
        rate = min(max(question.seen.rate, 0.0001), 0.95)
        posterior = [weight * (1.0 - NOBODY_SHARE) for weight in prior] + [NOBODY_SHARE]
        while max(posterior) < target and world.stacks < _MOST_STACKS:
            reached = list(accumulate(posterior))
            middle = next(i for i, sum_ in enumerate(reached) if sum_ >= 0.5)
            if knows_files and middle and 0.5 - reached[middle - 1] < reached[middle] - 0.5:
                middle -= 1  # else a suspect that outweighs all others is run for ever
            position = min(middle, breakage.commits - 1)
            results = world.run(position)
            if results is None:
                continue
            failed = results[number]
            healthy = rate if failed else 1.0 - rate
            broken = 1.0 if failed else 0.0
            posterior = [
                weight * (broken if suspect <= position else healthy)
                for suspect, weight in enumerate(posterior)
            ]
            total = sum(posterior)
            posterior = [weight / total for weight in posterior]
        answers.append(_answer(posterior))
    return answers, world.stacks


def bisection(breakage: Breakage, *, runs: int) -> tuple[Sequence[Answer], int]:
    """``git bisect``: a commit is bad when all of so many runs fail; first, whether head is."""
    world = World(breakage)
    answers = []
    for number in range(len(breakage.questions)):

        def is_bad(position: int, number: int = number) -> bool:
            for _ in range(runs):
                results = world.surely(position)
                if results is None or not results[number]:
                    return False
            return True

        if not is_bad(breakage.commits - 1):
            answers.append(Answer(culprit=None, sure=1.0))
            continue
        good, bad = -1, breakage.commits - 1
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (good, middle) if is_bad(middle) else (middle, bad)
        answers.append(Answer(culprit=bad, sure=1.0))
    return answers, world.stacks


def _answer(posterior: Sequence[float]) -> Answer:
    sure = max(posterior)
    best = posterior.index(sure)
    return Answer(culprit=None if best == len(posterior) - 1 else best, sure=sure)


#: How often a commit touches what the pipeline uses: a culprit, and any other.
TOUCHING = {"informative": (0.97, 0.2), "useless": (0.2, 0.2), "misleading": (0.05, 0.35)}
#: Breakages that a cloud in trouble made, and goes on making; nobody's commit is to blame, nor
#: is the testcase flaky.
CLOUD = "infrastructure"


def population(kind: str, size: int, *, seed: int, testcases: int) -> Iterator[Breakage]:
    """Breakages as the issue describes them, up to so many testcases in each."""
    luck = random.Random(f"{kind} {seed} {testcases}")
    of_culprit, of_others = TOUCHING.get(kind, TOUCHING["informative"])
    nobody = 1.0 if kind == CLOUD else NOBODY_SHARE
    for number in range(size):
        commits = luck.randint(1, 64)
        culprit = luck.randrange(commits)
        questions = []
        for _ in range(luck.randint(1, testcases)):
            rate = 0.0 if kind == CLOUD else luck.uniform(0.0, 0.5)
            seen = luck.randint(5, 60)
            failed = sum(luck.random() < rate for _ in range(seen))
            guilty: int | None = culprit if luck.random() < 0.7 else luck.randrange(commits)
            if luck.random() < nobody:
                guilty = None
            history = Flakiness(passed=seen - failed, failed=failed)
            questions.append(Question(culprit=guilty, rate=rate, seen=history))
        guilty_ones = {question.culprit for question in questions}
        touching = [
            luck.random() < (of_culprit if position in guilty_ones else of_others)
            for position in range(commits)
        ]
        yield Breakage(
            commits=commits,
            touching=touching,
            questions=questions,
            cloud_fails=luck.uniform(*((0.3, 0.9) if kind == CLOUD else (0.0, 0.3))),
            seed=seed * 1_000_003 + number,
        )


ALGORITHMS: dict[str, Algorithm] = {
    "infraci": ours,
    "infraci, 4 at once": lambda breakage: ours(breakage, at_once=4),
    "FACF": facf,
    f"FACF, to {TARGET}": lambda breakage: facf(breakage, target=TARGET),
    "FACF, our prior": lambda breakage: facf(breakage, target=TARGET, knows_files=True),
    "bisection x1": lambda breakage: bisection(breakage, runs=1),
    "bisection x4": lambda breakage: bisection(breakage, runs=4),
    "bisection x8": lambda breakage: bisection(breakage, runs=8),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How an algorithm did on a population."""

    accuracy: float
    accuracy_nobody: float  # of the questions without a culprit
    mean: float  # stacks a breakage
    p95: float
    stated: float  # how sure it was, on average
    blamed: int  # commits, of questions without a culprit


def _score(job: tuple[str, str, int, int, int]) -> Score:
    name, kind, size, seed, testcases = job
    right: list[tuple[bool, bool, float]] = []
    stacks = []
    for breakage in population(kind, size, seed=seed, testcases=testcases):
        answers, cost = ALGORITHMS[name](breakage)
        stacks.append(cost)
        right += [
            (answer.culprit == question.culprit, question.culprit is None, answer.sure)
            for answer, question in zip(answers, breakage.questions, strict=True)
        ]
    stacks.sort()
    return Score(
        accuracy=statistics.mean(ok for ok, _, _ in right),
        accuracy_nobody=statistics.mean(ok for ok, nobody, _ in right if nobody),
        mean=statistics.mean(stacks),
        p95=stacks[math.ceil(0.95 * len(stacks)) - 1],
        stated=statistics.mean(sure for _, _, sure in right),
        blamed=sum(not ok for ok, nobody, _ in right if nobody),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blame", description=__doc__)
    parser.add_argument("--size", type=int, default=2000, help="breakages (default: 2000)")
    parser.add_argument("--seed", type=int, default=1, help="of all luck (default: 1)")
    parser.add_argument("--only", help="of the algorithms, those that begin so")
    options = parser.parse_args(arguments)
    names = [name for name in ALGORITHMS if name.startswith(options.only or "")]
    with Pool() as pool:
        for testcases in (1, 4):
            for kind in (*TOUCHING, CLOUD):
                jobs = [(name, kind, options.size, options.seed, testcases) for name in names]
                what = f"{kind} as the cause" if kind == CLOUD else f"{kind} priors"
                print(f"\n{what}, 1 to {testcases} failing testcases")
                print(f"  {'':20}  right  nobody's  stacks   95 %  stated  blamed")
                for name, score in zip(names, pool.imap(_score, jobs), strict=True):
                    print(
                        f"  {name:20} {score.accuracy:.4f}    {score.accuracy_nobody:.4f}"
                        f"  {score.mean:6.2f}  {score.p95:5.0f}  {score.stated:.4f}"
                        f"  {score.blamed:6}",
                        flush=True,
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
