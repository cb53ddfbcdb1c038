"""Static routes of routers, by Neutron's rules: extra routes.

Source: neutron/db/extraroute_db.py
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from infraci.local.domain.addresses import ip_address, ip_network
from infraci.local.domain.networks import Wiring
from infraci.local.domain.neutron import Neutron
from infraci.local.domain.records import Port, Route, Router, Subnet
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, InvalidRequestError

_MAX = 30


class ExtraRoutes(Neutron):
    """The static routes of routers."""

    def __init__(self, store: Store, wiring: Wiring) -> None:
        super().__init__(store)
        self._wiring = wiring

    def set(self, router_id: str, routes: Iterable[Route]) -> Router:
        """Give a router these routes, in place of others."""
        router = self.require(Router, router_id)
        routes = tuple(dict.fromkeys(map(_canonical, routes)))
        if len(routes) > _MAX:
            raise InvalidRequestError(
                f"Unable to complete operation for {router_id}."
                f" The number of routes exceeds the maximum {_MAX}.",
                neutron_type="RoutesExhausted",
            )
        self._validate_hops(router_id, routes)
        changed = replace(router, routes=routes)
        self.put_into_effect(changed)
        kept = self.store.change(Router, router_id, lambda now: replace(now, routes=routes))
        return kept or changed

    def add(self, router_id: str, routes: Iterable[Route]) -> Router:
        """Add routes to a router; those that it has are no error."""
        with self.store.locked():
            return self.set(router_id, (*self.require(Router, router_id).routes, *routes))

    def remove(self, router_id: str, routes: Iterable[Route]) -> Router:
        """Take routes from a router; those that it has not are no error."""
        with self.store.locked():
            gone = frozenset(map(_canonical, routes))
            before = self.require(Router, router_id).routes
            return self.set(router_id, [route for route in before if route not in gone])

    def put_into_effect(self, router: Router) -> None:
        """Have a router on the machine send packets by its routes."""
        hops: defaultdict[str, list[str]] = defaultdict(list)
        for route in router.routes:
            hops[route.destination].append(route.nexthop)
        self._wiring.router(router.id).set_routes(hops)

    def refuse_needed(self, router_id: str, leg: Port, subnet_id: str | None) -> None:
        """Raise ConflictError while a route goes by an address in a subnet of an interface.

        Without ``subnet_id`` by one in any of its subnets.
        """
        routes = self.require(Router, router_id).routes
        ids = [f.subnet_id for f in leg.fixed_ips if subnet_id in (None, f.subnet_id)]
        for id_ in ids:
            cidr = ip_network(self.require(Subnet, id_).cidr)
            if any(ipaddress.ip_address(route.nexthop) in cidr for route in routes):
                raise ConflictError(
                    f"Router interface for subnet {id_} on router {router_id} cannot be deleted,"
                    " as it is required by one or more routes.",
                    neutron_type="RouterInterfaceInUseByRoute",
                )

    def _validate_hops(self, router_id: str, routes: tuple[Route, ...]) -> None:
        """Refuse routes by addresses that the router is not beside, or has itself."""
        ports = self.store.find(Port, lambda port: port.device_id == router_id)
        own = [fixed for port in ports for fixed in port.fixed_ips]
        cidrs = [ip_network(self.require(Subnet, fixed.subnet_id).cidr) for fixed in own]
        for route in routes:
            reason = ""
            if not any(ipaddress.ip_address(route.nexthop) in cidr for cidr in cidrs):
                reason = "the nexthop is not connected with router"
            elif route.nexthop in {fixed.ip_address for fixed in own}:
                reason = "the nexthop is used by router"
            if reason:
                shown = [{"destination": r.destination, "nexthop": r.nexthop} for r in routes]
                raise InvalidRequestError(
                    f"Invalid format for routes: {shown}, {reason}", neutron_type="InvalidRoutes"
                )


def _canonical(route: Route) -> Route:
    """A route, its addresses in their usual form. Raises InvalidRequestError."""
    return Route(
        destination=str(ip_network(route.destination)),
        nexthop=ip_address(route.nexthop, "routes"),
    )
