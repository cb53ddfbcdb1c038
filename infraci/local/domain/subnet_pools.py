"""Creates, changes and removes subnet pools and address scopes by Neutron's rules.

Source: neutron/ipam/subnet_alloc.py, neutron/db/db_base_plugin_v2.py
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from infraci.local.domain.addresses import IpNetwork, ip_network
from infraci.local.domain.neutron import Neutron, bad_request, invalid_input
from infraci.local.domain.records import AddressScope, Network, Subnet, SubnetPool
from infraci.local.errors import ConflictError, InvalidRequestError

#: The bounds of the lengths of prefixes, by the version of IP.
_BOUNDS = {4: (8, 32), 6: (64, 128)}


class SubnetPools(Neutron):
    """Subnet pools and address scopes, kept in the store."""

    def create(self, pool: SubnetPool) -> SubnetPool:
        """Add a pool."""
        with self.store.locked():
            return self.store.put(self._validated(pool))

    def update(self, id_: str, **values: Any) -> SubnetPool:
        """Change a pool; its prefixes may only become more."""
        with self.store.locked():
            before = self.require(SubnetPool, id_)
            after = self._validated(replace(before, **values))
            wider = [ip_network(prefix) for prefix in after.prefixes]
            for prefix in map(ip_network, before.prefixes):
                if not any(_contains(each, prefix) for each in wider):
                    raise InvalidRequestError(
                        "Illegal update to prefixes: Existing prefixes must be a subset of the new"
                        " prefixes.",
                        neutron_type="IllegalSubnetPoolPrefixUpdate",
                    )
            return self.store.put(after)

    def delete(self, id_: str) -> None:
        """Remove a pool from which no subnet is."""
        with self.store.locked():
            pool = self.require(SubnetPool, id_)
            if self.store.find(Subnet, lambda subnet: subnet.subnetpool_id == id_):
                raise InvalidRequestError(
                    "Unable to delete subnet pool: Subnet pool has existing allocations.",
                    neutron_type="SubnetPoolDeleteError",
                )
            self.store.drop(pool)

    def delete_scope(self, id_: str) -> None:
        """Remove an address scope that no pool is in."""
        with self.store.locked():
            scope = self.require(AddressScope, id_)
            if self.store.find(SubnetPool, lambda pool: pool.address_scope_id == id_):
                raise ConflictError(
                    f"Unable to complete operation on address scope {id_}. There are one or more"
                    " subnet pools in use on the address scope.",
                    neutron_type="AddressScopeInUse",
                )
            self.store.drop(scope)

    def allocate(self, subnet: Subnet, prefixlen: int | None) -> Subnet:
        """The subnet with a CIDR of its pool: the next free one unless it has one."""
        pool = self.require(SubnetPool, str(subnet.subnetpool_id))
        if subnet.ip_version != pool.ip_version:
            raise bad_request(
                "subnets",
                f"Cannot allocate IPv{subnet.ip_version} subnet from IPv{pool.ip_version} subnet"
                " pool",
            )
        length = ip_network(subnet.cidr).prefixlen if subnet.cidr else prefixlen
        length = length or pool.default_prefixlen
        _validate_length(pool, length)
        free = self._free(pool)
        if subnet.cidr:
            cidr = ip_network(subnet.cidr)
            if not any(_contains(block, cidr) for block in free):
                reason = "Cannot allocate requested subnet from the available set of prefixes"
                raise _no_space(reason)
            return subnet
        for block in free:
            if block.prefixlen <= length:
                return replace(subnet, cidr=str(next(block.subnets(new_prefix=length))))
        raise _no_space(f"Insufficient prefix space to allocate subnet size /{length}")

    def refuse_mixed(self, network: Network, subnet: Subnet) -> None:
        """Raise InvalidRequestError for subnets of one network and version from several pools."""
        for other in self.store.find(Subnet, lambda other: other.network_id == network.id):
            is_mixed = other.subnetpool_id != subnet.subnetpool_id
            if is_mixed and other.ip_version == subnet.ip_version:
                raise InvalidRequestError(
                    "Subnets hosted on the same network must be allocated from the same subnet"
                    " pool.",
                    neutron_type="NetworkSubnetPoolAffinityError",
                )

    def _free(self, pool: SubnetPool) -> list[IpNetwork]:
        """What is left of a pool, the smallest blocks first."""
        taken = self.store.find(Subnet, lambda subnet: subnet.subnetpool_id == pool.id)
        blocks = [ip_network(prefix) for prefix in pool.prefixes]
        for subnet in taken:
            blocks = list(_without(blocks, ip_network(subnet.cidr)))
        return sorted(blocks, key=lambda block: (-block.prefixlen, int(block.network_address)))

    def _validated(self, pool: SubnetPool) -> SubnetPool:
        """The pool, complete and in its usual form. Raises RequestError as Neutron does."""
        networks = [ip_network(prefix) for prefix in pool.prefixes]
        if not networks:
            raise InvalidRequestError(
                "Empty subnet pool prefix list.", neutron_type="EmptySubnetPoolPrefixList"
            )
        versions = {network.version for network in networks}
        if len(versions) > 1:
            raise InvalidRequestError(
                "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.",
                neutron_type="PrefixVersionMismatch",
            )
        (version,) = versions
        least, most = _BOUNDS[version]
        shortest, longest = pool.min_prefixlen or least, pool.max_prefixlen or most
        default = pool.default_prefixlen or shortest
        for name, low, other, high in (
            ("max_prefixlen", shortest, "min_prefixlen", longest),
            ("default_prefixlen", shortest, "min_prefixlen", default),
            ("default_prefixlen", default, "max_prefixlen", longest),
        ):
            if low > high:
                value, bound = (high, low) if other == "min_prefixlen" else (low, high)
                raise InvalidRequestError(
                    f"Illegal prefix bounds: {name}={value}, {other}={bound}.",
                    neutron_type="IllegalSubnetPoolPrefixBounds",
                )
        if pool.address_scope_id:
            self._validate_scope(pool, version)
        self._refuse_second_default(pool, version)
        return replace(
            pool,
            ip_version=version,
            prefixes=tuple(str(network) for network in _collapsed(networks)),
            min_prefixlen=shortest,
            max_prefixlen=longest,
            default_prefixlen=default,
        )

    def _validate_scope(self, pool: SubnetPool, version: int) -> None:
        scope = self.require(AddressScope, str(pool.address_scope_id))
        if scope.ip_version != version:
            raise InvalidRequestError(
                f"Illegal subnetpool association: subnetpool {pool.id} cannot associate with"
                f" address scope {scope.id} because subnetpool ip_version is not"
                f" {scope.ip_version}.",
                neutron_type="IllegalSubnetPoolIpVersionAssociationToAddressScope",
            )
        for other in self.store.find(SubnetPool, lambda o: o.address_scope_id == scope.id):
            pairs = ((a, b) for a in pool.prefixes for b in other.prefixes)
            overlaps = any(ip_network(a).overlaps(ip_network(b)) for a, b in pairs)
            if other.id != pool.id and overlaps:
                raise ConflictError(
                    "Failed to associate address scope: subnetpools within an address scope must"
                    " have unique prefixes.",
                    neutron_type="AddressScopePrefixConflict",
                )

    def _refuse_second_default(self, pool: SubnetPool, version: int) -> None:
        defaults = self.store.find(SubnetPool, lambda p: p.is_default and p.ip_version == version)
        if pool.is_default and any(other.id != pool.id for other in defaults):
            raise invalid_input(
                "A default subnetpool for this IP family has already been set. Only one default"
                " may exist per IP family"
            )


def _validate_length(pool: SubnetPool, length: int) -> None:
    for name, is_beyond, bound, kind in (
        ("maximum", length > pool.max_prefixlen, pool.max_prefixlen, "Max"),
        ("minimum", length < pool.min_prefixlen, pool.min_prefixlen, "Min"),
    ):
        if is_beyond:
            raise InvalidRequestError(
                f"Unable to allocate subnet with prefix length {length}, {name} allowed prefix is"
                f" {bound}.",
                neutron_type=f"{kind}PrefixSubnetAllocationError",
            )


def _no_space(reason: str) -> ConflictError:
    return ConflictError(
        f"Failed to allocate subnet: {reason}.", neutron_type="SubnetAllocationError"
    )


def _contains(block: IpNetwork, other: IpNetwork) -> bool:
    """Whether all of a network of the same version is in a block."""
    return other.network_address in block and other.prefixlen >= block.prefixlen


def _without(blocks: Iterable[IpNetwork], taken: IpNetwork) -> Iterable[IpNetwork]:
    for block in blocks:
        if _contains(taken, block):
            continue
        if _contains(block, taken):
            yield from block.address_exclude(taken)  # type: ignore[arg-type]
        else:
            yield block


def _collapsed(networks: Iterable[IpNetwork]) -> Iterable[IpNetwork]:
    return ipaddress.collapse_addresses(networks)  # type: ignore[type-var]
