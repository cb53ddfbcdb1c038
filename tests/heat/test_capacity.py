"""Quotas, names and sizes, as Nova, Neutron and Cinder tell them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from infraci.heat.capacity import Account, Quota, Size
from tests.heat.fakes import Answer, fake_cloud

LIMITS = {"maxTotalInstances": 10, "totalInstancesUsed": 4, "maxTotalCores": -1}


def nova(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
    if path == "/limits":
        return 200, {"limits": {"absolute": LIMITS}}
    if path == "/os-keypairs":
        return 200, {"keypairs": [{"keypair": {"name": "k"}}]}
    return 200, {"flavors": [{"id": "1", "name": "small", "vcpus": 2, "ram": 1024}]}


def neutron(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
    if path == "/quotas/p/details":
        return 200, {"quota": {"port": {"limit": 5, "used": 2, "reserved": 1}}}
    return 200, {"networks": [{"name": "public"}, {"name": "back"}]}


def heat(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
    versions = ["heat_template_version.2021-04-16", "heat_template_version.2013-05-23"]
    entries = [{"version": version, "type": "hot"} for version in versions]
    old = {"version": "HeatTemplateFormatVersion.2012-12-12", "type": "cfn"}
    return 200, {"template_versions": [*entries, old]}


def test_quotas_of_what_is_asked_for_only() -> None:
    cloud, sdk, _ = fake_cloud(heat, nova, neutron)
    sdk.access = access  # type: ignore[attr-defined]
    capacity = cloud.capacity
    assert capacity.quotas(["servers", "cores"]) == {
        "servers": Quota(limit=10, used=4),
        "cores": Quota(limit=-1, used=0),
    }
    assert sdk.network is not None
    assert sdk.network.requests == []
    assert capacity.quotas(["ports", "routers"]) == {"ports": Quota(limit=5, used=3)}
    assert (Quota(limit=5, used=3).left, Quota(limit=-1, used=9).left) == (2, float("inf"))


def test_who_we_are() -> None:
    cloud, sdk, _ = fake_cloud(heat, nova, neutron)
    sdk.access = access  # type: ignore[attr-defined]
    assert cloud.capacity.account() == Account(
        user="demo",
        project="shop",
        project_id="p",
        roles=("member",),
        expires="2026-01-02T03:04:05Z",
    )


def test_names_sizes_and_versions() -> None:
    cloud, _, _ = fake_cloud(heat, nova, neutron)
    assert cloud.names("flavor") == ("small",)
    assert cloud.names("key") == ("k",)
    assert cloud.names("network") == ("public", "back")
    assert cloud.capacity.sizes() == dict.fromkeys(("1", "small"), Size(vcpus=2, ram_mb=1024))
    assert cloud.capacity.template_versions() == ("2013-05-23", "2021-04-16")


def access() -> Any:
    """As keystoneauth's AccessInfo."""
    return SimpleNamespace(
        username="demo",
        project_name="shop",
        project_id="p",
        role_names=["member"],
        expires=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
