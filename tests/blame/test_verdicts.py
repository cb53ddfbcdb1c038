"""Failures of every phase, of the world and of mirrors: real repositories, made-up stacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from infraci import git
from infraci.blame.finding import FindingKind
from infraci.blame.finding_output import as_text, headline
from infraci.history import Case, Class, Result, invalid
from tests.blame.truth import ANSWER, PORT, World, broken, inquire, known
from tests.history.repository import Repository

SPEC = "specs/web/test_http.py"
STEP = Case(where="web", test="configure: script setup.sh")
TASK = Case(where="web", test="configure: ansible site.yml: Prepare: Fill it")
RESOURCE = Case(where="", test="provision: resource web")
PLAN = Case(where="", test="plan")
LOADED = Case(where="web", test=SPEC)


@pytest.fixture
def line(repository: Repository) -> list[str]:
    """Commits, each of which changes a file of its own."""
    begin = {"pipelines/web.yaml": "a", SPEC: "a"}
    changes = [(f"Change {n}", {f"f{n}": "a"}) for n in range(1, 8)]
    return repository.commits([("Begin", begin), *changes])


@pytest.mark.parametrize("case", [STEP, TASK, RESOURCE, LOADED, PLAN])
@pytest.mark.parametrize("class_", [Class.FAILED, Class.SPEC, Class.SETUP])
def test_a_failure_of_any_phase_finds_its_commit(
    repository: Repository, line: list[str], case: Case, class_: Class
) -> None:
    world = World(
        truths={case: broken(line[5], line), ANSWER: lambda sha: 0.0}, ways={case: class_}
    )
    (finding,) = inquire(repository.folder, world, known(world, [line[0], line[-1]]))
    assert (finding.case, finding.kind) == (case, FindingKind.NEW)
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == line[5]
    assert finding.probability >= 0.99


@pytest.mark.parametrize(("case", "phase"), [(STEP, "configure"), (RESOURCE, "provision")])
def test_it_says_that_the_specs_were_not_run(
    repository: Repository, line: list[str], case: Case, phase: str
) -> None:
    world = World(truths={case: broken(line[5], line), ANSWER: broken(line[2], line)})
    (finding,) = inquire(repository.folder, world, known(world, [line[0], line[-1]]))
    assert finding.note == f"its specs were not run: {phase} failed"
    assert f"    note     {finding.note}\n" in as_text([finding])


def test_commits_that_fail_before_their_specs_say_nothing_of_these(
    repository: Repository, line: list[str]
) -> None:
    """A step is broken and mended within the range of a spec's culprit."""
    world = World(
        truths={
            STEP: lambda sha: float(sha in line[3:5]),
            ANSWER: broken(line[4], line),
        }
    )
    (finding,) = inquire(repository.folder, world, known(world, [line[0], line[-1]]))
    assert finding.case == ANSWER
    assert (finding.kind, finding.culprit) == (FindingKind.UNKNOWN, None)
    assert {s.commit.sha for s in finding.suspects} == {*line[3:6]}
    assert set(finding.skipped or {}) == {*line[3:5]}


def test_the_files_of_its_own_phase_are_suspected_first(
    repository: Repository, line: list[str]
) -> None:
    def matters(case: Case, paths: object) -> tuple[str, ...]:
        own = {STEP: "f3", ANSWER: "f6"}[case]
        return (own,) if own in tuple(paths) else ()  # type: ignore[arg-type]

    for case, culprit in ((STEP, line[3]), (ANSWER, line[6])):
        world = World(truths={case: broken(culprit, line)})
        history = known(world, [line[0], line[-1]])
        (finding,) = inquire(repository.folder, world, history, matters=matters)
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == culprit
        assert len(world.tested) <= 4


