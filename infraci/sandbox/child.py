"""The last code of infraci in a sandbox: sets limits and environment, then becomes the program.

A commit may name variables that programs obey as they start (``LD_PRELOAD``, ``PYTHONPATH``), so
they must be in no environment before all rights are gone. Its arguments are the file with both and
the program's command; a Python without site-packages runs it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path


def main() -> None:
    """Become the program; never returns."""
    file, *command = sys.argv[1:]
    settings = json.loads(Path(file).read_text("utf-8"))
    # If memory is short, these are ended first.
    Path("/proc/self/oom_score_adj").write_text("1000")
    for name, limit in settings["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    try:
        os.execvpe(command[0], command, settings["environment"])  # noqa: S606
    except OSError as error:
        sys.exit(f"sandbox: cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
