"""Parameters' values, and the place of each that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest

from infraci.model.pipeline import StackDefinition
from infraci.model.problem import TemplateError
from infraci.templates import StackRequest, load_stack
from tests.model.trees import write

TEMPLATE = """\
heat_template_version: 2021-04-16
parameters:
  size: {type: string, default: small, constraints: [{allowed_values: [small, large]}]}
  count: {type: number, default: 1, constraints: [{range: {max: 3}}]}
  packages: {type: comma_delimited_list, default: ""}
"""


def load(tree: Path, *environments: str, **parameters: object) -> StackRequest:
    write(tree, "t.yaml", TEMPLATE)
    for number, text in enumerate(environments):
        write(tree, f"env/{number}.yaml", text)
    paths = tuple(PurePosixPath(f"env/{number}.yaml") for number in range(len(environments)))
    stack = StackDefinition(
        template=PurePosixPath("t.yaml"), environments=paths, parameters=parameters
    )
    return load_stack(stack, root=tree)


@pytest.mark.parametrize(
    ("environments", "parameters", "message"),
    [
        ((), {"size": "medium"},
         't.yaml:3:3: parameters.size: "medium" is none of the allowed values: small, large'),
        (("parameters: {count: 4}\n",), {},
         'env/0.yaml:1:14: parameters.count: "4" is more than 3'),
        (("parameters: {count: 1}\n", "parameter_defaults:\n  size: huge\n"), {},
         'env/1.yaml:2:3: parameter_defaults.size: "huge" is none of the allowed values: small, '
         "large"),
        (("parameters: {count: 4}\n",), {"count": "5"},
         't.yaml:4:3: parameters.count: "5" is more than 3'),
        (("parameter_merge_strategies: {count: add}\n",), {},
         "env/0.yaml:1:30: parameter_merge_strategies.count: expected one of overwrite, merge, "
         'deep_merge, found "add"'),
    ],
)  # fmt: skip
def test_the_place_of_a_value_that_does_not_fit(
    tmp_path: Path,
    environments: tuple[str, ...],
    parameters: Mapping[str, object],
    message: str,
) -> None:
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, *environments, **parameters)
    assert [str(problem) for problem in caught.value.problems] == [message]


def test_a_value_that_is_overridden_needs_not_fit(tmp_path: Path) -> None:
    assert load(tmp_path, "parameters: {count: 4}\n", count="2").parameters == {"count": "2"}


def test_values_that_add_up(tmp_path: Path) -> None:
    add = "parameter_merge_strategies: {packages: merge}\n"
    first, second = "parameters: {packages: [curl]}\n", "parameters: {packages: [git]}\n"
    environment = load(tmp_path, add + first, add + second).environment
    assert environment == {"parameters": {"packages": ["curl", "git"]}}
