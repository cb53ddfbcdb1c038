"""``python -m tests.assault --kills 200 --seed 1``: runs killed at random moments leave nothing.

Each round starts ``infraci run`` of a tiny pipeline on an embedded cloud of its own, kills it or
the cloud, runs ``infraci gc`` in a fresh clone, which has no record of the run, and looks for what
is left. Now and then a run is timed and not killed, so that the kills hit runs at work, on any
machine and whatever its load; a run that ended before its kill is late, and another takes its
place. The seed of round N is that of the first and N - 1. The exit status is 1 if anything was
left.

Needs root and what the embedded cloud needs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from infraci.local.host.fabric import find_all
from infraci.local.state_dir import StateDir
from tests.app.workspace import STACK, Workspace

FILES = {
    "stack.yaml": STACK,
    "pipelines/tiny.yaml": "stack: {template: stack.yaml}\nspecs: {web: [specs]}\n",
    "specs/test_web.py": "def test_root(host):\n    assert host.user().name\n",
}
#: What is killed, and how.
TARGETS = ("client", "group", "cloud", "client and cloud")
BLOWS: Mapping[str, Sequence[signal.Signals]] = {
    "TERM": (signal.SIGTERM,),
    "INT twice": (signal.SIGINT, signal.SIGINT),
    "KILL": (signal.SIGKILL,),
}
#: A shell has its background processes ignore SIGINT, and theirs.
_WITH_SIGINT = ("env", "--default-signal=INT")
#: A run that was hit ends within this time; so does any other command.
_LIMIT_S = 240.0
#: After so many rounds a run is timed again: the machine's load changes.
_ROUNDS_A_TIME = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """What is done to a run; a round's seed decides it."""

    seed: int
    after_s: float
    target: str
    kind: str
    gap_s: float  # between two signals

    @classmethod
    def of(cls, seed: int, longest_s: float) -> Blow:
        """The blow of a round."""
        chance = random.Random(seed)
        return cls(
            seed=seed,
            after_s=chance.uniform(0, longest_s),
            target=chance.choice(TARGETS),
            kind=chance.choice(list(BLOWS)),
            gap_s=chance.uniform(0, 0.5),
        )

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.kind} to the {self.target} after {self.after_s:.2f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a round went."""

    blow: Blow
    is_late: bool  # the run had ended before the blow
    run_s: float  # how long it ran until the blow, or its end
    status: int | None  # the run's
    phase: str  # in which it was hit: the last line that it had written
    left: tuple[str, ...]
    output: str = ""  # by the commands, for a round that left something


@dataclass(frozen=True, slots=True)
class Round:
    """A repository, a clone of it and a cloud, in a folder that is removed."""

    folder: Path
    blow: Blow
    workspace: Workspace = field(init=False)
    clone: Workspace = field(init=False)

    def __post_init__(self) -> None:
        state = self.folder / "state"
        for name in ("workspace", "clone"):
            object.__setattr__(self, name, Workspace(folder=self.folder / name, state=state))

    def play(self) -> Result:
        """Start, hit, tidy by gc, and look."""
        self.workspace.create(FILES)
        (self.folder / "tmp").mkdir()
        log = self.folder / "run.log"
        with log.open("w") as stream:
            began = time.monotonic()
            run = self._start(self.workspace, "-v", "run", "tiny", output=stream.fileno())
            with suppress(subprocess.TimeoutExpired):
                run.wait(self.blow.after_s)
            run_s, is_late = time.monotonic() - began, run.returncode is not None
            phase = (log.read_text().splitlines() or ["nothing said"])[-1]
            self._hit(run)
            status, left = self._end_of(run), []
        if status is None:
            left.append("the run itself: it did not end")
        output = log.read_text()
        subprocess.run(
            ["git", "clone", "--quiet", self.workspace.folder, self.clone.folder], check=True
        )
        bridges = self._bridges()
        for workspace in (self.clone, self.workspace):  # the second has files of its own to tidy
            code, words = self._finish(workspace, "gc")
            output += f"\n$ infraci gc in the {workspace.folder.name}: {code}\n{words}"
            if code:
                left.append(f"gc in the {workspace.folder.name} ended with {code}")
            if workspace is self.clone:
                left += self._on_cloud()
        left += self._files()
        self._finish(self.workspace, "cloud", "down")
        left += [*self._on_machine(), *self._tables(bridges)]
        return Result(
            blow=self.blow,
            is_late=is_late,
            run_s=run_s,
            status=status,
            phase=phase,
            left=tuple(left),
            output=output * bool(left),
        )

    def clean(self) -> None:
        """Leave nothing of a round that left something."""
        self._finish(self.workspace, "destroy", "--all")
        self._finish(self.workspace, "cloud", "down")
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @property
    def _environment(self) -> Mapping[str, str]:
        return {**self.workspace.environment, "TMPDIR": str(self.folder / "tmp")}

    def _start(self, workspace: Workspace, *arguments: str, output: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*_WITH_SIGINT, sys.executable, "-P", "-m", "infraci", *arguments],
            cwd=workspace.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _finish(self, workspace: Workspace, *arguments: str) -> tuple[int | None, str]:
        with tempfile.TemporaryFile("w+") as stream:
            process = self._start(workspace, *arguments, output=stream.fileno())
            code = self._end_of(process)
            stream.seek(0)
            return code, stream.read()

    def _end_of(self, process: subprocess.Popen[str]) -> int | None:
        """The exit status; None for a process that had to be killed."""
        try:
            return process.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None

    def _hit(self, run: subprocess.Popen[str]) -> None:
        cloud = self._cloud()
        for count, number in enumerate(BLOWS[self.blow.kind]):
            if count:
                with suppress(subprocess.TimeoutExpired):
                    run.wait(self.blow.gap_s)
            with suppress(ProcessLookupError):
                if "cloud" in self.blow.target and cloud is not None:
                    os.kill(cloud, number)
            with suppress(ProcessLookupError):
                if self.blow.target == "group":
                    os.killpg(run.pid, number)
                elif "client" in self.blow.target or cloud is None:
                    run.send_signal(number)

    def _cloud(self) -> int | None:
        """The process of the cloud, also one that is starting."""
        with suppress(OSError, ValueError):
            return int((self.workspace.state / "lock").read_text().partition(".")[0])
        return None

    # What is left

    @property
    def _owner(self) -> str:
        return StateDir(folder=self.workspace.state).owner

    def _on_cloud(self) -> Iterator[str]:
        program = (
            "import json, sys; from pathlib import Path; from infraci.heat import Cloud\n"
            "with Cloud.connect('local', local=lambda: Path(sys.argv[1])) as cloud:\n"
            "    for stack in cloud.find_stacks(['infraci']): print('stack', stack.name)\n"
            "    for pair in cloud.keypairs(): print('key pair', pair.name)\n"
        )
        path = self.workspace.state / "clouds.yaml"
        done = subprocess.run(
            [sys.executable, "-c", program, path],
            capture_output=True, text=True, timeout=_LIMIT_S, env=self._environment, check=False,
        )  # fmt: skip
        yield from done.stdout.splitlines()
        if done.returncode:
            yield f"the cloud does not answer: {done.stderr[-300:]}"

    def _files(self) -> Iterator[str]:
        yield from (f"file {path}" for path in (self.folder / "tmp").iterdir())
        for workspace in (self.workspace, self.clone):
            home = workspace.folder / ".infraci"
            yield from (f"file {path}" for path in home.glob("trees/*"))
            yield from (f"file {path}" for path in home.rglob(".*.*.*.*.*"))
        for run in (self.workspace.folder / ".infraci/runs").glob("*"):
            signs = Path("/tmp").glob(f"infraci-at-work-{run.name}.*")
            yield from (f"sign {sign}" for sign in signs)

    def _on_machine(self) -> Iterator[str]:
        podman = ["podman", "ps", "--all", "--format={{.Names}}"]
        label = f"--filter=label=infraci.cloud={self._owner}"
        shown = subprocess.run([*podman, label], capture_output=True, text=True, check=True)
        yield from (f"container {name}" for name in shown.stdout.split())
        yield from (f"{f.kind} {f.namespace}" for f in find_all() if self._is_ours(f.labels))
        yield from (f"bridge {name}" for name in self._bridges())
        for pid in self._processes():
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                yield f"process {pid}: {command.decode(errors='replace')[:100]}"

    def _is_ours(self, labels: Mapping[str, str]) -> bool:
        return labels.get("cloud") == self._owner

    def _bridges(self) -> list[str]:
        """The bridges on the host that are this cloud's."""
        shown = subprocess.run(
            ["ip", "-json", "link", "show", "type", "bridge"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        links = json.loads(shown.stdout or "[]")
        return [k["ifname"] for k in links if str(self.workspace.state) in k.get("ifalias", "")]

    def _tables(self, bridges: Sequence[str]) -> Iterator[str]:
        """The packet filters of bridges that were this cloud's, and are gone."""
        shown = subprocess.run(
            ["nft", "list", "tables"], capture_output=True, text=True, check=True
        )
        for name in bridges:
            standing = Path(f"/sys/class/net/{name}").exists()  # maybe another cloud's by now
            if f"table ip {name}" in shown.stdout.splitlines() and not standing:
                yield f"nft table {name}"

    def _processes(self) -> Iterator[int]:
        mark = f"INFRACI_STATE_DIR={self.workspace.state}\0".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    yield int(entry.name)


def play(blow: Blow) -> Result:
    """A round in a new folder, with a cloud of its own."""
    made = Round(Path(tempfile.mkdtemp(prefix="assault-")), blow)
    is_clean = False
    try:
        result = made.play()
        is_clean = not result.left
    finally:
        if not is_clean:
            made.clean()
        shutil.rmtree(made.folder, ignore_errors=True)
    return result


def time_run() -> float:
    """How many seconds a run takes that is not killed, and the start of its cloud."""
    late = play(Blow(seed=0, after_s=_LIMIT_S, target="client", kind="TERM", gap_s=0.0))
    if late.status != 0 or late.left:
        raise RuntimeError(f"a run that is not killed fails: {late}")
    return late.run_s


def _play_all(*, kills: int, seed: int, at_once: int, longest_s: float | None) -> Iterator[Result]:
    """Play rounds until so many runs were killed at work."""
    seeds, hits = itertools.count(seed), 0
    with ThreadPoolExecutor(at_once) as pool:
        while hits < kills:
            run_s = longest_s or time_run()
            count = min(kills - hits, _ROUNDS_A_TIME)
            blows = [Blow.of(each, run_s) for each in itertools.islice(seeds, count)]
            before = hits
            for result in pool.map(play, blows):
                hits += not result.is_late
                yield result
            if hits == before:
                raise RuntimeError(f"each of {len(blows)} runs ended within {run_s:.1f} s")


def _tell(result: Result) -> None:
    late = " (late)" if result.is_late else ""
    print(f"{result.blow}{late}; in: {result.phase}; status {result.status}", flush=True)
    for line in result.left:
        print(f"  LEFT {line}", flush=True)
    if result.left:
        print("    " + result.output.replace("\n", "\n    "), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the rounds and print them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.assault", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="So many runs are killed.")
    parser.add_argument("--seed", type=int, default=1, help="Of the first round.")
    parser.add_argument("--at-once", type=int, default=1, help="So many rounds at a time.")
    parser.add_argument(
        "--longest", type=float, metavar="S", help="Kill within S seconds, not within a run's time."
    )
    chosen = parser.parse_args(arguments)
    began, results = time.monotonic(), []
    for result in _play_all(
        kills=chosen.kills,
        seed=chosen.seed,
        at_once=chosen.at_once,
        longest_s=chosen.longest,
    ):
        _tell(result)
        results.append(result)
    hits = Counter(
        f"{each.blow.kind} to the {each.blow.target}" for each in results if not each.is_late
    )
    for name, count in sorted(hits.items()):
        print(f"{count:4} {name}")
    print(f"{sum(each.is_late for each in results):4} too late")
    bad = [str(result.blow.seed) for result in results if result.left]
    print(f"{len(results)} rounds in {time.monotonic() - began:.0f} s; {len(bad)} left something")
    if bad:
        print(f"seeds: {', '.join(bad)}; again by: python -m tests.assault --kills 1 --seed SEED")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
