"""Reads the flavors and images of a cloud."""

from __future__ import annotations

from infraci.heat.openstack_connection import Connection
from infraci.model.catalog import Catalog, OfferedFlavor, OfferedImage

_PAGE = 1000


def read_catalog(connection: Connection) -> Catalog:
    """The flavors and images that servers can be made of; at most a thousand of each."""
    limit = {"limit": _PAGE}
    flavors = connection.ask("list flavors", "compute", "GET", "/flavors/detail", params=limit)
    active = {**limit, "status": "active"}
    images = connection.ask("list images", "image", "GET", "/images", params=active)
    return Catalog(
        cloud=connection.cloud,
        flavors=tuple(
            OfferedFlavor(
                name=str(flavor["name"]),
                vcpus=int(flavor["vcpus"]),
                ram_mb=int(flavor["ram"]),
                disk_gb=int(flavor["disk"]),
            )
            for flavor in sorted(flavors["flavors"], key=lambda flavor: str(flavor["name"]))
        ),
        images=tuple(
            OfferedImage(
                name=str(image["name"]),
                distribution=str(image.get("os_distro") or ""),
                version=str(image.get("os_version") or ""),
                type=str(image.get("os_type") or ""),
                architecture=str(image.get("architecture") or ""),
            )
            for image in sorted(images["images"], key=lambda image: str(image.get("name")))
            if image.get("name")
        ),
    )
