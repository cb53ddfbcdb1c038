"""``python -m tests.fuzz --inputs 10000 --seed 1``: inputs that are wrong end as they should.

Each input is a good one, changed at random, and read in a process of its own. It is to end in
success or in an error that is made for it, in less than 5 s of this process's time and the embedded
cloud's, in less than 500 MB. Input N of a seed is always the same: ``--only N`` reads it alone, and
``--keep DIR`` keeps the inputs that end otherwise. The exit status is 1 if there are any.

Needs what the embedded cloud needs to plan: no root, and no containers.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import openstack

from infraci.errors import InfraciError
from infraci.local.cloud_process import ensure_up
from infraci.local.state_dir import StateDir
from tests.clouds import end_embedded_below
from tests.fuzz.mutation import mutate
from tests.fuzz.targets import FindingError, Target, targets

_CPU_S = 5.0
_MEMORY_MB = 500.0
#: An input that waits for something is killed after this time.
_WALL_S = 120
#: The exit status of a child whose input ended otherwise; commands have none like it.
_WRONG = 99
_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the reading of an input ended."""

    is_accepted: bool
    printed: str
    reason: str  # empty if it ended as it should
    cpu_s: float
    memory_mb: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the inputs; print what ends otherwise, and the slowest and largest."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--seed", type=int, default=1, help="of the inputs (default: 1)")
    parser.add_argument("--only", type=int, help="this input alone")
    parser.add_argument("--target", help="inputs of this kind alone")
    parser.add_argument("--keep", type=Path, help="keep inputs that end otherwise in this folder")
    options = parser.parse_args(arguments)
    known = targets()
    numbers = range(options.inputs) if options.only is None else [options.only]
    counts: Counter[str] = Counter()
    worst_s: dict[str, tuple[float, int]] = {}
    worst_mb: dict[str, tuple[float, int]] = {}
    unexpected = 0
    with tempfile.TemporaryDirectory(prefix="infraci-fuzz-") as name, _cloud(Path(name)) as cloud:
        sites = _sites(Path(name), known)
        for kind, target in known.items():
            for which, content in target.seeds.items():
                ended = _read(target, which, content, sites[kind], cloud)
                if not ended.is_accepted:
                    parser.error(f"{kind}, {which}, unchanged, is not accepted: {ended.printed}")
        for number in numbers:
            chance = Random(f"{options.seed}:{number}")
            kind = chance.choices(list(known), [target.share for target in known.values()])[0]
            if options.target not in (None, kind):
                continue
            target = known[kind]
            which = chance.choice(sorted(target.seeds))
            content = mutate(target.seeds[which], list(target.seeds.values()), chance)
            ended = _read(target, which, content, sites[kind], cloud)
            counts[kind] += 1
            worst_s[kind] = max(worst_s.get(kind, (0.0, 0)), (ended.cpu_s, number))
            worst_mb[kind] = max(worst_mb.get(kind, (0.0, 0)), (ended.memory_mb, number))
            if ended.reason:
                unexpected += 1
                print(f"input {number} ({kind}, {which}): {ended.reason}", flush=True)
                if options.keep is not None:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    file = options.keep / f"{number}-{kind}-{which.replace('/', '_')[:60]}"
                    file.write_bytes(content)
    for kind, count in sorted(counts.items()):
        (cpu_s, slowest), (memory_mb, largest) = worst_s[kind], worst_mb[kind]
        print(
            f"{kind}: {count} inputs; at most {cpu_s:.2f} s (input {slowest}),"
            f" {memory_mb:.0f} MB (input {largest})"
        )
    print(f"{counts.total()} inputs, {unexpected} that did not end as they should")
    return 1 if unexpected else 0


@contextmanager
def _cloud(folder: Path) -> Iterator[int]:
    """An embedded cloud of our own; yields the id of its process."""
    os.environ["INFRACI_STATE_DIR"] = str(folder / "state")
    try:
        config = openstack.config.OpenStackConfig(config_files=[str(ensure_up())])
        address = StateDir.of_this_user().read_address()
        assert address is not None
        os.environ["FUZZ_URL"] = address.url
        os.environ["FUZZ_TOKEN"] = config.get_one("local").get_session().get_token() or ""
        yield address.pid
    finally:
        end_embedded_below(folder)  # with the networks that requests have made, as root's do


def _sites(folder: Path, known: Mapping[str, Target]) -> Mapping[str, Path]:
    sites = {}
    for kind, target in known.items():
        sites[kind] = folder / kind
        sites[kind].mkdir()
        target.prepare(sites[kind])
    return sites


def _read(target: Target, name: str, content: bytes, site: Path, cloud: int) -> Ended:
    """Have a child of ours read the input."""
    output = site.parent / "printed"
    cloud_s = _cpu_s(cloud)
    child = os.fork()
    if child == 0:
        exit_status = _WRONG
        try:
            exit_status = _in_child(target, name, content, site, output)
        finally:
            os._exit(exit_status)
    status, used = _wait(child)
    cpu_s = used.ru_utime + used.ru_stime + _cpu_s(cloud) - cloud_s
    memory_mb = max(used.ru_maxrss / 1024, _memory_mb(cloud))
    printed, reason = output.read_text(errors="replace").strip()[-2_000:], ""
    if status is None:
        reason = f"did not end in {_WALL_S} s"
    elif not os.WIFEXITED(status) or os.WEXITSTATUS(status) == _WRONG:
        reason = printed or f"wait status {status}"
    elif cpu_s > _CPU_S:
        reason = f"took {cpu_s:.1f} s"
    elif memory_mb > _MEMORY_MB:
        reason = f"took {memory_mb:.0f} MB"
    return Ended(
        is_accepted=status == 0, printed=printed, reason=reason, cpu_s=cpu_s, memory_mb=memory_mb
    )


def _in_child(target: Target, name: str, content: bytes, site: Path, output: Path) -> int:
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(site)
    try:
        return target.read(name, content)
    except InfraciError as error:
        print(error.message)
        return error.exit_code
    except FindingError as error:
        print(error)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return _WRONG


def _wait(child: int) -> tuple[int | None, resource.struct_rusage]:
    ends = time.monotonic() + _WALL_S
    while time.monotonic() < ends:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            return status, used
        time.sleep(0.002)
    os.kill(child, 9)
    _, _, used = os.wait4(child, 0)
    return None, used


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    sys.exit(main())
