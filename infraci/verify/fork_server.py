"""The warm interpreter: imports everything once, then forks a process for each server.

Started as ``python -m infraci.verify.fork_server FD`` with one end of a socket pair. A request is a
line (see :class:`~infraci.verify.task.Task`) that brings two files along: where the answers
go, and where the output goes. The first is a socket: when its other end closes, or says
anything, the fork and all that it started are killed. When the socket pair closes, everything
ends. It never has a second thread, as forks of threads are fragile.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.metadata
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from infraci.base.json_lines import JsonLines
from infraci.base.temporary import temporary_folder
from infraci.verify.task import EXITED, Task

#: From asking a hanging process for its traceback to killing it.
_GRACE_S = 0.5
_MODULES = (
    "testinfra.backend.local",
    "testinfra.backend.ssh",
    "infraci.verify.check",
    "encodings.idna",  # for the first connection
)
_PR_SET_PDEATHSIG = 1
_REHEARSAL = """\
import pytest

@pytest.mark.parametrize("n", [1])
def test_it(n, tmp_path):
    print("said")
    assert n == 2
"""
#: Of Testinfra: what most specs look at.
_NOUNS = (
    "addr blockdevice command environment file group interface iptables mountpoint package pip"
    " process service socket sudo sysctl systeminfo user"
)


@dataclass
class _Fork:
    pid: int
    answers: socket.socket
    kill_at: float | None = None


def main() -> None:
    """Warm up, then serve until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C ends
    control = socket.socket(fileno=int(sys.argv[1]))
    plugins = _warm_up()
    # From now on it is the commit's modules that are imported, and its tree stays as it is.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    _Server(control, plugins).serve()


def _warm_up() -> Sequence[importlib.metadata.Distribution]:
    """Import what a run of specs will need; returns the distributions with pytest plugins."""
    load_plugins()
    for module in (*_MODULES, *(f"testinfra.modules.{noun}" for noun in _NOUNS.split())):
        importlib.import_module(module)
    path, modules = list(sys.path), set(sys.modules)
    with temporary_folder("rehearsal") as folder:
        (folder / "test_rehearsal.py").write_text(_REHEARSAL)
        _rehearse("--import-mode=importlib", f"--basetemp={folder}/basetemp", str(folder))
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if "test_rehearsal" in name:
            del sys.modules[name]
    plugins = importlib.import_module("infraci.verify.check").pytest_plugins()
    gc.collect()
    gc.freeze()  # so that forks share the memory
    return list(plugins)


def load_plugins() -> None:
    """Have pytest import its installed plugins, and rewrite their assertions as it does so.

    pytest cannot rewrite a module that is imported already: so this comes first, and no import at
    the top of this file imports Testinfra.
    """
    _rehearse("-VV")


def _rehearse(*arguments: str) -> None:
    """Run pytest in this process: much of it is imported and compiled at first use.

    Other people's plugins are only loaded: they must not take a rehearsal for a session.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "" if arguments == ("-VV",) else "1"
    options = ["-p", "no:cacheprovider", "-p", "no:faulthandler", "-c", os.devnull]
    with (
        Path(os.devnull).open("w") as null,
        contextlib.redirect_stdout(null),
        contextlib.redirect_stderr(null),
    ):
        pytest.main([*options, *arguments])
    del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]


class _Server:
    def __init__(
        self, control: socket.socket, plugins: Sequence[importlib.metadata.Distribution]
    ) -> None:
        self._control = control
        self._plugins = plugins
        self._forks: dict[int, _Fork] = {}
        self._selector = selectors.DefaultSelector()
        self._children, wakeup = socket.socketpair()
        for end in (self._children, wakeup):
            end.setblocking(False)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        self._wakeup = wakeup
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._selector.register(control, selectors.EVENT_READ, self._request)
        self._selector.register(self._children, selectors.EVENT_READ, self._reap)
        self._open = True
        self._pid = os.getpid()
        self._libc = ctypes.CDLL(None)

    def serve(self) -> None:
        """Until the control socket closes."""
        while self._open:
            due = [fork.kill_at for fork in self._forks.values() if fork.kill_at is not None]
            wait_s = max(0.0, min(due) - time.monotonic()) if due else None
            for key, _ in self._selector.select(wait_s):
                key.data()
            for fork in self._forks.values():
                if fork.kill_at is not None and time.monotonic() >= fork.kill_at:
                    fork.kill_at = None
                    _signal_group(fork.pid, signal.SIGKILL)
        for fork in self._forks.values():
            _signal_group(fork.pid, signal.SIGKILL)

    def _request(self) -> None:
        data, files, _, _ = socket.recv_fds(self._control, 1 << 16, 2)
        if not data:
            self._open = False
            return
        while not data.endswith(b"\n"):
            data += self._control.recv(1 << 16)
        for file in files:
            os.set_inheritable(file, False)
        answers, log = files
        pid = os.fork()
        if pid == 0:
            self._become(Task.from_json(data.decode()), answers, log)
        os.close(log)
        self._control.sendall(b"\n")
        fork = _Fork(pid, socket.socket(fileno=answers))
        self._forks[pid] = fork
        self._selector.register(fork.answers, selectors.EVENT_READ, lambda: self._kill(fork))

    def _become(self, task: Task, answers: int, log: int) -> None:
        """Be the fork: never returns."""
        status = 70
        try:
            os.setsid()
            self._die_with_parent()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            self._control.close()
            self._selector.close()
            for other in self._forks.values():
                other.answers.close()
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.chdir(task.root)
            from infraci.verify.check import run_specs

            status = run_specs(task, answers, self._plugins)
        except BaseException:  # the parent must never see this stack unwind
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _die_with_parent(self) -> None:
        """Have the kernel kill this fork when the warm interpreter is killed."""
        if sys.platform == "linux":
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self._pid:
                os._exit(1)  # too late to be told

    def _kill(self, fork: _Fork) -> None:
        """The other end wants no more of it: a traceback into the log, then the end."""
        self._selector.unregister(fork.answers)
        with contextlib.suppress(ProcessLookupError):
            os.kill(fork.pid, signal.SIGABRT)
        fork.kill_at = time.monotonic() + _GRACE_S

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._children.recv(4096):
                pass
        for fork in list(self._forks.values()):
            done = os.waitid(os.P_PID, fork.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if done is None:
                continue
            _signal_group(fork.pid, signal.SIGKILL)  # what it left behind
            _, status = os.waitpid(fork.pid, 0)
            JsonLines(fork.answers).send(EXITED, status)
            with contextlib.suppress(KeyError):
                self._selector.unregister(fork.answers)
            fork.answers.close()
            del self._forks[fork.pid]


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


if __name__ == "__main__":
    main()
