"""Static routes of routers, as Neutron takes and refuses them."""

from __future__ import annotations

import pytest

from infraci.local.domain.networks import Networks
from infraci.local.domain.records import Route, Router
from infraci.local.domain.routers import Routers
from infraci.local.errors import RequestError
from tests.local.domain.test_networks import (
    PUBLIC_GATEWAY,
    RecordedWiring,
    networks,
    routers,
    subnet_of,
    wires,
)

__all__ = ["networks", "routers", "wires"]


def route(destination: str, nexthop: str) -> Route:
    return Route(destination=destination, nexthop=nexthop)


@pytest.fixture
def router(networks: Networks, routers: Routers) -> Router:
    """A router in 10.0.0.0/24, with a way out."""
    router = routers.create_router(Router(), PUBLIC_GATEWAY)
    routers.add_subnet(router.id, subnet_of(networks).id)
    return router


def test_routes_are_added_and_removed(
    routers: Routers, router: Router, wires: RecordedWiring
) -> None:
    one, other = route("10.9.0.0/16", "10.0.0.9"), route("10.9.0.0/16", "10.0.0.8")
    outside = route("192.0.2.0/24", "172.24.4.1")
    routers.routes.set(router.id, [one, one])
    assert routers.require(Router, router.id).routes == (one,)
    routers.routes.add(router.id, [one, other, outside])
    hops = {"10.9.0.0/16": ["10.0.0.9", "10.0.0.8"], "192.0.2.0/24": ["172.24.4.1"]}
    assert wires.calls[-1] == ("set_routes", hops)
    left = routers.routes.remove(router.id, [one, route("10.8.0.0/16", "10.0.0.9")])
    assert left.routes == (other, outside)


@pytest.mark.parametrize(
    ("nexthop", "message"),
    [
        ("10.7.0.1", "the nexthop is not connected with router"),
        ("10.0.0.1", "the nexthop is used by router"),
        ("x", "'x' is not a valid IP address"),
    ],
)
def test_a_route_that_cannot_be_is_refused(
    routers: Routers, router: Router, nexthop: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        routers.routes.add(router.id, [route("10.9.0.0/16", nexthop)])
    assert routers.require(Router, router.id).routes == ()


def test_there_is_a_limit(routers: Routers, router: Router) -> None:
    with pytest.raises(RequestError, match="number of routes exceeds the maximum 30"):
        routers.routes.set(router.id, [route(f"10.9.{n}.0/24", "10.0.0.9") for n in range(31)])


def test_an_interface_stays_while_a_route_needs_it(
    networks: Networks, routers: Routers, router: Router
) -> None:
    other = subnet_of(networks, "10.1.0.0/24")
    leg = routers.add_subnet(router.id, other.id)
    routers.routes.set(router.id, [route("10.9.0.0/16", "10.1.0.9")])
    with pytest.raises(RequestError, match="as it is required by one or more routes") as error:
        routers.remove_interface(router.id, port_id=leg.id)
    assert error.value.neutron_type == "RouterInterfaceInUseByRoute"
    routers.routes.set(router.id, [])
    routers.remove_interface(router.id, subnet_id=other.id)


def test_routes_are_restored(routers: Routers, router: Router, wires: RecordedWiring) -> None:
    routers.routes.set(router.id, [route("10.9.0.0/16", "10.0.0.9")])
    wires.calls.clear()
    routers.restore()
    assert ("set_routes", {"10.9.0.0/16": ["10.0.0.9"]}) in wires.calls
    routers.set_gateway(router.id, None)
    assert wires.calls[-1] == ("set_routes", {"10.9.0.0/16": ["10.0.0.9"]})
