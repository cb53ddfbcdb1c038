"""The flavors and images that a cloud offers, by which a template's sizes are matched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

Names = Mapping[str, str]
_NONE: Names = MappingProxyType({})
_DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedFlavor:
    """A size of server."""

    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedImage:
    """An image, as its metadata describes it; unknown fields are empty."""

    name: str
    distribution: str = ""  # "debian"
    version: str = ""  # "12"
    type: str = ""  # "linux"
    architecture: str = ""  # "x86_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The flavors and images of one cloud."""

    cloud: str
    flavors: tuple[OfferedFlavor, ...] = ()
    images: tuple[OfferedImage, ...] = ()
    #: For servers whose template asks for no size; empty if the cloud has no default.
    default_flavor: str = ""
    default_image: str = ""
    default_network: str = ""

    def by_names(
        self, *, images: Names = _NONE, flavors: Names = _NONE, networks: Names = _NONE
    ) -> Catalog:
        """The catalog with the names that a project file gives to what the cloud has.

        The name ``default`` is for servers whose template asks for no size.
        """
        known = {image.name for image in self.images}
        more = tuple(OfferedImage(name=n) for n in images if n not in known and n != _DEFAULT)
        return replace(
            self,
            images=(*self.images, *more),
            default_flavor=flavors.get(_DEFAULT, ""),
            default_image=images.get(_DEFAULT, ""),
            default_network=networks.get(_DEFAULT, ""),
        )
