"""``infraci hook``: a build for every commit that is pushed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from infraci import git
from infraci.app.jenkins_controller import open_controller
from infraci.base.terminal import say
from infraci.errors import InfraciError, UsageError
from infraci.jenkins import hooks
from infraci.jenkins.outbox import Outbox
from infraci.jenkins.pushes import (
    LIMIT,
    NewCommits,
    RefChange,
    difference,
    new_commits,
    parse_changes,
    references,
)
from infraci.jenkins.settings import git_config


@click.group("hook", short_help="Have Jenkins build every commit that is pushed.")
def command() -> None:
    """Have Jenkins build every commit that is pushed, and not only the last of a push.

    Commits are queued on disk, and sent in the background: no push is refused or delayed.
    """


@command.command("install")
@click.option("--url", metavar="URL", help="The Jenkins controller's.")
@click.option("--user", metavar="NAME", help="Who logs in to it.")
@click.option("--token-file", metavar="FILE", help="The file that holds this user's API token.")
@click.option("--folder", metavar="NAME", help="Jenkins' folder; called as the repository.")
@click.option(
    "--first-parent/--all-parents", default=None, help="Of merged branches, build only the merge."
)
@click.option("--limit", type=click.IntRange(1), help=f"Most commits of one push; {LIMIT}.")
@click.option("--branches", metavar="PATTERNS", help="Only of those, separated by spaces: * and ?.")
@click.option(
    "--hosted", is_flag=True, help="Print what to do where git is hosted, and hooks cannot be."
)
def install(
    url: str | None,
    user: str | None,
    token_file: str | None,
    folder: str | None,
    first_parent: bool | None,
    limit: int | None,
    branches: str | None,
    hosted: bool,
) -> None:
    """Write the post-receive hook of the repository we are in, bare or not.

    The settings go to git's config of the repository; options that are left out stay as they are.
    """
    if hosted:
        say(_HOSTED.rstrip())
        return
    git_dir = git.find_git_dir(Path.cwd())
    if token_file is not None and not Path(token_file).expanduser().is_file():
        raise UsageError(f"cannot install the hook: there is no file {token_file}")
    settings = {
        "jenkinsUrl": url,
        "jenkinsUser": user,
        "jenkinsTokenFile": str(Path(token_file).expanduser().absolute()) if token_file else None,
        "jenkinsFolder": folder,
        "firstParent": None if first_parent is None else str(first_parent).lower(),
        "limit": None if limit is None else str(limit),
        "branches": branches,
    }
    for name, value in settings.items():
        if value is not None:
            _set(git_dir, name, value)
    say(hooks.install(git_dir))


@command.command("receive")
def receive() -> None:
    """Queue what a push has brought; the hook runs this, and git passes it what was pushed."""
    git_dir = git.find_git_dir(Path.cwd())
    _queue(git_dir, parse_changes(sys.stdin.buffer.read().decode(errors="replace")))


@command.command("mirror")
def mirror() -> None:
    """Fetch a mirror of a hosted repository, and queue the commits that are new."""
    git_dir = git.find_git_dir(Path.cwd())
    before = references(git_dir)
    try:
        refspec = "+refs/heads/*:refs/heads/*"
        git.run_in_git_dir(git_dir, "fetch", "--quiet", "--prune", "origin", refspec)
    except git.GitError as error:
        raise InfraciError(f"cannot fetch the mirror {git_dir}: {error.reason}") from error
    _queue(git_dir, difference(before, references(git_dir)))


@command.command("flush")
def flush() -> None:
    """Send the commits that wait to Jenkins."""
    git_dir = git.find_git_dir(Path.cwd())
    outbox = Outbox(git_dir)
    if not outbox.waiting():
        say("nothing waits", err=True)
        return
    controller = open_controller()

    def send(sha: str) -> None:
        controller.trigger("commit", {"COMMIT": sha})
        say(f"{sha[:10]}: queued for {controller.url('commit')}")

    outbox.send(send)


@command.command("status")
def status() -> None:
    """Print the commits that wait to be sent, and why the last sending ended, if badly."""
    git_dir = git.find_git_dir(Path.cwd())
    waiting = Outbox(git_dir).waiting()
    for sha in waiting:
        say(sha)
    log = git_dir / "infraci" / "flush.log"
    if waiting and log.exists():
        say(log.read_text(errors="replace").rstrip(), err=True)


def _queue(git_dir: Path, changes: tuple[RefChange, ...]) -> None:
    config = git_config(git_dir)
    limit = config.get("limit", "")
    new = new_commits(
        git_dir,
        changes,
        first_parent=config.get("firstparent") == "true",
        branches=config.get("branches", "").split(),
        limit=int(limit) if limit.isdigit() and int(limit) else LIMIT,
    )
    outbox = Outbox(git_dir)
    outbox.put(new.shas)
    for line in _push_message(new):
        say(line, err=True)
    if outbox.waiting():  # those of earlier pushes, too
        hooks.flush_in_background(git_dir)


def _push_message(new: NewCommits) -> list[str]:
    """The lines that the pusher reads, without names from the push, which may hold controls."""
    count = len(new.shas)
    lines = [f"infraci: {count} commit{'' if count == 1 else 's'} will be built"] if count else []
    if new.left_out:
        lines += [
            f"infraci: {new.left_out} older commits of this push are over the limit of {count}, "
            "and will not be built",
            "infraci: `infraci jenkins trigger COMMIT` builds one; `git config infraci.limit` is "
            "the limit",
        ]
    return lines


def _set(git_dir: Path, name: str, value: str) -> None:
    try:
        git.run_in_git_dir(git_dir, "config", "--end-of-options", f"infraci.{name}", value)
    except git.GitError as error:
        raise UsageError(f"cannot write git's config of {git_dir}: {error.reason}") from error


_HOSTED = """\
A hosted repository runs no hooks of yours, and its webhooks tell of pushes, not of commits. So keep
a mirror of it on a machine of yours, which finds out by itself which commits are new:

    git clone --mirror URL shop.git && cd shop.git
    infraci hook install --url JENKINS --user NAME --token-file FILE --folder shop

Then have each push, or each minute, run this in it:

    infraci hook mirror

By cron:        * * * * * cd /srv/shop.git && infraci hook mirror
By a webhook:   in GitHub or GitLab (Settings, Webhooks), tell push events to a receiver that runs
                it, such as https://github.com/adnanh/webhook. Nothing of the payload is needed: do
                not pass it on.
"""