class TestPlans:
    """A commit whose own files are wrong; its runs make no stack."""

    @pytest.fixture
    def world(self, line: list[str]) -> World:
        return World(truths={ANSWER: lambda sha: 0.0}, invalid=frozenset(line[5:]))

    def test_the_commit_that_made_it_so_is_blamed(
        self, repository: Repository, line: list[str], world: World
    ) -> None:
        (finding,) = inquire(repository.folder, world, {})
        assert (finding.case, finding.kind) == (PLAN, FindingKind.NEW)
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[5]

    def test_also_where_pipelines_cannot_even_be_loaded(
        self, repository: Repository, line: list[str], world: World
    ) -> None:
        def stand_up(shas: Sequence[str]) -> list[Result | None]:
            return [
                invalid(pipeline="web", cloud="local") if sha in line[5:] else world.run(sha)
                for sha in shas
            ]

        (finding,) = inquire(repository.folder, world, {}, stand_up=stand_up)
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[5]

    def test_only_runs_with_a_stack_count(
        self, repository: Repository, line: list[str], world: World
    ) -> None:
        (finding,) = inquire(repository.folder, world, known(world, line[:5]), runs=2)
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[5]
        assert len(world.tested) > 1


class Changing:
    """A world that changes: from then on, a testcase fails at some commits."""

    def __init__(self, case: Case, fails: Callable[[str], bool]) -> None:
        self.has_changed = False
        self.world = World(truths={case: lambda sha: float(self.has_changed and fails(sha))})


class TestTheWorld:
    """What the same commit's runs find changes with the world around it."""

    @pytest.mark.parametrize("case", [ANSWER, STEP, RESOURCE])
    def test_what_passed_and_fails_now_is_no_commits_fault(
        self, repository: Repository, line: list[str], case: Case
    ) -> None:
        changing = Changing(case, lambda sha: True)
        history = known(changing.world, line[:-1])
        changing.has_changed = True
        (finding,) = inquire(repository.folder, changing.world, history)
        assert (finding.kind, finding.culprit) == (FindingKind.WORLD, None)
        assert finding.probability >= 0.99
        assert len(changing.world.tested) <= 4
        assert headline(finding) == (
            f"the world changed: it passed at {line[-2][:10]} on 2023-11-14 22:25 UTC, "
            f"and fails there now; no commit is blamed ({finding.probability:.1%})"
        ).replace("%)", " %)")

    def test_also_where_the_head_itself_passed(
        self, repository: Repository, line: list[str]
    ) -> None:
        changing = Changing(ANSWER, lambda sha: True)
        history = known(changing.world, line)
        changing.has_changed = True
        again = changing.world.run(line[-1])
        assert again is not None
        history[line[-1]].append(again)
        (finding,) = inquire(repository.folder, changing.world, history)
        assert (finding.kind, finding.culprit) == (FindingKind.WORLD, None)

    def test_what_only_the_latest_commits_use_may_vanish_as_well(
        self, repository: Repository, line: list[str]
    ) -> None:
        """The commit that began to use it passed when it came."""
        changing = Changing(ANSWER, lambda sha: sha in line[-2:])
        history = known(changing.world, line)
        changing.has_changed = True
        again = changing.world.run(line[-1])
        assert again is not None
        history[line[-1]].append(again)
        (finding,) = inquire(repository.folder, changing.world, history)
        assert (finding.kind, finding.culprit) == (FindingKind.WORLD, None)

    def test_a_commit_that_breaks_it_is_told_from_a_world_that_changed(
        self, repository: Repository, line: list[str]
    ) -> None:
        world = World(truths={ANSWER: broken(line[-1], line)})
        (finding,) = inquire(repository.folder, world, known(world, line))
        assert finding.kind is FindingKind.NEW


