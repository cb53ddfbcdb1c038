"""Checks the values of a stack's parameters, without a cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from infraci.model.problem import Problem, near
from infraci.templates.constraints import unfit
from infraci.templates.places import Places
from infraci.templates.stack_request import Origin, StackRequest, template_parameters, values_given
from infraci.templates.tree import Tree

#: The sections of a pipeline file with parameters' values; the first that has a name counts.
_SECTIONS = (("stack", "parameters"), ("matrix", "parameters"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSources:
    """The files and options that give a stack's parameters their values."""

    tree: Tree
    template_url: str
    environment_urls: Sequence[str]
    pipeline: PurePosixPath | None = None  # the file
    options: Mapping[str, str]  # of the command line

    def origins(self, names: Sequence[str]) -> dict[str, Origin]:
        """The file and key path of each parameter's value; ``names`` are the pipeline's."""
        origins: dict[str, Origin] = {}
        for url in self.environment_urls:
            for section in ("parameter_defaults", "parameters"):
                for name in self.tree.keys_of(url, section):
                    origins[name] = (self.tree.shown(url), (section, name))
        for name in names:
            if name in self.options:
                origins[name] = (f"-P {name}", ())
            elif self.pipeline is not None:
                origins[name] = (str(self.pipeline), self._in_pipeline(name))
            else:
                origins.pop(name, None)
        return origins

    def _in_pipeline(self, name: str) -> tuple[str, ...]:
        places = Places(self.tree.root)
        paths: list[tuple[str, ...]] = [(*path, name) for path in _SECTIONS]
        if name == "image":
            paths.append(("matrix", "images"))
        existing = (path for path in paths if places.has(str(self.pipeline), path))
        return next(existing, ("stack",))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterProblems:
    """The problems of parameters' values, and the parameters whose values do not fit."""

    problems: tuple[Problem, ...]
    unfit: frozenset[str]


def check_parameters(request: StackRequest, sources: ValueSources) -> ParameterProblems:
    """The values of parameters that are not declared, and values that do not fit.

    Each problem names the file of the value: an environment, the pipeline file, an option, or the
    template with its default.
    """
    unfitting = dict(_unfit(request, sources))
    return ParameterProblems(
        problems=(*_undeclared(request, sources), *unfitting.values()), unfit=frozenset(unfitting)
    )


def _undeclared(request: StackRequest, sources: ValueSources) -> Iterator[Problem]:
    declared = list(template_parameters(request))
    places = Places(sources.tree.root)
    for name in request.parameters:
        if name not in declared:
            origin = request.origins.get(name)
            file, path = origin or (sources.tree.shown(sources.template_url), ("parameters",))
            yield places.problem(
                file,
                path,
                f'a value is given for "{name}", but {sources.tree.shown(sources.template_url)} '
                "declares no such parameter",
                suggestion=near(name, declared),
            )
    for url in sources.environment_urls:
        for name in sources.tree.parameters_in([url]):
            if name not in declared:
                yield sources.tree.problem(
                    url,
                    ("parameters", name),
                    f"{sources.tree.shown(sources.template_url)} declares no such parameter",
                    suggestion=near(name, declared),
                )


def _unfit(request: StackRequest, sources: ValueSources) -> Iterator[tuple[str, Problem]]:
    values = values_given(request)
    for name, declared in template_parameters(request).items():
        value = values.get(name, declared.get("default"))
        if value is None or (reason := unfit(value, declared)) is None:
            continue
        template = sources.tree.shown(sources.template_url)
        file, path = request.origins.get(name, (template, ("parameters", name)))
        yield name, Places(sources.tree.root).problem(file, path, reason)
