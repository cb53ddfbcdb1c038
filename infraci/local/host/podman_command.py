"""The podman program: how it is called, and what its complaints say."""

from __future__ import annotations

import subprocess

from infraci.base.deadline import duration
from infraci.base.lines import last_line
from infraci.errors import CloudError


def run_podman(*arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run podman, whatever its exit status. Raises CloudError if it does not end, or is not there.

    Its output is text, in which what is no UTF-8 is replaced.
    """
    try:
        return subprocess.run(
            ["podman", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
        )
    except FileNotFoundError as error:
        raise CloudError(
            f"cannot run podman {arguments[0]}: it is not installed",
            hint="apt-get install --yes podman",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CloudError(
            f"cannot run podman {arguments[0]}: it did not end within {duration(timeout_s)}"
        ) from error


def reason_in(stderr: str) -> str:
    """What podman complains of: its last line."""
    return last_line(stderr, "podman gave no reason").removeprefix("Error: ")
