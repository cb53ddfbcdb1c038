"""Saves logs of servers, events of the stack, states of its load balancers before they are gone.

Never fails a run.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence

from infraci.base.deadline import Deadline
from infraci.base.mask import MASK, Masker
from infraci.base.parallel import in_parallel
from infraci.base.writing import write_text
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Server
from infraci.ssh import CommandTimeoutError, Session

#: Each file, and the command whose output it holds.
COMMANDS: Mapping[str, str] = {
    "cloud-init-status.txt": "cloud-init status --long",
    "cloud-init.log": "cat /var/log/cloud-init.log",
    "cloud-init-output.log": "cat /var/log/cloud-init-output.log",
    "failed-units.txt": "systemctl --failed --no-pager --full",
    "journal.txt": "journalctl -b --no-pager -o short-precise -n 20000",
    "df.txt": "df -h",
    "listening.txt": "ss -tulpn",
    "processes.txt": "ps auxf",
    "addresses.txt": "ip a; ip r; ip -6 r",
}
#: By what Heat's agents print they may signal: the passwords of their users, signed addresses.
_OF_AGENTS = re.compile(r"""(deploy_password=|[?&]Signature=)[^\s&"'\\]+""")
#: Of each file the end is kept; for each command, and for a whole server, there is a limit.
_FILE_BYTES = 1 << 20
_COMMAND_S = 10
_SERVER_S = 60.0


def collect(
    servers: Sequence[Server],
    *,
    open_session: Callable[[Server], Session],
    console: Callable[[Server], str],
    events: Callable[[], str],
    balancers: Callable[[], str],
    folder: RunFolder,
    deadline: Deadline,
    masker: Masker | None = None,
) -> tuple[str, ...]:
    """Save what there is to the run's folder; returns the files relative to it.

    A server that cannot be reached still has its console log, and a note with the reason. Never
    raises; ends by ``deadline``, or soon after.
    """
    target = folder.evidence

    def save(name: str, text: str) -> None:
        with contextlib.suppress(OSError):
            masked = _OF_AGENTS.sub(rf"\g<1>{MASK}", text[-_FILE_BYTES:])
            write_text(target / name, masked, masker=masker)

    def save_server(server: Server) -> None:
        name = server.word
        try:
            save(f"{name}/console.log", console(server))
        except Exception as error:
            save(f"{name}/console.log", f"cannot read the console log: {error}\n")
        try:
            outputs = _run_commands(open_session(server), deadline.within(_SERVER_S))
        except Exception as error:
            outputs = {"unreachable.txt": f"cannot look at the server: {error}\n"}
        for file, text in outputs.items():
            save(f"{name}/{file}", text)

    with contextlib.suppress(Exception):
        in_parallel(save_server, servers)
    try:
        save("stack-events.txt", events())
    except Exception as error:
        save("stack-events.txt", f"cannot read the stack's events: {error}\n")
    try:
        if statuses := balancers():
            save("load-balancers.json", statuses)
    except Exception as error:
        save("load-balancers.json", f"cannot look at the load balancers: {error}\n")
    with contextlib.suppress(OSError):
        files = sorted(path for path in target.rglob("*") if path.is_file())
        return tuple(str(path.relative_to(folder.path)) for path in files)
    return ()


def _run_commands(session: Session, timeout_s: float) -> Mapping[str, str]:
    """Run all commands in one go: one round trip, however many files."""
    mark = f"----8<---- {secrets.token_hex(8)}"
    script = "".join(
        f"echo '{mark} {file}'; timeout {_COMMAND_S} sh -c {shlex.quote(command)} </dev/null 2>&1"
        f" | tail -c {_FILE_BYTES}; echo\n"
        for file, command in COMMANDS.items()
    )
    # As root where that needs no password; much of this only root may read. The
    # script comes in by stdin, so that the list of processes does not show it.
    # Where sudo refuses, it has read none of it.
    command = "sh -s" if session.server.user == "root" else "sudo -n sh -s || exec sh -s"
    try:
        done = session.run(
            command,
            timeout_s=timeout_s,
            stdin=script.encode(),
            keep_bytes=2 * len(COMMANDS) * _FILE_BYTES,
        )
    except CommandTimeoutError as error:
        return {"unreachable.txt": f"{error.message}\n{error.details}\n"}
    files = {}
    for part in done.stdout.split(mark)[1:]:
        name, _, text = part.partition("\n")
        files[name.strip()] = text.rstrip("\n") + "\n"
    if done.stderr.strip():  # the commands have theirs in their files
        files["sudo.txt"] = f"what sudo printed when this was collected:\n{done.stderr}"
    return files
