"""Collects all problems of a stack's templates: those that can be read there, then Heat's.

Heat stops at the first problem. So infraci mends that one in a draft and asks Heat again, until it
finds no more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from infraci.heat import PreviewResource, RefusedError, StackPreview
from infraci.model.problem import Problem
from infraci.plan.bisection import find_resource
from infraci.plan.draft import STUB, Draft
from infraci.plan.refusal import Refusals
from infraci.plan.sites import (
    NOT_ASSIGNED,
    Site,
    last_properties,
    sites_alike,
    sites_of,
    sites_of_type,
    types_in,
)
from infraci.templates import StackRequest, registry, resolve
from infraci.templates.places import KeyPath
from infraci.templates.references import check_template

#: The most requests to Heat, and the longest time for them.
_MOST = 300
_LONGEST_S = 60.0
#: Heat names the properties of which at least one is required.
_NONE_OF = re.compile(r"following properties must be specified: ([^.]+)")
_MORE = "Heat may find more once this is mended; it was asked as often as a plan may take"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Heat's preview of the request, or of its correct part; and the problems."""

    preview: StackPreview | None
    problems: tuple[Problem, ...]


def check_request(draft: Draft, refusals: Refusals) -> list[Problem]:
    """The problems that the templates themselves show; mends them in the draft."""
    problems = []
    for url, template in refusals.templates.items():
        for flaw in check_template(template):
            problems.append(refusals.at(url, flaw.path, flaw.message, suggestion=flaw.suggestion))
            draft.mend(url, flaw.path, remove=flaw.remove, meant=flaw.suggestion)
    return problems


def check_types(
    draft: Draft, refusals: Refusals, is_retired: Callable[[str], bool]
) -> list[Problem]:
    """A problem for each retired type, of which Heat makes a placeholder that does nothing."""
    problems = []
    known = registry(refusals.request.environment)
    for name in types_in(refusals.templates):
        if resolve(name, known) in refusals.templates or not is_retired(resolve(name, known)):
            continue
        message = f"{name} is retired: Heat makes a placeholder of it that does nothing"
        for site in sites_of_type(name, refusals.templates):
            problems.append(refusals.at(site.url, site.path, message))
            draft.mend(site.url, site.path)
    return problems


def collect(
    draft: Draft,
    refusals: Refusals,
    ask: Callable[[StackRequest], StackPreview],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Collected:
    """Ask Heat until it finds no more problems in the draft, or none that can be mended."""
    mending = _Mending(draft=draft, refusals=refusals, ask=ask)
    end = clock() + _LONGEST_S
    for _ in range(_MOST):
        try:
            preview = ask(draft.request())
        except RefusedError as error:
            if not mending.take(error.reason):
                return Collected(preview=None, problems=tuple(mending.problems))
            if clock() > end:
                break
        else:
            preview = without_stubs(preview, draft)
            return Collected(preview=preview, problems=tuple(mending.problems))
    more = refusals.at("", (), _MORE)
    return Collected(preview=None, problems=(*mending.problems, more))


@dataclass(slots=True, kw_only=True)
class _Mending:
    """Mends a draft where Heat refuses it, and collects the problems."""

    draft: Draft
    refusals: Refusals
    ask: Callable[[StackRequest], StackPreview]
    problems: dict[Problem, None] = field(default_factory=dict)
    _reasons: set[str] = field(default_factory=set)
    _mended: set[tuple[str, KeyPath]] = field(default_factory=set)  # properties, by url and path

    def take(self, reason: str) -> bool:
        """Mend the draft where Heat's reason points; whether anything was mended.

        A reason that comes again is of a place that was not mended enough, and no new problem.
        """
        is_new = reason not in self._reasons
        self._reasons.add(reason)
        is_mended = False
        sites: list[Site | None] = [*self._sites(reason)]
        if not sites:
            unnamed = find_resource(reason, self.draft, self.refusals.templates, self.ask)
            sites = [unnamed]
            # For each resource that Heat does not name it gives the same reason.
            is_new |= unnamed is not None and (unnamed.url, unnamed.path) not in self._mended
        is_new &= STUB not in reason
        for site in sites:
            problem = self.refusals.problem(reason, site)
            if is_new and not self._is_consequence(reason, site):
                self.problems[problem] = None
            if site is not None:
                self._mended.add((site.url, site.path))
                meant = problem.suggestion
                is_mended |= self.draft.mend(site.url, site.path, remove=site.remove, meant=meant)
        return is_mended

    def _is_consequence(self, reason: str, site: Site | None) -> bool:
        """Whether Heat misses a property only since its wrong value was taken out of the draft.

        Where Heat does not name the resource, a property of that name in any of them will do.
        """
        missing = _NONE_OF.search(reason) or NOT_ASSIGNED.search(reason)
        if missing is None:
            return False
        names = re.split(r",\s*", missing[1])
        # A path without the key is a resource's own.
        resource = site.path[: last_properties(site.path)] if site is not None else ()
        return any(
            path[-1] in names
            for url, path in self._mended
            if site is None or (url == site.url and path[: len(resource)] == resource)
        )

    def _sites(self, reason: str) -> list[Site]:
        """Where the reason's cause is in the request, in all resources that are alike."""
        templates = self.draft.templates
        return [
            replace(site, path=self.draft.original(site.url, site.path))
            for first in sites_of(reason, templates)
            for site in (first, *sites_alike(first, templates))
        ]


def without_stubs(preview: StackPreview, draft: Draft) -> StackPreview:
    """The preview without the draft's own placeholders."""

    def real(resources: Iterable[PreviewResource]) -> tuple[PreviewResource, ...]:
        kept = (r for r in resources if r.name != STUB and not draft.has_emptied(r))
        return tuple(replace(resource, nested=real(resource.nested)) for resource in kept)

    return replace(preview, resources=real(preview.resources))
