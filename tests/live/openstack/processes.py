"""Processes of ours: started in sessions of their own, remembered, and ended by their ids."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.openstack.place import HERE, MARK, PATH, PYTHON, BrokenError, Place


@dataclass(frozen=True)
class Daemon:
    """A program that runs until it is stopped."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def entry(name: str, *arguments: str, after: Iterable[str] = ()) -> Daemon:
    """A daemon that is a console script; begins once ``after`` (HOST:PORT) listen."""
    waits = [word for address in after for word in ("--after", address)]
    return Daemon(name, [PYTHON, str(HERE / "entry.py"), *waits, name, *arguments])


def with_programs(daemon: Daemon) -> Daemon:
    """The daemon, for which programs of ours stand in for some of the system's."""
    path = {"PATH": f"{HERE / 'programs'}:{PATH}"}
    return Daemon(daemon.name, daemon.command, {**daemon.environment, **path})


def script(name: str, *arguments: str) -> list[str]:
    """The command of a console script."""
    return [PYTHON, str(HERE / "entry.py"), name, *arguments]


def start(place: Place, daemon: Daemon) -> None:
    """Start a daemon, unless it runs."""
    if alive(place, daemon.name):
        return
    with (place.log / f"{daemon.name}.log").open("ab") as log:
        process = subprocess.Popen(
            daemon.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=place.state,
            env=place.environment(**daemon.environment),
            start_new_session=True,
        )
    _note(place, daemon.name).write_text(f"{process.pid} {_born(process.pid)}\n")


def alive(place: Place, name: str) -> bool:
    """Say whether the process that was started under that name still runs."""
    return _pid(place, name) is not None


def pid_of(place: Place, name: str) -> int:
    """The process started under that name. Raises BrokenError if there is none."""
    pid = _pid(place, name)
    if pid is None:
        raise BrokenError(f"{name} does not run; see {place.log / name}.log")
    return pid


def started_at(place: Place, name: str) -> float:
    """When the process of that name was started, in seconds since the epoch."""
    return _note(place, name).stat().st_mtime


def stop(place: Place, names: Iterable[str], *, patience_s: float = 8.0) -> None:
    """End processes and their groups: asked first, then killed."""
    pids = {name: pid for name in names if (pid := _pid(place, name)) is not None}
    _signal_groups(pids.values(), signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and any(_running(pid) for pid in pids.values()):
        time.sleep(0.05)
    _signal_groups(pids.values(), signal.SIGKILL)
    for name in names:
        _note(place, name).unlink(missing_ok=True)


def sweep(place: Place) -> None:
    """End what our processes left behind on purpose; it is known by its environment."""
    for number in range(50):
        left = marked(place)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if number < 10 else signal.SIGKILL)
        time.sleep(0.1)
    raise BrokenError(f"processes do not end: {marked(place)}")


def marked(place: Place) -> list[int]:
    """The processes that have our mark in their environment, without this one."""
    mark = f"{MARK}={place.state}".encode()
    pids = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
    return pids


def run(place: Place, command: Sequence[str], *, log: str, **environment: str) -> None:
    """Run a program to its end. Raises BrokenError with the end of what it said."""
    file = place.log / f"{log}.log"
    with file.open("ab") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=place.state,
            env=place.environment(**environment),
        )
    if done.returncode:
        end = "\n".join(last_lines(file))
        raise BrokenError(f"{' '.join(command)} failed ({done.returncode}), see {file}:\n{end}")


def wait_for(
    place: Place, what: str, condition: Callable[[], object], *, timeout_s: float = 180
) -> None:
    """Wait until a condition holds; in vain, and at once so, if any daemon ends meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if over := _ended(place):
            end = "\n".join(last_lines(place.log / f"{over[0]}.log"))
            raise BrokenError(f"{over[0]} ended; see {place.log / over[0]}.log:\n{end}")
        if time.monotonic() > deadline:
            raise BrokenError(f"{what}: not there after {timeout_s:g} s; see {place.log}")
        time.sleep(0.1)


def forget_ended(place: Place) -> None:
    """Take up anew what ended before now, the machine's restart included."""
    for name in _ended(place):
        _note(place, name).unlink()


def last_lines(file: Path) -> list[str]:
    """The end of a log."""
    return file.read_text(errors="replace").splitlines()[-15:]


def _ended(place: Place) -> list[str]:
    """The daemons that have ended without being stopped."""
    started = [note.stem for note in place.run.glob("*.pid")]
    return [name for name in started if not alive(place, name)]


def _note(place: Place, name: str) -> Path:
    return place.run / f"{name}.pid"


def _pid(place: Place, name: str) -> int | None:
    """The id on record, if that process is still the one that was started."""
    try:
        pid, born = _note(place, name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _running(int(pid)) and _born(int(pid)) == born else None


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _born(pid: int) -> str:
    stat = _stat(pid)
    return stat[19] if stat else ""


def _running(pid: int) -> bool:
    stat = _stat(pid)
    return bool(stat) and stat[0] != "Z"


def _signal_groups(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
