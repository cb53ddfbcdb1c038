"""A real sshd on loopback, with keys and configuration of its own, for tests of SSH."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Server
from infraci.ssh import Key, generate_key, write_ssh_config

SSHD = "/usr/sbin/sshd"
#: How often and how long it is waited for that sshd listens.
_LOOKS, _LOOK_S = 1000, 0.02
#: Prints, as a command, the process of sshd that it belongs to: the parent of its shell's.
DAEMON = "awk '/^PPid/ {print $2}' /proc/$PPID/status"

_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
{startups}
UseDNS no
SetEnv HOME={folder} PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:{folder}/bin
"""


@dataclass
class Sshd:
    """A running sshd; ``server`` is how to log in to it."""

    folder: Path
    key: Key
    server: Server
    process: subprocess.Popen[bytes] = field(repr=False)

    def named(self, name: str, role: str = "web") -> Server:
        """Make the server known under another name."""
        return replace(self.server, name=name, role=role)

    def authorize(self, *public_keys: str) -> None:
        """Accept these keys from now on, and no others."""
        (self.folder / "authorized_keys").write_text("".join(f"{key}\n" for key in public_keys))

    def kill(self) -> None:
        """Kill the listener and every session, as a power cut would."""
        for pid in (*children(self.process.pid), self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def clear(self) -> None:
        """Kill what commands left running; all of it knows this folder as its home."""
        home = f"HOME={self.folder}".encode()
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and home in (process / "environ").read_bytes().split(
                    b"\0"
                ):
                    os.kill(int(process.name), signal.SIGKILL)


def make_run_folder(path: Path, servers: Iterable[Server], key: Key) -> RunFolder:
    """Write the files with which programs log in to the servers, as a run's folder has them."""
    folder = RunFolder(path)
    if key.private_path != folder.login_key:
        shutil.copy(key.private_path, folder.login_key)
    write_ssh_config(folder, servers)
    return folder


def children(pid: int) -> tuple[int, ...]:
    """Return the processes that ``pid`` started, and theirs, the youngest first."""
    try:
        listing = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return ()  # it has just ended
    return tuple(each for child in map(int, listing) for each in (*children(child), child))


@contextmanager
def running_sshd(folder: Path, extra: str = "") -> Iterator[Sshd]:
    """Run an sshd with everything it needs in ``folder``."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    host_folder = folder / "host"
    host_folder.mkdir(parents=True)
    host = generate_key(host_folder, "host")
    host.private_path.rename(folder / "host_key")
    user = generate_key(folder, "test")
    process, port = _start(folder, extra)
    server = Server(
        name="web-0",
        id="11111111-2222-3333-4444-555555555555",
        role="web",
        user=getpass.getuser(),
        address="127.0.0.1",
        port=port,
        host_keys=(" ".join(host.public.split()[:2]),),
    )
    sshd = Sshd(folder=folder, key=user, server=server, process=process)
    sshd.authorize(user.public)
    try:
        yield sshd
    finally:
        if process.poll() is None:
            sshd.kill()
        sshd.clear()


def _start(folder: Path, extra: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start sshd on a free port; another one if it is taken by the time that sshd binds it."""
    config, log = folder / "sshd_config", folder / "sshd.log"
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        # Of all options, of this one the last counts.
        startups = "" if "MaxStartups" in extra else "MaxStartups 100"
        config.write_text(extra + _CONFIG.format(port=port, folder=folder, startups=startups))
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", SSHD, "-D", "-e", "-f", str(config)],
                stderr=stderr,
                stdin=subprocess.DEVNULL,
            )
        if _listens(process, log):
            return process, port
        assert "Address already in use" in log.read_text(), log.read_text()


def _listens(process: subprocess.Popen[bytes], log: Path) -> bool:
    """Wait until sshd itself says that it listens; False if it has ended instead."""
    for _ in range(_LOOKS):
        if "Server listening on" in log.read_text():
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_S)
            return False
    process.kill()
    process.wait()
    raise TimeoutError("sshd does not listen")


@contextmanager
def dropping(target: int, *, drops: int) -> Iterator[int]:
    """Forward to ``target`` after dropping the first connections without a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = threading.Thread(target=_drop_then_forward, args=(listener, target, drops))
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()


def _drop_then_forward(listener: socket.socket, target: int, drops: int) -> None:
    with contextlib.ExitStack() as connections:
        for number in itertools.count():
            try:
                client, _ = listener.accept()
            except OSError:  # the listener was closed
                return
            if number < drops:
                client.close()
            else:
                connections.enter_context(_forwarding(client, target))


@contextmanager
def _forwarding(client: socket.socket, target: int) -> Iterator[None]:
    """Copy both ways between a client and the target's port; ends both connections at last."""
    with client, socket.create_connection(("127.0.0.1", target)) as upstream:
        pairs = ((client, upstream), (upstream, client))
        pumps = [threading.Thread(target=_pump, args=pair) for pair in pairs]
        for pump in pumps:
            pump.start()
        try:
            yield
        finally:
            for end in (client, upstream):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            for pump in pumps:
                pump.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
