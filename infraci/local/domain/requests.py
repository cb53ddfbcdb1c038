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
