"""A matrix, its cells, and their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from infraci.errors import UsageError
from infraci.model.decode import load_pipelines
from infraci.model.problem import PipelineFileError
from tests.model.trees import make_tree, write

MATRIX = """\
stack:
  template: stacks/web.yaml
  parameters: {image: nothing, key: value}
specs: {all: [specs/common]}
matrix:
  images: [debian-12, debian-13]
  environments: [stacks/env/small.yaml, stacks/env/large.yaml]
  parameters: {release: [1.10]}
  exclude: [{image: debian-13, environment: large}]
  include: [{image: debian-14, cloud: other}]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = make_tree(tmp_path)
    write(made, "stacks/env/large.yaml", "parameters: {}\n")
    write(made, "pipelines/web.yaml", MATRIX)
    return made


def names(tree: Path, *references: str) -> list[str]:
    return [pipeline.name for pipeline in load_pipelines(tree, references)]


def test_every_combination_but_the_excluded_ones(tree: Path) -> None:
    assert names(tree, "web") == [
        "web[debian-12,small,1.10]",
        "web[debian-12,large,1.10]",
        "web[debian-13,small,1.10]",
        "web[debian-14,other]",
    ]


def test_a_cell_is_a_pipeline_with_its_values(tree: Path) -> None:
    (cell,) = load_pipelines(tree, ["web[debian-13,small,1.10]"])
    assert cell.stack.parameters == {"image": "debian-13", "key": "value", "release": "1.10"}
    assert [str(path) for path in cell.stack.environments] == ["stacks/env/small.yaml"]
    assert (cell.cell, cell.cloud, cell.matrix) == (("debian-13", "small", "1.10"), "", None)


def test_an_included_cell_says_only_what_it_says(tree: Path) -> None:
    (cell,) = load_pipelines(tree, ["web[other]"])
    assert (cell.cloud, cell.stack.parameters["image"]) == ("other", "debian-14")
    assert cell.stack.environments == ()


@pytest.mark.parametrize(
    ("selection", "cells"),
    [
        ("web[small]", ["web[debian-12,small,1.10]", "web[debian-13,small,1.10]"]),
        ("web[debian-1?, large]", ["web[debian-12,large,1.10]"]),
        ("pipelines/web.yaml[other]", ["web[debian-14,other]"]),
    ],
)
def test_cells_by_their_labels(tree: Path, selection: str, cells: list[str]) -> None:
    assert names(tree, selection) == cells


def test_a_cell_that_there_is_not(tree: Path) -> None:
    with pytest.raises(UsageError) as caught:
        names(tree, "web[debian-12,smal,1.10]")
    assert caught.value.message == (
        'cannot load pipeline "web[debian-12,smal,1.10]": no cell of its matrix is called so'
    )
    assert caught.value.hint == 'did you mean "web[debian-12,small,1.10]"?'


def test_a_pipeline_without_a_matrix_has_no_cells(tree: Path) -> None:
    write(tree, "pipelines/web.yaml", MATRIX.partition("matrix:")[0])
    assert names(tree) == ["web"]
    with pytest.raises(UsageError, match="no cell of its matrix"):
        names(tree, "web[small]")


@pytest.mark.parametrize(
    ("matrix", "messages"),
    [
        ("{}", ["5:1: matrix: no cell is left"]),
        (
            "{images: [a], exclude: [{imge: a}]}",
            ['5:34: matrix.exclude[0].imge: no axis of the matrix; there are "image"; did you mean '
             '"image"?'],
        ),
        (
            "{images: [debian-12], exclude: [{image: debian-21}]}",
            ['5:42: matrix.exclude[0].image: no value of the axis: "debian-21"; did you mean '
             '"debian-12"?'],
        ),
        (
            "{images: [a], parameters: {image: [b], cloud: [c]}}",
            ["5:36: matrix.parameters.image: is set twice: images are values of the parameter "
             "image",
             '5:48: matrix.parameters.cloud: a parameter cannot be called so here: "cloud" is an '
             "axis of its own"],
        ),
        (
            "{images: [a], include: [{environment: stacks/env/smal.yaml}]}",
            ['5:34: matrix.include[0].environment: no such file: "stacks/env/smal.yaml"; did you '
             'mean "stacks/env/small.yaml"?'],
        ),
        ("{images: [a], include: [{image: a}]}", ["5:1: matrix: two cells are called [a]"]),
        ("{images: [a], exclude: [{image: a}]}", ["5:1: matrix: no cell is left"]),
        (
            "{parameters: {a: [1,2,3,4,5,6,7], b: [1,2,3,4,5,6,7], c: [1,2,3,4,5,6]}}",
            ["5:1: matrix: 294 cells are more than 256"],
        ),
    ],
)  # fmt: skip
def test_bad_matrices(tree: Path, matrix: str, messages: list[str]) -> None:
    write(tree, "pipelines/web.yaml", f"{MATRIX.partition('matrix:')[0]}matrix: {matrix}\n")
    with pytest.raises(PipelineFileError) as caught:
        names(tree)
    problems = [
        str(problem).removeprefix("pipelines/web.yaml:") for problem in caught.value.problems
    ]
    assert problems == messages
