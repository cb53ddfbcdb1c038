"""The block at the head of every failure's text: the one field that every reader shows."""

from __future__ import annotations

from infraci.model.run import RunRecord, Server


def header(record: RunRecord, server: Server | None = None) -> str:
    """Name commit, author, stack and server, and the commands that show it again."""
    commit = record.commit
    dirty = " (with uncommitted changes)" if commit.dirty else ""
    lines = [
        f"commit   {commit.sha}{dirty}",
        f"author   {commit.author} <{commit.email}>",
        f"date     {commit.date}",
        f"subject  {commit.subject}",
        f"pipeline {record.pipeline}",
        f"stack    {record.stack_name} on {record.cloud}",
    ]
    if server is not None:
        lines.append(f"server   {server.name} ({server.role}, {server.user}@{server.address})")
    lines.append(f"again    {reproduce(record)}")
    return "\n".join(lines)


def reproduce(record: RunRecord) -> str:
    """The command that runs this pipeline on this commit again."""
    revision = "" if record.commit.dirty else f" --commit {record.commit.sha[:10]}"
    return f"infraci run{revision} {record.pipeline}"
