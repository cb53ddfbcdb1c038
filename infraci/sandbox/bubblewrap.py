"""Runs a commit's programs in a sandbox: few files, all read-only, and no rights.

bubblewrap (``bwrap``) makes the sandbox of the kernel's namespaces. In it a program sees no
network, no other process, and of the file system only this machine's programs and the paths that
the caller names. If infraci runs as root, each sandbox has a user of its own, who owns nothing;
else it has a user namespace. Limits of memory and of processes keep it from taking all of the
machine.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from infraci.base.deadline import Deadline
from infraci.base.inherited_environment import inherited
from infraci.base.lines import last_line
from infraci.base.program import run_program
from infraci.base.temporary import temporary_folder
from infraci.errors import InfraciError
from infraci.sandbox.relay import Endpoint, relay_to

#: The package that has bubblewrap, for advice.
PACKAGE = "bubblewrap"
#: Where a program in the sandbox may write; gone with it.
SCRATCH = Path("/tmp")  # noqa: S108
_PROBE_S = 10.0
#: Users without a name, as systemd has them for services of one time (DynamicUser=).
_FIRST_USER, _USERS = 61184, 4336
#: Each of root's sandboxes has another, so that each has limits of its own.
_count = count(os.getpid())
_ENTRY = Path(__file__).with_name("child.py")
#: How the programs that make a sandbox begin their messages.
_MAKERS = ("bwrap: ", "setpriv: ", "sandbox: ")
_TOP = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
#: What programs read in /etc to run at all; no settings of services, no keys.
_SETTINGS = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "pki/tls/certs",
    "pki/ca-trust/extracted", "python3", "ssl/certs", "ssl/openssl.cnf",
)  # fmt: skip


class NoSandboxError(InfraciError):
    """This machine has no sandbox, or none for this program."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"cannot run a commit's program in a sandbox: {reason}",
            hint=f"apt-get install {PACKAGE}",
            reason=reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of the machine a sandbox may use."""

    processes: int = 64  # all together
    memory_mb: int = 1024  # each process's address space
    scratch_mb: int = 64  # all files that it writes
    cpu_s: int = 120  # each process


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandboxed:
    """A command that runs a program in a sandbox, and the command's environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    pass_fds: tuple[int, ...] = ()  # file descriptors that the command must inherit


@contextmanager
def in_sandbox(
    command: Sequence[str],
    *,
    cwd: Path,
    read: Sequence[Path] = (),
    own: Sequence[Path] = (),
    write: Path | None = None,
    environment: Mapping[str, str] | None = None,
    limits: Limits = Limits(),
    network: Sequence[Endpoint] = (),
) -> Iterator[Sandboxed]:
    """Prepare to run a command in a sandbox; :func:`no_sandbox_reason` tells whether that works.

    The command sees the files and folders of ``read`` at their own paths. These must be infraci's
    own, such as a commit's exported tree: they get the sandbox's group. Of the files of ``own`` it
    sees copies that belong to its user, which ssh requires of a key. Its user owns the folder
    ``write``. It gets ``environment`` besides the variables that it inherits, its home is
    :data:`SCRATCH`, and it can connect to nothing but ``network``.
    """
    user = _new_user()
    for path in read:
        _let_read(path)
    if write is not None:
        _give(write, user)
    with temporary_folder("sandbox") as folder, ExitStack() as stack:
        relay = stack.enter_context(relay_to(network)) if network else None
        entry = folder / "entry.json"
        _write_entry(entry, environment or {}, limits, user)
        yield Sandboxed(
            command=(
                *(relay.command if relay else ()),
                _bwrap() or "bwrap",
                *_namespaces(has_network=relay is not None),
                *_system(limits),
                *_etc(folder, user),
                *_visible([*_programs(command), *read, entry]),
                *(option for path in own for option in _copied(path, folder, user)),
                *(_bound("--bind", write, write) if write is not None else ()),
                *("--remount-ro", "/", "--remount-ro", "/dev"),
                *("--chdir", str(cwd), "--"),
                *_without_rights(user),
                *(sys.executable, "-I", "-S", str(_ENTRY), str(entry)),
                *command,
            ),
            environment=inherited(),  # not the commit's, which only the program gets
            pass_fds=relay.pass_fds if relay else (),
        )