class TestOutside:
    """A run that failed with the words of a mirror that does not answer."""

    def test_it_passes_when_run_again(self, repository: Repository, line: list[str]) -> None:
        changing = Changing(STEP, lambda sha: False)
        changing.world.ways = {STEP: Class.OUTSIDE}
        outage = World(truths={STEP: broken(line[-1], line)}, ways={STEP: Class.OUTSIDE})
        history = known(outage, line)
        (finding,) = inquire(repository.folder, changing.world, history)
        assert (finding.kind, finding.culprit) == (FindingKind.OUTSIDE, None)
        assert headline(finding).startswith(
            "outside: it passes when run again; no commit is blamed (9"
        )
        assert changing.world.tested == [line[-1]]

    def test_a_commit_that_names_no_mirror_is_to_blame_after_all(
        self, repository: Repository, line: list[str]
    ) -> None:
        world = World(truths={STEP: broken(line[-1], line)}, ways={STEP: Class.OUTSIDE})
        (finding,) = inquire(repository.folder, world, known(world, line))
        assert (finding.kind, finding.culprit and finding.culprit.commit.sha) == (
            FindingKind.NEW,
            line[-1],
        )
        assert finding.probability >= 0.99
        assert world.tested.count(line[-2]) >= 2
        assert world.tested.count(line[-1]) >= 2

    def test_a_mirror_that_is_still_down_is_nobodys_fault(
        self, repository: Repository, line: list[str]
    ) -> None:
        changing = Changing(STEP, lambda sha: True)
        changing.world.ways = {STEP: Class.OUTSIDE}
        history = known(changing.world, line[:-1])
        changing.has_changed = True
        (finding,) = inquire(repository.folder, changing.world, history)
        assert (finding.kind, finding.culprit) == (FindingKind.OUTSIDE, None)
        assert finding.why == "commits fail that passed before"

    def test_without_a_run_it_is_not_known(self, repository: Repository, line: list[str]) -> None:
        world = World(truths={STEP: broken(line[-1], line)}, ways={STEP: Class.OUTSIDE})
        (finding,) = inquire(repository.folder, world, known(world, line), runs=0)
        assert (finding.kind, finding.culprit) == (FindingKind.UNKNOWN, None)

    def test_a_failure_beside_it_is_doubted_as_well(
        self, repository: Repository, line: list[str]
    ) -> None:
        world = World(
            truths={STEP: broken(line[-1], line), TASK: broken(line[-1], line)},
            ways={STEP: Class.OUTSIDE},
        )
        history = known(world, line)
        calm = World(truths={STEP: lambda sha: 0.0, TASK: lambda sha: 0.0})
        finding = inquire(repository.folder, calm, history)
        assert [(f.kind, f.case) for f in finding] == [
            (FindingKind.OUTSIDE, TASK),
            (FindingKind.OUTSIDE, STEP),
        ]


class TestMended:
    """A fault that was mended, and came back by a later commit."""

    @pytest.fixture
    def line(self, repository: Repository) -> list[str]:
        """It is broken by the third commit, mended by the fifth, broken again by the seventh."""
        begin = {"pipelines/web.yaml": "a", SPEC: "a", "used": "good"}
        states = ["good", "good", "bad", "bad", "fine", "fine", "worse", "worse"]
        changes = [
            (f"{state} {n}", {"used": state, f"f{n}": "a"}) for n, state in enumerate(states)
        ]
        return repository.commits([("Begin", begin), *changes])

    @pytest.fixture
    def world(self, line: list[str]) -> World:
        return World(truths={ANSWER: lambda sha: float(sha in (*line[3:5], *line[7:]))})

    @pytest.mark.parametrize("tested", [[], [8], [0, 8], [0, 3, 8], [0, 3, 4, 8], [2, 3, 4, 8]])
    def test_the_latest_commit_that_broke_it_is_found(
        self, repository: Repository, line: list[str], world: World, tested: list[int]
    ) -> None:
        history = known(world, [line[n] for n in tested])
        (finding,) = inquire(repository.folder, world, history, touched=["used"])
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[7]

    def test_also_where_a_search_has_confirmed_the_first(
        self, repository: Repository, line: list[str], world: World
    ) -> None:
        first = inquire(repository.folder, world, known(world, line[:1]), head=line[4],
                        touched=["used"])  # fmt: skip
        assert [f.culprit and f.culprit.commit.sha for f in first] == [line[3]]
        history: dict[str, list[Result]] = {}
        for sha in [line[0], *world.tested]:
            again = world.run(sha, of_search=sha != line[0])
            history.setdefault(sha, []).extend([again] if again else [])
        (finding,) = inquire(repository.folder, world, history, touched=["used"])
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[7]


