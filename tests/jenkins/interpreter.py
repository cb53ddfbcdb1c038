"""A Jenkinsfile, run on a Groovy of the version that Jenkins has: see ``pipeline.groovy``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_DSL = Path(__file__).with_name("pipeline.groovy")
_JARS = "/usr/share/java/groovy-all.jar"  # of Debian's package groovy

Event = Mapping[str, Any]


class AbortedError(Exception):
    """A step was interrupted, as all are when a build is aborted."""


class StepFailedError(Exception):
    """A step failed."""


#: What a step does: its name and arguments; returns its value.
Step = Callable[[str, Event], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A Jenkinsfile that has been run to its end."""

    events: tuple[Event, ...]  # in order: steps, and outcomes of stages
    result: str | None  # None: the file is wrong

    def stages(self) -> list[str]:
        """The stages that were at work, in order."""
        return [e["name"] for e in self.events if e.get("event") == "stage" and not _skipped(e)]

    def stage_results(self) -> Mapping[str, str]:
        """How each ended."""
        return {e["name"]: e["result"] for e in self.events if e.get("event") == "end"}

    def skipped(self) -> Mapping[str, str]:
        """The stages that were not at work, and why."""
        skipped = [e for e in self.events if e.get("event") == "stage" and _skipped(e)]
        return {e["name"]: e["skipped"] for e in skipped}

    def steps(self, step: str) -> list[Event]:
        """The calls of a step, with their arguments."""
        return [e for e in self.events if e.get("ask") == step]

    def events_of(self, event: str) -> list[Event]:
        """The events of a kind."""
        return [e for e in self.events if e.get("event") == event]

    def scripts(self) -> list[str]:
        """The shell scripts, in order."""
        return [" ".join(e["script"].split()) for e in self.steps("sh")]


def _skipped(event: Event) -> bool:
    return "skipped" in event


class Interpreter:
    """A Groovy that runs one Jenkinsfile after the other; a context manager."""

    def __init__(self) -> None:
        command = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", _JARS]
        self._process = subprocess.Popen(
            [*command, "groovy.ui.GroovyMain", str(_DSL)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        with self._process:
            pass

    def take(
        self,
        jenkinsfile: Path,
        step: Step,
        *,
        parameters: Mapping[str, str],
        environment: Mapping[str, str],
        scm: Mapping[str, Any],
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> Taken:
        """Run a Jenkinsfile; what its steps do is the callable's matter."""
        events: list[Event] = []
        self._say(
            {
                "jenkinsfile": str(jenkinsfile),
                "parameters": parameters,
                "environment": environment,
                "scm": scm,
            }
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event: Event = json.loads(line)
            events.append(event)
            on_event(event)
            if "ask" in event:
                self._say(_answer(step, event))
            if event.get("event") in ("result", "wrong"):
                return Taken(events=tuple(events), result=event.get("result"))
        raise AssertionError("the fake Jenkins broke down; it says why on stderr")

    def _say(self, data: Event) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(data) + "\n")
        self._process.stdin.flush()


def _answer(step: Step, event: Event) -> Event:
    try:
        return {"value": step(event["ask"], event)}
    except AbortedError:
        return {"interrupted": True}
    except StepFailedError as error:
        return {"failed": str(error)}
