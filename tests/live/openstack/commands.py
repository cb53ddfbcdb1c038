"""The commands of ``cloud``."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Sequence

from tests.live.openstack import host, lifecycle
from tests.live.openstack.place import BrokenError, Place

_HELP = """\
A real OpenStack on this machine: Debian's packages, private services, QEMU guests.

  install   packages and guest images; `up` does it too
  up        whatever is missing, until all of it runs
  status    what runs and what is on this machine because of it
  down      stop all of it; projects and stacks are remembered
  clean     down, and forget all but packages and guest images

State is in INFRACI_OPENSTACK_STATE (~/.local/state/infraci/openstack), with clouds.yaml for
the clouds live and live-admin; guest images are in INFRACI_OPENSTACK_CACHE.
"""


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="cloud", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("install", "up", "status", "down", "clean"))
    command = parser.parse_args(arguments).command
    place = Place.of_environment()
    try:
        if command == "status":
            return _status(place)
        if os.getuid() != 0:
            raise BrokenError("networks and guests need root")
        with _Lock(place):
            getattr(lifecycle, command)(place)
    except BrokenError as error:
        print(f"cannot {command} the OpenStack: {error}", file=sys.stderr)
        return 1
    return 0


def _status(place: Place) -> int:
    states = lifecycle.state(place)
    for name, up in states.items():
        print("up  " if up else "down", name)
    for kind, names in host.leftovers().items():
        if names:
            print(f"{len(names):4} {kind}")
    return 0 if all(states.values()) else 3


class _Lock:
    """One command at a time."""

    def __init__(self, place: Place) -> None:
        place.state.parent.mkdir(parents=True, exist_ok=True)
        self._file = place.state.with_suffix(".lock").open("w")

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
