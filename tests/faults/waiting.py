"""Runs that wait for a server to boot, until something goes wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.contract.repository import FILES

#: Its boot does not end within any test.
STUCK_STACK = FILES["stack.yaml"].replace(
    "      metadata:",
    """\
      user_data_format: RAW
      user_data: |
        #cloud-config
        bootcmd: [sleep 3600]
      metadata:""",
)


def make_repository(folder: Path, *, stack: str = FILES["stack.yaml"]) -> None:
    """Make the contract's repository with this stack."""
    for name, text in {**FILES, "stack.yaml": stack}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    author = ("-c", "user.name=Author", "-c", "user.email=author@example.org")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=Go"]):
        subprocess.run(["git", *author, *command], cwd=folder, check=True)


def until_waiting(run: subprocess.Popen[str]) -> str:
    """Follow a run (of ``infraci -v``) until it waits for a server; returns what it has printed."""
    assert run.stderr is not None
    lines = []
    for line in run.stderr:
        lines.append(line)
        if "waiting for it at" in line:
            break
    return "".join(lines)
