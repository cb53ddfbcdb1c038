"""The values that a stack's parameters are given, judged before any cloud is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infraci.model.problem import Problem, near
from infraci.templates.constraints import unfit
from infraci.templates.tree import Tree
from infraci.templates.values import StackRequest, template_parameters, values_given


def judge_parameters(
    request: StackRequest, tree: Tree, template_url: str, environment_urls: Sequence[str]
) -> list[Problem]:
    """Values for parameters that are not declared, or that do not fit them.

    The place is the environment that the value stands in, else the template's parameter.
    """
    return [
        *_undeclared(request, tree, template_url, environment_urls),
        *_unfit(request, tree, template_url, environment_urls),
    ]


def _undeclared(
    request: StackRequest, tree: Tree, template_url: str, environment_urls: Sequence[str]
) -> Iterator[Problem]:
    declared = list(template_parameters(request))
    for name in request.parameters:
        if name not in declared:
            yield tree.problem(
                template_url,
                ("parameters", name),
                "a value is given, but the template declares no such parameter",
                suggestion=near(name, declared),
            )
    for url in environment_urls:
        for name in tree.parameters_in([url]):
            if name not in declared:
                yield tree.problem(
                    url,
                    ("parameters", name),
                    f"{tree.shown(template_url)} declares no such parameter",
                    suggestion=near(name, declared),
                )


def _unfit(
    request: StackRequest, tree: Tree, template_url: str, environment_urls: Sequence[str]
) -> Iterator[Problem]:
    given = values_given(request)
    for name, said in template_parameters(request).items():
        value = given.get(name, said.get("default"))
        if value is None or (reason := unfit(value, said)) is None:
            continue
        url, path = template_url, ("parameters", name)
        if name not in request.parameters:
            for environment_url in environment_urls:
                for section in ("parameter_defaults", "parameters"):
                    if name in tree.keys_of(environment_url, section):
                        url, path = environment_url, (section, name)
        yield tree.problem(url, path, reason)
