"""Runs a load balancer: one haproxy in its network namespace, without rights, shut in a folder.

It binds its ports as root, then goes on as the user haproxy, its root an empty folder. A change
starts another haproxy, which takes the listening sockets over from the first one; that ends when
its connections have. No file tells which processes there are: those in the namespace are.

What it needs lies in ``/run/infraci/NAMESPACE``, and is gone with it.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from infraci.base.deadline import waits
from infraci.errors import CloudError
from infraci.local.host.balancer_plan import BalancerPlan, BalancerStats, ProxyStats
from infraci.local.host.haproxy_config import render
from infraci.local.host.netns import Namespace

PROGRAM = "haproxy"
#: Where paths are short: a socket's may have 107 characters.
_RUN = Path("/run/infraci")
_START_S = 30.0
_ASK_S = 2.0
_END_S = 10.0
#: Of the cloud's environment it gets no more: there may be secrets in it.
_INHERITED = ("PATH", "INFRACI_STATE_DIR")
#: The descriptor by which haproxy writes its log.
_LOG = 3
#: A log that is larger begins anew with the next change.
_LOG_BYTES = 1 << 20


class Haproxy:
    """The haproxy of a balancer's namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._folder = _RUN / namespace.name

    def apply(self, plan: BalancerPlan) -> int | None:
        """Have haproxy do what a plan says, without dropping connections; returns its process id.

        Without frontends there is none: it has nothing to listen at. One that runs by the same
        configuration stays as it is. Raises CloudError.
        """
        pids = self.pids()
        if not plan.frontends:
            self.end()
            return None
        self._prepare()
        config = render(plan, self._folder, log=_LOG)
        path = self._folder / "haproxy.cfg"
        if self._pid() in pids and path.exists() and path.read_text() == config:
            return self._pid()
        draft = self._folder / "haproxy.cfg.new"
        draft.write_text(config)
        self._save_state()
        self._start(draft, pids)
        draft.replace(path)
        return self._pid()

    def _pid(self) -> int | None:
        """The process that was started last, whether it runs or not."""
        try:
            return int((self._folder / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _prepare(self) -> None:
        for folder, mode in ((_RUN, 0o755), (self._folder, 0o700), (self._folder / "root", 0o555)):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
        (self._folder / "state").touch(mode=0o600)

    def _start(self, config: Path, pids: list[int]) -> None:
        """Start another process, which ends those before; they stay if it cannot start."""
        program = [PROGRAM, "-D", "-f", str(config), "-p", str(self._folder / "pid")]
        command = ["nsenter", f"--net={self._namespace.path}", "--", *program]
        if pids:
            socket_path = self._folder / "stats"
            command += ["-x", str(socket_path)] if socket_path.exists() else []
            command += ["-sf", *map(str, pids)]
        try:
            done = subprocess.run(
                [*_WITH_LOG, self._open_log(), *command],
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=_START_S,
                env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CloudError(f"cannot start haproxy: {error}") from error
        if done.returncode != 0:
            raise CloudError(f"cannot start haproxy: {_reason(done.stderr)}")

    def _open_log(self) -> str:
        log = self._folder / "haproxy.log"
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.unlink()
        log.touch(mode=0o600)
        return str(log)

    def _save_state(self) -> None:
        """Save which servers are up, so that the next process need not find out again."""
        states = self._ask("show servers state")
        if states:
            (self._folder / "state").write_text(states)

    def stats(self) -> BalancerStats:
        """What haproxy counts; nothing while it does not run."""
        lines = self._ask("show stat").removeprefix("# ").splitlines()
        return {
            (row["pxname"], row["svname"]): ProxyStats(
                status=_status(row),
                bytes_in=int(row["bin"] or 0),
                bytes_out=int(row["bout"] or 0),
                active_connections=int(row["scur"] or 0),
                total_connections=int(row["stot"] or 0),
                request_errors=int(row["ereq"] or 0),
            )
            for row in csv.DictReader(line for line in lines if line)
        }

    def _ask(self, question: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_ASK_S)
                connection.connect(str(self._folder / "stats"))
                connection.sendall(f"{question}\n".encode())
                with connection.makefile(errors="replace") as answer:
                    return answer.read()
        except OSError:
            return ""

    def pids(self) -> list[int]:
        """The processes in the namespace: the one that serves, and those that are ending."""
        return self._namespace.processes() if self._namespace.exists() else []

    def end(self) -> None:
        """End all processes in the namespace, and remove what they needed."""
        self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        ends = time.monotonic() + _END_S
        for wait_s in waits(0.005, 0.1):
            pids = self.pids()
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if not pids:
                return
            if time.monotonic() >= ends:
                raise CloudError(f"cannot end haproxy in {self._namespace}: {pids} do not end")
            time.sleep(wait_s)


#: Opens the log as haproxy's own descriptor; its path is the next argument.
_WITH_LOG = ("sh", "-c", f'log=$1; shift; exec "$@" {_LOG}>>"$log"', "sh")


def remove(namespace: Namespace) -> None:
    """Remove a balancer's namespace, with haproxy; gone already is a success."""
    Haproxy(namespace).end()
    namespace.delete()


def _status(row: dict[str, str]) -> str:
    """Haproxy's word; a server of weight 0 drains, which haproxy does not say of it."""
    is_draining = row["status"].startswith("UP") and row["weight"] == "0"
    return "DRAIN" if is_draining and row["type"] == "2" else row["status"]


def _reason(stderr: str) -> str:
    """The first complaint of haproxy's that is an alert."""
    alerts = [line for line in stderr.splitlines() if "[ALERT]" in line]
    line = (alerts or stderr.splitlines() or ["it gave no reason"])[0]
    return line.partition(" : ")[2] or line
