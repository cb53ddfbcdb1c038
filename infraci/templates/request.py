"""Loads a stack's template, environments, files and parameters from a tree, for Heat.

openstacksdk follows ``get_file``, nested templates and the environments' resource registry; it
reads through a :class:`~infraci.templates.tree.Tree`, which checks each file as it is read.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from infraci.base.mask import hide
from infraci.model.catalog import Catalog
from infraci.model.decode import load_project
from infraci.model.pipeline import Pipeline, StackDefinition
from infraci.model.problem import Problem, TemplateError
from infraci.model.run import Overrides
from infraci.templates.cloud_names import with_names
from infraci.templates.merge import MergeError, Merger
from infraci.templates.parameters import ValueSources, check_parameters
from infraci.templates.places import file_of
from infraci.templates.stack_request import StackRequest, declared_parameters, is_hidden, secrets_of
from infraci.templates.tosca import is_tosca, translate
from infraci.templates.tree import MAX_TEMPLATE_BYTES, Tree, too_large
from infraci.templates.yaml_values import HIDDEN


class MisfitError(TemplateError):
    """The stack has problems, but Heat can validate it all the same.

    ``request`` is what Heat can be sent; it refuses the values of the ``unfit`` parameters.
    """

    def __init__(
        self, problems: Iterable[Problem], *, request: StackRequest, unfit: frozenset[str]
    ) -> None:
        super().__init__(problems)
        self.request = request
        self.unfit = unfit


class CatalogedCloud(Protocol):
    """A cloud, by the name that a project file knows it by, and what it offers."""

    @property
    def name(self) -> str: ...  # noqa: D102

    def catalog(self) -> Catalog: ...  # noqa: D102


def load_request(
    pipeline: Pipeline, *, tree: Path, cloud: CatalogedCloud, overrides: Overrides
) -> StackRequest:
    """What Heat is sent for a pipeline: its stack, under the names that the cloud has for things.

    Raises what :func:`load_stack` raises.
    """
    site = load_project(tree).cloud(cloud.name)
    try:
        request = load_stack(
            pipeline.stack,
            root=tree,
            parameters=overrides.parameters,
            environments=overrides.environments,
            catalog=lambda: cloud.catalog().by_names(
                images=site.images, flavors=site.flavors, networks=site.networks
            ),
            pipeline=pipeline.path,
            max_template_bytes=site.max_template_bytes,
        )
    except MisfitError as error:
        error.request = with_names(error.request, site)
        raise
    return with_names(request, site)


def load_stack(
    definition: StackDefinition,
    *,
    root: Path,
    parameters: Mapping[str, str] | None = None,
    environments: Sequence[Path] = (),
    catalog: Callable[[], Catalog] = lambda: Catalog(cloud=""),
    pipeline: PurePosixPath | None = None,
    max_template_bytes: int = MAX_TEMPLATE_BYTES,
) -> StackRequest:
    """The stack that a pipeline defines in the tree at the root.

    ``parameters`` and ``environments`` come from the command line and win over the pipeline's;
    these environments may lie outside the tree. ``catalog`` is called for TOSCA templates only.
    ``pipeline`` is the file that problems of its values name. Raises TemplateError with every
    problem of the template, the environments, and the files they refer to: MisfitError if Heat can
    validate the stack all the same.
    """
    tree = Tree(
        root,
        max_bytes=max_template_bytes,
        extra={name: str(path) for name, path in definition.files.items()},
        allow_remote=definition.allow_remote,
    )
    command_line_urls = [tree.outside_environment(path) for path in environments]
    own_urls = [tree.environment(str(path)) for path in definition.environments]
    environment_urls = own_urls + command_line_urls

    def parameter_values() -> dict[str, object]:
        """The values of the pipeline and the command line, once the environments are read."""
        values: dict[str, object] = dict(definition.parameters)
        for name in tree.parameters_in(command_line_urls):  # these win over the pipeline file
            values.pop(name, None)
        return {**values, **(parameters or {})}

    _check_size(root / definition.template, str(definition.template), max_template_bytes)
    if is_tosca((root / definition.template).read_bytes()):
        return _translated(definition, tree, environment_urls, parameter_values, catalog)
    template_url = tree.template(str(definition.template))
    files, template = _read_template(tree, template_url)
    more, environment = _read_environments(tree, environment_urls, template)
    files |= more | tree.extra_files()
    types = {
        name: HIDDEN if is_hidden(declared) else str(declared.get("type"))
        for name, declared in declared_parameters(template).items()
    }
    sources = ValueSources(
        tree=tree,
        template_url=template_url,
        environment_urls=environment_urls,
        pipeline=pipeline,
        options=parameters or {},
    )
    request = StackRequest(
        template=template,
        environment=environment,
        files=files,
        parameters=parameter_values(),
        origins=sources.origins(list(parameter_values())),
        notices=(*tree.notices, *tree.changed_values(types)),
    )
    hide(*secrets_of(request))
    parameter_problems = check_parameters(request, sources)
    body_problems = [*_check_body(request, definition, 2 * max_template_bytes)]
    if parameter_problems.problems or tree.problems or body_problems:
        problems = [*tree.problems, *parameter_problems.problems, *body_problems]
        if tree.is_unreadable or body_problems:
            raise TemplateError(problems)
        raise MisfitError(problems, request=request, unfit=parameter_problems.unfit)
    return request


def _check_size(path: Path, file: str, most: int) -> None:
    """Refuse a template larger than Heat takes before reading it. An archive may be larger."""
    if (size := path.stat().st_size) > most and not zipfile.is_zipfile(path):
        raise TemplateError([Problem(file=file, message=too_large(size, most).message)])


def _check_body(request: StackRequest, definition: StackDefinition, most: int) -> Iterator[Problem]:
    """A problem if the whole request is larger than Heat takes: by default twice a template."""
    sizes = {file_of(url, ""): len(json.dumps(text)) for url, text in request.files.items()}
    sizes[str(definition.template)] = len(json.dumps(request.template))
    size = sum(sizes.values()) + len(json.dumps(request.environment))
    if size > most:
        largest = sorted(sizes, key=lambda file: -sizes[file])[:3]
        shown = ", ".join(f"{file} ({sizes[file]} bytes)" for file in largest)
        yield Problem(
            file=str(definition.template),
            message=f"with all files the request has {size} bytes, and Heat takes {most} "
            f"(max_json_body_size); the largest: {shown}",
        )


def _translated(
    definition: StackDefinition,
    tree: Tree,
    environment_urls: Sequence[str],
    parameter_values: Callable[[], dict[str, object]],
    catalog: Callable[[], Catalog],
) -> StackRequest:
    """A TOSCA template as HOT; the values of its inputs become the parameters' defaults."""
    files, environment = _read_environments(tree, environment_urls, {})
    inputs = {**environment.pop("parameters", {}), **parameter_values()}
    translation = translate(
        definition.template,
        root=tree.root,
        inputs=inputs,
        catalog=catalog(),
        key_parameter=definition.key_parameter,
        allow_remote=definition.allow_remote,
    )
    files |= translation.files | tree.extra_files()
    if tree.problems:
        raise TemplateError(tree.problems)
    request = StackRequest(template=translation.template, environment=environment, files=files)
    hide(*secrets_of(request))
    return request


def _read_template(tree: Tree, url: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Read the template and its files; what cannot be read becomes the tree's problem."""
    from openstack.orchestration.util import template_utils

    files: dict[str, str] = {}
    template: dict[str, Any] = {}
    with _reporting(tree, url):
        _, read = template_utils.get_template_contents(
            template_object=url, object_request=tree.read, files=files
        )
        template = json.loads(json.dumps(read or {}))  # as Heat receives it: all keys are text
    return files, template


def _read_environments(
    tree: Tree, urls: Sequence[str], template: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """The environments merged, and their files. Raises TemplateError if any cannot be read."""
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
    """Turn openstacksdk's exception into a problem, unless the tree has one already."""
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
