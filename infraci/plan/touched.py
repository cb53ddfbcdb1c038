"""Chooses the pipelines that a commit touches, and says why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infraci.model.pipeline import Pipeline
from infraci.plan.uses import touches, uses

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineChoice:
    """A pipeline, and which of the files that it uses have changed; without any it is not run."""

    pipeline: Pipeline
    touched: tuple[str, ...]

    def __str__(self) -> str:
        if not self.touched:
            return f"{self.pipeline.name}: left, nothing that it uses has changed"
        more = len(self.touched) - _SHOWN
        files = ", ".join(self.touched[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"{self.pipeline.name}: run, as it uses {files}"


def choose_touched(
    pipelines: Sequence[Pipeline], changed: Iterable[str], *, root: Path
) -> tuple[PipelineChoice, ...]:
    """What to run of the tree at the root after these of its files have changed, or have gone."""
    files = tuple(changed)
    return tuple(
        PipelineChoice(pipeline=pipeline, touched=touches(files, uses(pipeline, root=root)))
        for pipeline in pipelines
    )
