"""Nova: servers, as guests of QEMU."""

from __future__ import annotations

from collections.abc import Mapping

from tests.live.openstack.packages import common
from tests.live.openstack.place import ADDRESS, Place
from tests.live.openstack.processes import Daemon, entry, run, script
from tests.live.openstack.services.common import (
    IMAGE,
    RABBIT,
    Section,
    database_url,
    login,
    shared,
    transport,
    write,
)
from tests.live.openstack.services.libvirt import beside_guests, uri

DATABASES = ("nova", "nova_api", "nova_cell0")


def configure(place: Place) -> None:
    """Write nova.conf, and the one of nova-compute, which must not know the databases."""
    sections = _sections(place)
    write(place.etc / "nova.conf", sections)
    for name in ("database", "api_database"):
        sections[name] = {k: v for k, v in sections[name].items() if k != "connection"}
    write(place.etc / "nova-compute.conf", sections)


def _sections(place: Place) -> dict[str, Section]:
    helper = {"helper_command": f"privsep-helper --config-file {place.etc / 'nova.conf'}"}
    instances = place.data / "nova/instances"
    instances.mkdir(parents=True, exist_ok=True)
    return {
        "DEFAULT": {
            "host": "live",
            "my_ip": ADDRESS,
            "state_path": place.data / "nova",
            "instances_path": instances,
            "enabled_apis": "osapi_compute,metadata",
            "osapi_compute_listen": ADDRESS,
            "osapi_compute_workers": 1,
            "metadata_listen": "127.0.0.1",
            "metadata_workers": 1,
            "compute_driver": "libvirt.LibvirtDriver",
            "force_config_drive": True,
            "config_drive_format": "iso9660",
            "mkisofs_cmd": "genisoimage",
            # A periodic task begins after a random 0 to 60 s, the discovery of hypervisors too.
            "periodic_fuzzy_delay": 0,
            "reserved_host_memory_mb": 512,
            "ram_allocation_ratio": 2,
            "cpu_allocation_ratio": 16,
            "disk_allocation_ratio": 8,
            "vif_plugging_timeout": 120,
            # The image stays what it is, and a guest's disk is a layer upon it.
            "force_raw_images": False,
            "use_cow_images": True,
            **transport(place),
        },
        **shared(place, "nova"),
        "api_database": {**shared(place, "nova_api")["database"]},
        "wsgi": {"api_paste_config": common(place, "usr/share/nova-common/api-paste.ini")},
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 2},
        "placement": login(place),
        "glance": {"api_servers": IMAGE, **login(place)},
        "cinder": {"catalog_info": "volumev3::publicURL", **login(place)},
        "service_user": {"send_service_user_token": True, **login(place)},
        "neutron": {
            "service_metadata_proxy": True,
            "metadata_proxy_shared_secret": place.passwords["metadata"],
            **login(place),
        },
        "libvirt": {
            "virt_type": "qemu",
            "connection_uri": uri(place),
            "cpu_mode": "none",
            "inject_partition": -2,
            "nfs_mount_point_base": place.data / "nova/mnt",
        },
        "vnc": {"enabled": False},
        **_privileged(helper),
    }


def _privileged(helper: Section) -> Mapping[str, Section]:
    """There is no sudo: all is root's already."""
    names = ("nova_sys_admin", "privsep_osbrick")
    plugs = ("vif_plug_linux_bridge_privileged", "vif_plug_ovs_privileged")
    return dict.fromkeys((*names, *plugs), helper)


def create_schema(place: Place) -> None:
    """Make the tables and the cells."""
    cell0 = database_url(place, "nova_cell0")
    for arguments in (
        ("api_db", "sync"),
        ("cell_v2", "map_cell0", "--database_connection", cell0),
        ("cell_v2", "create_cell", "--name", "cell1"),
        ("db", "sync"),
    ):
        manage = ("nova-manage", "--config-file", str(place.etc / "nova.conf"))
        run(place, script(*manage, *arguments), log="nova-schema")


def daemons(place: Place) -> list[Daemon]:
    """Conductor, scheduler, API."""
    file = ("--config-file", str(place.etc / "nova.conf"))
    return [
        entry("nova-conductor", *file, after=[RABBIT]),
        entry("nova-scheduler", *file, after=[RABBIT, f"{ADDRESS}:8778"]),
        entry("nova-api", *file, after=[RABBIT]),
    ]


def compute(place: Place) -> Daemon:
    """The agent of the hypervisor, in libvirtd's own mount namespace."""
    daemon = entry(
        "nova-compute",
        *("--config-file", str(place.etc / "nova-compute.conf")),
        after=[RABBIT, f"{ADDRESS}:5000", f"{ADDRESS}:8778", f"{ADDRESS}:9696"],
    )
    return beside_guests(place, daemon)
