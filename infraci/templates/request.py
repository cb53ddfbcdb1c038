"""Template, environments, files and parameters, as openstacksdk reads them for Heat.

openstacksdk follows ``get_file``, nested templates and the environments' resource registry; it
reads through a :class:`~infraci.templates.tree.Tree`, which judges all they say on the way.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from infraci.base.mask import hide
from infraci.model.catalog import Catalog
from infraci.model.pipeline import StackDefinition
from infraci.model.problem import Problem, TemplateError
from infraci.templates.merge import MergeError, Merger
from infraci.templates.parameters import Given, judge_parameters
from infraci.templates.places import file_of
from infraci.templates.stack_request import StackRequest, declared_parameters, is_hidden, secrets_of
from infraci.templates.tosca import is_tosca, translate
from infraci.templates.tree import MAX_TEMPLATE_BYTES, Tree, too_large
from infraci.templates.yaml_values import HIDDEN


class MisfitError(TemplateError):
    """Files and values that are wrong, of a stack that Heat could be asked about all the same.

    ``request`` is what it could be asked; ``unfit`` are parameters whose values it would refuse.
    """

    def __init__(
        self, problems: Iterable[Problem], *, request: StackRequest, unfit: frozenset[str]
    ) -> None:
        super().__init__(problems)
        self.request = request
        self.unfit = unfit


def load_stack(
    definition: StackDefinition,
    *,
    root: Path,
    parameters: Mapping[str, str] | None = None,
    environments: Sequence[Path] = (),
    offer: Callable[[], Catalog] = lambda: Catalog(cloud=""),
    pipeline: PurePosixPath | None = None,
    max_template_bytes: int = MAX_TEMPLATE_BYTES,
) -> StackRequest:
    """The stack that a pipeline defines in the tree at the root.

    ``parameters`` and ``environments`` come from the command line and win over all the pipeline
    says; these environments may lie outside the tree. What the cloud offers is asked for only by
    TOSCA templates; ``pipeline`` is the file to name where its values are wrong. Raises
    TemplateError with every problem of the template, the environments, and what they refer to:
    MisfitError if Heat could be asked all the same.
    """
    tree = Tree(
        root,
        max_bytes=max_template_bytes,
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

    _judge_size(root / definition.template, str(definition.template), max_template_bytes)
    if is_tosca((root / definition.template).read_bytes()):
        return _translated(definition, tree, ours + theirs, given, offer)
    template_url = tree.template(str(definition.template))
    files, template = _read_template(tree, template_url)
    more, environment = _read_environments(tree, ours + theirs, template)
    files |= more | tree.extra_files()
    types = {
        name: HIDDEN if is_hidden(declared) else str(declared.get("type"))
        for name, declared in declared_parameters(template).items()
    }
    sources = Given(
        tree=tree,
        template_url=template_url,
        environment_urls=ours + theirs,
        pipeline=pipeline,
        options=parameters or {},
    )
    request = StackRequest(
        template=template,
        environment=environment,
        files=files,
        parameters=given(),
        origins=sources.origins(list(given())),
        notices=(*tree.notices, *tree.changed_values(types)),
    )
    hide(*secrets_of(request))
    judged = judge_parameters(request, sources)
    too_much = [*_judge_body(request, definition, 2 * max_template_bytes)]
    if judged.problems or tree.problems or too_much:
        problems = [*tree.problems, *judged.problems, *too_much]
        if tree.is_unreadable or too_much:
            raise TemplateError(problems)
        raise MisfitError(problems, request=request, unfit=judged.unfit)
    return request


def _judge_size(path: Path, file: str, most: int) -> None:
    """Refuse a template that Heat would refuse for its size, before it is read."""
    if (size := path.stat().st_size) > most and not zipfile.is_zipfile(path):  # but an archive
        raise TemplateError([Problem(file=file, message=too_large(size, most).message)])


def _judge_body(request: StackRequest, definition: StackDefinition, most: int) -> Iterator[Problem]:
    """The limit on all that Heat is sent at once; by default it is twice a template's."""
    sizes = {file_of(url, ""): len(json.dumps(text)) for url, text in request.files.items()}
    sizes[str(definition.template)] = len(json.dumps(request.template))
    size = sum(sizes.values()) + len(json.dumps(request.environment))
    if size > most:
        largest = sorted(sizes, key=lambda file: -sizes[file])[:3]
        shown = ", ".join(f"{file} ({sizes[file]} bytes)" for file in largest)
        yield Problem(
            file=str(definition.template),
            message=f"Heat would be sent {size} bytes with all files, and takes {most} "
            f"(max_json_body_size); the largest: {shown}",
        )


def _translated(
    definition: StackDefinition,
    tree: Tree,
    environment_urls: Sequence[str],
    given: Callable[[], dict[str, object]],
    offer: Callable[[], Catalog],
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
        template = json.loads(json.dumps(read or {}))  # as Heat gets it: all keys are text
    return files, template


def _read_environments(
    tree: Tree, urls: Sequence[str], template: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Files and the environments merged. Raises TemplateError for all that is wrong so far."""
    from openstack.orchestration.util import template_utils

    declared = declared_parameters(template)
    merger = Merger({name: str(parameter.get("type")) for name, parameter in declared.items()})
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
    if tree.is_unreadable:
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
        tree.is_unreadable = True
