"""Computes and makes the changes by which a controller has the repository's folder and jobs."""

from __future__ import annotations

import difflib
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from infraci.jenkins.configuration import (
    Origin,
    as_text,
    folder_xml,
    is_ours,
    job_xml,
    merged,
    parse,
)
from infraci.jenkins.controller import Controller
from infraci.model.pipeline import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChange:
    """A change of one item of the controller."""

    job: str  # empty: the folder
    verb: str  # create, configure, delete
    before: str
    after: str

    @property
    def difference(self) -> str:
        """The configurations' unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), "on Jenkins", "wanted", lineterm=""
        )
        return "\n".join(lines)


def changes(
    controller: Controller, schedules: Collection[Schedule], origin: Origin
) -> Iterator[JobChange]:
    """The changes that setup makes: the folder first, then a job for each schedule."""
    folder = _change(controller, "", folder_xml())
    if folder is not None:
        yield folder
    for schedule in (s for s in Schedule if s in schedules):
        change = _change(controller, str(schedule), job_xml(schedule, origin))
        if change is not None:
            yield change


def superfluous(controller: Controller, schedules: Collection[Schedule]) -> Iterator[JobChange]:
    """The deletions of infraci's jobs that no pipeline needs any more."""
    for job in controller.jobs():
        xml = controller.configuration(job)
        if xml is not None and job not in {str(s) for s in schedules} and is_ours(xml):
            yield JobChange(job=job, verb="delete", before=as_text(parse(xml)), after="")


def carry_out(controller: Controller, change: JobChange) -> None:
    """Make a change."""
    if change.verb == "create":
        controller.create(change.after, change.job)
    elif change.verb == "configure":
        controller.configure(change.after, change.job)
    else:
        controller.delete(change.job)


def _change(controller: Controller, job: str, ours: ET.Element) -> JobChange | None:
    text = controller.configuration(job)
    if text is None:
        return JobChange(job=job, verb="create", before="", after=as_text(ours))
    current = parse(text)
    after = as_text(merged(current, ours))
    before = as_text(current)
    if after == before:
        return None
    return JobChange(job=job, verb="configure", before=before, after=after)
