"""Placement: which host has room."""

from __future__ import annotations

from tests.live.openstack.place import Place
from tests.live.openstack.processes import Daemon, run, script
from tests.live.openstack.services.common import database, shared, uwsgi, write

DATABASES = ("placement",)


def configure(place: Place) -> None:
    """Write placement.conf, into a folder of its own as Placement wants it."""
    write(
        place.etc / "placement/placement.conf",
        {"placement_database": database(place, "placement"), **shared(place, "placement")},
    )


def create_schema(place: Place) -> None:
    """Make the tables."""
    file = str(place.etc / "placement/placement.conf")
    run(
        place,
        script("placement-manage", "--config-file", file, "db", "sync"),
        log="placement-schema",
    )


def daemons(place: Place) -> list[Daemon]:
    """The API."""
    environment = {"OS_PLACEMENT_CONFIG_DIR": str(place.etc / "placement")}
    return [Daemon("placement", uwsgi(8778, "/usr/bin/placement-api"), environment)]
