"""The header of every failure's text, the one field of JUnit that every reader shows."""

from __future__ import annotations

from collections.abc import Mapping

from infraci.base.invocation import invocation
from infraci.model.run import Round, RunRecord, Server

_ABOUT: Mapping[Round, str] = {
    Round.BASE: "the base by itself, before the update: the commit is not to blame",
    Round.ROLLBACK: "the base by itself, after the update failed and was rolled back",
}


def header(record: RunRecord, server: Server | None = None, *, round_: Round = Round.HEAD) -> str:
    """Name the commit, its author, the stack, the server, and the command that repeats the run."""
    commit = record.commit
    dirty = " (with uncommitted changes)" if commit.dirty else ""
    lines = [
        f"commit   {commit.sha}{dirty}",
        f"author   {commit.author} <{commit.email}>",
        f"date     {commit.date}",
        f"subject  {commit.subject}",
    ]
    if record.base is not None:
        lines.append(f"base     {record.base.sha} {record.base.subject}")
    if round_ in _ABOUT:
        lines.append(f"about    {_ABOUT[round_]}")
    lines += [
        f"pipeline {record.pipeline}",
        f"stack    {record.stack_name} on {record.cloud}",
    ]
    if server is not None:
        login = f", {server.user}@{server.address}" if server.address else ""
        lines.append(f"server   {server.name} ({server.role}{login})")
    lines.append(f"again    {reproduce(record)}")
    return "\n".join(lines)


def reproduce(record: RunRecord) -> str:
    """The command that runs this pipeline on this commit again."""
    commit = record.commit
    revision = ("--working-tree",) if commit.dirty else ("--commit", commit.sha[:10])
    return invocation("run", *revision, record.pipeline, cloud=record.cloud)
