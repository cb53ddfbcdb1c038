"""``python -m benchmarks.specs``: 1,000 checks over ten servers, by us and by Testinfra's ssh.

The same specs run against the same servers, one way after the other, in rounds: by
``pytest --infraci-run``, by ``infraci verify``, and by ``pytest --hosts=ssh://…``, each also with
pytest-xdist where it can. Every way has to find the same. What is printed are medians, each run by
the clock, from the start of the process to its end. What takes minutes is measured once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.job import Workspace
from benchmarks.job import _git as git

SERVERS, CHECKS = 10, 100
OURS = "pytest --infraci-run"
PIPELINE = """\
stack: {template: benchmarks/bare.yaml}
specs: {all: [specs/bench]}
"""
#: What people check: files, users, packages, services, commands. One of twenty is not so.
SPEC = """\
import pytest

FILES = ["/etc/passwd", "/etc/hosts", "/bin/sh", "/etc/no-such-file", "/var/log"]
USERS = ["root", "daemon", "debian", "nobody", "sshd"]


@pytest.mark.parametrize("number", range(40))
def test_file(host, number):
    assert host.file(FILES[number % 5]).exists


@pytest.mark.parametrize("number", range(20))
def test_user(host, number):
    assert host.user(USERS[number % 5]).exists


@pytest.mark.parametrize("number", range(20))
def test_command(host, number):
    assert host.check_output("echo %s", str(number)) == str(number)


@pytest.mark.parametrize("number", range(10))
def test_package(host, number):
    assert host.package(["openssh-server", "systemd"][number % 2]).is_installed


@pytest.mark.parametrize("number", range(10))
def test_mode(host, number):
    assert host.file("/etc/shadow").mode == 0o640
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run them."""

    title: str
    command: Sequence[str]
    is_slow: bool = False  # so that once has to do


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one run took, and what it found: each check's outcome on each server."""

    took_s: float
    outcomes: Mapping[tuple[str, str], str]


def ways(folder: Path, run: str, servers: Sequence[str]) -> Sequence[Way]:
    """The slowest last; ``folder`` is the run's."""
    pytest = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "specs/bench")
    hosts = f"--hosts={','.join(f'ssh://{server}' for server in servers)}"
    config = folder / "ssh_config"
    persistent = folder / "ssh_config.persistent"
    # Testinfra asks for ControlMaster and ControlPersist by itself, but names no path, without
    # which ssh does neither. The path has to be short.
    path = f"Host *\n  ControlPath {folder.parents[3]}/%C\n\n"
    persistent.write_text(path + config.read_text())
    ours = (*pytest, f"--infraci-run={run}")
    theirs = (*pytest, hosts, f"--ssh-config={config}")
    lasting = (*pytest, hosts, f"--ssh-config={persistent}")
    return (
        Way(title="infraci verify", command=(sys.executable, "-P", "-m", "infraci", "verify", run)),
        Way(title=OURS, command=ours),
        Way(title="pytest --infraci-run -n 2", command=(*ours, "-n2")),
        Way(title="pytest --hosts=ssh:// -n 2, ControlPersist", command=(*lasting, "-n2")),
        Way(title="pytest --hosts=ssh://, ControlPersist", command=lasting),
        Way(title="pytest --hosts=ssh:// -n 2", command=(*theirs, "-n2"), is_slow=True),
        Way(title="pytest --hosts=ssh://", command=theirs, is_slow=True),
    )


def measure(workspace: Workspace, way: Way, report: Path) -> Sample:
    """One run."""
    own = "verify" in way.command
    command = [*way.command] if own else [*way.command, f"--junitxml={report}"]
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=workspace.clone, env=workspace._environment(), capture_output=True, text=True
    )
    took_s = time.monotonic() - began
    if done.returncode != 1:  # some checks fail
        raise RuntimeError(f"{way.title}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    if own:
        report = workspace.clone / ".infraci/runs" / way.command[-1] / "junit.xml"
    return Sample(took_s=took_s, outcomes=_outcomes(report))


def _commit(clone: Path) -> None:
    """Have the pipeline verify its servers by these checks."""
    spec = clone / "specs/bench/test_bench.py"
    spec.parent.mkdir()
    spec.write_text(SPEC)
    (clone / "pipelines/bare.yaml").write_text(PIPELINE)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Check more")


def _outcomes(report: Path) -> Mapping[tuple[str, str], str]:
    """Each check of a report, by its name without the backend's."""
    outcomes = {}
    for case in ET.parse(report).iter("testcase"):
        name = str(case.get("name")).replace("ssh://", "")
        if name.startswith("test_"):
            outcome = "passed" if case.find("failure") is None else "failed"
            outcomes[str(case.get("classname")), name] = outcome
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.specs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often (default: 3)")
    parser.add_argument("--servers", type=int, default=SERVERS, help=f"(default: {SERVERS})")
    parser.add_argument("--only", default="", help="leave out ways whose title lacks this")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="infraci-bench-") as name,
        Workspace.standing(Path(name)) as workspace,
    ):
        _commit(workspace.clone)
        run = workspace.infraci("provision", "bare", "-P", f"servers={options.servers}").split()[0]
        try:
            folder = workspace.clone / ".infraci/runs" / run
            servers = [
                s["name"] for s in json.loads((folder / "stack.json").read_text())["servers"]
            ]
            chosen = [way for way in ways(folder, run, servers) if options.only in way.title]
            samples: dict[str, list[Sample]] = {way.title: [] for way in chosen}
            for number in range(options.rounds):
                for way in (way for way in chosen if number == 0 or not way.is_slow):
                    sample = measure(workspace, way, Path(name) / "report.xml")
                    samples[way.title].append(sample)
                    took = f"{sample.took_s:.1f} s: {way.title}"
                    print(f"round {number + 1} of {options.rounds}: {took}", file=sys.stderr)
        finally:
            workspace.infraci("destroy", run)
    _show(samples, checks=CHECKS * options.servers)
    return 0


def _show(samples: Mapping[str, Sequence[Sample]], *, checks: int) -> None:
    outcomes = [sample.outcomes for of_way in samples.values() for sample in of_way]
    same = all(one == outcomes[0] for one in outcomes) and len(outcomes[0]) == checks
    failed = list(outcomes[0].values()).count("failed")
    print(f"{len(outcomes[0])} checks, of which {failed} fail; all ways find the same: {same}\n")
    medians = {title: statistics.median(s.took_s for s in ss) for title, ss in samples.items()}
    base = medians.get(OURS) or next(iter(medians.values()))
    print(f"| | s | against {OURS} |\n|---|---|---|")
    for title, took_s in medians.items():
        print(f"| {title} | {took_s:.1f} | {took_s / base:.1f} |")
    if not same:
        raise SystemExit("the ways do not find the same")


if __name__ == "__main__":
    sys.exit(main())
