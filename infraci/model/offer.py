"""What a cloud offers servers: flavors and images, as far as a template may ask for sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedFlavor:
    """A size of server."""

    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedImage:
    """An image, as its metadata describes it; what is not known is empty."""

    name: str
    distribution: str = ""  # "debian"
    version: str = ""  # "12"
    type: str = ""  # "linux"
    architecture: str = ""  # "x86_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What there is on one cloud, both by name."""

    cloud: str
    flavors: tuple[OfferedFlavor, ...] = ()
    images: tuple[OfferedImage, ...] = ()
    default_network: str = ""  # where servers go of which nothing is said; empty: Nova decides

    def by_names(self, images: Iterable[str], default_network: str = "") -> Offer:
        """The offer with the names that a project file has for what the cloud offers."""
        known = {image.name for image in self.images}
        more = tuple(OfferedImage(name=name) for name in images if name not in known)
        return replace(self, images=(*self.images, *more), default_network=default_network)
