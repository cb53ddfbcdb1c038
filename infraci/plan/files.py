"""Checks the tree's scripts and specs without running them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from infraci.base.scripts import check_script
from infraci.model.configure_steps import ScriptStep
from infraci.model.pipeline import Pipeline
from infraci.model.problem import Problem


def check_files(pipeline: Pipeline, root: Path) -> tuple[Problem, ...]:
    """All that is wrong with the scripts and specs that a pipeline names.

    Raises InfraciError where this machine lacks what runs them: Serverspec.
    """
    return (
        *_scripts(pipeline, root),
        *_specs(pipeline, root),
        *_serverspecs(pipeline, root),
    )


def spec_files(path: PurePosixPath, root: Path) -> tuple[PurePosixPath, ...]:
    """Return the files that pytest collects at a path, which is a file or a folder."""
    full = root / path
    if not full.is_dir():
        return (path,)
    files = {*full.rglob("test_*.py"), *full.rglob("*_test.py")}
    return tuple(sorted(PurePosixPath(file.relative_to(root)) for file in files))


def _scripts(pipeline: Pipeline, root: Path) -> Iterator[Problem]:
    for path in dict.fromkeys(s.path for s in pipeline.configure if isinstance(s, ScriptStep)):
        flaw = check_script(root / path)
        if flaw is not None:
            yield Problem(file=str(path), line=1, message=f"cannot be run: {flaw}")


def serverspec_files(path: PurePosixPath, root: Path) -> tuple[PurePosixPath, ...]:
    """Return the files that RSpec loads at a path, which is a file or a folder."""
    full = root / path
    if not full.is_dir():
        return (path,)
    return tuple(sorted(PurePosixPath(f.relative_to(root)) for f in full.rglob("*_spec.rb")))


def _serverspecs(pipeline: Pipeline, root: Path) -> Iterator[Problem]:
    named = dict.fromkeys(path for paths in pipeline.serverspec.values() for path in paths)
    if named:  # the room is heavy
        from infraci.verify.serverspec import check_serverspec

        check_serverspec()
    for path in named:
        if not serverspec_files(path, root):
            yield Problem(file=str(path), message="holds no spec: RSpec loads *_spec.rb")


def _specs(pipeline: Pipeline, root: Path) -> Iterator[Problem]:
    named = dict.fromkeys(path for paths in pipeline.specs.values() for path in paths)
    for path in named:
        files = spec_files(path, root)
        if not files:
            yield Problem(
                file=str(path), message="holds no spec: pytest collects test_*.py and *_test.py"
            )
        for file in files:
            yield from _syntax(file, root)
    for conftest in sorted({file for path in named for file in _conftests(path, root)}):
        yield from _syntax(conftest, root)


def _conftests(path: PurePosixPath, root: Path) -> Iterator[PurePosixPath]:
    """The conftest.py files that pytest loads for a path."""
    for folder in (path, *path.parents):
        if (root / folder / "conftest.py").is_file():
            yield folder / "conftest.py"
    if (root / path).is_dir():
        for file in (root / path).rglob("conftest.py"):
            yield PurePosixPath(file.relative_to(root))


def _syntax(path: PurePosixPath, root: Path) -> Iterator[Problem]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile((root / path).read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        yield Problem(
            file=str(path),
            line=error.lineno,
            column=error.offset,
            message=f"is not Python: {error.msg}",
        )
    except (MemoryError, RecursionError):  # the compiler's own limits
        yield Problem(file=str(path), message="is no Python that can be read: nested too deeply")
    except (OSError, ValueError) as error:  # ValueError: NUL bytes
        yield Problem(file=str(path), message=f"cannot be read: {error}")
