"""The values that a stack's parameters are given, judged before any cloud is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from infraci.model.problem import Problem, near
from infraci.templates.constraints import unfit
from infraci.templates.places import Places
from infraci.templates.stack_request import Origin, StackRequest, template_parameters, values_given
from infraci.templates.tree import Tree

#: Where a pipeline file gives values to parameters; the first that names one counts.
_GIVING = (("stack", "parameters"), ("matrix", "parameters"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """From where a stack's parameters may have their values."""

    tree: Tree
    template_url: str
    environment_urls: Sequence[str]
    pipeline: PurePosixPath | None = None  # the file
    options: Mapping[str, str]  # of the command line

    def origins(self, names: Sequence[str]) -> dict[str, Origin]:
        """Where the values of these parameters stand that the pipeline or an option gives."""
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
        paths: list[tuple[str, ...]] = [(*path, name) for path in _GIVING]
        if name == "image":
            paths.append(("matrix", "images"))
        given = (path for path in paths if places.has(str(self.pipeline), path))
        return next(given, ("stack",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """What is wrong with values, and the parameters whose values do not fit."""

    problems: tuple[Problem, ...]
    unfit: frozenset[str]


def judge_parameters(request: StackRequest, given: Given) -> Validated:
    """Values for parameters that are not declared, or that do not fit them.

    The place is where the value stands: an environment, the pipeline file, an option, the
    template's default.
    """
    unfitting = dict(_unfit(request, given))
    return Validated(
        problems=(*_undeclared(request, given), *unfitting.values()), unfit=frozenset(unfitting)
    )


def _undeclared(request: StackRequest, given: Given) -> Iterator[Problem]:
    declared = list(template_parameters(request))
    places = Places(given.tree.root)
    for name in request.parameters:
        if name not in declared:
            origin = request.origins.get(name)
            file, path = origin or (given.tree.shown(given.template_url), ("parameters",))
            yield places.problem(
                file,
                path,
                f'a value is given for "{name}", but {given.tree.shown(given.template_url)} '
                "declares no such parameter",
                suggestion=near(name, declared),
            )
    for url in given.environment_urls:
        for name in given.tree.parameters_in([url]):
            if name not in declared:
                yield given.tree.problem(
                    url,
                    ("parameters", name),
                    f"{given.tree.shown(given.template_url)} declares no such parameter",
                    suggestion=near(name, declared),
                )


def _unfit(request: StackRequest, given: Given) -> Iterator[tuple[str, Problem]]:
    values = values_given(request)
    for name, declared in template_parameters(request).items():
        value = values.get(name, declared.get("default"))
        if value is None or (reason := unfit(value, declared)) is None:
            continue
        template = given.tree.shown(given.template_url)
        file, path = request.origins.get(name, (template, ("parameters", name)))
        yield name, Places(given.tree.root).problem(file, path, reason)
