"""``python -m benchmarks``: the figures of docs/benchmarks.md, as ratios of one and the same run.

Needs root and what the embedded cloud needs. Each round measures the limit and the job in turn;
what is printed are medians.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import heat, limit
from benchmarks.job import Job, Workspace, help_cpu_s

FEW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What was measured with a number of servers."""

    servers: int
    limits_s: list[float] = field(default_factory=list)
    heat_s: list[float] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    def take(self, workspace: Workspace, folder: Path) -> None:
        """One round."""
        number = len(self.jobs)
        self.limits_s.append(
            limit.measure(self.servers, folder=folder / f"limit-{self.servers}-{number}").gone_s
        )
        self.heat_s.append(heat.measure(workspace.state / "clouds.yaml", self.servers))
        self.jobs.append(workspace.run(self.servers))

    def summary(self) -> Mapping[str, float]:
        """Medians, in seconds, and their ratios."""
        limit_s = statistics.median(self.limits_s)
        heat_s = statistics.median(self.heat_s)
        job_s = statistics.median(job.wall_s for job in self.jobs)
        phases = {
            f"{phase}_s": statistics.median(job.phases_s[phase] for job in self.jobs)
            for phase in self.jobs[0].phases_s
        }
        return {
            "limit_s": limit_s,
            "heat_s": heat_s,
            "job_s": job_s,
            **phases,
            "job/limit": job_s / limit_s,
            "(job-heat)/limit": (job_s - heat_s) / limit_s,
            "job_s/server": job_s / self.servers,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often (default: 5)")
    parser.add_argument("--many", type=int, default=10, help="against 3 servers (default: 10)")
    parser.add_argument("--json", action="store_true", help="print data")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="infraci-bench-") as name:
        figures = _measure(Path(name), rounds=options.rounds, many=options.many)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        _show(figures)
    return 0


def _measure(folder: Path, *, rounds: int, many: int) -> dict[str, Mapping[str, float]]:
    samples = [Samples(servers=number) for number in (FEW, many)]
    with Workspace.standing(folder) as workspace:
        cold = workspace.run(FEW)
        for number in range(rounds):
            for each in samples:
                print(f"round {number + 1} of {rounds}: {each.servers} servers", file=sys.stderr)
                each.take(workspace, folder)
        plans_s = [workspace.plan_s() for _ in range(rounds)]
        memory_mb = workspace.cloud_memory_mb()
    few, most = (each.summary() for each in samples)
    return {
        f"{FEW} servers": few,
        f"{many} servers": most,
        "besides": {
            f"{many} against {FEW} servers, a server": most["job_s/server"] / few["job_s/server"],
            "job with the cloud down, s": cold.wall_s,
            "plan of three-tier, warm, s": statistics.median(plans_s),
            "cloud's process, RSS, MB": memory_mb["Rss"],
            "cloud's process, PSS, MB": memory_mb["Pss"],
            "infraci --help, CPU, s": statistics.median(help_cpu_s() for _ in range(rounds)),
        },
    }


def _show(figures: Mapping[str, Mapping[str, float]]) -> None:
    print(f"{platform.platform()}, Python {platform.python_version()}")
    for title, values in figures.items():
        print(f"\n{title}")
        for name, value in values.items():
            print(f"  {name:<40} {value:8.2f}")


if __name__ == "__main__":
    sys.exit(main())
