"""Reads TOSCA definitions and their imports, and finds the line of a key or a word in them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from infraci.model.paths import PathProblem, check_path
from infraci.model.problem import Problem
from infraci.model.yaml_error import describe
from infraci.templates.places import compose
from infraci.templates.sources import TemplateFile

_VERSION = re.compile(rb"^(?:\xef\xbb\xbf)?[\"']?tosca_definitions_version[\"']?\s*:", re.M)
_QUOTED = re.compile(r"[\"'\[ ]([A-Za-z][\w.:/-]+)")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_definition(content: bytes) -> bool:
    """Whether a text is a TOSCA definition."""
    return _VERSION.search(content) is not None


@dataclass(slots=True)
class Definitions:
    """The entry definition and all its imports, below a folder.

    ``shown`` stands before a path in messages: empty, or the archive's path.
    """

    folder: Path
    entry: str
    shown: str = ""
    allow_remote: bool = False
    problems: list[Problem] = field(default_factory=list)
    _sources: dict[str, TemplateFile] = field(default_factory=dict)

    def read(self) -> None:
        """Read all definitions; ``problems`` has what is wrong with them."""
        self._read(self.entry, ())

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that a script's path may be relative to, the likeliest first."""
        folders = [posixpath.dirname(path) for path in self._sources]
        return tuple(dict.fromkeys([*folders, ""]))

    def problem(self, path: tuple[str, ...], message: str) -> Problem:
        """A problem at a key of the entry definition."""
        line, column = self._sources[self.entry].position(path)
        return Problem(
            file=self.shown + self.entry,
            line=line,
            column=column,
            key_path=".".join(path),
            message=message,
        )

    def problem_about(self, reason: str) -> Problem:
        """A problem at the first occurrence of the rarest word that the reason quotes."""
        best: tuple[int, str, int, int] | None = None
        for word in dict.fromkeys(_QUOTED.findall(reason)):
            places = [
                (name, node.start_mark.line + 1, node.start_mark.column + 1)
                for name, source in self._sources.items()
                for node in _scalars(source.root)
                if node.value == word
            ]
            if places and (best is None or len(places) <= best[0]):
                best = (len(places), *places[0])
        if best is None:
            return Problem(file=self.shown + self.entry, message=reason)
        return Problem(file=self.shown + best[1], line=best[2], column=best[3], message=reason)

    def keys(self, *path: str) -> list[str]:
        """The keys below a key path of the entry definition."""
        return self._sources[self.entry].keys(*path)

    def node_of(self, resource: str) -> tuple[str, ...]:
        """The key path of the node template that a resource was made of."""
        nodes = self.keys("topology_template", "node_templates")
        matching = [name for name in nodes if resource == name or resource.startswith(f"{name}_")]
        path = ("topology_template", "node_templates")
        return (*path, max(matching, key=len)) if matching else path

    def _read(self, path: str, importers: tuple[str, ...]) -> None:
        if path in self._sources:
            return
        file = self.shown + path
        text = ""
        try:
            text = (self.folder / path).read_text("utf-8")
            root = compose(text)
        except yaml.YAMLError as error:
            self.problems.append(describe(error, text, file))
            return
        except (OSError, UnicodeDecodeError, RecursionError) as error:
            self.problems.append(Problem(file=file, message=f"cannot be read: {error}"))
            return
        if not isinstance(root, yaml.MappingNode):
            self.problems.append(Problem(file=file, message="is no TOSCA definition"))
            return
        self._sources[path] = TemplateFile(text=text, root=root)
        for entry in _imports(root):
            self._import(path, entry, (*importers, path))

    def _import(self, path: str, entry: yaml.ScalarNode, importers: tuple[str, ...]) -> None:
        if (reason := self._import_file(path, entry.value, importers)) is not None:
            self.problems.append(
                Problem(
                    file=self.shown + path,
                    line=entry.start_mark.line + 1,
                    column=entry.start_mark.column + 1,
                    key_path="imports",
                    message=reason,
                )
            )

    def _import_file(self, path: str, name: str, importers: tuple[str, ...]) -> str | None:
        """Read a file that a definition imports; returns why infraci cannot, if so."""
        if _REMOTE.match(name):
            if self.allow_remote:
                return None  # the translator fetches it
            return f'"{name}" is not a file of the repository (stack: allow_remote: true allows it)'
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        if target in importers:
            return f'"{name}" imports itself: {" → ".join((*importers, target))}'
        tree_path = check_path(target, root=self.folder)
        if isinstance(tree_path, PathProblem):
            return tree_path.message
        self._read(str(tree_path), importers)
        return None


def _imports(root: yaml.MappingNode) -> Iterator[yaml.ScalarNode]:
    """The files that a definition imports; the translator's parser reads those of repositories."""
    imports = next((value for key, value in root.value if key.value == "imports"), None)
    if not isinstance(imports, yaml.SequenceNode):
        return
    for entry in imports.value:
        if isinstance(entry, yaml.ScalarNode):
            yield entry
        elif isinstance(entry, yaml.MappingNode):
            for key, value in entry.value:
                yield from _of_entry(key.value, value)


def _of_entry(key: str, value: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """An import by name, as in ``- types: lib/types.yaml`` or ``- types: {file: …}``."""
    if isinstance(value, yaml.MappingNode):
        inner = {str(name.value): file for name, file in value.value}
        if "repository" not in inner and isinstance(inner.get("file"), yaml.ScalarNode):
            yield inner["file"]
    elif isinstance(value, yaml.ScalarNode) and key not in (
        "repository",
        "namespace_prefix",
        "namespace_uri",
    ):
        yield value


def _scalars(root: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield node
        elif isinstance(node, yaml.MappingNode):
            todo += [part for pair in reversed(node.value) for part in reversed(pair)]
        elif isinstance(node, yaml.SequenceNode):
            todo += list(reversed(node.value))
