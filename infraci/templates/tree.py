"""Reads the files that a stack is made of from the commit's tree, and from nowhere else.

Their URLs begin at the tree's root, ``file:///stacks/web.yaml``, wherever it is on disk, so that
Heat receives the same on every machine. Environments from the command line may be outside the
tree; their URLs begin with ``file://command-line/``.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urljoin

import yaml

from infraci.errors import raise_of_machine
from infraci.model.paths import PathProblem, check_path
from infraci.model.problem import Problem
from infraci.templates.content import as_text, fetch, is_text
from infraci.templates.sources import DocumentKind, TemplateFile, parse_source
from infraci.templates.yaml_values import HIDDEN, changed_values

#: Heat's own limit by default: max_template_size.
MAX_TEMPLATE_BYTES = 512 * 1024

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_TREE = "file:///"
_OUTSIDE = "file://command-line/"
_REMOTE = ("http://", "https://")


def too_large(size: int, most: int, *, is_file: bool = False) -> PathProblem:
    """The problem of a file with that many bytes; ``is_file``: neither template nor environment."""
    option = "max_json_body_size" if is_file else "max_template_size"
    return PathProblem(message=f"is {size} bytes, more than the {most} that Heat takes ({option})")


@dataclass(slots=True)
class _Reference:
    """A file that another one names."""

    kind: DocumentKind
    stands_in: str | None = None  # the path of the file in the tree that it stands for


@dataclass(slots=True)
class Tree:
    """Reads files by URL, and collects their problems."""

    root: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    allow_remote: bool = False
    max_bytes: int = MAX_TEMPLATE_BYTES  # of a template or an environment
    problems: list[Problem] = field(default_factory=list)
    is_unreadable: bool = False  # whether one of them leaves nothing to ask Heat about
    notices: list[Problem] = field(default_factory=list)
    _expected: dict[str, _Reference] = field(default_factory=dict)
    _sources: dict[str, TemplateFile] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)
    _edges: dict[str, set[str]] = field(default_factory=dict)

    def template(self, path: str) -> str:
        """The URL of a template of the tree."""
        return self._expect(_TREE + quote(path), DocumentKind.TEMPLATE)

    def environment(self, path: str) -> str:
        """The URL of an environment of the tree."""
        return self._expect(_TREE + quote(path), DocumentKind.ENVIRONMENT)

    def outside_environment(self, path: Path) -> str:
        """The URL of an environment that may lie anywhere."""
        full = path.absolute()
        for root in (self.root, self.root.resolve()):
            if full.is_relative_to(root):
                return self.environment(full.relative_to(root).as_posix())
        return self._expect(_OUTSIDE + quote(full.as_posix().lstrip("/")), DocumentKind.ENVIRONMENT)

    def read(self, method: str, url: str) -> str:
        """The content behind a URL, as openstacksdk's ``object_request``; empty where refused.

        Returns an environment as JSON: openstacksdk would read as dates what Heat takes for text.
        """
        if url in self._refused or not url.startswith((_TREE, _OUTSIDE, *_REMOTE)):
            return ""
        reference = self._expected.get(url, _Reference(DocumentKind.FILE))
        if url not in self._sources:
            source = self._load(url, reference)
            if source is None:
                self._refused.add(url)
                return ""
            self._sources[url] = source
            self._check_references(url, source)
        source = self._sources[url]
        if reference.kind is DocumentKind.ENVIRONMENT and source.root is not None:
            from openstack.orchestration.util.template_format import HeatYamlLoader

            return json.dumps(yaml.load(source.text, Loader=HeatYamlLoader))  # noqa: S506
        return source.text

    def changed_values(self, types: Mapping[str, str]) -> Iterator[Problem]:
        """Values that YAML reads as others, as warnings; ``types`` are the stack's parameters'."""
        declared = [source.parameter_types() for source in self._sources.values()]
        hidden = {n: kind for own in declared for n, kind in own.items() if kind == HIDDEN}
        for url, source in self._sources.items():
            if source.root is not None:
                is_environment = self._expected[url].kind is DocumentKind.ENVIRONMENT
                known = {**types, **hidden} if is_environment else source.parameter_types()
                yield from changed_values(source.root, self.shown(url), known)

    def extra_files(self) -> dict[str, str]:
        """The pipeline's own entries of Heat's files."""
        return {name: self.read("GET", _TREE + quote(path)) for name, path in self.extra.items()}

    def parameters_in(self, urls: Iterable[str]) -> list[str]:
        """The parameters that these environments give values to."""
        return [name for url in urls for name in self.keys_of(url, "parameters")]

    def keys_of(self, url: str, section: str) -> list[str]:
        """The keys of a section of a file that has been read."""
        return self._sources[url].keys(section) if url in self._sources else []

    def shown(self, url: str) -> str:
        """The file behind a URL, as messages name it."""
        if url.startswith(_REMOTE):
            return url
        _, path = self._locate(url)
        return f"/{path}" if url.startswith(_OUTSIDE) else path

    def problem(
        self, url: str, path: Sequence[str], message: str, *, suggestion: str | None = None
    ) -> Problem:
        """A problem at a key of a file that has been read, or at the nearest key around it."""
        source = self._sources.get(url)
        line, column = source.position(path) if source else (None, None)
        return Problem(
            file=self.shown(url),
            line=line,
            column=column,
            key_path=".".join(path),
            message=message,
            suggestion=suggestion,
        )

    def _expect(self, url: str, kind: DocumentKind) -> str:
        self._expected[url] = _Reference(kind)
        return url

    def _locate(self, url: str) -> tuple[Path, str]:
        """The root that a URL is under, and the path from there."""
        if url.startswith(_OUTSIDE):
            return Path("/"), unquote(url.removeprefix(_OUTSIDE))
        return self.root, unquote(url.removeprefix(_TREE))

    def _load(self, url: str, reference: _Reference) -> TemplateFile | None:
        content = self._content(url, reference)
        if isinstance(content, PathProblem):
            self.is_unreadable |= reference.kind is not DocumentKind.FILE
            self.problems.append(
                Problem(
                    file=self.shown(url), message=content.message, suggestion=content.suggestion
                )
            )
            return None
        text = as_text(content)
        file = self.shown(url)
        if reference.kind is not DocumentKind.FILE and not is_text(content):
            self.problems.append(Problem(file=file, message="is not UTF-8 text"))
            self.is_unreadable = True
            return None
        if not is_text(content):
            message = "is not UTF-8: it is sent as base64, and stays so where a template uses it"
            self.notices.append(Problem(file=file, message=message))
        source, problems = parse_source(text, kind=reference.kind, file=file)
        self.problems += problems
        self.notices += source.notices if source else ()
        self.is_unreadable |= bool(problems)
        return source

    def _content(self, url: str, reference: _Reference) -> bytes | PathProblem:
        """A file's bytes; a file larger than Heat takes is not read."""
        is_file = reference.kind is DocumentKind.FILE
        most = 2 * self.max_bytes if is_file else self.max_bytes
        if url.startswith(_REMOTE):
            fetched = fetch(url)
            if isinstance(fetched, PathProblem) or len(fetched) <= most:
                return fetched
            return too_large(len(fetched), most, is_file=is_file)
        root, path = self._locate(url)
        tree_path = check_path(reference.stands_in or path, root=root)
        if isinstance(tree_path, PathProblem):
            return tree_path
        try:
            if (size := (root / tree_path).stat().st_size) > most:
                return too_large(size, most, is_file=is_file)
            return (root / tree_path).read_bytes()
        except OSError as error:
            raise_of_machine(error)
            return PathProblem(message=f"cannot be read: {error.strerror or error}")

    def _check_references(self, url: str, source: TemplateFile) -> None:
        for reference in source.references:
            target = self._check_reference(url, reference.text, reference.kind)
            if isinstance(target, PathProblem):
                self.problems.append(
                    Problem(
                        file=self.shown(url),
                        line=reference.line,
                        column=reference.column,
                        key_path=reference.key_path,
                        message=target.message,
                        suggestion=target.suggestion,
                    )
                )

    def _check_reference(self, url: str, text: str, kind: DocumentKind) -> PathProblem | None:
        """Check a file that another one names, and expect openstacksdk to read its URL."""
        root, path = self._locate(url)
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(text)))
        target = urljoin(url, text or ".")
        if kind is DocumentKind.FILE and text in self.extra:
            self._expected[target] = _Reference(DocumentKind.FILE, stands_in=self.extra[text])
            return None
        if not text:
            self._refused.add(target)
            return PathProblem(message="expected a file's name, found nothing")
        if target.startswith(_REMOTE) and self.allow_remote:
            return self._follow(url, target, text, kind)
        if scheme := _SCHEME.match(text):
            self._refused.add(target)
            message = f'"{scheme[0]}…" is not a file of the repository'
            if scheme[1] in ("http", "https"):
                message += " (stack: allow_remote: true allows it)"
            return PathProblem(message=message)
        if text.startswith("/"):
            self._refused.add(target)
            return PathProblem(message=f'"{text}" is not relative to this file')
        tree_path = check_path(joined, root=root)
        if isinstance(tree_path, PathProblem):
            self._refused.add(target)
            folder = posixpath.dirname(path) or "."
            meant = tree_path.suggestion and posixpath.relpath(tree_path.suggestion, folder)
            return PathProblem(message=tree_path.message, suggestion=meant)
        return self._follow(url, target, joined, kind)

    def _follow(self, url: str, target: str, shown: str, kind: DocumentKind) -> PathProblem | None:
        """Let a file be read that another one names, unless the two contain each other."""
        self._edges.setdefault(url, set()).add(target)
        if self._reaches(target, url):
            self._refused.add(target)
            return PathProblem(message=f'"{shown}" contains itself')
        known = self._expected.setdefault(target, _Reference(kind))
        if kind is DocumentKind.TEMPLATE:
            known.kind = kind
        return None

    def _reaches(self, start: str, end: str) -> bool:
        seen: set[str] = set()
        todo = [start]
        while todo:
            url = todo.pop()
            if url == end:
                return True
            if url not in seen:
                seen.add(url)
                todo += self._edges.get(url, ())
        return False
