"""What clients ask of the embedded cloud, where a record cannot say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRequest:
    """An address for a port: of a subnet, a certain one, or any of its network."""

    subnet_id: str | None = None
    ip_address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRequest:
    """A way to the external network for a router; without addresses, the next free one."""

    network_id: str
    enable_snat: bool = True
    addresses: tuple[AddressRequest, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRequest:
    """A network card for a server: by a port that there is, or by a new one in a network."""

    port_id: str | None = None
    network_id: str | None = None
    addresses: tuple[AddressRequest, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRequest:
    """A disk for a server: a volume that there is, or one made of an image or a snapshot."""

    source: str  # volume, snapshot, image or blank
    source_id: str = ""
    #: The size of a volume that is to be made; 0 for the source's own.
    size_gb: int = 0
    #: The device's name; empty for the next one.
    device: str = ""
    is_root: bool = False
    delete_on_termination: bool = False
