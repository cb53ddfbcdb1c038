"""Finds the resource that Heat refuses without naming it, by asking about ever fewer of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from infraci.heat import RefusedError
from infraci.plan.draft import Draft
from infraci.plan.sites import GROUPED, Site, Templates
from infraci.templates import StackRequest
from infraci.templates.places import KeyPath, value_at

#: Reasons that are about the template as a whole.
_OF_WHOLE = re.compile(r"limit exceeded|maximum allowed size|resources per stack", re.IGNORECASE)


def find_resource(
    reason: str, draft: Draft, templates: Templates, ask: Callable[[StackRequest], Any]
) -> Site | None:
    """A resource without which Heat no longer gives that reason, and its property if one is named.

    ``templates`` are as they are written. Asks Heat as often as the number of resources can be
    halved.
    """
    if _OF_WHOLE.search(reason):
        return None

    def is_gone_without(sites: list[Site]) -> bool:
        try:
            ask(draft.without(sites))
        except RefusedError as error:
            return error.reason != reason
        return True

    removed: list[Site] = []  # with these gone, Heat still gives the reason
    candidates = [
        Site(url=url, path=("resources", str(name)))
        for url, template in draft.templates.items()
        for name in _mapping(template.get("resources"))
    ]
    if not candidates or not is_gone_without(candidates):
        return None
    while len(candidates) > 1:
        half, rest = candidates[: len(candidates) // 2], candidates[len(candidates) // 2 :]
        if is_gone_without([*removed, *half]):
            candidates = half
        else:
            removed, candidates = [*removed, *half], rest
    (site,) = candidates
    return Site(url=site.url, path=_property(reason, templates.get(site.url) or {}, site.path))


def _property(reason: str, template: Any, resource: KeyPath) -> KeyPath:
    """The resource's property that the reason names first; the resource itself if it names none."""
    definitions = [resource, *((*resource, "properties", key) for key in GROUPED)]
    named: list[tuple[int, KeyPath]] = []
    for definition in definitions:
        for name in _mapping(value_at(template, (*definition, "properties"))):
            word = re.search(rf"(?<![\w.-]){re.escape(str(name))}(?![\w-])", reason)
            if word is not None:
                named.append((word.start(), (*definition, "properties", str(name))))
    return min(named)[1] if named else resource


def _mapping(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}
