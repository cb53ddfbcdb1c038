"""The git program: how it is run, and what becomes of its errors."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infraci.base.deadline import duration
from infraci.base.display import displayable
from infraci.errors import InfraciError, raise_of_machine

#: What `git rev-parse --local-env-vars` lists, of all versions: git tells its hooks by these which
#: repository and index a command is about. But GIT_CONFIG_COUNT and GIT_CONFIG_PARAMETERS are
#: settings of the user's, as of `safe.directory`, and lead to no other repository.
_OF_CALLER = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)


class GitError(InfraciError):
    """git could not do what was asked, for a reason that lies in no commit.

    ``status`` is its exit status if it ended by itself, and ``output`` what it printed before.
    """

    def __init__(
        self,
        what: str,
        *,
        reason: str,
        hint: str | None = None,
        status: int | None = None,
        output: str = "",
    ) -> None:
        super().__init__(f"{what}: {reason}", reason=reason, hint=hint)
        self.status = status
        self.output = output


def forget_caller() -> None:
    """Remove from this process's environment which repository a hook runs for.

    Only the folder then says which repository is meant, in this process and in all programs that
    it starts later.
    """
    for name in _OF_CALLER:
        os.environ.pop(name, None)


def run(
    folder: Path,
    *arguments: str,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> str:
    """Run git in a folder; returns what it prints. Raises GitError, with git's reason."""
    output = run_bytes(folder, *arguments, options=options, environment=environment, stdin=stdin)
    return output.decode("utf-8", "surrogateescape")


def run_in_git_dir(git_dir: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git for a repository that is known by its .git folder, or is bare."""
    return run(git_dir, *arguments, options=(f"--git-dir={git_dir}",), stdin=stdin)


def run_bytes(
    folder: Path,
    *arguments: str,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> bytes:
    """Run git in a folder; returns what it prints, which need not be text."""
    forget_caller()
    what = f"cannot run git {arguments[0]}"
    try:
        from git.exc import GitCommandNotFound

        from infraci.git import bounded
    except (ImportError, OSError) as error:  # GitPython looks for git when it is imported
        raise_of_machine(error)
        raise _not_installed() from error
    try:
        status, output, errors = bounded.run_bounded(
            folder, (*options, *arguments), environment or {}, stdin
        )
    except GitCommandNotFound as error:
        raise _not_installed() from error
    except OSError as error:
        raise_of_machine(error)
        raise GitError("cannot run git", reason=error.strerror or str(error)) from error
    except subprocess.TimeoutExpired as error:
        reason = f"it did not end within {duration(bounded.LIMIT_S)}"
        raise GitError(what, reason=reason) from error
    if status != 0:
        printed = output.decode("utf-8", "surrogateescape")
        raise GitError(what, reason=_reason(errors), status=status, output=printed)
    return output


def succeeds(folder: Path, *arguments: str) -> bool:
    """Whether git can do something."""
    try:
        run(folder, *arguments)
    except GitError:
        return False
    return True


def _not_installed() -> GitError:
    return GitError("cannot run git", reason="it is not installed", hint="install git")


def _reason(errors: bytes) -> str:
    """What git gives as its reason, without the login of a remote's address."""
    text = errors.decode("utf-8", "surrogateescape").strip()
    text = re.sub(r"(?<=://)[^/@\s]+@", "", text)
    return displayable(text.replace("fatal: ", "").replace("error: ", "")) or "it gave no reason"
