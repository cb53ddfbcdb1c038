"""How programs of a commit are started that look at a run's servers, or change them.

Those of a trusted commit run as infraci does, in its surroundings. Those of an untrusted one get a
sandbox that holds the commit's files and what it takes to log in to this run's servers, and whose
network is these servers' SSH ports.
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
    sandbox_trouble,
)
from infraci.sandbox.relay import Place

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
    """How to start a program of the commit whose files are in ``tree``.

    ``read`` is what else infraci has written for it, and ``write`` a folder for what it leaves.
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
    """Raise NoSandboxError where untrusted commits cannot be run."""
    if is_untrusted() and (trouble := sandbox_trouble()):
        raise NoSandboxError(trouble)


def _first_hop(server: Server) -> Place:
    """Where a connection to a server begins: there, or at the bastion before all others."""
    peer: Server | Bastion = server
    while peer.bastion is not None:
        peer = peer.bastion
    return (peer.address, peer.port)
