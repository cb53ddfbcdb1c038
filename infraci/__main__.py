"""The command line as a process of its own: ``infraci``, or ``python -m infraci``."""

from __future__ import annotations

import gc
import os
import sys

from infraci.base import early_signals

early_signals.catch()  # before anything that takes time is imported

#: Modules that libraries import only to support users of them; infraci uses none of them.
_UNUSED = ("invoke", "osprofiler", "prometheus_client", "statsd")


def console() -> None:
    """Run the command line and end the process with its exit code.

    Most of a command's own time is imports, so what slows these down is kept away: the collector
    of garbage, of which there is hardly any, modules that are not used, and their tidying up at
    the end.
    """
    gc.set_threshold(50_000, 20, 20)
    for name in _UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]
    from contextlib import suppress

    from infraci.cli import main

    code = main()
    early_signals.end()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader may have closed the pipe
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    console()
