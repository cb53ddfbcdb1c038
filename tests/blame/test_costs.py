"""How few stacks name a culprit whose failure is no matter of chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from infraci.blame.finding import FindingKind
from tests.blame.truth import ANSWER, World, broken, inquire, known
from tests.history.repository import Repository

SPEC = "specs/web/test_http.py"


def _line(repository: Repository, *, older: int, last: str, count: int = 1) -> list[str]:
    """Good commits, one that breaks it, and those that leave the fault in place."""
    begin = {"pipelines/web.yaml": "a", SPEC: "a", "stack.yaml": "a"}
    changes = [(f"Change {n}", {"stack.yaml": f"{n}"}) for n in range(older)]
    later = [(f"Go on {n}", {last: f"c{n}"}) for n in range(count)]
    return repository.commits(
        [("Begin", begin), *changes, ("Break it", {"stack.yaml": "b"}), *later]
    )


@pytest.mark.parametrize("older", [0, 1, 3])
@pytest.mark.parametrize("last", ["README.md", "other.yaml", "stack.yaml"])
@pytest.mark.parametrize("tested", [[-2], [-3, -2], [-3, -2, -1], [-3, -1], [-1]])
def test_three_stacks_name_the_commit_before_the_head(
    repository: Repository, tested: Sequence[int], last: str, older: int
) -> None:
    shas = _line(repository, older=older, last=last)
    world = World(truths={ANSWER: broken(shas[-2], shas)})
    history = known(world, [shas[number] for number in tested])
    (finding,) = inquire(repository.folder, world, history, touched=["stack.yaml"])
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == shas[-2]
    assert finding.probability >= 0.99
    assert len(world.tested) <= (4 if tested == [-1] and older else 3)


@pytest.mark.parametrize(("older", "most"), [(0, 3), (1, 4), (5, 4), (300, 5)])
@pytest.mark.parametrize("last", ["README.md", "other.yaml", "stack.yaml"])
def test_so_do_they_where_nothing_is_known_and_one_more_in_a_long_history(
    repository: Repository, last: str, older: int, most: int
) -> None:
    shas = _line(repository, older=older, last=last)
    world = World(truths={ANSWER: broken(shas[-2], shas)})
    (finding,) = inquire(repository.folder, world, {}, touched=["stack.yaml"])
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == shas[-2]
    assert finding.probability >= 0.99
    assert len(world.tested) <= most


@pytest.mark.parametrize(("tested", "most"), [([-2, -1], 2), ([-1], 2), ([], 4)])
def test_the_head_itself(repository: Repository, tested: Sequence[int], most: int) -> None:
    shas = _line(repository, older=20, last="", count=0)
    world = World(truths={ANSWER: broken(shas[-1], shas)})
    history = known(world, [shas[number] for number in tested])
    (finding,) = inquire(repository.folder, world, history, touched=["stack.yaml"])
    assert (finding.kind, finding.culprit and finding.culprit.commit.sha) == (
        FindingKind.NEW,
        shas[-1],
    )
    assert finding.probability >= 0.99
    assert len(world.tested) <= most


@pytest.mark.parametrize("count", [4, 30, 200])
def test_an_old_fault_is_found_in_steps_that_grow(repository: Repository, count: int) -> None:
    shas = _line(repository, older=220 - count, last="stack.yaml", count=count)
    culprit = shas[-count - 1]
    world = World(truths={ANSWER: broken(culprit, shas)})
    (finding,) = inquire(repository.folder, world, known(world, [shas[-1]]), touched=["stack.yaml"])
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == culprit
    assert len(world.tested) <= 4 + 2 * count.bit_length()
    ages = [len(shas) - 1 - shas.index(sha) for sha in world.tested]
    back = [age for age in ages if age > 0]  # without the second run of the head
    back = back[: 1 + next(n for n, age in enumerate(back) if age > count)]
    assert back == sorted(back)
    assert len(back) <= 1 + count.bit_length()


def test_no_stack_is_spent_on_commits_that_only_document(repository: Repository) -> None:
    begin = {"pipelines/web.yaml": "a", SPEC: "a", "stack.yaml": "a"}
    words = [(f"Describe {n}", {f"docs/{n}.md": "a", "README": f"{n}"}) for n in range(20)]
    shas = repository.commits(
        [("Begin", begin), *words[:9], ("Break it", {"stack.yaml": "b"}), *words[9:]]
    )
    world = World(truths={ANSWER: broken(shas[10], shas)})
    history = known(world, [shas[0], shas[-1]])
    (finding,) = inquire(repository.folder, world, history, touched=["stack.yaml"])
    assert finding.culprit is not None
    assert finding.culprit.commit.subject == "Break it"
    assert len(world.tested) <= 3


def test_where_all_only_document_they_are_searched_all_the_same(repository: Repository) -> None:
    begin = {"pipelines/web.yaml": "a", SPEC: "a"}
    shas = repository.commits(
        [("Begin", begin), *((f"Describe {n}", {f"{n}.md": "a"}) for n in range(8))]
    )
    world = World(truths={ANSWER: broken(shas[5], shas)})
    (finding,) = inquire(repository.folder, world, known(world, [shas[0], shas[-1]]))
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == shas[5]


def test_commits_with_one_tree_are_one(repository: Repository) -> None:
    """What was found of one holds for the others; an empty commit breaks nothing."""
    shas = _line(repository, older=1, last="", count=0)
    shas += [repository.commit(f"Empty {n}") for n in range(12)]
    world = World(truths={ANSWER: broken(shas[2], shas)})
    (finding,) = inquire(repository.folder, world, {}, touched=["stack.yaml"])
    assert finding.culprit is not None
    assert finding.culprit.commit.subject == "Break it"
    assert len(world.tested) <= 4
    assert not {*shas[3:-1]} & {*world.tested}


def test_a_fault_that_came_back_is_the_commit_that_brought_it_back(
    repository: Repository,
) -> None:
    shas = _line(repository, older=2, last="", count=0)
    repository.git("revert", "--no-edit", "HEAD")
    repository.git("revert", "--no-edit", "HEAD")
    shas += repository.git("rev-list", "--reverse", f"{shas[-1]}..HEAD").split()
    world = World(truths={ANSWER: lambda sha: float(sha in (shas[3], shas[5]))})
    history = known(world, [shas[2], shas[3]])
    (finding,) = inquire(repository.folder, world, history, touched=["stack.yaml"])
    assert finding.culprit is not None
    assert finding.culprit.commit.sha == shas[5]
    assert len(world.tested) <= 3


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 6, 20])
def test_what_passes_nowhere_costs_a_stack_a_commit_and_the_first_one_two(
    repository: Repository, count: int, is_known: bool
) -> None:
    shas = repository.commits([(f"Change {n}", {"stack.yaml": f"{n}"}) for n in range(count)])
    world = World(truths={ANSWER: broken(shas[0], shas)})
    history = known(world, shas[-1:]) if is_known else {}
    world.tested.clear()
    inquire(repository.folder, world, history, touched=["stack.yaml"])
    runs = Counter(world.tested)
    assert runs.pop(shas[0], 0) <= (2 if count > 1 or is_known else 3)
    assert set(runs.values()) <= {1}
