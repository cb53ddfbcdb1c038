"""A collection of published templates: its templates, its environments, and which uses which."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Self

import yaml
from openstack.orchestration.util.template_format import HeatYamlLoader

_SUFFIXES = (".yaml", ".yml", ".template", ".hot")
_IS_HOT = re.compile(r"^[\"']?heat_template_version", re.MULTILINE)
_FACADE = "OS::stack_id"
_SECTIONS = {
    "parameters",
    "parameter_defaults",
    "resource_registry",
    "parameter_merge_strategies",
    "encrypted_param_names",
    "event_sinks",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A template or an environment; its content is empty if it cannot be read."""

    path: PurePosixPath
    text: str = ""
    content: Mapping[str, Any]

    @property
    def registry(self) -> Mapping[str, Any]:
        """The resource registry of an environment."""
        return mapping(self.content.get("resource_registry"))

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What a template declares, or an environment gives."""
        return mapping(self.content.get("parameters"))

    def references(self) -> Iterator[str]:
        """Yield the files that it names, as it names them."""
        for key, value in _pairs(self.content):
            if key == "get_file" or (key == "type" and _is_file(value)):
                yield value
        for _, value in _pairs(self.registry):
            if _is_file(value):
                yield value

    def types(self) -> set[str]:
        """The resource types that a template names."""
        return {value for key, value in _pairs(self.content.get("resources")) if key == "type"}


@dataclass(frozen=True, kw_only=True)
class Collection:
    """The work tree of a repository."""

    name: str  # OWNER/NAME
    root: Path
    templates: Mapping[PurePosixPath, Document]
    environments: Mapping[PurePosixPath, Document]

    @classmethod
    def read(cls, root: Path) -> Self:
        """Read the collection in a folder OWNER+NAME."""
        templates: dict[PurePosixPath, Document] = {}
        environments: dict[PurePosixPath, Document] = {}
        for file in sorted(root.rglob("*")):
            path = PurePosixPath(file.relative_to(root))
            if file.suffix not in _SUFFIXES or ".git" in path.parts or not file.is_file():
                continue
            text = file.read_text(errors="replace")
            document = Document(path=path, text=text, content=_read(text))
            if _IS_HOT.search(text):
                templates[path] = document
            elif document.content and set(document.content) <= _SECTIONS:
                environments[path] = document
        return cls(
            name=root.name.replace("+", "/", 1),
            root=root,
            templates=templates,
            environments=environments,
        )

    @cached_property
    def fragments(self) -> Mapping[PurePosixPath, str]:
        """The templates that are parts of others, and why they are.

        The output ``OS::stack_id`` is for the template that uses this one as a resource.
        """
        fragments = {
            path: f"outputs {_FACADE}: is made to be a resource of another template"
            for path, template in self.templates.items()
            if _FACADE in mapping(template.content.get("outputs"))
        }
        for document in (*self.templates.values(), *self.environments.values()):
            for reference in document.references():
                for path in self.meant(reference, document.path):
                    if path != document.path:
                        fragments.setdefault(path, f"{document.path} uses it")
        return fragments

    def meant(self, reference: str, base: PurePosixPath) -> tuple[PurePosixPath, ...]:
        """The templates that a file may mean by a name.

        An absolute path or a URL leads to where the collection once lay: what it means are the
        templates whose paths have most of its last parts.
        """
        path = PurePosixPath(posixpath.normpath(base.parent / reference))
        if path in self.templates:
            return (path,)
        is_absolute = reference.startswith("/") or "://" in reference
        parts = PurePosixPath(posixpath.normpath(reference)).parts
        lengths = {each: _common_end(each.parts, parts) for each in self.templates}
        longest = max(lengths.values(), default=0)
        if longest < (1 if is_absolute else 2):
            return ()
        return tuple(each for each, length in lengths.items() if length == longest)

    def parts(self, path: PurePosixPath) -> Iterator[Document]:
        """Yield a template, and those that it is made of."""
        todo, seen = [path], set[PurePosixPath]()
        while todo:
            if (path := todo.pop()) in seen or path not in self.templates:
                continue
            seen.add(path)
            yield self.templates[path]
            for reference in self.templates[path].references():
                todo += self.meant(reference, path)

    def environments_for(
        self, template: Document, *, is_lacking: Callable[[str], bool]
    ) -> tuple[PurePosixPath, ...]:
        """The environments that belong to a template, by its types or by their names.

        An environment fits if it gives no parameter that the template lacks. It joins the others
        if they then make more of the template's types than before, without types that Heat lacks.
        """
        fitting = [
            environment
            for environment in self._near(template.path)
            if environment.parameters.keys() <= template.parameters.keys()
        ]
        chosen: list[Document] = []
        made = 0
        for environment in fitting:
            more = self._made(template, [*chosen, environment], is_lacking)
            if more > made:
                chosen.append(environment)
                made = more
        chosen = chosen or [e for e in fitting if _belongs(e, template)][:1]
        return tuple(environment.path for environment in chosen)

    def _made(
        self, template: Document, environments: list[Document], is_lacking: Callable[[str], bool]
    ) -> int:
        """How many of the types in a template, and in its parts, the environments make."""
        targets = {
            name: self.meant(target, environment.path)
            for environment in environments
            for name, target in environment.registry.items()
            if isinstance(target, str)
        }
        made: set[str] = set()
        todo = list(self.parts(template.path))
        while todo:
            for name in todo.pop().types() & targets.keys() - made:
                parts = [part for path in targets[name] for part in self.parts(path)]
                if not any(is_lacking(type_) for part in parts for type_ in part.types()):
                    made.add(name)
                    todo += parts
        return len(made)

    def _near(self, path: PurePosixPath) -> list[Document]:
        """The environments, the nearest first."""

        def distance(environment: Document) -> tuple[int, str]:
            way = posixpath.relpath(environment.path, path.parent)
            return len(PurePosixPath(way).parts), str(environment.path)

        return sorted(self.environments.values(), key=distance)


def mapping(value: Any) -> Mapping[str, Any]:
    """The value, if it is a mapping; else an empty one."""
    return value if isinstance(value, dict) else {}


def _read(text: str) -> Mapping[str, Any]:
    try:
        return mapping(yaml.load(text, Loader=HeatYamlLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}


def _pairs(node: Any) -> Iterator[tuple[str, str]]:
    """Yield the keys and values in a node whose values are texts."""
    todo = [node]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield from ((str(key), value) for key, value in node.items() if isinstance(value, str))
        todo += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _is_file(name: str) -> bool:
    return name.endswith(_SUFFIXES) and "::" not in name


def _common_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    length = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        length += 1
    return length


def _belongs(environment: Document, template: Document) -> bool:
    """Whether an environment is for a template: by its name, or beside it with its parameters."""
    folders = {template.path.parent, template.path.parent / "env"}
    if environment.path.parent not in folders:
        return False
    own, other = template.path.stem.lower(), environment.path.stem.lower()
    return bool(environment.parameters) or own in other or other in own
