"""MariaDB and RabbitMQ: private ones."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from tests.live.openstack.place import Place
from tests.live.openstack.processes import Daemon, run, wait_for
from tests.live.openstack.services.common import RABBIT, socket_of_database

_EPMD_PORT = "4370"


def configure(place: Place) -> None:
    """Write RabbitMQ's file; MariaDB is told on its command line."""
    (place.data / "rabbit").mkdir(exist_ok=True)
    settings = {
        "listeners.tcp.local": RABBIT,
        "default_user": "openstack",
        "default_pass": place.passwords["rabbit"],
        "loopback_users.openstack": "false",
        "vm_memory_high_watermark.absolute": "512MB",
        "disk_free_limit.absolute": "50MB",
    }
    (place.etc / "rabbitmq.conf").write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))


def create_database_files(place: Place) -> None:
    """Make MariaDB's own tables, once."""
    folder = place.data / "mysql"
    if (folder / "mysql/user.frm").exists() or (folder / "mysql/global_priv.MAD").exists():
        return
    run(
        place,
        [
            *("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={folder}"),
            *("--skip-test-db", "--auth-root-authentication-method=normal"),
        ],
        log="mariadb-install",
    )


def database(place: Place) -> Daemon:
    """MariaDB, on a socket in a folder that only root may enter."""
    return Daemon(
        "mariadb",
        [
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={place.data / 'mysql'}"),
            *(f"--socket={socket_of_database(place)}", f"--pid-file={place.run}/mariadb.own"),
            *("--skip-networking", "--skip-grant-tables", "--skip-name-resolve"),
            *("--max-connections=500", "--performance-schema=OFF"),
            # Speed: should the machine fail, the databases are made anew.
            *("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"),
        ],
    )


def messaging(place: Place) -> list[Daemon]:
    """RabbitMQ, and the port mapper it would otherwise start by itself and leave."""
    environment = {
        "HOME": str(place.data / "rabbit"),
        "RABBITMQ_NODENAME": "openstack@localhost",
        "RABBITMQ_CONFIG_FILE": str(place.etc / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_MNESIA_BASE": str(place.data / "rabbit"),
        "RABBITMQ_LOG_BASE": str(place.log),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(place.etc / "rabbit-plugins"),
        "RABBITMQ_DIST_PORT": "25673",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        "ERL_EPMD_PORT": _EPMD_PORT,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    return [
        Daemon("epmd", ["epmd", "-port", _EPMD_PORT, "-address", "127.0.0.1"]),
        Daemon("rabbitmq", ["/usr/lib/rabbitmq/bin/rabbitmq-server"], environment),
    ]


def database_ready(place: Place) -> None:
    """Wait until MariaDB answers."""
    wait_for(place, "MariaDB", lambda: not _sql(place, "select 1").returncode)


def create_databases(place: Place, names: Iterable[str]) -> None:
    """Make databases without tables."""
    wishes = (f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8;" for name in names)
    _sql(place, " ".join(wishes)).check_returncode()


def _sql(place: Place, statement: str) -> subprocess.CompletedProcess[str]:
    where = ["--user=root", f"--socket={socket_of_database(place)}"]
    return subprocess.run(
        ["mariadb", "--no-defaults", *where, f"--execute={statement}"],
        env=place.environment(),
        capture_output=True,
        text=True,
    )
