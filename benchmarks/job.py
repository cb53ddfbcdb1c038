"""The whole job, as a user runs it: ``infraci run bare`` in a clone, on a cloud of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
#: Servers that need no bastion, verified by the smoke test's specs.
PIPELINE = """\
stack: {template: benchmarks/bare.yaml}
configure: [cloud-init]
specs: {all: [specs/smoke]}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: by the clock, and by its own record."""

    wall_s: float
    phases_s: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A clone of this repository with one commit more, and an embedded cloud that only it uses."""

    clone: Path
    state: Path

    @classmethod
    @contextmanager
    def standing(cls, folder: Path) -> Iterator[Workspace]:
        """Make it; in the end the cloud is gone."""
        clone = folder / "clone"
        _git(folder, "clone", "--quiet", str(REPOSITORY), str(clone))
        (clone / "pipelines" / "bare.yaml").write_text(PIPELINE)
        _git(clone, "add", "pipelines/bare.yaml")
        _git(clone, "commit", "--quiet", "--message", "Add a pipeline to measure")
        workspace = cls(clone=clone, state=folder / "cloud")
        try:
            yield workspace
        finally:
            workspace.infraci("cloud", "down")

    def infraci(self, *arguments: str) -> str:
        """Run the command line there; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "infraci", *arguments],
            cwd=self.clone,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"infraci {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def run(self, servers: int) -> Job:
        """The whole job on so many servers."""
        began = time.monotonic()
        self.infraci("run", "bare", "-P", f"servers={servers}")
        wall_s = time.monotonic() - began
        records = (self.clone / ".infraci" / "runs").glob("*/run.json")
        latest = max(records, key=lambda path: path.stat().st_mtime)
        phases = json.loads(latest.read_text())["phases"]
        return Job(wall_s=wall_s, phases_s={p["phase"]: p["duration_s"] for p in phases})

    def plan_s(self) -> float:
        """A plan of the largest example."""
        began = time.monotonic()
        self.infraci("plan", "three-tier")
        return time.monotonic() - began

    def cloud_pid(self) -> int:
        """The cloud's process."""
        return int(json.loads((self.state / "address.json").read_text())["pid"])

    def cloud_memory_mb(self) -> Mapping[str, float]:
        """What the cloud's process holds now, RSS and PSS."""
        text = Path(f"/proc/{self.cloud_pid()}/smaps_rollup").read_text()
        fields = dict(line.split(":", 1) for line in text.splitlines() if line.endswith("kB"))
        return {name: int(fields[name].split()[0]) / 1024 for name in ("Rss", "Pss")}

    def _environment(self) -> Mapping[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OS_", "INFRACI_", "PYTHON"))
        }
        return {**kept, "INFRACI_STATE_DIR": str(self.state)}


def _git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True)


def help_cpu_s() -> float:
    """The CPU time of ``infraci --help``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-P", "-m", "infraci", "--help"], capture_output=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
