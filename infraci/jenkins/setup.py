"""Making a repository's folder and jobs what they should be."""

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
    """What is to be done to one item of the controller."""

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
    """What setting up would change: the folder first, then a job for each schedule."""
    folder = _change(controller, "", folder_xml())
    if folder is not None:
        yield folder
    for schedule in (s for s in Schedule if s in schedules):
        change = _change(controller, str(schedule), job_xml(schedule, origin))
        if change is not None:
            yield change


def superfluous(controller: Controller, schedules: Collection[Schedule]) -> Iterator[JobChange]:
    """The jobs that we have made, and that no pipeline wants any more."""
    for job in controller.jobs():
        xml = controller.configuration(job)
        if xml is not None and job not in {str(s) for s in schedules} and is_ours(xml):
            yield JobChange(job=job, verb="delete", before=as_text(parse(xml)), after="")


def carry_out(controller: Controller, change: JobChange) -> None:
    """Do it."""
    if change.verb == "create":
        controller.create(change.after, change.job)
    elif change.verb == "configure":
        controller.configure(change.after, change.job)
    else:
        controller.delete(change.job)


def _change(controller: Controller, job: str, wanted: ET.Element) -> JobChange | None:
    text = controller.configuration(job)
    if text is None:
        return JobChange(job=job, verb="create", before="", after=as_text(wanted))
    current = parse(text)
    after = as_text(merged(current, wanted))
    before = as_text(current)
    if after == before:
        return None
    return JobChange(job=job, verb="configure", before=before, after=after)
