"""Starts a commit's programs that look at a run's servers or change them.

Programs of a trusted commit run as infraci does. Programs of an untrusted commit run in a sandbox
that holds the commit's files and the run's keys, and whose network has only the SSH ports of the
run's servers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infraci.base.trust import is_untrusted
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Bastion, Server
from infraci.sandbox.bubblewrap import (
    Limits,
    NoSandboxError,
    Sandboxed,
    in_sandbox,
    no_sandbox_reason,
)
from infraci.sandbox.relay import Endpoint

_LIMITS = Limits(processes=512, memory_mb=2048, scratch_mb=256, cpu_s=3600)


@contextmanager
def confined(
    command: Sequence[str],
    *,
    cwd: Path,
    tree: Path,
    run_folder: RunFolder,
    servers: Sequence[Server],
    environment: Mapping[str, str],
    read: Sequence[Path] = (),
    write: Path | None = None,
) -> Iterator[Sandboxed]:
    """Prepare to start a program of the commit whose files are in ``tree``.

    The program may also read ``read``, files that infraci has written, and write to the folder
    ``write``.
    """
    if not is_untrusted():
        yield Sandboxed(command=tuple(command), environment=environment)
        return
    with in_sandbox(
        command,
        cwd=cwd,
        read=[tree, *read],
        own=[path.absolute() for path in run_folder.for_specs if path.exists()],
        write=write,
        environment=environment,
        limits=_LIMITS,
        network=sorted({_first_hop(server) for server in servers}),
    ) as call:
        yield call


def check_confinement() -> None:
    """Raise NoSandboxError if the commit is untrusted and this machine has no sandbox."""
    if is_untrusted() and (reason := no_sandbox_reason()):
        raise NoSandboxError(reason)


def _first_hop(server: Server) -> Endpoint:
    """The endpoint that a connection to a server begins with: its own, or the first bastion's."""
    peer: Server | Bastion = server
    while peer.bastion is not None:
        peer = peer.bastion
    return (peer.address, peer.port)
