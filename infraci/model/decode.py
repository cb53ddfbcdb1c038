"""Loads the pipelines and the project file of a tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path, PurePosixPath

from infraci.errors import UsageError
from infraci.model.document import Document, parse_document, read_document
from infraci.model.matrix import cells, choose, split_name, validate_matrix
from infraci.model.paths import PathProblem, check_path
from infraci.model.pipeline import MatrixDefinition, Pipeline, PipelineDefinition, Schedule
from infraci.model.problem import PipelineFileError, Problem, ProjectFileError, near, quoted
from infraci.model.project import Project
from infraci.model.validate import Validated, key_path, validate

PIPELINES = PurePosixPath("pipelines")
PROJECT_FILE = PurePosixPath("infraci.yaml")

_SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")


def load_pipeline(path: Path, *, root: Path) -> Pipeline:
    """The pipeline in one file of the tree at the root.

    Raises PipelineFileError with every problem the file has.
    """
    result = _validate_pipeline(path, root)
    if result.value is None:
        raise PipelineFileError(result.problems)
    return result.value


def load_pipelines(root: Path, names: Sequence[str] = ()) -> tuple[Pipeline, ...]:
    """The named pipelines of the tree at the root, in that order; without names, all of them.

    ``@hourly`` names all pipelines with this schedule, if any. A pipeline with a matrix stands for
    its cells; ``web[small]`` names the cells with this label. Raises UsageError
    where a name is unknown or there is no pipeline at all, and PipelineFileError with every
    problem of all the files.
    """
    files = _pipeline_files(root)
    split = {name: split_name(name) for name in names if not name.startswith("@")}
    named = {name: _named(stem, files) for name, (stem, _) in split.items()}
    scheduled = {name: _schedule(name) for name in names if name not in named}
    stems = list(files) if scheduled or not names else list(named.values())
    pipelines = _validate_pipelines(root, files, stems)
    chosen: dict[str, Pipeline] = {}
    for name in names or pipelines:
        if name in scheduled:
            matching = [p for p in pipelines.values() if scheduled[name] in p.schedule]
        else:
            matching = [pipelines[named.get(name, name)]]
        run = [cell for pipeline in matching for cell in cells(pipeline)]
        _, labels = split.get(name, (name, ()))
        chosen |= {
            cell.name: cell for cell in (choose(run, labels, reference=name) if labels else run)
        }
    return tuple(chosen.values())


def load_project(root: Path) -> Project:
    """The project file of the tree at the root; an empty project where there is none.

    Raises ProjectFileError with every problem the file has.
    """
    if not (root / PROJECT_FILE).exists():
        return Project()
    document = _document(root / PROJECT_FILE, root)
    if document.root is None and [p.message for p in document.problems] == ["the file is empty"]:
        return Project()
    result = validate(document, Project)
    if result.value is None:
        raise ProjectFileError(result.problems)
    return result.value


def parse_pipeline(text: str, *, name: str = "pipeline", root: Path | None = None) -> Pipeline:
    """A pipeline from text, as if it stood in ``pipelines/NAME.yaml``.

    Without a root, its paths need not exist.
    """
    file = PIPELINES / f"{name}.yaml"
    result = _as_pipeline(parse_document(text.encode(), file=str(file)), file, root)
    if result.value is None:
        raise PipelineFileError(result.problems)
    return result.value


def _validate_pipelines(
    root: Path, files: Mapping[str, Path], names: Iterable[str]
) -> dict[str, Pipeline]:
    stems = list(dict.fromkeys(names))
    results = {name: _validate_pipeline(files[name], root) for name in stems}
    problems = [problem for result in results.values() for problem in result.problems]
    problems += _twins(root, stems)
    if problems:
        raise PipelineFileError(problems)
    return {name: result.value for name, result in results.items() if result.value is not None}


def _validate_pipeline(path: Path, root: Path) -> Validated[Pipeline]:
    return _as_pipeline(_document(path, root), PurePosixPath(_shown(path, root)), root)


def _as_pipeline(document: Document, file: PurePosixPath, root: Path | None) -> Validated[Pipeline]:
    result = validate(document, PipelineDefinition, root=root)
    problems = result.problems
    if _lacks_specs(document):
        line, column = document.position(())
        message = "the required key is missing"
        problem = Problem(
            file=str(file), line=line, column=column, key_path="specs", message=message
        )
        problems = (*problems, problem)
    if not _NAME.match(file.stem):
        message = "the file's name, which names the pipeline, may hold letters, digits, _ . and -"
        problems = (Problem(file=str(file), message=message), *problems)
    if result.value is not None and result.value.matrix is not None:
        problems = (*problems, *_of_matrix(result.value.matrix, document, root))
    if result.value is None or problems:
        return Validated(value=None, problems=problems)
    values = {item.name: getattr(result.value, item.name) for item in fields(result.value)}
    return Validated(value=Pipeline(name=file.stem, path=file, **values), problems=())


def _of_matrix(
    matrix: MatrixDefinition, document: Document, root: Path | None
) -> Iterator[Problem]:
    for flaw in validate_matrix(matrix, root=root):
        line, column = document.position(("matrix", *flaw.path), key=True)
        yield Problem(
            file=document.file,
            line=line,
            column=column,
            key_path=key_path(("matrix", *flaw.path)),
            message=flaw.message,
            suggestion=flaw.suggestion,
        )


def _lacks_specs(document: Document) -> bool:
    """Whether both keys that hold specs are missing."""
    content = document.root.value if document.root is not None else None
    return isinstance(content, dict) and not {"specs", "serverspec"} & content.keys()


def _document(path: Path, root: Path) -> Document:
    shown = _shown(path, root)
    checked = check_path(shown, root=root)
    if isinstance(checked, PathProblem):
        problem = Problem(file=shown, message=checked.message, suggestion=checked.suggestion)
        return Document(file=shown, root=None, problems=(problem,))
    return read_document(path, file=shown)


def _shown(path: Path, root: Path) -> str:
    """The path relative to the root, also where symbolic links lead to the root."""
    for base, full in ((root, path), (root.resolve(), path.absolute())):
        if full.is_relative_to(base):
            return full.relative_to(base).as_posix()
    return path.as_posix()


def _pipeline_files(root: Path) -> dict[str, Path]:
    folder = root / PIPELINES
    try:
        entries = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f'cannot load pipelines: there is no folder "{PIPELINES}" at the repository\'s top',
            hint=f"write {PIPELINES}/NAME.yaml, and commit it",
        ) from error
    files = [e for e in entries if e.suffix in _SUFFIXES and not e.name.startswith(".")]
    if not files:
        raise UsageError(
            f'cannot load pipelines: "{PIPELINES}" holds no *.yaml file',
            hint=f"write {PIPELINES}/NAME.yaml, and commit it",
        )
    by_name = {file.stem: file for file in reversed(files)}  # NAME.yaml before NAME.yml
    return dict(sorted(by_name.items()))


def _named(name: str, files: Iterable[str]) -> str:
    known = sorted(files)
    path = PurePosixPath(name)
    stem = path.stem if path.suffix in _SUFFIXES else path.name
    if stem in known and path.parent in {PurePosixPath(), PIPELINES}:
        return stem
    meant = near(stem, known)
    raise UsageError(
        f'cannot load pipeline "{name}": there is no {PIPELINES}/{stem}.yaml',
        hint=f'did you mean "{meant}"?' if meant else f"there are {quoted(known, 'and')}",
    )


def _schedule(name: str) -> Schedule:
    """The schedule that a name such as ``@nightly`` stands for."""
    known = [f"@{schedule}" for schedule in Schedule]
    if name in known:
        return Schedule(name[1:])
    raise UsageError(
        f'cannot load pipelines: there is no schedule "{name}"', hint=f"there are {quoted(known)}"
    )


def _twins(root: Path, names: Iterable[str]) -> list[Problem]:
    """A pipeline that is written twice, in NAME.yaml and NAME.yml."""
    return [
        Problem(
            file=str(PIPELINES / f"{name}.yml"),
            message=f'"{name}.yaml" has the same name; remove one of the two',
        )
        for name in names
        if all((root / PIPELINES / f"{name}{suffix}").exists() for suffix in _SUFFIXES)
    ]
