"""``python -m benchmarks.endurance``: many runs in sequence on one embedded cloud.

What the cloud's process holds after each run, and what is on the machine, is to be as much after
the last run as after the first few: a flat line. Needs root and what the embedded cloud needs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.job import Workspace
from infraci.local.host.fabric import find_all
from infraci.local.host.netns import clip
from infraci.local.host.podman import LABEL_CLOUD
from infraci.local.state_dir import StateDir

#: After so many runs connections are open, caches full and pools grown.
WARM = 10
#: The line is shown by so many points.
_POINTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What there is after a run."""

    run: int
    #: Of the cloud's process.
    descriptors: int
    sockets: int
    threads: int
    memory_mb: float
    #: On the machine, of this cloud.
    namespaces: int
    containers: int
    state_mb: float


def take(workspace: Workspace, run: int) -> Sample:
    """Look at the cloud's process, and at the machine."""
    pid, owner = workspace.cloud_pid(), StateDir(folder=workspace.state).owner
    kinds = _descriptors(pid)
    filters = (f"--filter=label={LABEL_CLOUD}={owner}", "--format={{.ID}}")
    return Sample(
        run=run,
        descriptors=kinds.total(),
        sockets=kinds["socket"],
        threads=len(_entries(Path(f"/proc/{pid}/task"))),
        memory_mb=workspace.cloud_memory_mb()["Rss"],
        namespaces=sum(clip(owner) == each.labels.get("cloud") for each in find_all()),
        containers=len(_words("podman", "ps", "--all", *filters)),
        state_mb=sum(_size(file) for file in workspace.state.rglob("*")) / (1 << 20),
    )


def _descriptors(pid: int) -> Counter[str]:
    """The open descriptors of a process by kind: ``socket``, ``pipe``, ``anon_inode``, a path."""
    kinds: Counter[str] = Counter()
    for entry in _entries(Path(f"/proc/{pid}/fd")):
        try:
            target = str(entry.readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
        kinds["file" if target.startswith("/") else target.partition(":")[0]] += 1
    return kinds


def _size(file: Path) -> int:
    with suppress(FileNotFoundError):  # removed meanwhile
        return file.stat().st_size
    return 0


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _words(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def endure(
    workspace: Workspace, runs: int, *, servers: int = 1, on_sample: Callable[[Sample], object]
) -> list[Sample]:
    """Run the job so often; returns a sample after each run."""
    samples = []
    for number in range(1, runs + 1):
        workspace.run(servers)
        samples.append(take(workspace, number))
        on_sample(samples[-1])
    return samples


def growth(samples: Sequence[Sample]) -> Mapping[str, float]:
    """By how much each figure grows per run, by the median of its last against its first third."""
    warm = [sample for sample in samples if sample.run > WARM] or list(samples)
    third = max(1, len(warm) // 3)
    first, last = warm[:third], warm[-third:]
    runs = statistics.mean(s.run for s in last) - statistics.mean(s.run for s in first)
    return {
        name: (_median(last, name) - _median(first, name)) / max(1.0, runs)
        for name in Sample.__dataclass_fields__
        if name != "run"
    }


def _median(samples: Sequence[Sample], name: str) -> float:
    return statistics.median(float(getattr(sample, name)) for sample in samples)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and print the line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("--runs", type=int, default=300, help="how many (default: 300)")
    parser.add_argument("--servers", type=int, default=1, help="of each run (default: 1)")
    parser.add_argument("--json", action="store_true", help="print each sample, as data")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="infraci-bench-") as name,
        Workspace.standing(Path(name)) as workspace,
    ):
        samples = endure(
            workspace,
            options.runs,
            servers=options.servers,
            on_sample=lambda sample: print(sample, file=sys.stderr),
        )
    if options.json:
        print(json.dumps([asdict(sample) for sample in samples], indent=2))
        return 0
    _show(samples)
    return 0


def _show(samples: Sequence[Sample]) -> None:
    names = list(Sample.__dataclass_fields__)
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    step = max(1, len(samples) // _POINTS)
    for sample in dict.fromkeys([samples[0], *samples[step - 1 :: step], samples[-1]]):
        print("| " + " | ".join(f"{getattr(sample, name):.0f}" for name in names) + " |")
    rates = growth(samples)
    print("| growth a run | " + " | ".join(f"{rates[name]:.3f}" for name in names[1:]) + " |")


if __name__ == "__main__":
    sys.exit(main())
