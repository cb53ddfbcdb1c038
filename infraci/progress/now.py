"""The current status of a run: its phase, and the status of its servers and Heat's resources."""

from __future__ import annotations

from collections.abc import Sequence

from infraci.heat.objects import Event
from infraci.model.run import READY

#: So many things are named in a line.
_NAMED = 6


class Now:
    """The current phase, and in it the servers and the resources by their paths."""

    def __init__(self) -> None:
        self.phase = ""
        self.servers: dict[str, str] = {}  # the last status of each
        self._resources: dict[str, str] = {}
        self._waiting: dict[str, str] = {}

    def begin(self, phase: str) -> None:
        """A phase begins; an empty name is no phase."""
        self.phase = phase
        self._resources, self._waiting = {}, {}

    def server(self, name: str, text: str, *, is_done: bool = False) -> None:
        """A server has this status, or is done."""
        self.servers[name] = text
        self._waiting.pop(name, None)
        if not is_done and text != READY:
            self._waiting[name] = text

    def event(self, event: Event) -> None:
        """A resource has a new status."""
        if event.resource != event.stack_name:  # the stack itself
            self._resources[event.path or event.resource] = event.status

    @property
    def resources(self) -> str:
        """How far Heat is: ``7 of 9 resources; at work on router, apps.0``."""
        if not self._resources:
            return ""
        at_work = self._at_work()
        done = sum(not status.endswith("IN_PROGRESS") for status in self._resources.values())
        text = f"{done} of {len(self._resources)} resources"
        return f"{text}; at work on {named(at_work)}" if at_work else text

    @property
    def waiting(self) -> str:
        """What the run waits for: ``provision: app-0: booting; db: booting``."""
        servers = [f"{name}: {text}" for name, text in self._waiting.items()]
        parts = servers[:_NAMED]
        if len(servers) > _NAMED:
            parts.append(f"and {len(servers) - _NAMED} more servers")
        if self._at_work():
            parts.append(f"heat: {self.resources}")
        return ": ".join(part for part in (self.phase, "; ".join(parts)) if part)

    def _at_work(self) -> list[str]:
        """The resources that Heat works on, without those that only hold one of these."""
        paths = [p for p, status in self._resources.items() if status.endswith("IN_PROGRESS")]
        return [p for p in paths if not any(other.startswith(f"{p}.") for other in paths)]


def named(names: Sequence[str]) -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
