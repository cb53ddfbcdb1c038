"""Finds the files that a pipeline uses and whose content Git LFS has not fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from infraci.errors import InfraciError, raise_of_machine
from infraci.model.pipeline import Pipeline
from infraci.model.problem import quoted
from infraci.plan.uses import uses

#: How a pointer begins: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_MARK = b"version https://git-lfs.github.com/spec/"
ADVICE = "`git lfs install && git lfs pull` fetches the content"


class LfsPointerError(InfraciError):
    """This clone lacks content that a pipeline uses; the commit is not to blame."""

    def __init__(self, files: tuple[PurePosixPath, ...]) -> None:
        verb = "they are LFS pointers" if len(files) > 1 else "it is an LFS pointer"
        super().__init__(
            f"cannot use {quoted(list(map(str, files)), 'and')}: {verb}, not the content",
            hint=ADVICE,
        )


def lfs_pointers(pipeline: Pipeline, root: Path) -> tuple[PurePosixPath, ...]:
    """The files that the pipeline uses of the tree at the root, and that are LFS pointers."""
    files = {file for path in uses(pipeline, root=root) for file in _files(root / path)}
    pointers = (file for file in files if _is_pointer(file))
    return tuple(sorted(PurePosixPath(file.relative_to(root)) for file in pointers))


def _files(path: Path) -> Iterator[Path]:
    yield from path.rglob("*") if path.is_dir() else (path,)


def _is_pointer(file: Path) -> bool:
    try:
        if not file.is_file():  # to read a pipe would block
            return False
        with file.open("rb") as stream:
            return stream.read(len(_MARK)) == _MARK
    except OSError as error:
        raise_of_machine(error)
        return False
