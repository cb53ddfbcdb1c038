"""Waits for builds, from the queue to their end, and reports their stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from infraci.base.deadline import Deadline, duration
from infraci.jenkins.builds import Build, Queued, Stage
from infraci.jenkins.controller import Controller

Say = Callable[[str], None]


def watch_queued(controller: Controller, queued: Queued, *, say: Say, deadline: Deadline) -> Build:
    """Wait until a queued build has ended; reports its stages as they begin and end.

    Raises PhaseTimeoutError when the deadline is over, NoSuchJobError when it was cancelled.
    """
    for attempt in deadline.poll("an agent for the build", first_s=0.5, ceiling_s=5.0):
        number = controller.build_in_queue(queued)
        if number is not None:
            return watch(controller, queued.job, number, say=say, deadline=deadline)
        if attempt == 0:
            say(f"{queued.job}: waits in the queue")
    raise AssertionError("poll() ends only by an exception")


def watch(controller: Controller, job: str, number: int, *, say: Say, deadline: Deadline) -> Build:
    """Wait until a build has ended."""
    label = f"{job} #{number}"
    known: dict[str, str] = {}
    for attempt in deadline.poll(f"build {number} of {job}", first_s=0.5, ceiling_s=5.0):
        build = controller.build(job, number)  # before its stages: these are complete once it ends
        if attempt == 0:
            say(f"{label}: {build.url}")
        _tell(label, controller.stages(job, number), known, say)
        if not build.is_building and build.result is not None:
            say(f"{label}: {build.result} in {duration(round(build.duration_s, 1))}")
            return build
    raise AssertionError("poll() ends only by an exception")


def _tell(label: str, stages: Iterable[Stage], known: dict[str, str], say: Say) -> None:
    for stage in stages:
        if known.get(stage.name) != stage.status and stage.status != "NOT_EXECUTED":
            known[stage.name] = stage.status
            state = "begins" if stage.status == "IN_PROGRESS" else stage.status.lower()
            say(f"{label}: {stage.name} {state}")


def long_deadline(hours: float) -> Deadline:
    """A deadline for builds that may stay in the queue for long."""
    return Deadline(hours * 3600, clock=time.monotonic, phase="watching")
