"""Glance: images, in files."""

from __future__ import annotations

from tests.live.openstack.packages import common
from tests.live.openstack.place import ADDRESS, Place
from tests.live.openstack.processes import Daemon, entry, run, script
from tests.live.openstack.services.common import shared, transport, write

DATABASES = ("glance",)


def configure(place: Place) -> None:
    """Write glance-api.conf."""
    store = place.data / "glance"
    (store / "images").mkdir(parents=True, exist_ok=True)
    write(
        place.etc / "glance-api.conf",
        {
            "DEFAULT": {
                "bind_host": ADDRESS,
                "workers": 0,
                "enabled_backends": "fs:file",
                **transport(place),
            },
            **shared(place, "glance"),
            "glance_store": {"default_backend": "fs"},
            "fs": {"filesystem_store_datadir": store / "images"},
            "os_glance_staging_store": {"filesystem_store_datadir": store / "staging"},
            "os_glance_tasks_store": {"filesystem_store_datadir": store / "tasks"},
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": common(place, "usr/share/glance-common/glance-api-paste.ini"),
            },
        },
    )


def create_schema(place: Place) -> None:
    """Make the tables."""
    file = str(place.etc / "glance-api.conf")
    run(place, script("glance-manage", "--config-file", file, "db_sync"), log="glance-schema")


def daemons(place: Place) -> list[Daemon]:
    """The API."""
    return [entry("glance-api", "--config-file", str(place.etc / "glance-api.conf"))]
