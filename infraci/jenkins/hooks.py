"""The post-receive hook: its installation, and how it sends without anybody waiting."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from infraci import git
from infraci.base.atomic import replace_file
from infraci.base.program import own_program
from infraci.errors import UsageError

_MARK = "# Written by `infraci hook install`."


def hook_script() -> str:
    """A hook that runs this infraci. It ends well whatever happens: the push is done already."""
    command = shlex.join([*own_program(), "hook", "receive"])
    return f"#!/bin/sh\n{_MARK}\n{command} || :\n"


def install(git_dir: Path) -> Path:
    """Write the hook, unless there is one of somebody else's; returns where."""
    hook = hooks_folder(git_dir) / "post-receive"
    try:
        if hook.exists() and _MARK not in hook.read_text(errors="replace"):
            raise UsageError(
                f"cannot install the hook: there is {hook} already",
                hint="have it run, with its own standard input: infraci hook receive",
            )
        hook.parent.mkdir(parents=True, exist_ok=True)
        replace_file(hook, hook_script(), mode=0o755)
        hook.chmod(0o755)  # whatever the umask: others who push run it, too
    except OSError as error:
        raise UsageError(f"cannot write {hook}: {error.strerror}") from error
    return hook


def hooks_folder(git_dir: Path) -> Path:
    """Where the repository has its hooks."""
    said = git.run_in_git_dir(git_dir, "rev-parse", "--path-format=absolute", "--git-path", "hooks")
    return Path(said.removesuffix("\n"))


def flush_in_background(git_dir: Path) -> None:
    """Start sending what waits, in a process that outlives this one and holds none of its files."""
    log = git_dir / "infraci" / "flush.log"
    with log.open("w") as said:
        subprocess.Popen(
            [*own_program(), "hook", "flush"],
            cwd=git_dir,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
