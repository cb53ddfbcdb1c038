"""Starts, finds and ends the process of the embedded cloud, from another process."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from infraci.base.deadline import duration, waits
from infraci.base.program import own_program
from infraci.errors import CloudError, UsageError
from infraci.local.lock_holder import (
    LOCKED,
    READY,
    Holder,
    find_holder,
    is_gone,
    kill_holder,
    start_limit_s,
)
from infraci.local.state_dir import CLOUD, Address, StateDir, build, private

#: An answer about the cloud itself takes no longer; removing what is left on the machine may.
_ANSWER_S = 10.0
_GC_S = 300.0
#: Between asking the process to end and killing it.
_GRACE_S = 15.0
#: A log that is larger is put aside at the next start.
_LOG_BYTES = 4 << 20
#: The beginning of what faulthandler writes of a process that it ends because it hangs.
_OVERDUE = "Timeout ("
#: A process that has said why it does not start ends within this time.
_REAP_S = 10.0
#: Each of its many threads would otherwise come to hoard memory of its own: an arena, a cache.
_MALLOC = {"MALLOC_ARENA_MAX": "2", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


def ensure_up(*, on_progress: Callable[[str], None] = lambda _: None) -> Path:
    """Start the embedded cloud unless it runs; returns its ``clouds.yaml``.

    Blocks until it answers: a few seconds, and never more than some times
    :func:`~infraci.local.lock_holder.start_limit_s`. A process that holds the cloud's lock and does
    not become ready within that time is ended, and another one started.

    Raises CloudError when the cloud does not start, and UsageError when its packages are not
    installed.
    """
    state_dir = StateDir.of_this_user()
    if (address := running(state_dir)) is not None:
        if address.build == build() or _is_used(state_dir):
            return state_dir.clouds_yaml
        on_progress("restarting the embedded cloud, which is of another build of infraci")
        down()
    while not _is_up_by_another(state_dir, on_progress):
        on_progress("starting the embedded cloud")
        if _start(state_dir):
            break
    return state_dir.clouds_yaml


def running(state_dir: StateDir) -> Address | None:
    """Where the cloud answers; None while it is down or starting."""
    holder = find_holder(state_dir)
    return None if holder is None else holder.address


def status() -> dict[str, Any] | None:
    """The cloud's status (see :class:`infraci.local.api.admin.AdminApi`), None if it is down.

    Raises CloudError when its process lives and does not answer.
    """
    state_dir = StateDir.of_this_user()
    holder = find_holder(state_dir)
    if holder is None:
        return None
    if holder.address is None:
        raise _silent(state_dir, holder, "it has not become ready yet")
    return _ask(state_dir, "GET", "/status")


def gc(*, dry_run: bool = False) -> list[str]:
    """Remove servers and networks on this machine that the cloud does not know.

    Starts the cloud if need be. Returns what was (or would be) removed, a line each.
    """
    ensure_up()
    path = "/gc" + ("?dry_run=1" if dry_run else "")
    answer = _ask(StateDir.of_this_user(), "POST", path, timeout_s=_GC_S)
    return [str(line) for line in answer["removed"]]


def down() -> bool:
    """End the process; the next start takes its servers over. False if there is no process.

    A process that does not end by a request is killed. Raises CloudError when that fails, too.
    """
    state_dir = StateDir.of_this_user()
    holder = find_holder(state_dir)
    if holder is None:
        return False
    if holder.address is not None:
        with suppress(CloudError):
            _ask(state_dir, "POST", "/down")
            if is_gone(state_dir, holder, within_s=_GRACE_S):
                return True
    kill_holder(state_dir, holder)
    return True


def end_silent(*, on_progress: Callable[[str], None]) -> None:
    """End the process of a cloud that does not answer; the next command starts another."""
    state_dir = StateDir.of_this_user()
    holder = find_holder(state_dir)
    if holder is None or holder.address is None:
        return  # one that is starting has a limit of its own
    try:
        _ask(state_dir, "GET", "/status")
    except CloudError as error:
        on_progress(f"ending {holder} of the embedded cloud: {error.message}")
        kill_holder(state_dir, holder)


def _is_used(state_dir: StateDir) -> bool:
    """Whether there is anything on the cloud: then another build does not replace it."""
    answer = _ask(state_dir, "GET", "/status")
    return any(answer[noun] for noun in ("servers", "networks", "routers"))


def _is_up_by_another(state_dir: StateDir, on_progress: Callable[[str], None]) -> bool:
    """Whether the process that holds the lock, if there is one, becomes ready.

    A process that does not become ready in time is killed.
    """
    ends = time.monotonic() + start_limit_s()
    for wait_s in waits(0.02, 0.2):
        holder = find_holder(state_dir)
        if holder is None:
            return False
        if holder.address is not None:
            return True
        if time.monotonic() >= ends:
            on_progress(f"ending {holder} of the embedded cloud, which does not become ready")
            kill_holder(state_dir, holder)
            return False
        time.sleep(wait_s)
    raise AssertionError("waits() never ends")


def _start(state_dir: StateDir) -> bool:
    """Start the process; False if another one has the lock. Raises CloudError, UsageError."""
    state_dir.make()
    _rotate(state_dir.log)
    with private(state_dir.log).open("ab") as log:
        began = log.tell()
        pid, output = _spawn(log)
    with output:
        # A little more than the process itself allows: it says where it hangs.
        word = _first_line(output.fileno(), within_s=start_limit_s() + 5.0)
    if word == READY:
        return True
    _reap(pid)
    if word == LOCKED:
        return False
    reason = word or _last_line(state_dir.log, began)
    if "No module named" in reason:
        raise UsageError(
            f"cannot start the embedded cloud: {reason}",
            hint="install its packages: pip install 'infraci[local]'",
        )
    raise CloudError(
        f"cannot start the embedded cloud: {reason}", hint=f"its log is {state_dir.log}"
    )


def _rotate(log: Path) -> None:
    """Begin a new log when the last one has grown large; one old log is kept."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.old"))


