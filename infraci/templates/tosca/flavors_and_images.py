"""Describes a cloud's flavors and images to the translator, so that it chooses as TOSCA prescribes.

By itself the translator takes images without a description for images of any kind, and without a
cloud it invents names. This module describes each image in full: by its metadata in Glance
(``os_distro``, ``os_version``, ``os_type``, ``architecture``), else by its name, as in
``debian-12`` or ``Ubuntu 22.04 LTS``. The translator never chooses an image that neither describes.
"""

from __future__ import annotations

import re

from infraci.model.catalog import Catalog, OfferedImage

_NAMED = re.compile(r"([A-Za-z]+)[ _-]+v?(\d+(?:\.\d+)*)")


def flavors(catalog: Catalog) -> dict[str, dict[str, int]]:
    """Sizes by name: CPUs, memory in MB, disk in GB."""
    return {
        flavor.name: {
            "num_cpus": flavor.vcpus,
            "mem_size": flavor.ram_mb,
            "disk_size": flavor.disk_gb,
        }
        for flavor in sorted(catalog.flavors, key=lambda f: (f.ram_mb, f.vcpus, f.disk_gb, f.name))
    }


def images(catalog: Catalog) -> dict[str, dict[str, str]]:
    """Descriptions by name; both spellings of each key, so that none counts as unknown."""
    return {image.name: _described(image) for image in sorted(catalog.images, key=lambda i: i.name)}


def shown_images(catalog: Catalog) -> str:
    """The images for a message: ``debian-12 (debian 12)``."""
    parts = []
    for name, description in images(catalog).items():
        known = f"{description['os_distro']} {description['os_version']}".strip()
        parts.append(f"{name} ({known or 'not described'})")
    return ", ".join(parts) or "none"


def _described(image: OfferedImage) -> dict[str, str]:
    distribution, version = image.distribution, image.version
    if not distribution and (match := _NAMED.match(image.name)):
        distribution, version = match[1].lower(), match[2]
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
