"""Keystone: who is who, and what is where."""

from __future__ import annotations

from tests.live.openstack.place import REGION, Place
from tests.live.openstack.processes import Daemon, run, script
from tests.live.openstack.services.common import IDENTITY, database, uwsgi, write

DATABASES = ("keystone",)


def configure(place: Place) -> None:
    """Write keystone.conf."""
    write(
        place.etc / "keystone.conf",
        {
            "DEFAULT": {"log_file": place.log / "keystone-api.log"},
            "database": database(place, "keystone"),
            "token": {"provider": "fernet", "expiration": 86400},
            "fernet_tokens": {"key_repository": place.data / "fernet"},
            "credential": {"key_repository": place.data / "credential"},
            "cache": {"enabled": True, "backend": "dogpile.cache.memory"},
            "identity": {"password_hash_rounds": 4},
        },
    )


def create_schema(place: Place) -> None:
    """Make the tables, the keys and the administrator."""
    root = ("--keystone-user", "root", "--keystone-group", "root")
    for folder in ("fernet", "credential"):
        (place.data / folder).mkdir(exist_ok=True)
    endpoints = [
        w for kind in ("public", "internal", "admin") for w in (f"--bootstrap-{kind}-url", IDENTITY)
    ]
    for arguments in (
        ("db_sync",),
        ("fernet_setup", *root),
        ("credential_setup", *root),
        ("bootstrap", "--bootstrap-region-id", REGION, *endpoints),
    ):
        run(
            place,
            script(
                "keystone-manage", "--config-file", str(place.etc / "keystone.conf"), *arguments
            ),
            log="keystone-schema",
            OS_BOOTSTRAP_PASSWORD=place.passwords["admin"],
        )


def daemons(place: Place) -> list[Daemon]:
    """The API."""
    environment = {"OS_KEYSTONE_CONFIG_FILES": str(place.etc / "keystone.conf")}
    return [
        Daemon("keystone", uwsgi(5000, "/usr/bin/keystone-wsgi-public", processes=2), environment)
    ]
