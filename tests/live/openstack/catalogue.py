"""What a cloud's operator makes for its users: accounts, endpoints, flavors, images, a network."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.live.openstack.guest import Image, images
from tests.live.openstack.place import ADDRESS, EXTERNAL_CIDR, MEMBER, REGION, Place, say
from tests.live.openstack.rest import Api
from tests.live.openstack.services.common import IDENTITY, IMAGE

_COMPUTE = f"http://{ADDRESS}:8774/v2.1"
_NETWORK = f"http://{ADDRESS}:9696/v2.0"
_ENDPOINTS = {
    "placement": ("placement", f"http://{ADDRESS}:8778"),
    "image": ("glance", IMAGE),
    "volumev3": ("cinder", f"http://{ADDRESS}:8776/v3/%(project_id)s"),
    "compute": ("nova", _COMPUTE),
    "network": ("neutron", f"http://{ADDRESS}:9696"),
    "orchestration": ("heat", f"http://{ADDRESS}:8004/v1/%(tenant_id)s"),
    "cloudformation": ("heat-cfn", f"http://{ADDRESS}:8000/v1"),
}
#: Name, MB of memory, GB of disk: what Debian needs under QEMU, so that several fit.
_FLAVORS = (("m1.nano", 128, 1), ("m1.tiny", 512, 3), ("m1.small", 1024, 3), ("m1.medium", 2048, 5))

_CLOUDS_YAML = f"""\
clouds:
  live:
    auth:
      auth_url: {IDENTITY}
      username: {MEMBER}
      password: {{member}}
      project_name: {MEMBER}
      user_domain_name: Default
      project_domain_name: Default
    region_name: {REGION}
    identity_api_version: 3
  live-admin:
    auth:
      auth_url: {IDENTITY}
      username: admin
      password: {{admin}}
      project_name: admin
      user_domain_name: Default
      project_domain_name: Default
    region_name: {REGION}
    identity_api_version: 3
