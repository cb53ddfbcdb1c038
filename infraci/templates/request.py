"""Template, environments, files and parameters, as openstacksdk reads them for Heat.

openstacksdk follows ``get_file``, nested templates and the environments' resource registry; it
reads through a :class:`~infraci.templates.tree.Tree`, which judges all they say on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infraci.mask import hide
from infraci.model.offer import Offer
from infraci.model.pipeline import StackDefinition
from infraci.model.problem import Problem, TemplateError
from infraci.templates.merge import MergeError, Merger
from infraci.templates.parameters import judge_parameters
from infraci.templates.tosca import is_tosca, translate
from infraci.templates.tree import Tree
from infraci.templates.values import StackRequest, secrets_of


def load_stack(
    definition: StackDefinition,
    *,
    root: Path,
    parameters: Mapping[str, str] | None = None,
    environments: Sequence[Path] = (),
    offer: Callable[[], Offer] = lambda: Offer(cloud=""),
) -> StackRequest:
    """The stack that a pipeline defines in the tree at the root.

    ``parameters`` and ``environments`` come from the command line and win over all the pipeline
    says; these environments may lie outside the tree. What the cloud offers is asked for only by
    TOSCA templates. Raises TemplateError with every problem of the template, the environments, and
    what they refer to.
    """
    tree = Tree(
        root,
        extra={name: str(path) for name, path in definition.files.items()},
        allow_remote=definition.allow_remote,
    )
    ours = [tree.environment(str(path)) for path in definition.environments]
    theirs = [tree.outside_environment(path) for path in environments]

    def given() -> dict[str, object]:
        """The values that do not come by environments, which are read by now."""
        values: dict[str, object] = dict(definition.parameters)
        for name in tree.parameters_in(theirs):  # the command line's win over the file
            values.pop(name, None)
        return {**values, **(parameters or {})}

    if is_tosca((root / definition.template).read_bytes()):
        return _translated(definition, tree, ours + theirs, given, offer)
    template_url = tree.template(str(definition.template))
    files, template = _read_template(tree, template_url)
    more, environment = _read_environments(tree, ours + theirs, template)
    files |= more | tree.extra_files()
    request = StackRequest(
        template=template, environment=environment, files=files, parameters=given()
    )
    hide(*secrets_of(request))
    problems = judge_parameters(request, tree, template_url, ours + theirs)
    if problems or tree.problems:
        raise TemplateError([*tree.problems, *problems])
    return request


def _translated(
    definition: StackDefinition,
    tree: Tree,
    environment_urls: Sequence[str],
    given: Callable[[], dict[str, object]],
    offer: Callable[[], Offer],
) -> StackRequest:
    """A TOSCA template as HOT; the values of its inputs become the parameters' defaults."""
    files, environment = _read_environments(tree, environment_urls, {})
    inputs = {**environment.pop("parameters", {}), **given()}
    done = translate(
        definition.template,
        root=tree.root,
        inputs=inputs,
        offer=offer(),
        key_parameter=definition.key_parameter,
        allow_remote=definition.allow_remote,
    )
    files |= done.files | tree.extra_files()
    if tree.problems:
        raise TemplateError(tree.problems)
    request = StackRequest(template=done.template, environment=environment, files=files)
    hide(*secrets_of(request))
    return request


def _read_template(tree: Tree, url: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Files and template, as far as they can be read; the tree has the problems."""
    from openstack.orchestration.util import template_utils

    files: dict[str, str] = {}
    template: dict[str, Any] = {}
    with _reporting(tree, url):
        _, read = template_utils.get_template_contents(
            template_object=url, object_request=tree.read, files=files
        )
        template = read or {}
    return files, template


def _read_environments(
    tree: Tree, urls: Sequence[str], template: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Files and the environments merged. Raises TemplateError for all that is wrong so far."""
    from openstack.orchestration.util import template_utils

    declared = template.get("parameters") or {}
    merger = Merger({n: str(s.get("type")) for n, s in declared.items() if isinstance(s, dict)})
    files: dict[str, str] = {}
    for url in urls:
        with _reporting(tree, url):
            more, environment = template_utils.process_environment_and_files(
                env_path=url, env_path_is_object=lambda _: True, object_request=tree.read
            )
            files |= more
            try:
                merger.add(environment)
            except MergeError as error:
                tree.problems.append(tree.problem(url, error.path, str(error)))
    if tree.problems:
        raise TemplateError(tree.problems)
    return files, merger.merged


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
