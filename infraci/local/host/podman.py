"""Creates, runs and removes servers: systemd containers, by podman.

A server's container is ``infraci-<server uuid>``, in a network namespace made beforehand by
:mod:`infraci.local.host.fabric`. What is the server's own lies in a folder of its own: ``seed/``,
the config drive that cloud-init reads, and ``console.log``, which outlives nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from infraci.base.atomic import replace_file
from infraci.base.deadline import Deadline
from infraci.errors import CloudError, PhaseTimeoutError
from infraci.local.host.capabilities import Capabilities
from infraci.local.host.podman_command import reason_in, run_podman
from infraci.local.host.seccomp import server_filter
from infraci.local.host.server_group import make_group, options_of, remove_group
from infraci.local.host.server_sockets import FOLDER_INSIDE

#: Labels: which cloud a server belongs to, and what garbage collection goes by.
LABEL_CLOUD = "infraci.cloud"
LABEL_SERVER = "infraci.server"
LABEL_STACK = "infraci.stack"
LABEL_RUN = "infraci.run"
LABEL_EXPIRES = "infraci.expires"
#: The server's folder on this machine, so that the container's remover finds it.
LABEL_FOLDER = "infraci.folder"

#: Where cloud-init's ConfigDrive datasource looks before it looks for a disk.
_SEED = PurePosixPath("/var/lib/cloud/seed/config_drive")
#: A file of the server's: the options that it was resized to, which podman forgets at a restart.
_LIMITS = "limits"
#: Another: where podman writes the process id of its init when it is made; asking takes long.
_INIT = "init.pid"
#: Another: the process id of podman's monitor of it.
_MONITOR = "monitor.pid"
#: Beside the folder of servers: the filter of their system calls.
_FILTER = "seccomp.json"
#: Another, a folder that the server sees: this machine listens in it.
_SOCKET = "socket"
#: A console that grows beyond this begins anew: a server must not fill the disk.
_CONSOLE_MB = 16
_QUICK_S = 60.0
#: The kernel ends the init of a process namespace by SIGHUP for a reboot, by SIGINT for a halt.
_REBOOTED = 128 + 1

#: Makes what a server is to find when its init begins, by the init's process id.
Furnish = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A server to be, as podman needs to know it."""

    #: Nova's UUID of the server.
    id: str
    #: What the user calls it; for messages only.
    name: str
    hostname: str
    #: What podman is to be given: ``ImageRef.reference``.
    image: str
    #: The network namespace's file, as in ``/run/netns/…``.
    netns: Path
    #: CPUs' worth of time and memory, enforced where this machine can; None for no limit.
    cpus: float | None = None
    memory_mb: int | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    #: The config drive: path below its root (``openstack/latest/meta_data.json``) to content.
    seed: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    #: Name servers, and the domain of names without one; without any, this machine's own.
    dns: tuple[str, ...] = ()
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """A server's container as podman sees it."""

    #: Nova's UUID of the server.
    id: str
    running: bool
    #: Of the last time it ended; 0 while it runs.
    exit_code: int
    #: Its init's process ID on this machine, 0 when it does not run.
    pid: int
    #: When it was last started, UTC.
    started: datetime
    labels: Mapping[str, str]

    @property
    def wants_reboot(self) -> bool:
        """Whether the server ended to reboot: then it is to be started again."""
        return not self.running and self.exit_code == _REBOOTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """A command that ran to its end in a server."""

    exit_status: int
    stdout: str
    stderr: str


def container_name(server_id: str) -> str:
    """Return the name of a server's container."""
    return f"infraci-{server_id}"


