"""The history of other clones: taken over from a remote, and given to it."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from infraci import git
from infraci.base.display import displayable
from infraci.errors import UsageError
from infraci.history.notes import REF, History
from infraci.model.problem import near, quoted

#: How often somebody else may push between our pull and our push.
_TRIES = 20


def default_remote(root: Path) -> str:
    """``origin``, or the only remote there is. Raises UsageError without one."""
    remotes = git.ask(root, "remote").split()
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
    """Take over a remote's history; False if it has none. Nothing is lost on either side."""
    _check(root, remote)
    theirs = f"refs/infraci/pulled-{secrets.token_hex(6)}"
    try:
        git.ask(
            root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
            "--no-recurse-submodules", "--end-of-options", remote, f"+{REF}:{theirs}",
        )  # fmt: skip
        tip = git.ask(root, "rev-parse", "--verify", "--end-of-options", theirs).strip()
        History(root).merge(tip)
    except git.GitError as error:
        if "couldn't find remote ref" in error.message:
            return False
        raise _failed("pull", "from", remote, error) from error
    finally:
        with suppress(git.GitError):
            git.ask(root, "update-ref", "-d", "--end-of-options", theirs)
    return True


def push(root: Path, remote: str) -> bool:
    """Give a remote our history, after taking over its own; False if there is nothing to give."""
    for number in range(_TRIES):
        pull(root, remote)
        if History(root).tip is None:
            return False
        try:
            git.ask(
                root, "push", "--quiet", "--no-verify", "--end-of-options", remote, f"{REF}:{REF}"
            )
        except git.GitError as error:
            rejected = any(word in error.message for word in ("rejected", "lock", "fetch first"))
            if not rejected or number == _TRIES - 1:
                raise _failed("push", "to", remote, error) from error
        else:
            break
    return True


def _check(root: Path, remote: str) -> None:
    """Tell a remote's name that is misspelt from an address."""
    remotes = git.ask(root, "remote").split()
    if remote in remotes or "/" in remote or ":" in remote:
        return
    meant = near(remote, remotes)
    known = f"there are {quoted(remotes, 'and')}" if remotes else "there is none"
    raise UsageError(
        f'cannot find the remote "{displayable(remote)}"',
        hint=f'did you mean "{meant}"?' if meant else known,
    )


def _failed(verb: str, way: str, remote: str, error: git.GitError) -> git.GitError:
    name = "the remote" if "@" in remote else remote  # an address may hold a password
    return git.GitError(
        f"cannot {verb} the history {way} {name}", reason=error.reason, hint=error.hint
    )
