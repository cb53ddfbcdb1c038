"""Makes the cells of a pipeline's matrix, each a pipeline with a name such as ``web[small]``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path, PurePosixPath

from infraci.errors import UsageError
from infraci.model.paths import PathProblem, check_path
from infraci.model.pipeline import MatrixDefinition, Pipeline
from infraci.model.problem import near, quoted

MAX_CELLS = 256
_SELECTED = re.compile(r"(?P<name>[^\[\]]+)\[(?P<labels>.*)\]\Z", re.S)

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixFlaw:
    """Something wrong in a matrix, and the key path below ``matrix`` that says it."""

    path: _Path
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


def validate_matrix(matrix: MatrixDefinition, *, root: Path | None) -> Iterator[MatrixFlaw]:
    """What is wrong with a matrix beyond its shape."""
    yield from _parameter_flaws(matrix)
    for number, entry in enumerate(matrix.exclude):
        yield from _exclude_flaws(entry, ("exclude", number), _axes(matrix))
    for number, entry in enumerate(matrix.include):
        if "environment" in entry and root is not None:
            path = ("include", number, "environment")
            yield from _environment_flaws(entry["environment"], path, root)
    yield from _cell_flaws([cell.labels for cell in _cells(matrix)])


def _parameter_flaws(matrix: MatrixDefinition) -> Iterator[MatrixFlaw]:
    if "image" in matrix.parameters and matrix.images:
        message = "is set twice: images are values of the parameter image"
        yield MatrixFlaw(path=("parameters", "image"), message=message)
    for name in {"environment", "cloud"} & matrix.parameters.keys():
        message = f'a parameter cannot be called so here: "{name}" is an axis of its own'
        yield MatrixFlaw(path=("parameters", name), message=message)


def _exclude_flaws(
    entry: Mapping[str, str], path: _Path, axes: Mapping[str, Sequence[object]]
) -> Iterator[MatrixFlaw]:
    for axis, text in entry.items():
        if axis not in axes:
            message = f"no axis of the matrix; there are {quoted([*axes], 'and')}"
            yield MatrixFlaw(path=(*path, axis), message=message, suggestion=near(axis, axes))
        elif not any(_means(text, axis, value) for value in axes[axis]):
            labels = [_label(axis, value) for value in axes[axis]]
            message = f'no value of the axis: "{text}"'
            yield MatrixFlaw(path=(*path, axis), message=message, suggestion=near(text, labels))


def _environment_flaws(text: str, path: _Path, root: Path) -> Iterator[MatrixFlaw]:
    result = check_path(text, root=root)
    if isinstance(result, PathProblem):
        yield MatrixFlaw(path=path, message=result.message, suggestion=result.suggestion)


def _cell_flaws(names: Sequence[tuple[str, ...]]) -> Iterator[MatrixFlaw]:
    if not names:
        yield MatrixFlaw(path=(), message="no cell is left")
    if len(names) > MAX_CELLS:
        yield MatrixFlaw(path=(), message=f"{len(names)} cells are more than {MAX_CELLS}")
    for labels in sorted({name for name in names if names.count(name) > 1}):
        yield MatrixFlaw(path=(), message=f"two cells are called [{','.join(labels)}]")


def split_name(name: str) -> tuple[str, tuple[str, ...]]:
    """``web[debian-12,small]`` as the pipeline's name and the labels, if there are any."""
    if selected := _SELECTED.match(name):
        labels = [label.strip() for label in selected["labels"].split(",")]
        return selected["name"], tuple(filter(None, labels))
    return name, ()


def choose(
    pipelines: Sequence[Pipeline], labels: Sequence[str], *, reference: str
) -> list[Pipeline]:
    """The cells that have all of the labels (patterns too). Raises UsageError if none has."""
    chosen = [pipeline for pipeline in pipelines if pipeline.name == reference] or [
        pipeline
        for pipeline in pipelines
        if all(any(fnmatchcase(own, label) for own in pipeline.cell) for label in labels)
    ]
    if not chosen:
        names = [pipeline.name for pipeline in pipelines]
        meant = near(reference, names)
        raise UsageError(
            f'cannot load pipeline "{reference}": no cell of its matrix is called so',
            hint=f'did you mean "{meant}"?' if meant else f"there are {quoted(names[:10], 'and')}",
        )
    return chosen


def _axes(matrix: MatrixDefinition) -> dict[str, tuple[object, ...]]:
    values_by_axis: dict[str, tuple[object, ...]] = {
        "image": matrix.images,
        "environment": matrix.environments,
        "cloud": matrix.clouds,
        **matrix.parameters,
    }
    return {axis: values for axis, values in values_by_axis.items() if values}


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
            axis in cell.values and _means(text, axis, cell.values[axis])
            for axis, text in entry.items()
        )
        for entry in entries
    )


def _means(text: str, axis: str, value: object) -> bool:
    """Whether a text in ``exclude`` names this value of an axis: by its label or as it is."""
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
