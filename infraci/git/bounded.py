"""GitPython's repositories and commands, such that every program of git's has a limit.

GitPython finds repositories, runs git, and asks it about ancestry. Its objects, references and
diffs are not used: they know no SHA-256 and no reftable, a diff loses files whose names are not
UTF-8 or have line ends, and authors come without ``.mailmap``, their commit's encoding, and dates
that Python does not know. What git prints says all of that; ``tests/git`` holds it.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import git

#: A checkout of a large tree and a fetch by a slow line take minutes; nothing takes longer.
LIMIT_S = 900.0
_ENVIRONMENT = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


class BoundedGit(git.Git):
    """Runs git without its optional locks and its prompts, in English, and kills it in time."""

    def __init__(self, working_dir: str | os.PathLike[str] | None = None) -> None:
        super().__init__(working_dir)
        self.update_environment(**_ENVIRONMENT)

    def execute(self, *arguments: Any, **options: Any) -> Any:
        """Run git as GitPython wants it."""
        if not options.get("as_process"):
            options.setdefault("kill_after_timeout", LIMIT_S)
        return super().execute(*arguments, **options)


class BoundedRepository(git.Repo):
    """A repository whose programs are those of :class:`BoundedGit`."""

    GitCommandWrapperType = BoundedGit


def run_bounded(
    folder: Path, command: Sequence[str], environment: Mapping[str, str], stdin: bytes
) -> tuple[int, bytes, bytes]:
    """Run git in a folder; returns its exit status and what it prints on either stream.

    Raises :class:`subprocess.TimeoutExpired` when it was killed.
    """
    if not os.access(folder, os.X_OK):  # GitPython would run git in the folder of this process
        raise FileNotFoundError(errno.ENOENT, f"no such folder: {folder}")
    program = BoundedGit(str(folder))
    program.update_environment(**environment)
    # It ends the process when it is collected itself.
    running = program.execute(
        ["git", *command], istream=subprocess.PIPE if stdin else None, as_process=True
    )
    process = running.proc
    try:
        output, errors = process.communicate(stdin or None, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output, errors