"""


def write_clouds_yaml(place: Place) -> None:
    """Tell clients of the cloud."""
    place.clouds_yaml.touch(mode=0o600)
    place.clouds_yaml.chmod(0o600)
    place.clouds_yaml.write_text(_CLOUDS_YAML.format_map(place.passwords))


def administrator(place: Place) -> Api:
    """The APIs, as the administrator."""
    password = place.passwords["admin"]
    return Api(IDENTITY, user="admin", password=password, project="admin")


def make_accounts(place: Place, api: Api) -> None:
    """Make projects, users, roles and endpoints. May be repeated."""
    names = ("admin", "member", "service", "heat_stack_owner", "heat_stack_user")
    roles = {name: api.ensure(IDENTITY, "role", name)["id"] for name in names}
    projects = {
        name: api.ensure(IDENTITY, "project", name, domain_id="default")["id"]
        for name in ("admin", "service", MEMBER)
    }
    heat = api.ensure(IDENTITY, "domain", "heat")["id"]

    def user(name: str, password: str, domain: str = "default") -> str:
        wish = {"domain_id": domain, "password": place.passwords[password]}
        return str(api.ensure(IDENTITY, "user", name, **wish)["id"])

    service, member, admin = (
        user("service", "service"),
        user(MEMBER, "member"),
        user("admin", "admin"),
    )
    for project, who, role in (
        ("service", service, "admin"),
        ("service", service, "service"),
        (MEMBER, member, "member"),
        (MEMBER, member, "heat_stack_owner"),
        (MEMBER, admin, "admin"),
        ("admin", admin, "heat_stack_owner"),
    ):
        api.put(f"{IDENTITY}/projects/{projects[project]}/users/{who}/roles/{roles[role]}")
    keeper = user("heat_domain_admin", "heat", heat)
    api.put(f"{IDENTITY}/domains/{heat}/users/{keeper}/roles/{roles['admin']}")
    _make_endpoints(api, _ENDPOINTS)


def _make_endpoints(api: Api, endpoints: Mapping[str, tuple[str, str]]) -> None:
    known = {endpoint["url"] for endpoint in api.get(f"{IDENTITY}/endpoints")["endpoints"]}
    for kind, (name, url) in endpoints.items():
        if url in known:
            continue
        service = api.ensure(IDENTITY, "service", name, type=kind)["id"]
        wish = {"service_id": service, "interface": "public", "url": url, "region_id": REGION}
        api.post(f"{IDENTITY}/endpoints", {"endpoint": wish})


def make_resources(place: Place, api: Api) -> None:
    """Make flavors, images and the external network. May be repeated."""
    with ThreadPoolExecutor() as pool:
        work = [
            pool.submit(_make_flavors, api),
            pool.submit(_make_images, place, api),
            pool.submit(_make_network, api),
        ]
        for part in work:
            part.result()


def _make_flavors(api: Api) -> None:
    for name, ram, disk in _FLAVORS:
        api.ensure(_COMPUTE, "flavor", name, ram=ram, vcpus=1, disk=disk)


def _make_images(place: Place, api: Api) -> None:
    for image in images(place):
        names = (image.name, f"{image.name}-kernel", f"{image.name}-initrd")
        known = [
            entry for name in names for entry in api.get(f"{IMAGE}/v2/images?name={name}")["images"]
        ]
        current = [e for e in known if e["status"] == "active" and e.get("recipe") == image.recipe]
        if len(current) == len(known) == len(names):
            continue
        for entry in known:
            api.delete(f"{IMAGE}/v2/images/{entry['id']}")
        say(f"image {image.name}")
        _upload(api, image)


def _upload(api: Api, image: Image) -> None:
    def send(name: str, file: Path, form: str, container: str, **more: str) -> str:
        wish = {"name": name, "disk_format": form, "container_format": container}
        more["recipe"] = image.recipe
        made = api.post(f"{IMAGE}/v2/images", {**wish, "visibility": "public", **more})["id"]
        api.upload(f"{IMAGE}/v2/images/{made}/file", file)
        return str(made)

    more = {
        "kernel_id": send(f"{image.name}-kernel", image.kernel, "aki", "aki"),
        "ramdisk_id": send(f"{image.name}-initrd", image.initrd, "ari", "ari"),
        "os_command_line": image.command_line,
    }
    send(image.name, image.disk, image.disk.suffix.removeprefix("."), "bare", **more)


def _make_network(api: Api) -> None:
    kind = {"provider:network_type": "flat", "provider:physical_network": "public"}
    network = api.ensure(_NETWORK, "network", "public", **{"router:external": True, **kind})["id"]
    api.ensure(
        _NETWORK,
        "subnet",
        "public",
        network_id=network,
        ip_version=4,
        cidr=EXTERNAL_CIDR,
        gateway_ip=ADDRESS,
        enable_dhcp=False,
        allocation_pools=[{"start": "172.24.4.10", "end": "172.24.4.250"}],
    )


def has_host(api: Api) -> bool:
    """Say whether a hypervisor is up, and scheduling knows it."""
    hosts = api.get(f"{_COMPUTE}/os-hypervisors/detail")["hypervisors"]
    return any(host["state"] == "up" for host in hosts)


def has_agents(api: Api) -> bool:
    """Say whether Neutron's agents are up."""
    agents = api.get(f"{_NETWORK}/agents")["agents"]
    alive = {agent["binary"] for agent in agents if agent["alive"]}
    return len(alive) >= 4


def agents_that_are_down(api: Api) -> list[str]:
    """The agents of Neutron and services of Nova that have not reported lately."""
    agents = api.get(f"{_NETWORK}/agents")["agents"]
    services = api.get(f"{_COMPUTE}/os-services")["services"]
    return [agent["binary"] for agent in agents if not agent["alive"]] + [
        service["binary"] for service in services if service["state"] != "up"
    ]
