"""Problems as people read them."""

from __future__ import annotations

import pytest

from infraci.errors import DefinitionError, ExitCode
from infraci.model.problem import FileError, PipelineFileError, Problem, near, quoted


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem(file="a.yaml", message="empty"), "a.yaml: empty"),
        (Problem(file="a.yaml", line=3, column=7, message="bad"), "a.yaml:3:7: bad"),
        (Problem(file="a", line=1, key_path="x[0].y", message="bad"), "a:1: x[0].y: bad"),
        (Problem(file="a", message='no key "x\n  a:1: good"'), 'a: no key "x   a:1: good"'),
        (Problem(file="a", message="bad", suggestion="good"), 'a: bad; did you mean "good"?'),
    ],
)
def test_a_problem_is_a_line(problem: Problem, line: str) -> None:
    assert str(problem) == line


def test_an_error_has_its_problems_in_order_and_once() -> None:
    second = Problem(file="a", line=10, column=1, message="second")
    first = Problem(file="a", line=9, column=5, message="first")
    error = PipelineFileError([second, first, second])
    assert error.problems == (first, second)
    assert error.message == "cannot load a: 2 problems\n  a:9:5: first\n  a:10:1: second"
    assert isinstance(error, DefinitionError)
    assert error.exit_code is ExitCode.INVALID


def test_an_error_of_several_files_counts_them() -> None:
    error = FileError([Problem(file="b", message="x"), Problem(file="a", message="y")])
    assert error.message == "cannot load 2 files: 2 problems\n  a: y\n  b: x"


@pytest.mark.parametrize(
    ("word", "meant"),
    [("tiemout", "timeout"), ("TIMEOUT", "timeout"), ("Roles", "roles"), ("xyz", None), ("", None)],
)
def test_near(word: str, meant: str | None) -> None:
    assert near(word, ["path", "timeout", "roles"]) == meant


def test_quoted() -> None:
    assert quoted(["a"]) == '"a"'
    assert quoted(["a", "b"], "and") == '"a" and "b"'
    assert quoted(["a", "b", "c"]) == '"a", "b" or "c"'
    assert quoted([]) == ""


def test_the_line_of_a_problem_is_short_whatever_its_parts_are() -> None:
    long = "x" * 70_000
    problem = Problem(file="a", line=1, key_path=long, message=f"Invalid key {long}")
    assert str(problem).startswith("a:1: xxx")
    assert len(str(problem)) < 2_100
    assert near(long, [f"{long}x"]) is None