def _spawn(log: BinaryIO) -> tuple[int, BinaryIO]:
    """Start the process, which is to outlive this one; returns its id, and what it writes."""
    reader, writer = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        pid = os.posix_spawn(
            sys.executable,
            own_program("infraci.local.service"),
            {**os.environ, **_MALLOC},
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


def _first_line(descriptor: int, *, within_s: float) -> str:
    """The first line of an output, or its beginning when the writer or the time has ended."""
    ends = time.monotonic() + within_s
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    text = b""
    while b"\n" not in text and (left_s := ends - time.monotonic()) > 0:
        if ready.poll(left_s * 1000):
            chunk = os.read(descriptor, 4096)
            if not chunk:
                break
            text += chunk
    return text.partition(b"\n")[0].decode(errors="replace")


def _reap(pid: int) -> None:
    """Wait until a child has ended; one that does not is killed."""
    ends = time.monotonic() + _REAP_S
    for wait_s in waits(0.01, 0.2):
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return
        if time.monotonic() >= ends:
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(wait_s)


def _last_line(log: Path, began: int) -> str:
    """The last line that the process wrote to its log; the first ``began`` bytes are older."""
    with log.open("rb") as file:
        file.seek(began)
        lines = file.read().decode(errors="replace").strip().splitlines()
    if not lines or any(line.startswith(_OVERDUE) for line in lines):
        return f"it was not ready within {duration(start_limit_s())}"
    return lines[-1]


def _silent(state_dir: StateDir, holder: Holder, reason: object) -> CloudError:
    return CloudError(
        f"cannot ask the embedded cloud, which is {holder}: {reason}",
        hint=f"its log is {state_dir.log}; `infraci cloud down` ends it",
    )


def _ask(
    state_dir: StateDir, method: str, path: str, *, timeout_s: float = _ANSWER_S
) -> dict[str, Any]:
    """Send a request to the cloud's own API; it may be silent for ``timeout_s``.

    Raises CloudError.
    """
    try:
        entry = yaml.safe_load(state_dir.clouds_yaml.read_text())["clouds"][CLOUD]
        text = _answer(entry["auth"], method, path, timeout_s=timeout_s)
    except (OSError, HTTPException) as error:
        holder = find_holder(state_dir)
        if holder is None:
            raise CloudError(
                f"cannot ask the embedded cloud: its process has ended: {error}",
                hint=f"its log is {state_dir.log}",
            ) from error
        raise _silent(state_dir, holder, error) from error
    return dict(json.loads(text)) if text else {}


def _answer(auth: Mapping[str, str], method: str, path: str, *, timeout_s: float) -> bytes:
    user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    tokens = f"{auth['auth_url']}/auth/tokens"
    with _request("POST", tokens, json.dumps(login).encode(), timeout_s=timeout_s) as answer:
        token = answer.headers["X-Subject-Token"]
    url = f"{auth['auth_url'].removesuffix('/identity/v3')}/infraci{path}"
    body = b"" if method == "POST" else None
    with _request(method, url, body, token, timeout_s=timeout_s) as answer:
        return bytes(answer.read())


def _request(
    method: str, url: str, body: bytes | None, token: str = "", *, timeout_s: float
) -> Any:
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("X-Auth-Token", token)
    # No proxy: the cloud answers on this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=timeout_s)
