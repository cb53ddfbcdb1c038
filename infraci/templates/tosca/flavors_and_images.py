"""A cloud's flavors and images, described so that the translator chooses as TOSCA means it.

Left alone, the translator takes images that lack a description for images of any kind, and
without a cloud it makes names up. So each image is described in full here: by its metadata in
Glance (``os_distro``, ``os_version``, ``os_type``, ``architecture``), else by its name, as in
``debian-12`` or ``Ubuntu 22.04 LTS``. An image that neither describes is never chosen.
"""

from __future__ import annotations

import re

from infraci.model.catalog import Catalog, OfferedImage

_NAMED = re.compile(r"([A-Za-z]+)[ _-]+v?(\d+(?:\.\d+)*)")


def flavors(offer: Catalog) -> dict[str, dict[str, int]]:
    """Sizes by name: CPUs, memory in MB, disk in GB."""
    return {
        flavor.name: {
            "num_cpus": flavor.vcpus,
            "mem_size": flavor.ram_mb,
            "disk_size": flavor.disk_gb,
        }
        for flavor in sorted(offer.flavors, key=lambda f: (f.ram_mb, f.vcpus, f.disk_gb, f.name))
    }


def images(offer: Catalog) -> dict[str, dict[str, str]]:
    """Descriptions by name; both spellings of each key, so that none counts as unknown."""
    return {image.name: _described(image) for image in sorted(offer.images, key=lambda i: i.name)}


def shown_images(offer: Catalog) -> str:
    """The images for a message: ``debian-12 (debian 12)``."""
    parts = []
    for name, said in images(offer).items():
        known = f"{said['os_distro']} {said['os_version']}".strip()
        parts.append(f"{name} ({known or 'not described'})")
    return ", ".join(parts) or "none"


def _described(image: OfferedImage) -> dict[str, str]:
    distribution, version = image.distribution, image.version
    if not distribution and (found := _NAMED.match(image.name)):
        distribution, version = found[1].lower(), found[2]
    kind = image.type or ("linux" if distribution else "")
    return {
        "architecture": image.architecture or ("x86_64" if distribution else ""),
        "type": kind,
        "os_type": kind,
        "distribution": distribution,
        "os_distro": distribution,
        # TOSCA's own spelling of a version has a minor number.
        "version": version if "." in version else f"{version}.0",
        "os_version": version,
    }
