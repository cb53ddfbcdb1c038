"""Reads Heat's reasons: which resources failed by themselves, and why, in a few words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from infraci.heat.objects import Event, Resource

#: Heat's reason for a resource whose action it ended because another failed or time was over.
_ABORTED = re.compile(r"[A-Z]+ aborted\b")
#: Before the reason itself: "Resource CREATE failed: BadRequest: resources.group.resources[0]: ".
_POSITION = re.compile(
    r"(?:Resource \w+ failed: )?(?:(?P<name>\w+)\s?: )?resources(?:\.[\w-]+|\[[\w-]+\])+:(?: |$)"
)
#: After the reason: the request's id, for the service's logs.
_REQUEST = re.compile(
    r"\s*(?:\(HTTP \d+\)|\(Request-ID: [\w-]+\)|Neutron server returns request_ids: \[[^]]*\])"
)
#: What a library adds to "cannot connect".
_INNER_LIFE = re.compile(r": HTTPS?ConnectionPool\(.*")
_MISSING_SIGNALS = re.compile(r"(\d+) of (\d+) received(?: - (.*))?")


def is_aborted(resource: Resource) -> bool:
    """Whether Heat ended the resource because of another one, or of time."""
    return _ABORTED.match(resource.reason) is not None


def failures(resources: Iterable[Resource], events: Sequence[Event] = ()) -> list[Resource]:
    """The resources that failed by themselves, the earliest first.

    Leaves out the resources that hold failed ones, and those that Heat aborted because of them. If
    all were aborted, time was over: Heat still worked on these.
    """
    failed = [resource for resource in resources if resource.is_failed]
    deepest = leaves(failed)
    own = [resource for resource in deepest if not is_aborted(resource)]
    return sorted(own or deepest, key=_earliest(events))


def leaves(resources: Sequence[Resource]) -> list[Resource]:
    """The resources that hold none of the others."""
    paths = [resource.path for resource in resources]
    return [r for r in resources if not any(path.startswith(f"{r.path}.") for path in paths)]


def _earliest(events: Sequence[Event]) -> Callable[[Resource], tuple[int, str]]:
    """A sort key: the order in which resources failed, or by path where no event tells."""
    order: dict[str, int] = {}
    for number, event in enumerate(events):
        if event.is_failure:
            order.setdefault(event.resource, number)
            order.setdefault(event.physical_id, number)

    def key(resource: Resource) -> tuple[int, str]:
        name = resource.path.rpartition(".")[2]
        by_id = order.get(resource.physical_id) if resource.physical_id else None
        return (by_id if by_id is not None else order.get(name, len(events))), resource.path

    return key


def without_position(reason: str) -> str:
    """Heat's reason without the exception's name and position before it."""
    return _split(reason)[1]


def plain_reason(reason: str) -> str:
    """Heat's reason as the end of a sentence, without exceptions' names, positions and requests.

    A name stays where it says more than what follows it: ``KeyError: 'x'``.
    """
    name, text = _split(" ".join(reason.split()))
    text = _INNER_LIFE.sub("", _REQUEST.sub("", text)).strip().rstrip(".")
    if missing := _MISSING_SIGNALS.fullmatch(text):
        came, awaited, data = missing.groups()
        return f"{came} of {awaited} signals came in time" + (f" ({data})" if data else "")
    if name.endswith(("WaitConditionFailure", "SwiftSignalFailure")):
        return f"a signal tells of a failure: {text or 'no reason is given'}"
    return f"{name}: {text}" if name and " " not in text else text


def _split(reason: str) -> tuple[str, str]:
    """The exception's name, if there is one, and its message."""
    name = ""
    while prefix := _POSITION.match(reason):
        reason, name = reason[prefix.end() :], prefix["name"] or name
    return name, reason
