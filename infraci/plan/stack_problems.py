"""All that is wrong with a stack's templates: what can be read off them, then what Heat says.

Heat ends at the first thing that it finds wrong. So it is asked again with that mended, until it
finds nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from infraci.heat import PreviewResource, RefusedError, StackPreview
from infraci.model.problem import Problem
from infraci.plan.draft import STUB, Draft
from infraci.plan.refusal import Refusals
from infraci.plan.sites import sites_alike, sites_of, sites_of_type, types_in
from infraci.templates import StackRequest, registry, resolve
from infraci.templates.references import check_template

#: Heat is asked so often at most, and for so long.
_MOST = 300
_LONGEST_S = 60.0
_MORE = "Heat may find more once this is mended; it was asked as often as a plan may take"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What Heat would make of a request, if need be of what is right in it; and what is wrong."""

    preview: StackPreview | None
    problems: tuple[Problem, ...]


def judge_request(draft: Draft, refusals: Refusals) -> list[Problem]:
    """What the templates themselves show to be wrong; it is mended in the draft."""
    problems = []
    for url, template in refusals.templates.items():
        for flaw in check_template(template):
            problems.append(refusals.at(url, flaw.path, flaw.message, suggestion=flaw.suggestion))
            draft.mend(url, flaw.path, remove=flaw.remove, meant=flaw.suggestion)
    return problems


def judge_types(
    draft: Draft, refusals: Refusals, is_retired: Callable[[str], bool]
) -> list[Problem]:
    """The types that Heat has retired: it takes them, and makes placeholders that do nothing."""
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
    """Ask Heat until it finds nothing more in the draft, or nothing that could be mended."""
    problems: dict[Problem, None] = {}
    reasons: set[str] = set()  # one that comes again is of what was not mended enough
    ends = clock() + _LONGEST_S
    for _ in range(_MOST):
        try:
            preview = ask(draft.request())
        except RefusedError as error:
            sites = [
                replace(site, path=draft.original(site.url, site.path))
                for first in sites_of(error.reason, draft.templates)
                for site in (first, *sites_alike(first, draft.templates))
            ]
            mended = False
            for site in sites or (None,):
                problem = refusals.problem(error.reason, site)
                if STUB not in error.reason and error.reason not in reasons:
                    problems[problem] = None
                if site is not None:
                    meant = problem.suggestion
                    mended |= draft.mend(site.url, site.path, remove=site.remove, meant=meant)
            reasons.add(error.reason)
            if not mended:
                break
            if clock() > ends:
                problems[refusals.at("", (), _MORE)] = None
                break
        else:
            preview = without_stubs(preview, draft)
            return Collected(preview=preview, problems=tuple(problems))
    else:
        problems[refusals.at("", (), _MORE)] = None
    return Collected(preview=None, problems=tuple(problems))


def without_stubs(preview: StackPreview, draft: Draft) -> StackPreview:
    """The preview without what the draft has put into it."""

    def real(resources: Iterable[PreviewResource]) -> tuple[PreviewResource, ...]:
        kept = (r for r in resources if r.name != STUB and not draft.has_emptied(r))
        return tuple(replace(resource, nested=real(resource.nested)) for resource in kept)

    return replace(preview, resources=real(preview.resources))
