"""Runs a console script by its entry point's name: Debian's python3-* packages have no scripts.

    entry.py [--after HOST:PORT]… NAME [ARGUMENT]…

The script's modules are imported first, which takes seconds; only then is waited for what it
needs to be listening.
"""

import socket
import sys
import time
from importlib.metadata import entry_points


def main() -> object:
    """Import, wait, run."""
    arguments = sys.argv[1:]
    needed = []
    while arguments[0] == "--after":
        host, _, port = arguments[1].rpartition(":")
        needed.append((host, int(port)))
        del arguments[:2]
    (point,) = {p for p in entry_points(group="console_scripts") if p.name == arguments[0]}
    script = point.load()
    sys.argv = arguments
    for address in needed:
        _wait_for(address)
    return script()


def _wait_for(address: tuple[str, int]) -> None:
    while True:
        try:
            socket.create_connection(address, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


sys.exit(main())  # type: ignore[arg-type]
