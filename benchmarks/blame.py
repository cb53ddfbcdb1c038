"""``python -m benchmarks.blame``: how blame does against the algorithms it means to beat.

Populations of breakages are made up, each with its own truth: so many commits, a culprit for each
failing testcase or none, how flaky each is and in which way, how often the cloud fails, what is
known beforehand. Every algorithm gets the same breakages and the same luck.

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
from infraci.blame.belief import CHANGES
from infraci.blame.flakiness import DOUBTFUL, share_of
from infraci.blame.prior import Weight, weights

NOBODY_SHARE = 0.4
TARGET = 0.99
#: What FACF's authors ask for before they name a culprit.
FACF_TARGET = 0.9999
_MOST_STACKS = 400
_AGENTS = 4
_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One stack: when it was stood up, and where."""

    time: int  # so many were stood up before it, since the failure that led here
    agent: int
    is_loaded: bool  # others were stood up beside it
    luck: float


@dataclass
class Flakes:
    """How a healthy testcase fails: in the way of a kind of testcases."""

    kind: str
    rate: float
    seed: str
    _states: list[bool] = field(default_factory=lambda: [True])

    def fails(self, turn: Turn) -> bool:
        """Whether it fails at a turn; it did at turn 0, the failure that led here."""
        if self.kind == "in turns":
            return turn.time % self._period == 0
        if self.kind in ("in bursts", "outside"):
            return self._state(turn.time)
        if self.kind == "under load":
            return turn.is_loaded and turn.luck < self.rate
        if self.kind == "on an agent":
            return turn.agent == 0
        return turn.luck < self.rate

    def before(self, count: int) -> Sequence[bool]:
        """What runs before that failure found, the oldest first."""
        luck = random.Random(f"{self.seed} before")
        if self.kind in ("in bursts", "outside"):
            self._states = [True]
            return [self._state(time) for time in range(1, count + 1)][::-1]
        turns = (
            Turn(time=time, agent=luck.randrange(_AGENTS), is_loaded=False, luck=luck.random())
            for time in range(-count, 0)
        )
        return [self.fails(turn) for turn in turns]

    @property
    def _period(self) -> int:
        return max(round(1 / max(self.rate, 0.01)), 2)

    def _state(self, time: int) -> bool:
        """Of a chain that fails as often as its rate says, and for five runs on end or more."""
        luck = random.Random(f"{self.seed} {len(self._states)}")
        stays = 0.8 if self.kind == "in bursts" else 0.9
        begins = (1 - stays) * self.rate / (1 - self.rate)
        while len(self._states) <= time:
            luck = random.Random(f"{self.seed} {len(self._states)}")
            self._states.append(luck.random() < (stays if self._states[-1] else begins))
        return self._states[time]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A failing testcase: who broke it (None: nobody), and what is known of it."""

    culprit: int | None
    flakes: Flakes
    seen: Sequence[bool]  # what runs found of it before; True is a failure
    is_doubtful: bool = False  # it failed with the words of a mirror that does not answer

    @property
    def rate(self) -> float:
        """How often it was seen to fail, as FACF has it."""
        return min(max((sum(self.seen) + 0.3) / (len(self.seen) + 3.3), 0.0001), 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """A range of commits and the testcases that fail at its end."""

    commits: int
    touching: Sequence[Weight]  # what each commit changed
    questions: Sequence[Question]
    neighbours: Sequence[Sequence[bool]]  # what runs found of other testcases of the pipeline
    cloud_fails: float
    seed: int


@dataclass
class World:
    """Stands stacks up at commits of a breakage; the same try at the same commit ends the same."""

    breakage: Breakage
    stacks: int = 0
    tries: dict[int, int] = field(default_factory=dict)

    def run(self, *positions: int) -> Sequence[Sequence[bool] | None]:
        """Which testcases failed at each, stood up at once; None where the cloud failed."""
        return [
            self._run(position, agent, is_loaded=len(positions) > 1)
            for agent, position in enumerate(positions)
        ]

    def _run(self, position: int, agent: int, *, is_loaded: bool) -> Sequence[bool] | None:
        self.stacks += 1
        attempt = self.tries[position] = self.tries.get(position, -1) + 1
        luck = random.Random(f"{self.breakage.seed} {position} {attempt}")
        if luck.random() < self.breakage.cloud_fails:
            return None
        if not is_loaded:  # whichever is free
            agent = luck.randrange(_AGENTS)
        return [
            (question.culprit is not None and position >= question.culprit)
            or question.flakes.fails(
                Turn(time=self.stacks, agent=agent, is_loaded=is_loaded, luck=luck.random())
            )
            for question in self.breakage.questions
        ]

    def surely(self, position: int) -> Sequence[bool] | None:
        """The same, again until the cloud works; None when the budget is spent."""
        while self.stacks < _MOST_STACKS:
            (failed,) = self.run(position)
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
    """Every stack answers for all open questions; before the range, all passed."""
    world = World(breakage)
    luck = random.Random(f"{breakage.seed} coin")
    beliefs = [_belief(breakage, question) for question in breakage.questions]
    while world.stacks < _MOST_STACKS:
        unsure = [belief for belief in beliefs if not belief.is_settled(TARGET)]
        chosen = choose(unsure, range(-1, breakage.commits), count=at_once, rng=luck)
        if not unsure or not chosen:
            break
        for position, failed in zip(chosen, world.run(*chosen), strict=True):
            for belief, result in zip(beliefs, failed or (), strict=failed is not None):
                belief.observe(position, failed=result, is_alone=len(chosen) == 1)
    return [
        _answer([*b.probabilities, b.no_culprit], is_named=b.is_settled(TARGET)) for b in beliefs
    ], world.stacks


def _belief(breakage: Breakage, question: Question) -> Belief:
    flaky = sum(any(seen) for seen in breakage.neighbours)
    share = share_of(flaky=flaky, steady=len(breakage.neighbours) - flaky)
    known = Flakiness.of(question.seen, share=share)
    if question.is_doubtful:
        known = Flakiness.of(question.seen[-1:], share=DOUBTFUL)
    belief = Belief(
        weights(breakage.touching),
        flakiness=known,
        changes=CHANGES,
        is_doubted=question.is_doubtful,
    )
    belief.observe(breakage.commits - 1, failed=True)
    return belief


def facf(
    breakage: Breakage, *, target: float = FACF_TARGET, knows_files: bool = False
) -> tuple[Sequence[Answer], int]:
    """Flake Aware Culprit Finding (Henderson et al., 2023): a testcase at a time.

    Its own prior is how far in the build a suspect is from the test; ``knows_files`` gives it
    the prior that we have in place of that, else all suspects are alike.
    """
    world = World(breakage)
    answers = []
    prior = weights(breakage.touching if knows_files else [Weight.USED] * breakage.commits)
    for number, question in enumerate(breakage.questions):
        rate = question.rate
        posterior = [weight * (1.0 - NOBODY_SHARE) for weight in prior] + [NOBODY_SHARE]
        while max(posterior) < target and world.stacks < _MOST_STACKS:
            reached = list(accumulate(posterior))
            middle = next(i for i, sum_ in enumerate(reached) if sum_ >= 0.5)
            if knows_files and middle and 0.5 - reached[middle - 1] < reached[middle] - 0.5:
                middle -= 1  # else a suspect that outweighs all others is run for ever
            position = min(middle, breakage.commits - 1)
            (results,) = world.run(position)
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


def _answer(posterior: Sequence[float], *, is_named: bool = True) -> Answer:
    sure = max(posterior)
    best = posterior.index(sure)
    is_nobody = best == len(posterior) - 1 or not is_named
    return Answer(culprit=None if is_nobody else best, sure=sure)


#: How often a commit touches what the pipeline uses: a culprit, and any other.
TOUCHING = {"informative": (0.97, 0.2), "useless": (0.2, 0.2), "misleading": (0.05, 0.35)}
#: Breakages that a cloud in trouble made, and goes on making; nobody's commit is to blame, nor
#: is the testcase flaky.
CLOUD = "infrastructure"
#: Testcases that are flaky in a way that two runs share; their priors are informative.
CORRELATED = ("in turns", "in bursts", "under load", "on an agent")
#: A fifth of the failures is a mirror's that does not answer.
OUTSIDE = "outside"
POPULATIONS = (*TOUCHING, CLOUD, *CORRELATED, OUTSIDE)


def population(kind: str, size: int, *, seed: int, testcases: int) -> Iterator[Breakage]:
    """Breakages of a kind, up to so many failing testcases in each."""
    luck = random.Random(f"{kind} {seed} {testcases}")
    of_culprit, of_others = TOUCHING.get(kind, TOUCHING["informative"])
    for number in range(size):
        commits = luck.randint(1, 64)
        culprit = luck.randrange(commits)
        questions = [
            _question(kind, commits, culprit, luck) for _ in range(luck.randint(1, testcases))
        ]
        guilty_ones = {question.culprit for question in questions}
        touching = [
            Weight.USED
            if luck.random() < (of_culprit if position in guilty_ones else of_others)
            else Weight.UNUSED
            for position in range(commits)
        ]
        yield Breakage(
            commits=commits,
            touching=touching,
            questions=questions,
            neighbours=[_question(kind, commits, culprit, luck).seen for _ in range(_NEIGHBOURS)],
            cloud_fails=luck.uniform(*((0.3, 0.9) if kind == CLOUD else (0.0, 0.3))),
            seed=seed * 1_000_003 + number,
        )


def _question(kind: str, commits: int, culprit: int, luck: random.Random) -> Question:
    rate = 0.0 if kind == CLOUD else luck.uniform(0.0, 0.5)
    runs = luck.randint(5, 60)
    guilty: int | None = culprit if luck.random() < 0.7 else luck.randrange(commits)
    if luck.random() < (1.0 if kind == CLOUD else NOBODY_SHARE):
        guilty = None
    way, is_doubtful = kind if kind in CORRELATED else "at random", False
    if kind == OUTSIDE and luck.random() < 0.25:
        # Most are a mirror's; a few commits name a mirror that does not exist.
        rate, is_doubtful = 0.02, True
        way, guilty = (OUTSIDE, None) if luck.random() < 0.8 else ("at random", culprit)
    flakes = Flakes(kind=way, rate=rate, seed=f"{luck.random()}")
    return Question(
        culprit=guilty, flakes=flakes, seen=flakes.before(runs), is_doubtful=is_doubtful
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
    blamed: float  # of all questions, those for which the wrong commit was named


def score(job: tuple[str, str, int, int, int]) -> Score:
    """How an algorithm (its name, a population's kind and size, the seed, testcases) does."""
    name, kind, size, seed, testcases = job
    right: list[tuple[bool, bool, float]] = []
    blamed: list[bool] = []
    stacks = []
    for breakage in population(kind, size, seed=seed, testcases=testcases):
        answers, cost = ALGORITHMS[name](breakage)
        stacks.append(cost)
        right += [
            (answer.culprit == question.culprit, question.culprit is None, answer.sure)
            for answer, question in zip(answers, breakage.questions, strict=True)
        ]
        blamed += [
            answer.culprit not in (None, question.culprit)
            for answer, question in zip(answers, breakage.questions, strict=True)
        ]
    stacks.sort()
    return Score(
        accuracy=statistics.mean(ok for ok, _, _ in right),
        accuracy_nobody=statistics.mean(ok for ok, nobody, _ in right if nobody),
        mean=statistics.mean(stacks),
        p95=stacks[math.ceil(0.95 * len(stacks)) - 1],
        stated=statistics.mean(sure for _, _, sure in right),
        blamed=statistics.mean(blamed),
    )


def _title(kind: str) -> str:
    if kind == CLOUD:
        return "infrastructure as the cause"
    if kind == OUTSIDE:
        return "a fifth of failures from outside"
    return f"flaky {kind}" if kind in CORRELATED else f"{kind} priors"


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blame", description=__doc__)
    parser.add_argument("--size", type=int, default=2000, help="breakages (default: 2000)")
    parser.add_argument("--seed", type=int, default=1, help="of all luck (default: 1)")
    parser.add_argument("--only", help="of the algorithms, those that begin so")
    parser.add_argument("--of", help="of the populations, those that begin so")
    options = parser.parse_args(arguments)
    names = [name for name in ALGORITHMS if name.startswith(options.only or "")]
    kinds = [kind for kind in POPULATIONS if kind.startswith(options.of or "")]
    with Pool() as pool:
        for testcases in (1, 4):
            for kind in kinds:
                jobs = [(name, kind, options.size, options.seed, testcases) for name in names]
                what = _title(kind)
                print(f"\n{what}, 1 to {testcases} failing testcases")
                print(f"  {'':20}  right  nobody's  stacks   95 %  stated  blamed")
                for name, rated in zip(names, pool.imap(score, jobs), strict=True):
                    print(
                        f"  {name:20} {rated.accuracy:.4f}    {rated.accuracy_nobody:.4f}"
                        f"  {rated.mean:6.2f}  {rated.p95:5.0f}  {rated.stated:.4f}"
                        f"  {rated.blamed:.4f}",
                        flush=True,
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
