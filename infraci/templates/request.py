"""Template, environments, files and parameters, as openstacksdk reads them for Heat.

openstacksdk follows ``get_file``, nested templates and the environments' resource registry; it
reads through a :class:`~infraci.templates.tree.Tree`, which judges all they say on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infraci.model.pipeline import StackDefinition
from infraci.model.problem import Problem, TemplateError, near
from infraci.templates.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRequest:
    """What Heat is asked for."""

    template: Mapping[str, Any]
    environment: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # by URL: file:///PATH-IN-THE-TREE
    parameters: Mapping[str, object] = field(default_factory=dict)
    timeout_mins: int | None = None


def load_stack(
    definition: StackDefinition,
    *,
    root: Path,
    parameters: Mapping[str, str] | None = None,
    environments: Sequence[Path] = (),
) -> StackRequest:
    """The stack that a pipeline defines in the tree at the root.

    ``parameters`` and ``environments`` come from the command line and win over all the pipeline
    says; these environments may lie outside the tree. Raises TemplateError with every problem of
    the template, the environments, and what they refer to.
    """
    tree = Tree(root, extra={name: str(path) for name, path in definition.files.items()})
    template_url = tree.template(str(definition.template))
    ours = [tree.environment(str(path)) for path in definition.environments]
    theirs = [tree.outside_environment(path) for path in environments]
    files, template, environment = _read(tree, template_url, ours + theirs)
    given = dict(definition.parameters)
    for name in tree.parameters_in(theirs):  # the command line's environments win over the file
        given.pop(name, None)
    given |= parameters or {}
    files |= tree.extra_files()
    problems = _undeclared(tree, template_url, template, given, ours + theirs)
    if problems or tree.problems:
        raise TemplateError([*tree.problems, *problems])
    return StackRequest(template=template, environment=environment, files=files, parameters=given)


def template_parameters(request: StackRequest) -> Mapping[str, Mapping[str, Any]]:
    """The parameters that the template declares."""
    declared = request.template.get("parameters") or {}
    return {name: said if isinstance(said, dict) else {} for name, said in declared.items()}


def with_key_pair(request: StackRequest, parameter: str, key_name: str) -> StackRequest:
    """The request with the run's key pair, if its parameter is declared and has no value yet."""
    given = {**(request.environment.get("parameters") or {}), **request.parameters}
    if parameter not in template_parameters(request) or given.get(parameter):
        return request
    return replace(request, parameters={**request.parameters, parameter: key_name})


def _read(
    tree: Tree, template_url: str, environment_urls: Sequence[str]
) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    """Files, template and merged environment. Raises TemplateError if they cannot be read."""
    from openstack.orchestration.util import template_utils

    files: dict[str, str] = {}
    with _reporting(tree, template_url):
        _, template = template_utils.get_template_contents(
            template_object=template_url, object_request=tree.read, files=files
        )
    with _reporting(tree, *environment_urls):
        more, environment = template_utils.process_multiple_environments_and_files(
            env_paths=list(environment_urls),
            env_path_is_object=lambda _: True,
            object_request=tree.read,
        )
    if tree.problems:
        raise TemplateError(tree.problems)
    return {**files, **more}, template or {}, environment


@contextmanager
def _reporting(tree: Tree, *urls: str) -> Iterator[None]:
    """Turn openstacksdk's complaints into a problem, where the tree has not found it already."""
    from openstack.exceptions import SDKException

    before = len(tree.problems)
    try:
        yield
    except (SDKException, ValueError, TypeError, AttributeError, RecursionError) as error:
        if len(tree.problems) == before:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            for url in urls:
                reason = reason.replace(f"Error parsing template {url} ", "not valid: ")
            tree.problems.append(Problem(file=tree.shown(urls[0]), message=reason))


def _undeclared(
    tree: Tree,
    template_url: str,
    template: Mapping[str, Any],
    given: Mapping[str, object],
    environment_urls: Sequence[str],
) -> list[Problem]:
    """Values for parameters that the template does not declare: Heat would refuse the stack."""
    declared = list(template.get("parameters") or {})
    problems = [
        tree.problem(
            template_url,
            ("parameters", name),
            "a value is given, but the template declares no such parameter",
            suggestion=near(name, declared),
        )
        for name in given
        if name not in declared
    ]
    for url in environment_urls:
        problems += [
            tree.problem(
                url,
                ("parameters", name),
                f"{tree.shown(template_url)} declares no such parameter",
                suggestion=near(name, declared),
            )
            for name in tree.parameters_in([url])
            if name not in declared
        ]
    return problems
