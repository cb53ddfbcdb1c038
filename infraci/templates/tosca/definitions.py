"""TOSCA definitions on disk: what they import, and where in them something stands."""

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
    """The entry definition and all that it imports, below a folder.

    ``shown`` is what messages put before a path: nothing, or the archive.
    """

    folder: Path
    entry: str
    shown: str = ""
    allow_remote: bool = False
    problems: list[Problem] = field(default_factory=list)
    _sources: dict[str, TemplateFile] = field(default_factory=dict)

    def read(self) -> None:
        """Read them all; what is wrong is in ``problems``."""
        self._read(self.entry, ())

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that a script's path may be relative to, the likeliest first."""
        found = [posixpath.dirname(path) for path in self._sources]
        return tuple(dict.fromkeys([*found, ""]))

    def problem(self, path: tuple[str, ...], message: str) -> Problem:
        """A problem at a key of the entry definition."""
        line, column = self._sources[self.entry].place(path)
        return Problem(
            file=self.shown + self.entry,
            line=line,
            column=column,
            key_path=".".join(path),
            message=message,
        )

    def problem_about(self, reason: str) -> Problem:
        """A problem at the rarest of the words that the reason quotes; the first such place."""
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
        found = [name for name in nodes if resource == name or resource.startswith(f"{name}_")]
        path = ("topology_template", "node_templates")
        return (*path, max(found, key=len)) if found else path

    def _read(self, path: str, on_the_way: tuple[str, ...]) -> None:
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
        for said in _imports(root):
            self._import(path, said, (*on_the_way, path))

    def _import(self, path: str, said: yaml.ScalarNode, on_the_way: tuple[str, ...]) -> None:
        trouble = None
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), said.value))
        if _REMOTE.match(said.value):
            if not self.allow_remote:
                trouble = (
                    f'"{said.value}" is not a file of the repository '
                    "(stack: allow_remote: true allows it)"
                )
        elif target in on_the_way:
            trouble = f'"{said.value}" imports itself: {" → ".join((*on_the_way, target))}'
        else:
            judged = check_path(target, root=self.folder)
            if isinstance(judged, PathProblem):
                trouble = judged.message
            else:
                self._read(str(judged), on_the_way)
        if trouble is not None:
            self.problems.append(
                Problem(
                    file=self.shown + path,
                    line=said.start_mark.line + 1,
                    column=said.start_mark.column + 1,
                    key_path="imports",
                    message=trouble,
                )
            )


def _imports(root: yaml.MappingNode) -> Iterator[yaml.ScalarNode]:
    """The files that a definition imports; those of repositories are for the parser."""
    said = next((value for key, value in root.value if key.value == "imports"), None)
    if not isinstance(said, yaml.SequenceNode):
        return
    for entry in said.value:
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