class Podman:
    """The servers of this machine. Safe to use from several threads: it keeps no state."""

    def __init__(self, capabilities: Capabilities, folder: Path) -> None:
        """Keep the servers' own folders in ``folder``, which is made when it is needed."""
        self._capabilities = capabilities
        self._folder = folder

    def socket_folder(self, server_id: str) -> Path:
        """A folder that a server sees as FOLDER_INSIDE, and cannot change."""
        return self._folder / server_id / _SOCKET

    def create_server(self, spec: ContainerSpec, furnish: Furnish | None = None) -> int:
        """Create and start a server; returns its init's process id. Raises CloudError.

        ``furnish`` is called before the init runs, and given its process id. Whatever was made
        before it failed is removed again.
        """
        folder = self._folder / spec.id
        if folder.exists():
            raise CloudError(f"cannot create server {spec.name}: {folder} is there already")
        try:
            _write_seed(folder / "seed", spec.seed)
            make_group(spec.id)
            self.socket_folder(spec.id).mkdir()
            verb = ["create"] if furnish else ["run", "--detach"]
            command = [*verb, *self._create_options(spec, folder)]
            _run(command, f"create server {spec.name}", timeout_s=300)
            if furnish:
                self._start_furnished(spec.id, furnish)
            init = int((folder / _INIT).read_text())
        except BaseException:
            self.remove(spec.id)
            raise
        if not Path(f"/proc/{init}").exists():
            console = self.logs(spec.id, tail=5).strip()
            self.remove(spec.id)
            raise CloudError(
                f"cannot create server {spec.name}: its init ended at once",
                hint=f"its image {spec.image} must have a systemd at /sbin/init; its console: "
                f"{console or 'nothing'}",
            )
        return init

    def start(self, server_id: str, furnish: Furnish | None = None) -> None:
        """Start a stopped server; it keeps its disk and its namespace."""
        make_group(server_id)
        try:
            if furnish:
                self._start_furnished(server_id, furnish)
            else:
                _run(["start", "--", container_name(server_id)], f"start server {server_id}")
        except CloudError:
            if self.inspect(server_id) is None:
                remove_group(server_id)
            raise
        self._update_limits(server_id)

    def _start_furnished(self, server_id: str, furnish: Furnish) -> None:
        name = container_name(server_id)
        self._await_cleanup(server_id)
        _run(["init", "--", name], f"start server {server_id}", timeout_s=300)
        state = self.inspect(server_id)
        furnish(state.pid if state else 0)
        _run(["start", "--", name], f"start server {server_id}")

    def _await_cleanup(self, server_id: str) -> None:
        """Wait until podman has cleaned up after the server's last run.

        Its monitor becomes a podman that does so, in its own time, and that would take a server
        which is prepared but not started yet for the one that has ended.
        """
        try:
            monitor = int((self._folder / server_id / _MONITOR).read_text())
        except FileNotFoundError:
            return
        with suppress(PhaseTimeoutError):
            for _ in Deadline(_QUICK_S).poll("podman", first_s=0.02, ceiling_s=0.2):
                try:
                    command = Path(f"/proc/{monitor}/cmdline").read_bytes()
                except (FileNotFoundError, ProcessLookupError):
                    return
                if not any(name in command for name in (b"conmon", b"podman")):
                    return

    def stop(self, server_id: str, *, timeout_s: float = 20.0) -> None:
        """Shut a server down in an orderly way, and pull the plug after ``timeout_s``."""
        _run(
            ["stop", f"--time={timeout_s:.0f}", "--", container_name(server_id)],
            f"stop server {server_id}",
            timeout_s=timeout_s + _QUICK_S,
        )

    def reboot(self, server_id: str, *, hard: bool = False) -> None:
        """Stop a server, in an orderly way unless ``hard``, and start it again."""
        _run(
            ["restart", f"--time={0 if hard else 20}", "--", container_name(server_id)],
            f"reboot server {server_id}",
            timeout_s=20 + _QUICK_S,
        )
        self._update_limits(server_id)

    def freeze(self, server_id: str) -> None:
        """Hold all processes of a server, by the freezer of its control group."""
        _run(["pause", "--", container_name(server_id)], f"freeze server {server_id}")

    def thaw(self, server_id: str) -> None:
        """Let the processes of a frozen server go on."""
        _run(["unpause", "--", container_name(server_id)], f"thaw server {server_id}")

    def resize(self, server_id: str, *, cpus: float, memory_mb: int) -> None:
        """Change the limits of a server, where this machine can enforce them, from now on."""
        limits = self._limits(cpus, memory_mb)
        (self._folder / server_id / _LIMITS).write_text("\n".join(limits))
        state = self.inspect(server_id)
        if state is not None and state.running:
            self._update_limits(server_id)

    def remove(self, server_id: str) -> None:
        """Remove a server and all that is its own, running or not; gone already is a success."""
        name = container_name(server_id)
        folder = self._folder / server_id
        if not folder.exists():
            state = self.inspect(server_id)
            if state is None:
                return
            folder = Path(state.labels.get(LABEL_FOLDER, folder))
        options = ("--force", "--ignore", "--time=0", "--volumes")
        _run(["rm", *options, "--", name], f"remove server {name}")
        remove_group(server_id)
        shutil.rmtree(folder, ignore_errors=True)

    def inspect(self, server_id: str) -> ContainerState | None:
        """Return a server's state, or None when there is no such container."""
        done = run_podman(
            "container", "inspect", "--", container_name(server_id), timeout_s=_QUICK_S
        )
        if done.returncode != 0:
            if "no such" in done.stderr.lower():
                return None
            raise CloudError(f"cannot inspect server {server_id}: {reason_in(done.stderr)}")
        (document,) = json.loads(done.stdout)
        state = document["State"]
        return ContainerState(
            id=server_id,
            running=state["Status"] == "running",
            exit_code=state["ExitCode"],
            pid=state["Pid"],
            started=datetime.fromisoformat(state["StartedAt"]).astimezone(UTC),
            labels=MappingProxyType(dict(document["Config"]["Labels"] or {})),
        )

    def list_servers(self, labels: Mapping[str, str] | None = None) -> tuple[ContainerState, ...]:
        """Return the servers on this machine, of whichever cloud, that have all these labels."""
        filters = [f"--filter=label={LABEL_SERVER}"]
        filters += [f"--filter=label={key}={value}" for key, value in (labels or {}).items()]
        done = _run(["ps", "--all", "--no-trunc", "--format=json", *filters], "list servers")
        return tuple(
            ContainerState(
                id=document["Labels"][LABEL_SERVER],
                running=document["State"] == "running",
                exit_code=document["ExitCode"],
                pid=document["Pid"],
                started=datetime.fromtimestamp(document["StartedAt"], UTC),
                labels=MappingProxyType(document["Labels"]),
            )
            for document in json.loads(done.stdout or "[]")
        )

    def logs(self, server_id: str, *, tail: int | None = None) -> str:
        """Return what a server has written to its console, or its last ``tail`` lines.

        Empty for a server that is not there: a console is read after a failure.
        """
        try:
            text = (self._folder / server_id / "console.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""
        lines = _console(text).splitlines(keepends=True)
        return "".join(lines if tail is None else lines[len(lines) - min(tail, len(lines)) :])

    def exec(self, server_id: str, argv: Sequence[str], *, timeout_s: float) -> Executed:
        """Run a command in a server as root, without SSH. It is killed after ``timeout_s``."""
        bounded = ["timeout", "--kill-after=5", f"{timeout_s:g}", *argv]
        done = run_podman(
            "exec", "--", container_name(server_id), *bounded, timeout_s=timeout_s + 15
        )
        if done.returncode in (125, 126) and done.stderr.startswith("Error:"):
            raise CloudError(f"cannot run {argv[0]} in {server_id}: {reason_in(done.stderr)}")
        return Executed(exit_status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def _create_options(self, spec: ContainerSpec, folder: Path) -> list[str]:
        labels = {**spec.labels, LABEL_SERVER: spec.id, LABEL_FOLDER: str(folder)}
        command = [
            "--quiet",
            "--pull=never",
            f"--name={container_name(spec.id)}",
            f"--hostname={spec.hostname}",
            # A terminal, since without one there is no /dev/console for systemd to write to.
            "--tty",
            "--env=TERM=dumb",
            "--log-driver=k8s-file",
            f"--log-opt=path={folder / 'console.log'}",
            f"--log-opt=max-size={_CONSOLE_MB}mb",
            f"--pidfile={folder / _INIT}",
            f"--conmon-pidfile={folder / _MONITOR}",
            f"--network=ns:{spec.netns}",
            "--no-hosts",
            f"--volume={folder / 'seed'}:{_SEED}:ro",
            f"--volume={self.socket_folder(spec.id)}:{FOLDER_INSIDE}:ro",
            "--entrypoint=/sbin/init",
            *self._capabilities.run_options,
            *options_of(spec.id),
            *self._filter_options(),
            *(f"--dns={server}" for server in spec.dns),
            *([f"--dns-search={spec.domain}"] if spec.domain else []),
            *(f"--label={key}={value}" for key, value in labels.items()),
        ]
        return [*command, *self._limits(spec.cpus, spec.memory_mb), "--", spec.image]

    def _filter_options(self) -> list[str]:
        """The option that filters a server's system calls, of which podman reads a file."""
        text = server_filter()
        if text is None:
            return []
        path = self._folder.with_name(_FILTER)
        if not path.exists() or path.read_text() != text:
            replace_file(path, text)  # others may read it at this moment
        return [f"--security-opt=seccomp={path}"]

    def _update_limits(self, server_id: str) -> None:
        try:
            limits = (self._folder / server_id / _LIMITS).read_text().split()
        except FileNotFoundError:
            return
        if limits:
            _run(["update", *limits, "--", container_name(server_id)], f"resize server {server_id}")

    def _limits(self, cpus: float | None, memory_mb: int | None) -> list[str]:
        """Return the options that limit a server, as far as this machine can enforce them."""
        limits = []
        if cpus is not None and self._capabilities.cpu_limits:
            limits.append(f"--cpus={cpus:g}")
        if memory_mb is not None and self._capabilities.memory_limits:
            limits.append(f"--memory={memory_mb}m")
        return limits


def _write_seed(folder: Path, seed: Mapping[str, bytes]) -> None:
    """Write a config drive that only root can read: it holds user data, so maybe secrets."""
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    for name, content in seed.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{name} is outside the config drive")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _console(log: str) -> str:
    """Return the text of a k8s-file log: ``<time> <stream> <P|F> <text>``, P for half a line."""
    pieces: list[str] = []
    for line in log.split("\n"):
        fields = line.split(" ", 3)
        if len(fields) == 4:
            pieces.append(fields[3].rstrip("\r") + ("\n" if fields[2] == "F" else ""))
    return "".join(pieces)


def _run(
    arguments: Sequence[str], verb: str, *, timeout_s: float = _QUICK_S
) -> subprocess.CompletedProcess[str]:
    done = run_podman(*arguments, timeout_s=timeout_s)
    if done.returncode != 0:
        raise CloudError(f"cannot {verb}: {reason_in(done.stderr)}")
    return done
