"""Verdicts of a whole inquiry, on real repositories, with a made-up truth in place of stacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infraci.blame.finding import FindingKind
from infraci.blame.search import MOST_TRIES
from infraci.errors import UsageError
from infraci.history import Class
from infraci.model.run import Verdict
from tests.blame.truth import ANSWER, PORT, World, broken, inquire, known
from tests.history.repository import Repository

SPEC = "specs/web/test_http.py"


def _line(repository: Repository, count: int = 12) -> list[str]:
    """Commits, each of which changes a file of its own."""
    begin = {"pipelines/web.yaml": "a", SPEC: "a"}
    changes = [(f"Change {n}", {f"f{n}": "a"}) for n in range(1, count)]
    return repository.commits([("Begin", begin), *changes])


def test_the_commit_itself_when_its_parent_passed(repository: Repository) -> None:
    line = _line(repository)
    world = World(truths={ANSWER: broken(line[-1], line)})
    (finding,) = inquire(repository.folder, world, known(world, line))
    assert finding.kind is FindingKind.NEW
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == line[-1]
    assert finding.culprit.files == ("f11",)
    assert "+a" in finding.culprit.diff
    assert finding.probability >= 0.99
    assert world.tested == [line[-2], line[-1]]  # the parent passes again, and it fails again
    assert {(proof.sha, proof.failed) for proof in finding.proof} >= {
        (line[-1], True),
        (line[-2], False),
    }


def test_never_the_head_for_what_its_parent_had(repository: Repository) -> None:
    line = _line(repository, 40)
    world = World(truths={ANSWER: broken(line[30], line)})
    (finding,) = inquire(repository.folder, world, known(world, line))
    assert finding.kind is FindingKind.BEFORE
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == line[30]
    assert world.tested == line[29:31]  # the history has said all but that it is no chance


def test_what_history_alone_says_is_not_confirmed(repository: Repository) -> None:
    line = _line(repository, 40)
    world = World(truths={ANSWER: broken(line[30], line)})
    (finding,) = inquire(repository.folder, world, known(world, line), runs=0)
    assert (finding.kind, finding.culprit, finding.runs_left) == (FindingKind.UNKNOWN, None, 2)
    (suspect,) = finding.suspects
    assert suspect.commit.sha == line[30]
    assert suspect.probability > 0.9


def test_without_any_history_older_commits_are_asked(repository: Repository) -> None:
    line = _line(repository)
    world = World(truths={ANSWER: broken(line[3], line)})
    (finding,) = inquire(repository.folder, world, {})
    assert finding.kind is FindingKind.NEW  # but for this search, no run has seen it fail
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == line[3]


def test_older_than_a_shallow_clone(repository: Repository, tmp_path: Path) -> None:
    line = _line(repository)
    world = World(truths={ANSWER: broken(line[0], line)})
    shallow = repository.clone(tmp_path / "shallow", "--depth=3")
    (finding,) = inquire(shallow.folder, world, {})
    assert (finding.kind, finding.culprit) == (FindingKind.BEFORE, None)
    assert finding.since is not None
    assert finding.since.sha == line[-3]


def test_a_search_between_a_good_commit_and_the_head(repository: Repository) -> None:
    line = _line(repository, 40)
    world = World(truths={ANSWER: broken(line[17], line)})
    (finding,) = inquire(repository.folder, world, {}, since=line[0])
    assert finding.kind is FindingKind.NEW
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == line[17]
    assert len(world.tested) < 20
    assert len(set(world.tested)) < 14


def test_files_that_matter_are_looked_at_first(repository: Repository) -> None:
    line = _line(repository, 60)
    truths = {ANSWER: broken(line[41], line)}
    plain, informed = World(truths=truths), World(truths=truths)
    history = known(plain, [line[0], line[-1]])
    inquire(repository.folder, plain, history)
    (finding,) = inquire(repository.folder, informed, history, touched=["f41", "f9"])
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == line[41]
    assert finding.culprit.files == ("f41",)
    assert len(informed.tested) < len(plain.tested)


def test_a_flaky_testcase_blames_nobody_and_says_how_flaky(repository: Repository) -> None:
    line = _line(repository)
    world = World(truths={ANSWER: lambda sha: 0.3})
    history = known(world, line)
    while history[line[-1]][0].cases[ANSWER] is not Class.FAILED:
        history = known(world, line)
    (finding,) = inquire(repository.folder, world, history)
    assert finding.kind is FindingKind.FLAKY
    assert finding.culprit is None
    assert 0 < finding.failed < finding.ran
    assert finding.probability >= 0.99


def test_a_cloud_that_fails_blames_nobody(repository: Repository) -> None:
    line = _line(repository, 3)
    world = World(truths={}, cloud_fails=1.0)
    (finding,) = inquire(repository.folder, world, known(world, line))
    assert (finding.kind, finding.case, finding.why) == (
        FindingKind.INFRASTRUCTURE,
        None,
        "provision: quota",
    )
    (finding,) = inquire(repository.folder, world, {})
    assert finding.kind is FindingKind.INFRASTRUCTURE
    assert len(world.tested) == MOST_TRIES


def test_runs_that_tell_nothing_blame_nobody(repository: Repository) -> None:
    _line(repository, 3)
    root = repository.folder
    (finding,) = inquire(root, World(truths={}), {}, stand_up=lambda shas: [None] * len(shas))
    assert (finding.kind, finding.why) == (FindingKind.INFRASTRUCTURE, "its runs gave no result")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ("configure: StepError", FindingKind.UNKNOWN),
        ("configure: guest", FindingKind.INFRASTRUCTURE),
        ("provision: StackFailedError", FindingKind.INFRASTRUCTURE),
    ],
)
def test_a_step_that_fails_may_be_anybodys_fault(
    repository: Repository, failure: str, kind: FindingKind
) -> None:
    line = _line(repository, 2)
    world = World(truths={}, cloud_fails=1.0)
    history = known(world, line)
    history[line[-1]] = [replace(history[line[-1]][0], failure=failure)]
    (finding,) = inquire(repository.folder, world, history)
    assert (finding.kind, finding.why) == (kind, failure)
    assert world.tested == []


def test_from_a_commit_to_itself(repository: Repository) -> None:
    line = _line(repository, 2)
    world = World(truths={ANSWER: broken(line[1], line)})
    with pytest.raises(UsageError, match="to itself"):
        inquire(repository.folder, world, known(world, line), since=line[-1])


def test_a_server_that_was_lost_blames_nobody(repository: Repository) -> None:
    line = _line(repository, 3)
    world = World(truths={ANSWER: broken(line[0], line)})
    history = known(world, line)
    head = history[line[-1]][0]
    lost = {**head.cases, PORT: Class.INFRASTRUCTURE}
    history[line[-1]] = [type(head)(run="x", pipeline="web", cloud="local", time=1,
                                    verdict=Verdict.FAILED, cases=lost)]  # fmt: skip
    finding = inquire(repository.folder, world, history)
    assert [(f.kind, f.case) for f in finding] == [
        (FindingKind.INFRASTRUCTURE, ANSWER),
        (FindingKind.INFRASTRUCTURE, PORT),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_trouble_with_the_cloud_meanwhile_changes_no_verdict(
    repository: Repository, seed: int
) -> None:
    line = _line(repository, 16)
    world = World(truths={ANSWER: broken(line[5], line, rate=0.1)}, cloud_fails=0.3)
    world.rng.seed(seed)
    (finding,) = inquire(repository.folder, world, {}, since=line[0], runs=80)
    if finding.culprit is None:  # a commit could not be tested so often that it was given up
        assert finding.kind is FindingKind.UNKNOWN
        assert finding.skipped
    else:
        assert finding.culprit.commit.sha == line[5]


def test_without_a_budget_it_says_what_it_would_cost(repository: Repository) -> None:
    line = _line(repository)
    world = World(truths={ANSWER: broken(line[6], line)})
    (finding,) = inquire(repository.folder, world, known(world, [line[0], line[-1]]), runs=0)
    assert finding.kind is FindingKind.UNKNOWN
    assert finding.why == "no stack may be stood up for it"
    assert 3 <= finding.runs_left <= 12
    assert finding.time_left_s == finding.runs_left * 60
    assert sum(suspect.probability for suspect in finding.suspects) < 0.6
    assert world.tested == []


def test_a_head_that_nobody_has_run(repository: Repository) -> None:
    _line(repository, 3)
    (finding,) = inquire(repository.folder, World(truths={}), {}, runs=0)
    assert (finding.kind, finding.case) == (FindingKind.UNKNOWN, None)
    assert "not run" in finding.why


def test_all_well(repository: Repository) -> None:
    line = _line(repository, 3)
    world = World(truths={ANSWER: lambda sha: 0.0})
    assert inquire(repository.folder, world, known(world, line)) == ()


def test_time_ends_a_search(repository: Repository) -> None:
    line = _line(repository, 60)
    world = World(truths={ANSWER: broken(line[41], line)})
    ticks = iter(range(0, 10_000, 60))  # a minute between any two looks at the clock
    limits = {"time_s": 600.0, "clock": lambda: next(ticks)}
    history = known(world, [line[0], line[-1]])
    (finding,) = inquire(repository.folder, world, history, limits=limits)
    assert (finding.kind, finding.why) == (FindingKind.UNKNOWN, "the time is over")
    assert 0 < len(world.tested) < 6


def test_stacks_are_shared_by_all_that_fails(repository: Repository) -> None:
    line = _line(repository, 32)
    one = World(truths={ANSWER: broken(line[20], line)})
    both = World(truths={ANSWER: broken(line[20], line), PORT: broken(line[20], line)})
    (first,) = inquire(repository.folder, one, known(one, [line[0], line[-1]]))
    finding = inquire(repository.folder, both, known(both, [line[0], line[-1]]))
    assert [f.culprit and f.culprit.commit.sha for f in (first, *finding)] == [line[20]] * 3
    assert both.tested == one.tested


def test_several_culprits_at_once(repository: Repository) -> None:
    line = _line(repository, 32)
    world = World(truths={ANSWER: broken(line[20], line), PORT: broken(line[7], line)})
    finding = inquire(repository.folder, world, known(world, [line[0], line[-1]]), at_once=3)
    culprits = {f.case: f.culprit and f.culprit.commit.sha for f in finding}
    assert culprits == {ANSWER: line[20], PORT: line[7]}


def test_a_search_that_was_interrupted_goes_on(repository: Repository) -> None:
    """What it has run is in the history, and asked for no second time."""
    line = _line(repository, 32)
    world = World(truths={ANSWER: broken(line[20], line)})
    history = known(world, [line[0], line[-1]])
    inquire(repository.folder, world, history)
    whole = list(world.tested)
    world.tested.clear()

    stop = len(whole) // 2
    for sha in whole[:stop]:
        history.setdefault(sha, []).extend(r for r in [world.run(sha, of_search=True)] if r)
    world.tested.clear()
    (finding,) = inquire(repository.folder, world, history)
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == line[20]
    assert world.tested == whole[stop:]


class TestMerges:
    """First along the first parents, then into the merge that broke it."""

    @pytest.fixture
    def merged(self, repository: Repository) -> tuple[list[str], list[str]]:
        """The main line, with a merge of a branch of four commits; and the branch."""
        main = _line(repository, 4)
        repository.git("checkout", "-q", "-b", "topic")
        branch = [repository.commit(f"Topic {n}", {f"t{n}": "a"}) for n in range(4)]
        repository.git("checkout", "-q", "main")
        main += [repository.commit("Main 4", {"f4": "a"})]
        repository.git("merge", "-q", "--no-ff", "--message=Merge topic", "topic")
        main += [repository.git("rev-parse", "HEAD")]
        main += [repository.commit(f"Main {n}", {f"f{n}": "a"}) for n in range(6, 9)]
        return main, branch

    def test_a_commit_of_the_branch(
        self, repository: Repository, merged: tuple[list[str], list[str]]
    ) -> None:
        main, branch = merged
        bad = {*branch[2:], *main[5:]}
        world = World(truths={ANSWER: lambda sha: float(sha in bad)})
        (finding,) = inquire(repository.folder, world, known(world, [main[0], main[-1]]))
        assert finding.kind is FindingKind.NEW
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Topic 2"
        assert finding.culprit.files == ("t2",)
        assert finding.probability > 0.97

    def test_the_merge_itself(
        self, repository: Repository, merged: tuple[list[str], list[str]]
    ) -> None:
        main, _ = merged
        world = World(truths={ANSWER: broken(main[5], main)})
        (finding,) = inquire(repository.folder, world, known(world, main))
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Merge topic"
        assert finding.kind is FindingKind.BEFORE

    def test_which_of_it_is_not_known_when_the_budget_ends(
        self, repository: Repository, merged: tuple[list[str], list[str]]
    ) -> None:
        main, branch = merged
        bad = {*branch[2:], *main[5:]}
        world = World(truths={ANSWER: lambda sha: float(sha in bad)})
        (finding,) = inquire(repository.folder, world, known(world, main), runs=2)
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Merge topic"

    def test_a_merge_in_a_merge(
        self, repository: Repository, merged: tuple[list[str], list[str]]
    ) -> None:
        main, _ = merged
        repository.git("checkout", "-q", "-b", "outer", main[-1])
        repository.git("checkout", "-q", "-b", "inner")
        inner = [repository.commit(f"Inner {n}", {f"i{n}": "a"}) for n in range(3)]
        repository.git("checkout", "-q", "outer")
        repository.commit("Outer", {"o": "a"})
        repository.git("merge", "-q", "--no-ff", "--message=Merge inner", "inner")
        outer = [repository.git("rev-parse", "HEAD"), repository.commit("Outer 2", {"o": "b"})]
        repository.git("checkout", "-q", "main")
        repository.git("merge", "-q", "--no-ff", "--message=Merge outer", "outer")
        bad = {*inner[1:], *outer, repository.git("rev-parse", "HEAD")}
        world = World(truths={ANSWER: lambda sha: float(sha in bad)})
        head = repository.git("rev-parse", "HEAD")
        (finding,) = inquire(repository.folder, world, known(world, [*main, head]))
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Inner 1"

    def test_a_merge_that_breaks_it_by_itself_says_so(
        self, repository: Repository, merged: tuple[list[str], list[str]]
    ) -> None:
        main, branch = merged
        world = World(truths={ANSWER: broken(main[5], main)})
        (finding,) = inquire(repository.folder, world, known(world, [*main, *branch]))
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Merge topic"
        assert finding.why == "both its parents pass by themselves"

    @pytest.fixture
    def octopus(self, repository: Repository) -> tuple[list[str], dict[str, list[str]]]:
        """The main line with an octopus of three branches, and their commits."""
        main = _line(repository, 3)
        arms = {}
        for name in ("one", "two", "three"):
            repository.git("checkout", "-q", "-b", name, main[-1])
            arms[name] = [repository.commit(f"{name} {n}", {f"{name}{n}": ""}) for n in range(3)]
        repository.git("checkout", "-q", "main")
        repository.git("merge", "-q", "--no-ff", "--message=Octopus", *arms)
        main += [repository.git("rev-parse", "HEAD")]
        return [*main, repository.commit("Go on", {"on": ""})], arms

    @pytest.mark.parametrize("arm", ["one", "two", "three"])
    def test_every_arm_of_an_octopus_is_searched(
        self, repository: Repository, octopus: tuple[list[str], dict[str, list[str]]], arm: str
    ) -> None:
        main, arms = octopus
        bad = {*main[3:], *arms[arm][1:]}
        world = World(truths={ANSWER: lambda sha: float(sha in bad)})
        (finding,) = inquire(repository.folder, world, known(world, main))
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == f"{arm} 1"
        assert len(world.tested) <= 14

    def test_an_octopus_that_breaks_it_by_itself(
        self, repository: Repository, octopus: tuple[list[str], dict[str, list[str]]]
    ) -> None:
        main, _ = octopus
        world = World(truths={ANSWER: broken(main[3], main)})
        (finding,) = inquire(repository.folder, world, known(world, main))
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Octopus"
        assert finding.why == "no branch that it merged fails by itself"

    @pytest.fixture
    def older(self, repository: Repository) -> tuple[list[str], list[str]]:
        """A branch that began before the testcase came, and was merged after it."""
        begin = repository.commits([("Begin", {"pipelines/web.yaml": "a"})])
        repository.git("checkout", "-q", "-b", "old")
        branch = [repository.commit(f"Old {n}", {f"o{n}": ""}) for n in range(4)]
        repository.git("checkout", "-q", "main")
        main = [*begin, repository.commit("Add spec", {SPEC: "a\n"})]
        main += [repository.commit("Go on", {"on": ""})]
        repository.git("merge", "-q", "--no-ff", "--message=Merge old", "old")
        main += [repository.git("rev-parse", "HEAD")]
        return [*main, repository.commit("Go on again", {"again": ""})], branch

    def test_a_branch_without_the_testcase_is_tried_out_commit_by_commit(
        self, repository: Repository, older: tuple[list[str], list[str]]
    ) -> None:
        main, branch = older

        def truth(sha: str) -> float | None:
            files = repository.git("ls-tree", "-r", "--name-only", sha).split()
            return float("o2" in files) if SPEC in files else None

        world = World(truths={ANSWER: truth})
        history = known(world, main)
        (finding,) = inquire(repository.folder, world, history, can_try_out=True)
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == branch[2]
        assert finding.culprit.files == ("o2",)
        assert {proof.sha for proof in finding.proof} <= {*main, *branch}

    def test_where_that_cannot_be_the_merge_is_named_and_the_reason(
        self, repository: Repository, older: tuple[list[str], list[str]]
    ) -> None:
        main, _ = older
        world = World(truths={ANSWER: lambda sha: float(sha in main[3:]) if sha in main else None})
        (finding,) = inquire(repository.folder, world, known(world, main))
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Merge old"
        assert (
            finding.why == "what it merged has no such testcase, and cannot be tried out by itself"
        )

    def test_a_branch_that_has_nothing_in_common_with_the_main_line(
        self, repository: Repository
    ) -> None:
        main = _line(repository, 3)
        repository.git("checkout", "-q", "--orphan", "other")
        repository.git("rm", "-q", "-r", "-f", ".")
        begin = {"pipelines/web.yaml": "a", SPEC: "a", "x0": ""}
        branch = [repository.commit("Other 0", begin), repository.commit("Other 1", {"x1": ""})]
        repository.git("checkout", "-q", "main")
        repository.git(
            "merge", "-q", "--no-ff", "--allow-unrelated-histories", "--message=Merge", "other"
        )
        main += [repository.git("rev-parse", "HEAD")]
        bad = {main[-1], *branch}
        world = World(truths={ANSWER: lambda sha: float(sha in bad)})
        (finding,) = inquire(repository.folder, world, known(world, main))
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Other 0"


class TestBadInput:
    """Nothing here may end with the wrong commit blamed."""

    def test_a_commit_whose_pipeline_is_invalid_is_skipped_and_named(
        self, repository: Repository
    ) -> None:
        line = _line(repository)
        world = World(truths={ANSWER: broken(line[7], line)}, invalid=frozenset(line[4:6]))
        (finding,) = inquire(repository.folder, world, known(world, [line[0], line[-1]]))
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[7]
        assert set(finding.skipped or {}) <= set(line[4:6])

    def test_a_culprit_beside_what_cannot_be_tested_is_not_certain(
        self, repository: Repository
    ) -> None:
        line = _line(repository)
        world = World(truths={ANSWER: broken(line[6], line)}, invalid=frozenset(line[5:7]))
        (finding,) = inquire(repository.folder, world, known(world, [line[0], line[-1]]))
        assert (finding.kind, finding.culprit) == (FindingKind.UNKNOWN, None)
        assert {s.commit.sha for s in finding.suspects} == set(line[5:8])
        assert set(finding.skipped or {}) == set(line[5:7])
        assert finding.why == "no commit that can be tested would tell more"

    def test_a_testcase_that_is_newer_than_its_culprit_could_be(
        self, repository: Repository
    ) -> None:
        """Who added it is the first at whom it can fail; that is known without a stack."""
        line = _line(repository, 5)
        line += [repository.commit("Add spec", {"specs/new/test_new.py": "a\n" * 9})]
        line += [repository.commit(f"Later {n}", {f"l{n}": "a"}) for n in range(3)]
        new = type(ANSWER)(where="web", test="specs/new/test_new.py::test_new")
        world = World(truths={new: lambda sha: 1.0 if sha in line[5:] else None})
        (finding,) = inquire(repository.folder, world, known(world, [line[-1]]))
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Add spec"
        assert set(world.tested) <= set(line[5:])

    def test_a_testcase_added_to_a_spec(self, repository: Repository) -> None:
        line = _line(repository)
        world = World(truths={ANSWER: lambda sha: 1.0 if sha in line[8:] else None})
        (finding,) = inquire(repository.folder, world, known(world, [line[0], line[-1]]))
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[8]

    def test_a_renamed_spec_is_the_same(self, repository: Repository) -> None:
        line = _line(repository, 4)
        repository.commit("Fill", {SPEC: "".join(f"line {n}\n" for n in range(30))})
        line.append(repository.git("rev-parse", "HEAD"))
        repository.git("mv", SPEC, "specs/web/test_web.py")
        line.append(repository.commit("Rename"))
        line += [repository.commit(f"Later {n}", {f"l{n}": "a"}) for n in range(3)]
        new = type(ANSWER)(where="web", test="specs/web/test_web.py::test_answer")
        world = World(
            truths={
                ANSWER: lambda sha: 0.0 if sha in line[:5] else None,
                new: lambda sha: float(sha in line[7:]) if sha in line[5:] else None,
            }
        )
        (finding,) = inquire(repository.folder, world, known(world, [line[0], line[-1]]))
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[7]

    def test_a_shallow_clone(self, repository: Repository, tmp_path: Path) -> None:
        line = _line(repository)
        shallow = repository.clone(tmp_path / "shallow", "--depth=1")
        world = World(truths={ANSWER: broken(line[3], line)})
        (finding,) = inquire(shallow.folder, world, {})
        assert (finding.kind, finding.culprit) == (FindingKind.UNKNOWN, None)
        assert "git fetch --unshallow" in finding.why
        with pytest.raises(UsageError) as caught:
            inquire(shallow.folder, world, {}, since=line[0])
        assert "--unshallow" in str(caught.value.hint)

    def test_the_first_commit_of_all(self, repository: Repository) -> None:
        line = _line(repository, 1)
        world = World(truths={ANSWER: broken(line[0], line)})
        (finding,) = inquire(repository.folder, world, {})
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[0]

    def test_a_missing_parent(self, repository: Repository) -> None:
        line = _line(repository)
        world = World(truths={ANSWER: broken(line[3], line)})
        history = known(world, line)
        sha = line[-3]
        (repository.folder / ".git" / "objects" / sha[:2] / sha[2:]).unlink()
        with pytest.raises(UsageError, match="cannot walk the history") as caught:
            inquire(repository.folder, world, history)
        assert "fsck" in str(caught.value.hint)

    def test_history_that_was_rewritten(self, repository: Repository) -> None:
        """Results of commits that are gone are nobody's."""
        line = _line(repository)
        world = World(truths={ANSWER: broken(line[3], line)})
        gone = known(world, line[6:])
        repository.git("reset", "-q", "--hard", line[5])
        again = [*line[:6], repository.commit("Anew", {"n": "a"})]
        world = World(truths={ANSWER: broken(again[6], again)})
        history = gone | known(world, again)
        (finding,) = inquire(repository.folder, world, history)
        assert finding.culprit is not None
        assert finding.culprit.commit.subject == "Anew"
        with pytest.raises(UsageError, match="no ancestor") as caught:
            inquire(repository.folder, world, history, since=line[-1])
        assert line[5][:10] in str(caught.value.hint)

    def test_clocks_that_are_wrong(self, repository: Repository) -> None:
        dates = ["2030-01-01", "1999-01-01", "2026-01-01", "1980-01-01", "2010-01-01"]
        line = _line(repository, 2)
        line += [repository.commit(date, {date: "a"}, date=f"{date}T00:00:00Z") for date in dates]
        world = World(truths={ANSWER: broken(line[4], line)})
        (finding,) = inquire(repository.folder, world, known(world, [line[0], line[-1]]))
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[4]

    def test_a_submodule_is_a_file_like_others(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        other = Repository(folder=tmp_path / "other")
        repository.git("init", "-q", str(other.folder))
        other.commit("Begin", {"a": "a"})
        line = _line(repository)
        repository.git("submodule", "--quiet", "add", str(other.folder), "modules/other")
        line.append(repository.commit("Add the submodule"))
        line += [repository.commit(f"Later {n}", {f"l{n}": "a"}) for n in range(3)]
        world = World(truths={ANSWER: broken(line[12], line)})
        history = known(world, [line[0], line[-1]])
        (finding,) = inquire(repository.folder, world, history, touched=["modules/other"])
        assert finding.culprit is not None
        assert finding.culprit.files == ("modules/other",)

    def test_a_very_long_range_asks_for_a_budget(self, repository: Repository) -> None:
        line = repository.commits([(str(n), {"n": str(n)}) for n in range(10_001)])
        first, head = line[0], line[-1]
        world = World(truths={ANSWER: broken(line[9_300], line)})
        history = known(world, [head])
        with pytest.raises(UsageError, match=r"cannot search 10000 commits") as caught:
            inquire(repository.folder, world, history, since=first)
        assert "--budget" in str(caught.value.hint)
        (finding,) = inquire(
            repository.folder, world, history, since=line[9_000], runs=40, is_budget_given=True
        )
        assert finding.culprit is not None
        assert finding.culprit.commit.sha == line[9_300]