class TestReverts:
    """The head without the culprit's change, in place of another pass of its parent."""

    def test_it_is_run_where_the_parent_is_known_to_pass(
        self, repository: Repository, line: list[str]
    ) -> None:
        world = World(truths={ANSWER: broken(line[5], line)})
        (finding,) = inquire(repository.folder, world, known(world, line), can_try_out=True)
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[5]
        assert finding.revert is True
        (made, again) = world.tested
        assert again in line[5:]
        files = git.run(repository.folder, "ls-tree", "-r", "--name-only", made).split()
        assert "f5" not in files
        assert {"f4", "f6", "f7"} < set(files)
        assert (
            f"    revert   mended: it passes at {line[-1][:10]} without that commit\n"
            in as_text([finding])
        )

    def test_a_head_that_still_fails_speaks_against_the_culprit(
        self, repository: Repository, line: list[str]
    ) -> None:
        world = World(truths={ANSWER: lambda sha: float(sha not in line[:5])})
        (finding,) = inquire(repository.folder, world, known(world, line), can_try_out=True)
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[5]
        assert finding.revert is False
        assert len(world.tested) > 2
        assert "still fails" in as_text([finding])

    def test_a_commit_that_does_not_revert_is_left_to_its_parent(
        self, repository: Repository, line: list[str]
    ) -> None:
        line = [*line, repository.commit("Change 5 again", {"f5": "b"})]
        world = World(truths={ANSWER: broken(line[5], line)})
        (finding,) = inquire(repository.folder, world, known(world, line), can_try_out=True)
        assert finding.revert is None
        assert set(world.tested) <= set(line)


def test_a_commit_that_is_made_is_always_the_same_and_no_ref_leads_to_it(
    repository: Repository, line: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from infraci.blame.synthetic_commits import merged, without

    before = repository.git("for-each-ref")
    made = [without(repository.folder, line[-1], line[5]) for _ in range(2)]
    assert made[0] == made[1] is not None
    assert repository.git("status", "--porcelain") == ""
    assert repository.git("for-each-ref") == before
    assert without(repository.folder, line[-1], line[0]) is None  # the first has no parent
    repository.git("checkout", "-q", "-b", "topic", line[2])
    topic = repository.commit("Topic", {"t": "a"})
    both = merged(repository.folder, line[-1], topic)
    assert repository.git("ls-tree", "--name-only", str(both), "t", "f7").split() == ["f7", "t"]
    clash = repository.commit("Clash", {"f7": "b"})
    assert merged(repository.folder, line[-1], clash) is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert without(repository.folder, line[-1], line[5]) is None


def test_an_invalid_run_of_a_wrong_spec_tells_of_other_specs(
    repository: Repository, line: list[str]
) -> None:
    """Verdicts are of whole runs; testcases decide."""
    other = Case(where="web", test="specs/web/test_other.py")
    world = World(
        truths={ANSWER: broken(line[4], line), other: lambda sha: 1.0}, ways={other: Class.SPEC}
    )
    finding = {f.case: f for f in inquire(repository.folder, world, known(world, line))}
    culprit = finding[ANSWER].culprit
    assert culprit is not None
    assert culprit.commit.sha == line[4]
    assert finding[other].kind in (FindingKind.BEFORE, FindingKind.NEW)
    assert PORT not in finding
