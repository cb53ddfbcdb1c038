"""Cinder: volumes, as files.

LVM wants a device mapper and iSCSI, NFS wants a client, of which a small machine's kernel may
have none. So the driver is NFS's, and its share a folder of this machine, bound where an export
would be mounted (``programs/mount``): attaching, growing, snapshots are the driver's and Nova's.
"""

from __future__ import annotations

from tests.live.openstack.packages import common
from tests.live.openstack.place import ADDRESS, Place
from tests.live.openstack.processes import Daemon, entry, run, script
from tests.live.openstack.services.common import IMAGE, RABBIT, login, shared, transport, write
from tests.live.openstack.services.libvirt import beside_guests

DATABASES = ("cinder",)


def configure(place: Place) -> None:
    """Write cinder.conf."""
    home = place.data / "cinder"
    for folder in ("share", "mnt", "conversion"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (place.etc / "shares").write_text(f"{ADDRESS}:{home / 'share'}\n")
    helper = {"helper_command": f"privsep-helper --config-file {place.etc / 'cinder.conf'}"}
    write(
        place.etc / "cinder.conf",
        {
            "DEFAULT": {
                "host": "live",
                "my_ip": ADDRESS,
                "state_path": home,
                "image_conversion_dir": home / "conversion",
                "osapi_volume_listen": ADDRESS,
                "osapi_volume_workers": 1,
                "api_paste_config": common(place, "usr/share/cinder-common/api-paste.ini"),
                "resource_query_filters_file": common(place, "etc/cinder/resource_filters.json"),
                "enabled_backends": "files",
                "default_volume_type": "__DEFAULT__",
                "glance_api_servers": IMAGE,
                "periodic_fuzzy_delay": 0,
                **transport(place),
            },
            **shared(place, "cinder"),
            "files": {
                "volume_backend_name": "files",
                "volume_driver": "cinder.volume.drivers.nfs.NfsDriver",
                "nfs_shares_config": place.etc / "shares",
                "nfs_mount_point_base": home / "mnt",
                "nfs_sparsed_volumes": True,
                "nfs_snapshot_support": True,
                "nfs_qcow2_volumes": True,
                "nas_secure_file_operations": False,
                "nas_secure_file_permissions": False,
                "max_over_subscription_ratio": 20,
            },
            "nova": {"interface": "public", **login(place)},
            "service_user": {"send_service_user_token": True, **login(place)},
            "privsep_osbrick": helper,
            "cinder_sys_admin": helper,
        },
    )


def create_schema(place: Place) -> None:
    """Make the tables."""
    file = str(place.etc / "cinder.conf")
    run(place, script("cinder-manage", "--config-file", file, "db", "sync"), log="cinder-schema")


def daemons(place: Place) -> list[Daemon]:
    """API, scheduler, and the agent of the backend."""
    file = ("--config-file", str(place.etc / "cinder.conf"))
    volume = entry("cinder-volume", *file, after=[RABBIT])
    return [
        entry("cinder-api", *file, after=[RABBIT]),
        entry("cinder-scheduler", *file, after=[RABBIT]),
        beside_guests(place, volume),
    ]
