"""The last thing in a sandbox that is infraci's: it takes limits and environment for the program.

A commit may name variables that programs obey as they start (``LD_PRELOAD``, ``PYTHONPATH``), so
that they must be in no environment before all rights are gone. Started with a file as its first
argument and the program after it, by a Python without site-packages.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path


def main() -> None:
    """Never returns."""
    file, *command = sys.argv[1:]
    known = json.loads(Path(file).read_text("utf-8"))
    # If memory is short, these are ended first.
    Path("/proc/self/oom_score_adj").write_text("1000")
    for name, limit in known["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    try:
        os.execvpe(command[0], command, known["environment"])  # noqa: S606
    except OSError as error:
        sys.exit(f"sandbox: cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
