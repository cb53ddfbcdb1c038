"""``python -m benchmarks.overhead``: what infraci adds to a real OpenStack's own times.

Runs a pipeline of this repository on the OpenStack of the tests (``tests/live/openstack/cloud``),
and compares its phases with what the cloud says of itself: Heat's events, and the consoles that
guests write to on this machine. Heat tells whole seconds, so each overhead is known to one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.clouds import CloudUnderTest, real_openstack
from tests.live.openstack.place import Place

REPOSITORY = Path(__file__).parents[1]
#: The last thing that cloud-init does with the console; who has read it can log in.
_MARK = b"END SSH HOST KEY KEYS"
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A phase by the clock, and the part of it that was the cloud's own."""

    phase: str
    took_s: float
    cloud_s: float

    def __str__(self) -> str:
        over = self.took_s - self.cloud_s
        cells = (f"{self.took_s:.1f} s", f"{self.cloud_s:.1f} s", f"{over:.1f} s")
        return f"| {self.phase} | {' | '.join(cells)} | {over / self.cloud_s:.0%} |"


@dataclass(slots=True)
class Consoles:
    """Sees when each guest has printed its host keys; they are told by the folders of Nova."""

    folder: Path
    printed: dict[str, float] = field(default_factory=dict)  # server's id: seconds since the epoch
    _over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look until told to stop."""
        while not self._over.wait(_LOOK_S):
            for log in self.folder.glob("*/console.log"):
                with suppress(OSError):
                    if log.parent.name not in self.printed and _MARK in log.read_bytes():
                        self.printed[log.parent.name] = time.time()

    def stop(self) -> None:
        """Have :meth:`watch` return."""
        self._over.set()


def measure(
    cloud: CloudUnderTest, pipeline: str, folder: Path
) -> tuple[Mapping[str, Any], Consoles]:
    """Run the pipeline in a clone; returns its record, and when its guests were there."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
    consoles = Consoles(Place.of_environment().data / "nova/instances")
    watching = threading.Thread(target=consoles.watch)
    watching.start()
    try:
        process = cloud.start(clone, "run", pipeline, "--cloud", cloud.name)
        _, output = process.communicate()
    finally:
        consoles.stop()
        watching.join()
    if process.returncode:
        raise SystemExit(output)
    (file,) = clone.glob(".infraci/runs/*/run.json")
    record: Mapping[str, Any] = json.loads(file.read_text())
    return record, consoles


def rows(cloud: CloudUnderTest, record: Mapping[str, Any], consoles: Consoles) -> Sequence[Row]:
    """The phases in which the cloud works."""
    took = {phase["phase"]: phase["duration_s"] for phase in record["phases"]}
    events = _events(cloud, record)
    there = max(consoles.printed[server["id"]] for server in record["servers"])
    there = max(there, events["CREATE_COMPLETE"])
    return (
        Row(
            phase="provision",
            took_s=took["provision"],
            cloud_s=there - events["CREATE_IN_PROGRESS"],
        ),
        Row(
            phase="destroy",
            took_s=took["destroy"],
            cloud_s=events["DELETE_COMPLETE"] - events["DELETE_IN_PROGRESS"],
        ),
    )


def _events(cloud: CloudUnderTest, record: Mapping[str, Any]) -> dict[str, float]:
    """When the stack itself came to each status; Heat remembers it of a deleted stack, too."""
    path = f"/stacks/{record['stack_name']}/{record['stack_id']}/events"
    answer = cloud.connection.orchestration.get(path, params={"limit": 1000})
    return {
        event["resource_status"]: datetime.fromisoformat(event["event_time"])
        .replace(tzinfo=UTC)
        .timestamp()
        for event in answer.json()["events"]
        if event["physical_resource_id"] == record["stack_id"]
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipeline", nargs="?", default="single")
    pipeline = parser.parse_args().pipeline
    with tempfile.TemporaryDirectory() as name, real_openstack(Path(name)) as cloud:
        record, consoles = measure(cloud, pipeline, Path(name))
        print("| phase | infraci | the cloud | overhead | |\n|---|---|---|---|---|")
        for row in rows(cloud, record, consoles):
            print(row)
    calls = record["api_calls"]
    print(f"\nAPI calls: {sum(calls.values())}")
    for what, number in sorted(calls.items(), key=lambda item: -item[1]):
        print(f"  {number:4} {what}")


if __name__ == "__main__":
    main()
