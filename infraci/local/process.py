"""Starts, finds and ends the process of the embedded cloud."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from infraci.errors import CloudError, UsageError
from infraci.local.place import CLOUD, Address, Place, build
from infraci.program import own_program

_START_S = 60.0
_ASK_S = 30.0


def ensure_up(*, on_progress: Callable[[str], None] = lambda _: None) -> Path:
    """Start the embedded cloud unless it runs; returns its ``clouds.yaml``.

    Blocks until it answers, a few seconds at most. Raises CloudError when it does not, and
    UsageError when its packages are not installed.
    """
    place = Place.of_this_user()
    address = running(place)
    if address is not None and address.build != build() and not _is_used(place):
        on_progress("restarting the embedded cloud, which is of another build of infraci")
        down()
        address = None
    if address is None:
        on_progress("starting the embedded cloud")
        _start(place)
    return place.clouds_yaml


def running(place: Place) -> Address | None:
    """Where the cloud answers, or None when its process does not live."""
    address = place.read_address()
    if address is None:
        return None
    try:
        with place.lock.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return address
    except FileNotFoundError:
        return None
    return None


def status() -> dict[str, Any] | None:
    """What the cloud says of itself (see :class:`infraci.local.api.admin.Admin`), None if down."""
    place = Place.of_this_user()
    return _ask(place, "GET", "/status") if running(place) else None


def gc(*, dry_run: bool = False) -> list[str]:
    """Remove what this machine still has of servers and networks that nobody knows.

    Starts the cloud if need be. Returns what was (or would be) removed, a line each.
    """
    ensure_up()
    answer = _ask(Place.of_this_user(), "POST", "/gc" + ("?dry_run=1" if dry_run else ""))
    return [str(line) for line in answer["removed"]]


def down() -> bool:
    """End the process; its servers stay, and the next start takes them over. False if it was."""
    place = Place.of_this_user()
    address = running(place)
    if address is None:
        return False
    with suppress(CloudError):
        _ask(place, "POST", "/down")
    deadline = time.monotonic() + 15
    while running(place) and time.monotonic() < deadline:
        time.sleep(0.05)
    if running(place):
        with suppress(ProcessLookupError):
            os.kill(address.pid, signal.SIGKILL)
    return True


def _is_used(place: Place) -> bool:
    """Whether there is anything on the cloud: then it goes on, of whichever build it is."""
    said = _ask(place, "GET", "/status")
    return any(said[noun] for noun in ("servers", "networks", "routers"))


def _start(place: Place) -> None:
    place.make()
    with place.log.open("ab") as log:
        started = log.tell()
        pid, output = _spawn(log)
    with output:
        said = output.readline()
    if said == b"ready\n" or _is_up_by_another(place):
        return
    os.waitpid(pid, 0)
    with place.log.open("rb") as log:
        log.seek(started)
        last = (log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    if "No module named" in last:
        raise UsageError(
            f"cannot start the embedded cloud: {last}",
            hint="install its packages: pip install 'infraci[local]'",
        )
    raise CloudError(f"cannot start the embedded cloud: {last}", hint=f"its log is {place.log}")


def _spawn(log: BinaryIO) -> tuple[int, BinaryIO]:
    """Start the process, which is to outlive us; returns its id, and what it says."""
    reader, writer = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        pid = os.posix_spawn(
            sys.executable,
            own_program("infraci.local.service"),
            # Each of its many threads would otherwise hoard memory of its own.
            {**os.environ, "MALLOC_ARENA_MAX": "2"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, writer, 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            ],
            setsid=True,
        )
    finally:
        os.close(writer)
        os.close(null)
    return pid, os.fdopen(reader, "rb")


def _is_up_by_another(place: Place) -> bool:
    """Whether somebody else, who started it in the same moment, has it up in a while."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if running(place):
            return True
        try:
            with place.lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)  # it holds the lock, and has not said yet where it answers
            continue
        return False
    return False


def _ask(place: Place, method: str, path: str) -> dict[str, Any]:
    entry = yaml.safe_load(place.clouds_yaml.read_text())["clouds"][CLOUD]
    auth = entry["auth"]
    user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
    wish = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    url = auth["auth_url"].removesuffix("/identity/v3")
    try:
        with _request("POST", f"{auth['auth_url']}/auth/tokens", json.dumps(wish).encode()) as got:
            token = got.headers["X-Subject-Token"]
        with _request(
            method, f"{url}/infraci{path}", b"" if method == "POST" else None, token
        ) as got:
            text = got.read()
    except OSError as error:
        raise CloudError(f"cannot ask the embedded cloud: {error}") from error
    return dict(json.loads(text)) if text else {}


def _request(method: str, url: str, body: bytes | None, token: str = "") -> Any:
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("X-Auth-Token", token)
    # No proxy: the cloud answers on this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=_ASK_S)
