"""What the services' configurations have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.live.openstack.place import ADDRESS, REGION, Place

Section = Mapping[str, object]

IDENTITY = f"http://{ADDRESS}:5000/v3"
IMAGE = f"http://{ADDRESS}:9292"
RABBIT = "127.0.0.1:5673"


def write(path: Path, sections: Mapping[str, Section]) -> None:
    """Write a configuration file as oslo.config reads it."""
    lines = []
    for name, section in sections.items():
        lines.append(f"[{name}]")
        for key, value in section.items():
            values = value if isinstance(value, list) else [value]
            lines += [f"{key} = {_text(item)}" for item in values]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def socket_of_database(place: Place) -> Path:
    """Where MariaDB listens; nowhere else."""
    return place.run / "mysql.sock"


def database_url(place: Place, name: str) -> str:
    """A database, for SQLAlchemy."""
    socket = socket_of_database(place)
    return f"mysql+pymysql://root@localhost/{name}?unix_socket={socket}&charset=utf8"


def database(place: Place, name: str) -> Section:
    """Where a service remembers."""
    return {
        "connection": database_url(place, name),
        "max_retries": -1,
        "retry_interval": 1,
        "max_pool_size": 10,
    }


def login(place: Place) -> Section:
    """How a service talks to the others."""
    return {
        "auth_type": "password",
        "auth_url": IDENTITY,
        "username": "service",
        "password": place.passwords["service"],
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": REGION,
    }


def transport(place: Place) -> Section:
    """Where RabbitMQ is."""
    return {"transport_url": f"rabbit://openstack:{place.passwords['rabbit']}@{RABBIT}/"}


def shared(place: Place, name: str) -> Mapping[str, Section]:
    """The sections that all services have."""
    return {
        "database": database(place, name),
        "keystone_authtoken": {
            "www_authenticate_uri": IDENTITY,
            "service_token_roles_required": True,
            "service_token_roles": "admin",
            **login(place),
        },
        "oslo_concurrency": {"lock_path": place.run / "lock"},
        "oslo_messaging_rabbit": {"heartbeat_in_pthread": False, "rabbit_retry_interval": 1},
        "oslo_messaging_notifications": {"driver": "noop"},
    }


def uwsgi(port: int, program: str, *, processes: int = 1) -> list[str]:
    """The command that serves a WSGI program.

    Processes and no threads: two threads that are the first to ask for a policy at the same time
    see half of its rules, and forbid what is allowed.
    """
    return [
        "/usr/bin/uwsgi-core",
        *("--plugin", "/usr/lib/uwsgi/plugins/python3_plugin.so"),
        *("--http-socket", f"{ADDRESS}:{port}"),
        *("--wsgi-file", program),
        *("--master", "--processes", str(processes), "--enable-threads", "--lazy-apps"),
        *("--die-on-term", "--buffer-size", "65535", "--disable-logging"),
        *("--add-header", "Connection: close"),
    ]
