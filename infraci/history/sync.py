"""Pulls the history from a remote, and pushes it there."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from infraci import git
from infraci.base.display import displayable
from infraci.errors import UsageError
from infraci.history.notes import REF, History
from infraci.model.problem import near, quoted

#: How often another clone may push between our pull and our push.
_TRIES = 20
#: The exit status of `git ls-remote --exit-code`.
_NO_SUCH_REFERENCE = 2


def default_remote(root: Path) -> str:
    """``origin``, or the only remote there is. Raises UsageError without one."""
    remotes = git.remotes(root)
    if "origin" in remotes:
        return "origin"
    if len(remotes) == 1:
        return remotes[0]
    raise UsageError(
        "cannot share the history: "
        + (f"there are the remotes {quoted(remotes, 'and')}" if remotes else "there is no remote"),
        hint="say which: infraci history push REMOTE" if remotes else "`git remote add` adds one",
    )


def pull(root: Path, remote: str) -> bool:
    """Merge a remote's history into ours; returns False if the remote has none."""
    _check(root, remote)
    theirs = f"refs/infraci/pulled-{secrets.token_hex(6)}"
    try:
        git.run(
            root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
            "--no-recurse-submodules", "--end-of-options", remote, f"+{REF}:{theirs}",
        )  # fmt: skip
        tip = git.run(root, "rev-parse", "--verify", "--end-of-options", theirs).strip()
        History(root).merge(tip)
    except git.GitError as error:
        if _has_no_history(root, remote):
            return False
        raise _failed("pull", "from", remote, error) from error
    finally:
        with suppress(git.GitError):
            git.run(root, "update-ref", "-d", "--end-of-options", theirs)
    return True


def push(root: Path, remote: str) -> bool:
    """Push our history, after merging the remote's; returns False if there is none."""
    for number in range(_TRIES):
        pull(root, remote)
        if History(root).tip is None:
            return False
        try:
            git.run(
                root, "push", "--porcelain", "--no-verify", "--end-of-options", remote,
                f"{REF}:{REF}",
            )  # fmt: skip
        except git.GitError as error:
            # A line per reference, which begins so if the remote rejects it.
            is_rejected = any(line.startswith("!") for line in error.output.splitlines())
            if not is_rejected or number == _TRIES - 1:
                raise _failed("push", "to", remote, error) from error
        else:
            break
    return True


def _has_no_history(root: Path, remote: str) -> bool:
    """Whether a remote answers that it has no such reference."""
    try:
        git.run(root, "ls-remote", "--exit-code", "--quiet", "--end-of-options", remote, REF)
    except git.GitError as error:
        return error.status == _NO_SUCH_REFERENCE
    return False


def _check(root: Path, remote: str) -> None:
    """Raise UsageError for a name that is no remote's; an address passes."""
    remotes = git.remotes(root)
    if remote in remotes or "/" in remote or ":" in remote:
        return
    meant = near(remote, remotes)
    known = f"there are {quoted(remotes, 'and')}" if remotes else "there is none"
    raise UsageError(
        f'cannot find the remote "{displayable(remote)}"',
        hint=f'did you mean "{meant}"?' if meant else known,
    )


def _failed(verb: str, preposition: str, remote: str, error: git.GitError) -> git.GitError:
    name = "the remote" if "@" in remote else remote  # an address may hold a password
    return git.GitError(
        f"cannot {verb} the history {preposition} {name}", reason=error.reason, hint=error.hint
    )
