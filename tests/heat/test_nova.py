"""Servers and key pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infraci.heat import ExistsError
from infraci.heat.nova import addresses_of
from tests.heat.fakes import Answer, fake_cloud, resource_entry, stack_entry

KEY = "ssh-ed25519 AAAA infraci"


def entry(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"id{number}", "name": f"web-{9 - number}", "status": "ACTIVE", **more}


def address(addr: str, kind: str, version: int = 4) -> dict[str, Any]:
    return {"addr": addr, "OS-EXT-IPS:type": kind, "version": version}


def test_the_servers_of_a_stack_by_one_list() -> None:
    def heat(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if path.endswith("/resources"):
            ids = ("id1", "id2", "net")
            entries = [resource_entry(i, physical_resource_id=i) for i in ids]
            return (200, {"resources": entries})
        return (200, stack_entry())

    pages: list[Answer] = [
        (200, {"servers": [entry(1), entry(3)], "servers_links": [{"rel": "next"}]}),
        (200, {"servers": [entry(2, metadata={"role": "web"}, accessIPv4="192.0.2.7")]}),
    ]
    cloud, sdk, _ = fake_cloud(heat, lambda *_: pages.pop(0))
    servers = cloud.servers("s-1")
    assert [server.name for server in servers] == ["web-7", "web-8"]
    assert servers[0].metadata == {"role": "web"}
    assert servers[0].addresses[0].address == "192.0.2.7"
    assert sdk.compute.requests[1][2]["params"] == {"marker": "id3"}


def test_servers_of_one_name_have_the_paths_of_their_resources() -> None:
    def heat(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if path.endswith("/resources"):
            entries = [resource_entry(f"r{n}", physical_resource_id=f"id{n}") for n in (1, 2)]
            return (200, {"resources": entries})
        return (200, stack_entry())

    twins = [{**entry(number), "name": "twin"} for number in (2, 1)]
    cloud, _, _ = fake_cloud(heat, lambda *_: (200, {"servers": twins}))
    servers = [(server.id, server.path) for server in cloud.servers("s-1")]
    assert servers == [("id1", "r1"), ("id2", "r2")]


def floating(number: int, device: str) -> dict[str, Any]:
    return {
        "id": f"f{number}",
        "floating_ip_address": f"192.0.2.{number}",
        "port_details": {"device_id": device} if device else None,
    }


@pytest.mark.parametrize(
    ("nova_shows", "requests", "addresses"),
    [
        ([address("10.0.0.1", "fixed")], 1, ["floating 192.0.2.1", "fixed 10.0.0.1"]),
        (
            [address("10.0.0.1", "fixed"), address("192.0.2.1", "floating")],
            0,
            ["fixed 10.0.0.1", "floating 192.0.2.1"],
        ),
    ],
)
def test_a_floating_ip_that_nova_does_not_show_yet(
    nova_shows: list[dict[str, Any]], requests: int, addresses: list[str]
) -> None:
    def heat(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if path.endswith("/resources"):
            one = resource_entry("server", physical_resource_id="id1")
            other = resource_entry(
                "floating", resource_type="OS::Neutron::FloatingIP", physical_resource_id="f1"
            )
            return (200, {"resources": [one, other]})
        return (200, stack_entry())

    listed = {"floatingips": [floating(1, "id1"), floating(2, "id1"), floating(3, "")]}
    cloud, sdk, _ = fake_cloud(
        heat,
        lambda *_: (200, {"servers": [entry(1, addresses={"n": nova_shows})]}),
        neutron=lambda *_: (200, listed),
    )
    (server,) = cloud.servers("s-1")
    assert [f"{a.kind} {a.address}" for a in server.addresses] == addresses
    assert sdk.network is not None
    assert len(sdk.network.requests) == requests


@pytest.mark.parametrize(
    ("server", "addresses"),
    [
        ({"accessIPv4": "192.0.2.1", "addresses": {"n": [address("10.0.0.1", "fixed")]}},
         ["192.0.2.1 access 4 ", "10.0.0.1 fixed 4 n"]),
        ({"addresses": {"n": [address("10.0.0.1", "fixed"), address("192.0.2.2", "floating")]}},
         ["10.0.0.1 fixed 4 n", "192.0.2.2 floating 4 n"]),
        ({"addresses": {"a": [address("fd::1", "fixed", 6)], "b": [address("10.0.0.2", "fixed")]}},
         ["10.0.0.2 fixed 4 b", "fd::1 fixed 6 a"]),
        ({"accessIPv6": "fd00::2"}, ["fd00::2 access 6 "]),
        ({"addresses": {}}, []),
    ],
)  # fmt: skip
def test_addresses(server: Mapping[str, Any], addresses: list[str]) -> None:
    shown = [f"{a.address} {a.kind} {a.version} {a.network}" for a in addresses_of(server)]
    assert shown == addresses


def test_one_server_and_its_fault() -> None:
    broken = entry(1, status="ERROR", fault={"message": "No valid host was found.", "code": 500})
    cloud, sdk, _ = fake_cloud(lambda *_: (500, None), lambda *_: (200, {"server": broken}))
    server = cloud.server("id1")
    assert (server.status, server.fault) == ("ERROR", "No valid host was found.")
    assert sdk.compute.requests[0][1] == "/servers/id1"


def test_the_console() -> None:
    cloud, sdk, _ = fake_cloud(lambda *_: (500, None), lambda *_: (200, {"output": "boot"}))
    assert cloud.console("id1") == "boot"
    assert sdk.compute.requests[0][1] == "/servers/id1/action"


def keypairs(create: Answer, known: str) -> Any:
    def nova(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if method == "POST":
            return create
        return (200, {"keypairs": [{"keypair": {"name": "k", "public_key": known}}]})

    return fake_cloud(lambda *_: (500, None), nova)[0]


def test_a_key_pair_whose_answer_was_lost() -> None:
    keypairs((409, {"conflictingRequest": {"message": "x"}}), f"{KEY}\n").create_keypair("k", KEY)


def test_another_key_of_that_name() -> None:
    with pytest.raises(ExistsError):
        keypairs((409, None), "ssh-ed25519 BBBB").create_keypair("k", KEY)


def test_deleting_a_key_pair_that_is_gone() -> None:
    cloud, _, _ = fake_cloud(lambda *_: (500, None), lambda *_: (404, None))
    cloud.delete_keypair("k")
