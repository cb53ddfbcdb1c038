"""What the command line asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What is asked of ``infraci run``, but for its commit."""

    pipelines: Sequence[str]  # by name; without one, those that the commit touches
    cloud: str  # of pipelines that name none
    parameters: Mapping[str, str]
    environments: Sequence[Path]
    destroy_policy: str | None  # instead of the pipelines' own
    all_: bool = False  # whether those are run as well that the commit does not touch
    jobs: int | None = None
    fail_fast: bool = False
    report: Path | None = None
    history: bool = True  # whether results go into the history
    search: Path | None = None  # where a search wants them too
    run_file: Path | None = None  # where the run's id is written as soon as there is one
    verbosity: int = 0
