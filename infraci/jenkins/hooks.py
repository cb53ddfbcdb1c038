"""Installs the post-receive hook, and starts the process that sends its commits."""

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
    """The script of the hook; it always succeeds, since the push is complete already."""
    command = shlex.join([*own_program(), "hook", "receive"])
    return f"#!/bin/sh\n{_MARK}\n{command} || :\n"


def install(git_dir: Path) -> Path:
    """Write the hook unless another one exists; returns its path."""
    hook = hooks_folder(git_dir) / "post-receive"
    try:
        if hook.exists() and _MARK not in hook.read_text(errors="replace"):
            raise UsageError(
                f"cannot install the hook: {hook} exists already",
                hint="add to it, so that it passes its standard input on: infraci hook receive",
            )
        hook.parent.mkdir(parents=True, exist_ok=True)
        replace_file(hook, hook_script(), mode=0o755)
        hook.chmod(0o755)  # whatever the umask: others who push run it, too
    except OSError as error:
        raise UsageError(f"cannot write {hook}: {error.strerror}") from error
    return hook


def hooks_folder(git_dir: Path) -> Path:
    """The folder of the repository's hooks."""
    path = git.run_in_git_dir(git_dir, "rev-parse", "--path-format=absolute", "--git-path", "hooks")
    return Path(path.removesuffix("\n"))


def flush_in_background(git_dir: Path) -> None:
    """Start a process that sends the outbox, outlives this one and keeps none of its files open."""
    log = git_dir / "infraci" / "flush.log"
    with log.open("w") as output:
        subprocess.Popen(
            [*own_program(), "hook", "flush"],
            cwd=git_dir,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
