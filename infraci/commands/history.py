"""``infraci history``: shares, shows and prunes the results of runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from infraci import git
from infraci.app.checkout import exported
from infraci.app.lookup import find_pipeline, find_run, ledger_here
from infraci.app.options import json_option
from infraci.app.record_history import blame_lines, conclude, tell_corrupt
from infraci.base.columns import columns
from infraci.base.terminal import say, say_json, say_line
from infraci.errors import UsageError
from infraci.history import Class, History, Result

#: What is older says little of today's cloud and specs.
_KEPT_DAYS = 365
_SHOWN = 20


@click.group("history", short_help="Share, show and prune the results of runs.")
def command() -> None:
    """Share, show and prune the results of runs.

    It is kept in git notes (refs/notes/infraci) of the commits that were tested.
    """


@command.command("push")
@click.argument("remote", required=False)
def push_command(remote: str | None) -> None:
    """Send a remote our results, after merging its results into them.

    REMOTE is `origin`, or the only one there is.
    """
    from infraci.history.sync import default_remote, push

    root = git.repository_root(Path.cwd())
    remote = remote or default_remote(root)
    say(f"pushed to {remote}" if push(root, remote) else "there is nothing to push")


@command.command("pull")
@click.argument("remote", required=False)
def pull_command(remote: str | None) -> None:
    """Fetch a remote's results, and merge them into ours.

    REMOTE is `origin`, or the only one there is.
    """
    from infraci.history.sync import default_remote, pull

    root = git.repository_root(Path.cwd())
    remote = remote or default_remote(root)
    say(f"pulled from {remote}" if pull(root, remote) else f"{remote} has no history")


@command.command("record")
@click.argument("run_ids", metavar="[RUN]...", nargs=-1)
def record_command(run_ids: Sequence[str]) -> None:
    """Write what runs found into the history, and what that knows of failures into their reports.

    For runs that were taken one phase at a time; `infraci run` does it by itself. RUN is by
    default the latest.
    """
    ledger = ledger_here()
    root = git.repository_root(Path.cwd())
    for record in [find_run(ledger, run_id) for run_id in run_ids or (None,)]:
        with ledger.lock(record.id), exported(root, record.commit) as tree:
            pipeline = find_pipeline(tree, record.pipeline)
            concluded = conclude(record, root=root, pipeline=pipeline, tree=tree, tell=_show_error)
        say(f"recorded {record.id}: {record.verdict or 'no verdict yet'}")
        for line in blame_lines(concluded):
            say(f"  {line}")


@command.command("show")
@click.argument("commit", required=False)
@json_option
def show_command(commit: str | None, as_json: bool) -> None:
    """Show what is known of COMMIT, by default of the newest commits that something is known of."""
    root = git.repository_root(Path.cwd())
    history = History(root)
    shas = [git.resolve(root, commit).sha] if commit else _newest(root, history)
    known = history.results(shas, on_corrupt=tell_corrupt)
    if as_json:
        say_json(_data(known))
    elif not known:
        say("nothing is known" + (f" of {commit}" if commit else ""), err=True)
    else:
        for line in columns([_HEAD, *_rows(known, shas)]):
            say_line(line)


@command.command("prune")
@click.option(
    "--days",
    type=click.IntRange(min=0),
    default=_KEPT_DAYS,
    show_default=True,
    help="How old a result may be.",
)
@click.option(
    "--gone", is_flag=True, help="Also those of commits that this repository no longer has."
)
def prune_command(days: int, gone: bool) -> None:
    """Remove old results, and lines that cannot be read.

    The next `infraci history push` removes them from the remote as well.
    """
    root = git.repository_root(Path.cwd())
    history = History(root)
    present = _present(root, history) if gone else history.commits()
    oldest = time.time() - days * 86400
    count = history.prune(lambda sha, result: sha in present and result.time >= oldest)
    say(f"removed {count} result{'' if count == 1 else 's'}")


def _newest(root: Path, history: History) -> list[str]:
    """The newest commits of HEAD that something is known of."""
    with_results = history.commits()
    listed = git.run(root, "rev-list", "HEAD", "--").split() if with_results else []
    return [sha for sha in listed if sha in with_results][:_SHOWN]


def _present(root: Path, history: History) -> frozenset[str]:
    """The commits with results that a branch or a tag leads to."""
    if not git.has_all_commits(root):
        raise UsageError(
            "cannot tell which commits are gone: this clone is shallow",
            hint="`git fetch --unshallow` fetches the rest",
        )
    refs = git.run(root, "rev-list", "HEAD", "--branches", "--tags", "--remotes", "--")
    return history.commits() & frozenset(refs.split())


_HEAD = ("COMMIT", "RUN", "PIPELINE", "CLOUD", "WHEN", "VERDICT", "CHECKS", "")


def _rows(known: Mapping[str, Sequence[Result]], shas: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for sha in shas:
        for result in known.get(sha, ()):
            when = datetime.fromtimestamp(result.time, UTC).strftime("%Y-%m-%d %H:%M")
            yield (
                sha[:10],
                result.run,
                result.pipeline,
                " ".join([result.cloud, *result.overrides]),
                when,
                result.verdict,
                _counts(result),
                result.failure,
            )


def _counts(result: Result) -> str:
    outcomes = list(result.cases.values())
    return ", ".join(f"{outcomes.count(how)} {how}" for how in Class if how in outcomes) or "-"


def _data(known: Mapping[str, Sequence[Result]]) -> dict[str, list[dict[str, object]]]:
    return {
        sha: [
            {
                "run": result.run,
                "pipeline": result.pipeline,
                "cloud": result.cloud,
                "given": list(result.overrides),
                "time": result.time,
                "seconds": result.took_s,
                "verdict": result.verdict,
                "trouble": result.failure,
                "search": result.of_search,
                "cases": [
                    {"where": case.where, "test": case.test, "outcome": how}
                    for case, how in sorted(result.cases.items())
                ],
            }
            for result in results
        ]
        for sha, results in known.items()
    }


def _show_error(line: str) -> None:
    say(line, err=True)
