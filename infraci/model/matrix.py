"""A pipeline's matrix: its cells, each a pipeline of its own with a name such as ``web[small]``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path, PurePosixPath

from infraci.errors import UsageError
from infraci.model.paths import PathTrouble, judge_path
from infraci.model.pipeline import MatrixDefinition, Pipeline
from infraci.model.problem import near, quoted

MAX_CELLS = 256
_SELECTED = re.compile(r"(?P<name>[^\[\]]+)\[(?P<labels>.*)\]\Z", re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something wrong in a matrix, and the key path below ``matrix`` that says it."""

    path: tuple[str | int, ...]
    message: str
    suggestion: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A combination: values by axis; labels in the axes' order."""

    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(_label(axis, value) for axis, value in self.values.items())


def cells(pipeline: Pipeline) -> tuple[Pipeline, ...]:
    """The pipelines that a pipeline stands for: itself, or one for each cell of its matrix."""
    if pipeline.matrix is None:
        return (pipeline,)
    return tuple(_applied(pipeline, cell) for cell in _cells(pipeline.matrix))


def judge_matrix(matrix: MatrixDefinition, *, root: Path | None) -> Iterator[Flaw]:
    """What is wrong with a matrix beyond its shape."""
    axes = _axes(matrix)
    if "image" in matrix.parameters and matrix.images:
        message = "is said twice: images are values of the parameter image"
        yield Flaw(path=("parameters", "image"), message=message)
    for name in {"environment", "cloud"} & matrix.parameters.keys():
        message = f'a parameter cannot be called so here: "{name}" is an axis of its own'
        yield Flaw(path=("parameters", name), message=message)
    for section, entries in (("exclude", matrix.exclude), ("include", matrix.include)):
        known = [*axes] if section == "exclude" else [*axes, "environment", "image", "cloud"]
        for number, entry in enumerate(entries):
            for axis, value in entry.items():
                path = (section, number, axis)
                if section == "exclude" and axis not in axes:
                    message = f"no axis of the matrix; there are {quoted(known, 'and')}"
                    yield Flaw(path=path, message=message, suggestion=near(axis, known))
                elif section == "exclude" and not any(_says(axis, v, value) for v in axes[axis]):
                    labels = [_label(axis, each) for each in axes[axis]]
                    message = f'no value of the axis: "{value}"'
                    yield Flaw(path=path, message=message, suggestion=near(value, labels))
                elif axis == "environment" and section == "include" and root is not None:
                    judged = judge_path(value, root=root)
                    if isinstance(judged, PathTrouble):
                        yield Flaw(path=path, message=judged.message, suggestion=judged.suggestion)
    made = [cell.labels for cell in _cells(matrix)]
    if not made:
        yield Flaw(path=(), message="no cell is left")
    if len(made) > MAX_CELLS:
        yield Flaw(path=(), message=f"{len(made)} cells are more than {MAX_CELLS}")
    for twice in sorted({one for one in made if made.count(one) > 1}):
        yield Flaw(path=(), message=f"two cells are called [{','.join(twice)}]")


def split_name(name: str) -> tuple[str, tuple[str, ...]]:
    """``web[debian-12,small]`` as the pipeline's name and the labels, if there are any."""
    if selected := _SELECTED.match(name):
        labels = [label.strip() for label in selected["labels"].split(",")]
        return selected["name"], tuple(filter(None, labels))
    return name, ()


def choose(pipelines: Sequence[Pipeline], labels: Sequence[str], *, asked: str) -> list[Pipeline]:
    """The cells that have all of the labels (patterns too). Raises UsageError if none has."""
    found = [pipeline for pipeline in pipelines if pipeline.name == asked] or [
        pipeline
        for pipeline in pipelines
        if all(any(fnmatchcase(own, label) for own in pipeline.cell) for label in labels)
    ]
    if not found:
        names = [pipeline.name for pipeline in pipelines]
        meant = near(asked, names)
        raise UsageError(
            f'cannot load pipeline "{asked}": no cell of its matrix is called so',
            hint=f'did you mean "{meant}"?' if meant else f"there are {quoted(names[:10], 'and')}",
        )
    return found


def _axes(matrix: MatrixDefinition) -> dict[str, tuple[object, ...]]:
    said: dict[str, tuple[object, ...]] = {
        "image": matrix.images,
        "environment": matrix.environments,
        "cloud": matrix.clouds,
        **matrix.parameters,
    }
    return {axis: values for axis, values in said.items() if values}


def _cells(matrix: MatrixDefinition) -> list[_Cell]:
    axes = _axes(matrix)
    made = [
        _Cell(values=dict(zip(axes, values, strict=True))) for values in product(*axes.values())
    ]
    kept = [cell for cell in made if axes and not _is_excluded(cell, matrix.exclude)]
    return [*kept, *(_Cell(values=entry) for entry in matrix.include)]


def _is_excluded(cell: _Cell, entries: Sequence[Mapping[str, str]]) -> bool:
    return any(
        all(
            axis in cell.values and _says(axis, cell.values[axis], value)
            for axis, value in e.items()
        )
        for e in entries
    )


def _says(axis: str, value: object, text: str) -> bool:
    return text in (_label(axis, value), str(value))


def _label(axis: str, value: object) -> str:
    if axis == "environment":
        text = PurePosixPath(str(value)).stem
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^\w.:/+-]+", "-", text).strip("-") or "empty"


def _applied(pipeline: Pipeline, cell: _Cell) -> Pipeline:
    stack, cloud, parameters = pipeline.stack, "", dict(pipeline.stack.parameters)
    environments = stack.environments
    for axis, value in cell.values.items():
        if axis == "environment":
            environments = (*environments, PurePosixPath(str(value)))
        elif axis == "cloud":
            cloud = str(value)
        else:
            parameters[axis] = value
    return replace(
        pipeline,
        name=f"{pipeline.name}[{','.join(cell.labels)}]",
        stack=replace(stack, parameters=parameters, environments=environments),
        matrix=None,
        cell=cell.labels,
        cloud=cloud,
    )
