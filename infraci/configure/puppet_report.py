"""Reads Puppet's report: how each resource ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

#: Puppet has some of these in every catalog; no manifest is about them.
_PUPPETS_OWN = ("Schedule[", "Filebucket[")


@dataclass(frozen=True, slots=True, kw_only=True)
class PuppetResource:
    """How one resource ended, with a name such as ``File[/etc/motd]``."""

    name: str
    is_changed: bool = False
    is_failed: bool = False
    is_skipped: bool = False
    file: str = ""  # where it is declared, on the server
    line: int = 0
    text: str = ""  # what was printed of it, and at last why it failed


def read_puppet_report(text: str) -> tuple[PuppetResource, ...]:
    """Read a report of Puppet's, formats 4 to 12; nothing when there is none."""
    try:
        report = yaml.load(text, _Loader)  # noqa: S506  (a safe one)
    except (yaml.YAMLError, ValueError, RecursionError):
        report = None
    if not isinstance(report, dict):
        return ()
    statuses, logs = report.get("resource_statuses"), report.get("logs")
    resources = statuses if isinstance(statuses, dict) else {}
    return tuple(
        _resource(name, status, logs if isinstance(logs, list) else [])
        for name, status in resources.items()
        if isinstance(name, str) and isinstance(status, dict) and not name.startswith(_PUPPETS_OWN)
    )


def _resource(name: str, status: Mapping[str, Any], logs: Sequence[object]) -> PuppetResource:
    is_failed = status.get("failed") is True or status.get("failed_to_restart") is True
    printed = [*_logged(name, logs), *_events(status)] if is_failed else []
    return PuppetResource(
        name=name,
        is_changed=status.get("changed") is True,
        is_failed=is_failed,
        is_skipped=status.get("skipped") is True and not is_failed,
        file=str(status.get("file") or ""),
        line=line if isinstance(line := status.get("line"), int) else 0,
        text="\n".join(dict.fromkeys(printed)),
    )


def _logged(name: str, logs: Sequence[object]) -> Iterator[str]:
    """What is logged of a resource, such as the output of a command."""
    for log in logs:
        source = str(log.get("source")) if isinstance(log, dict) else ""
        if isinstance(log, dict) and f"/{name}" in f"{source}/" and log.get("level") != "err":
            yield str(log.get("message"))


def _events(status: Mapping[str, Any]) -> Iterator[str]:
    events = status.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("status") == "failure":
            yield str(event.get("message"))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that takes Ruby's objects for what they are made of."""


def _plain(loader: Any, tag: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!ruby/", _plain)
