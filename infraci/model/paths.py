"""Checks paths that a file of the repository names: they must exist in the tree and stay in it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from infraci.model.problem import near


class PathKind(StrEnum):
    """What a path must lead to."""

    FILE = "a file"
    FOLDER = "a directory"
    ANY = "a file or a directory"
    SPECS = "a spec file (*.py) or a directory of specs"
    SERVERSPECS = "a spec file (*.rb) or a directory of specs"


#: What a file is called that holds specs.
_SPEC_SUFFIX = {PathKind.SPECS: ".py", PathKind.SERVERSPECS: ".rb"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProblem:
    """Why a path is refused."""

    message: str
    suggestion: str | None = None


def check_path(
    text: str, *, root: Path | None, kind: PathKind = PathKind.FILE
) -> PurePosixPath | PathProblem:
    """The path, normalised, relative to the tree at the root; or what is wrong with it.

    Without a root only the spelling is checked.
    """
    if text.startswith(("/", "~")):
        return PathProblem(
            message=f'"{text}" is not relative to the repository\'s top',
            suggestion=_relative(text, root),
        )
    if "\0" in text:
        return PathProblem(message=f"{text!r} holds a NUL character, which no path does")
    path = posixpath.normpath(text)
    if path == ".." or path.startswith("../"):
        return PathProblem(message=f'"{text}" leads out of the repository')
    if root is None:
        return PurePosixPath(path)
    return _on_disk(text, PurePosixPath(path), root.resolve(), kind)


def _on_disk(
    text: str, path: PurePosixPath, root: Path, kind: PathKind
) -> PurePosixPath | PathProblem:
    try:
        real = (root / path).resolve()
        if not real.is_relative_to(root):
            return PathProblem(message=f'"{text}" leads out of the repository, by a symbolic link')
        if not real.exists():
            return PathProblem(message=f'no such file: "{text}"', suggestion=_near(path, root))
        is_directory = real.is_dir()
    except (OSError, RuntimeError) as error:  # a loop of links, a name too long, no permission
        reason = getattr(error, "strerror", None) or "its symbolic links go in a circle"
        return PathProblem(message=f'"{text}" cannot be read: {reason}')
    if kind is PathKind.FILE and is_directory:
        return PathProblem(message=f'expected {kind}, found the directory "{text}"')
    if kind is PathKind.FOLDER and not is_directory:
        return PathProblem(message=f'expected {kind}, found the file "{text}"')
    if not is_directory and path.suffix != _SPEC_SUFFIX.get(kind, path.suffix):
        return PathProblem(message=f'expected {kind}, found "{text}"')
    return path


def _relative(text: str, root: Path | None) -> str | None:
    path = text.lstrip("/")
    return path if root and path and text[0] == "/" and (root / path).exists() else None


def _near(path: PurePosixPath, root: Path) -> str | None:
    """The path with its first missing part replaced by a near name, if that path exists."""
    folder = root
    for index, part in enumerate(path.parts):
        if (folder / part).exists():
            folder /= part
            continue
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        meant = near(part, names)
        if meant is None:
            return None
        candidate = PurePosixPath(*path.parts[:index], meant, *path.parts[index + 1 :])
        return str(candidate) if (root / candidate).exists() else None
    return None
