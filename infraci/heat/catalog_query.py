"""The flavors and images of a cloud."""

from __future__ import annotations

from infraci.heat.openstack_connection import Connection
from infraci.model.catalog import Catalog, OfferedFlavor, OfferedImage

_PAGE = 1000


def read_offer(connection: Connection) -> Catalog:
    """What servers can be made of; a thousand of each at most."""
    limit = {"limit": _PAGE}
    flavors = connection.ask("list flavors", "compute", "GET", "/flavors/detail", params=limit)
    wanted = {**limit, "status": "active"}
    images = connection.ask("list images", "image", "GET", "/images", params=wanted)
    return Catalog(
        cloud=connection.cloud,
        flavors=tuple(
            OfferedFlavor(
                name=str(said["name"]),
                vcpus=int(said["vcpus"]),
                ram_mb=int(said["ram"]),
                disk_gb=int(said["disk"]),
            )
            for said in sorted(flavors["flavors"], key=lambda said: str(said["name"]))
        ),
        images=tuple(
            OfferedImage(
                name=str(said["name"]),
                distribution=str(said.get("os_distro") or ""),
                version=str(said.get("os_version") or ""),
                type=str(said.get("os_type") or ""),
                architecture=str(said.get("architecture") or ""),
            )
            for said in sorted(images["images"], key=lambda said: str(said.get("name")))
            if said.get("name")
        ),
    )