def run_sandboxed(
    command: Sequence[str],
    *,
    cwd: Path,
    read: Sequence[Path],
    environment: Mapping[str, str],
    timeout_s: float,
    on_line: Callable[[str], None],
    output_mb: int = 16,
    limits: Limits = Limits(),
) -> int:
    """Run a command in a sandbox, as :func:`in_sandbox` describes it; returns its exit status.

    ``on_line`` gets each line of its output. Raises NoSandboxError if this machine has no sandbox,
    and ProgramTimeoutError after too much time or output.
    """
    if reason := no_sandbox_reason():
        raise NoSandboxError(reason)
    complaint = ""

    def take_line(line: str) -> None:
        nonlocal complaint
        if line.startswith(_MAKERS):
            complaint = line
        on_line(line)

    with in_sandbox(command, cwd=cwd, read=read, environment=environment, limits=limits) as call:
        status = run_program(
            call.command,
            cwd=Path("/"),
            environment=call.environment,
            timeout_s=timeout_s,
            deadline=Deadline(timeout_s),
            on_line=take_line,
            output_mb=output_mb,
        )
    if status and complaint:
        raise NoSandboxError(f"it cannot be made: {complaint}")
    return status


@cache
def no_sandbox_reason() -> str | None:
    """Why this machine cannot run programs in a sandbox; None if it can. Takes 50 ms."""
    if sys.platform != "linux" or _bwrap() is None:
        return f"{PACKAGE} is not installed"
    try:
        with in_sandbox(["true"], cwd=Path("/")) as call:
            done = subprocess.run(
                call.command,
                env=dict(call.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PROBE_S,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{PACKAGE} does not work here: {error}"
    if done.returncode:
        reason = last_line(done.stderr, f"exit status {done.returncode}")
        return f"{PACKAGE} does not work here: {reason}"
    return None


def _new_user() -> int:
    return _FIRST_USER + next(_count) % _USERS if _is_root() else os.geteuid()


def _group() -> int:
    """The group of all sandboxes of this process, which may read the group's files."""
    return _FIRST_USER + os.getpid() % _USERS if _is_root() else os.getegid()


def _is_root() -> bool:
    return os.geteuid() == 0


def _namespaces(*, has_network: bool) -> Iterator[str]:
    yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts")
    yield from () if has_network else ("--unshare-net",)
    yield from ("--unshare-cgroup-try", "--die-with-parent", "--cap-drop", "ALL")
    if _is_root():  # needed to become another user, who then has neither
        yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    else:
        yield from ("--unshare-user", "--disable-userns")


def _system(limits: Limits) -> Iterator[str]:
    """This machine's programs, and file systems of the sandbox's own."""
    yield from ("--ro-bind", "/usr", "/usr", "--ro-bind-try", "/var/lib/gems", "/var/lib/gems")
    yield from ("--proc", "/proc", "--dev", "/dev")
    for name in _TOP:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    size = str(limits.scratch_mb << 20)
    for path in (SCRATCH, Path("/dev/shm")):  # noqa: S108
        yield from ("--perms", "1777", "--size", size, "--tmpfs", str(path))


def _etc(folder: Path, user: int) -> Iterator[str]:
    """The sandbox's /etc: the names of its user, and settings that hold no secret."""
    texts = {
        "passwd": f"root:x:0:0::/:/bin/sh\ninfraci:x:{user}:{_group()}::{SCRATCH}:/bin/sh\n",
        "group": f"root:x:0:\ninfraci:x:{_group()}:\n",
        "hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }
    yield from ("--perms", "0755", "--dir", "/etc", "--perms", "0755", "--dir", "/var")
    for folders in ("pki", "pki/tls", "pki/ca-trust", "ssl"):
        yield from ("--perms", "0755", "--dir", f"/etc/{folders}")
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
        yield from ("--ro-bind", str(folder / name), f"/etc/{name}")
    for name in _SETTINGS:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _programs(command: Sequence[str]) -> list[Path]:
    """The folders of Python, infraci and the program that are not in /usr."""
    package = Path(__file__).parents[1]
    folders = {Path(sys.prefix), Path(sys.base_prefix), package}
    # Never the folder around our package, which may be its repository, nor a current folder.
    folders |= {p for p in map(Path, sys.path) if p.name in ("site-packages", "dist-packages")}
    program = shutil.which(command[0])
    if program is not None:
        real = Path(program).resolve()
        folders |= {Path(program), real.parent.parent if real.parent.name == "bin" else real}
    refused = {Path("/"), Path.home(), *package.parents}
    return [p for p in folders if p not in refused and not p.is_relative_to("/usr")]


def _visible(paths: Sequence[Path]) -> Iterator[str]:
    """Files and folders at their own paths, read-only, in folders that hold nothing else."""
    full = {path.absolute() for path in paths if path.exists()}
    for path in sorted(path for path in full if full.isdisjoint(path.parents)):
        yield from _bound("--ro-bind", path, path)


def _copied(path: Path, folder: Path, user: int) -> Iterator[str]:
    """A copy of a file that belongs to the sandbox's user, at the file's own path."""
    copy = folder / f"own-{len(list(folder.iterdir()))}"
    shutil.copyfile(path, copy)
    copy.chmod(stat.S_IRUSR)
    _give(copy, user)
    yield from _bound("--ro-bind", copy, path.absolute())


def _bound(how: str, path: Path, there: Path) -> Iterator[str]:
    """A file or folder at a path of the sandbox's; bubblewrap's own folders are root's alone."""
    for parent in reversed(there.parents[:-1]):
        yield from ("--perms", "0755", "--dir", str(parent))
    yield from (how, str(path), str(there))


def _without_rights(user: int) -> tuple[str, ...]:
    """The beginning of a command that becomes the sandbox's user, if infraci runs as root."""
    if not _is_root():
        return ()
    users = ("--reuid", str(user), "--regid", str(_group()), "--clear-groups")
    return ("/usr/bin/setpriv", *users, "--inh-caps=-all", "--no-new-privs")


def _write_entry(path: Path, environment: Mapping[str, str], limits: Limits, user: int) -> None:
    """Write limits and environment for infraci/sandbox/child.py, which becomes the program."""
    own = {"HOME": str(SCRATCH), "TMPDIR": str(SCRATCH), "USER": "infraci", "LOGNAME": "infraci"}
    entry = {
        "environment": {**inherited(), **environment, **own},
        "limits": {
            "RLIMIT_NPROC": limits.processes,
            "RLIMIT_AS": limits.memory_mb << 20,
            "RLIMIT_FSIZE": limits.scratch_mb << 20,
            "RLIMIT_CPU": limits.cpu_s,
            "RLIMIT_CORE": 0,
        },
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(entry))
    _give(path, user)


def _give(path: Path, user: int) -> None:
    """Make the sandbox's user the owner of a file or folder of infraci's."""
    if _is_root():
        os.chown(path, user, _group())


def _bwrap() -> str | None:
    """The absolute path of bubblewrap: a relative one could lead into a commit's folder."""
    bwrap = shutil.which("bwrap")
    return bwrap and str(Path(bwrap).absolute())


def _let_read(path: Path) -> None:
    """Let the sandboxes' group read files of infraci's."""
    if not _is_root():
        return
    group = _group()
    for entry in _entries(path):
        with suppress(OSError):  # the entry is gone meanwhile
            status = entry.lstat()
            if status.st_gid != group:
                os.chown(entry, -1, group, follow_symlinks=False)
            mode = stat.S_IMODE(status.st_mode)
            readable = mode | (mode & (stat.S_IRUSR | stat.S_IXUSR)) >> 3
            if readable != mode and not stat.S_ISLNK(status.st_mode):
                entry.chmod(readable)


def _entries(path: Path) -> Iterator[Path]:
    yield path
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*folders, *files))
