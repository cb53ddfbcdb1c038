"""Load balancers of stacks, by Heat's Octavia resources; a cloud of the suite's own has none."""

from __future__ import annotations

import json
import subprocess
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import BadRequestException, ConflictException, HttpException

from infraci.base.deadline import Deadline
from infraci.heat import Cloud, Mark
from infraci.local import cloud_process
from infraci.local.host.fabric import Fabric, find_all
from infraci.local.host.host_bridge import choose_pools
from infraci.local.host.netns import Namespace, short
from infraci.local.state_dir import StateDir
from tests.local.conftest import create, hot, network, refusal, resource, server, settled, until
from tests.local.test_cloud import booted, kill, namespaces

pytestmark = pytest.mark.cloud

_GET = "get_resource"


def balanced(**listener: object) -> dict[str, Any]:
    """A network, a balancer in it, a listener at port 80 and its pool, for a template."""
    return {
        **network(),
        "lb": resource("OS::Octavia::LoadBalancer", name="lb", vip_subnet={_GET: "subnet"}),
        "listener": resource(
            "OS::Octavia::Listener",
            loadbalancer={_GET: "lb"},
            protocol="HTTP",
            protocol_port=80,
            **listener,
        ),
        "pool": resource(
            "OS::Octavia::Pool",
            listener={_GET: "listener"},
            protocol="HTTP",
            lb_algorithm="ROUND_ROBIN",
        ),
    }


def web(number: int) -> dict[str, Any]:
    """A web server that says its name, and the pool's member that it is, for a template."""
    return {
        f"port{number}": resource(
            "OS::Neutron::Port",
            network={_GET: "net"},
            fixed_ips=[{"subnet": {_GET: "subnet"}}],
            security_groups=[{_GET: "group"}],
        ),
        f"web{number}": server(
            name=f"web-{number}",
            networks=[{"port": {_GET: f"port{number}"}}],
            user_data_format="RAW",
            user_data="#!/bin/sh\nmkdir /srv/www; hostname > /srv/www/index.html\n"
            "systemd-run --working-directory=/srv/www python3 -m http.server 8080\n",
        ),
        f"member{number}": resource(
            "OS::Octavia::PoolMember",
            pool={_GET: "pool"},
            address={"get_attr": [f"web{number}", "first_address"]},
            protocol_port=8080,
            subnet={_GET: "subnet"},
        ),
    }


def site() -> dict[str, Any]:
    """Two web servers behind a balancer at a floating IP, for a template."""
    return {
        **balanced(),
        **web(0),
        **web(1),
        "group": resource(
            "OS::Neutron::SecurityGroup",
            rules=[
                {
                    "protocol": "tcp",
                    "port_range_min": 8080,
                    "port_range_max": 8080,
                    "remote_ip_prefix": "10.0.0.0/24",
                }
            ],
        ),
        "monitor": resource(
            "OS::Octavia::HealthMonitor",
            pool={_GET: "pool"},
            type="HTTP",
            delay=1,
            timeout=1,
            max_retries=1,
            url_path="/index.html",
        ),
        "router": resource("OS::Neutron::Router", external_gateway_info={"network": "public"}),
        "leg": resource(
            "OS::Neutron::RouterInterface", router={_GET: "router"}, subnet={_GET: "subnet"}
        ),
        "floating": {
            **resource(
                "OS::Neutron::FloatingIP",
                floating_network="public",
                port_id={"get_attr": ["lb", "vip_port_id"]},
            ),
            "depends_on": "leg",
        },
    }


def moved(path: str) -> dict[str, Any]:
    """A redirection of requests whose path begins so, for a template."""
    return {
        "policy": resource(
            "OS::Octavia::L7Policy",
            listener={_GET: "listener"},
            action="REDIRECT_TO_URL",
            redirect_url="http://new.test/",
        ),
        "rule": resource(
            "OS::Octavia::L7Rule",
            l7policy={_GET: "policy"},
            type="PATH",
            compare_type="STARTS_WITH",
            value=path,
        ),
    }


def outputs(stack: Any) -> Mapping[str, Any]:
    return {output["output_key"]: output["output_value"] for output in stack.outputs}


def status(cloud: Connection, kind: str) -> str:
    """The operating status of the one thing of a kind."""
    (only,) = getattr(cloud.load_balancer, kind)()
    return str(only.operating_status)


def deleted(cloud: Connection, stack: Any) -> None:
    """Delete a stack, and wait until it is gone."""
    cloud.orchestration.delete_stack(stack)
    until(lambda: stack.id not in [each.id for each in cloud.orchestration.stacks()])


def answer(url: str) -> str:
    """What a URL answers; empty if it does not."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return str(response.read().decode()).strip()
    except OSError:
        return ""


def redirection(url: str) -> str:
    """The status that a URL answers with, and where it redirects to."""
    command = ["curl", "-so", "/dev/null", "--max-time", "5", "-w", "%{http_code} %{redirect_url}"]
    return subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout


def test_a_site_of_two_servers(cloud: Connection) -> None:
    template = hot(
        site(), outputs={"ip": {"value": {"get_attr": ["floating", "floating_ip_address"]}}}
    )
    stack = create(cloud, "site", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    url = f"http://{outputs(stack)['ip']}"
    servers = {each.name: each for each in cloud.compute.servers()}
    for each in servers.values():
        booted(cloud, each.id)
    until(lambda: status(cloud, "load_balancers") == "ONLINE")
    assert sorted(answer(url) for _ in range(4)) == ["web-0", "web-0", "web-1", "web-1"]
    (balancer,) = cloud.load_balancer.load_balancers()
    assert (balancer.name, balancer.provisioning_status) == ("lb", "ACTIVE")
    (pool,) = cloud.load_balancer.pools()
    assert len(pool.members) == 2
    assert pool.health_monitor_id

    cloud.compute.stop_server(servers["web-1"])
    until(lambda: status(cloud, "load_balancers") == "DEGRADED")
    members = {each.operating_status for each in cloud.load_balancer.members(pool)}
    assert members == {"ONLINE", "ERROR"}
    assert {answer(url) for _ in range(4)} == {"web-0"}
    stats = cloud.load_balancer.get_load_balancer_statistics(balancer.id)
    assert stats.total_connections >= 4

    resources = {**site(), **moved("/old")}
    changed = {**template, "resources": resources}
    cloud.orchestration.put(
        f"/stacks/{stack.name}/{stack.id}", json={"template": changed, "files": {}}
    )
    assert settled(cloud, stack.id).status == "UPDATE_COMPLETE"
    assert redirection(f"{url}/old") == "302 http://new.test/"
    assert answer(url) == "web-0"

    resources["listener"]["properties"]["allowed_cidrs"] = ["10.0.0.0/24"]
    cloud.orchestration.put(
        f"/stacks/{stack.name}/{stack.id}", json={"template": changed, "files": {}}
    )
    assert settled(cloud, stack.id).status == "UPDATE_COMPLETE"
    assert answer(url) == ""  # this machine is not among them

    deleted(cloud, stack)
    assert list(cloud.load_balancer.load_balancers()) == []
    assert [port.device_owner for port in cloud.network.ports()] == []
    assert [group.name for group in cloud.network.security_groups()] == ["default"]
    assert namespaces() == []


def test_a_balancer_outlives_the_clouds_process(cloud: Connection, state: Path) -> None:
    stack = create(cloud, "kept", hot(balanced()))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (balancer,) = cloud.load_balancer.load_balancers()
    namespace = Namespace(f"infraci-b-{short(balancer.id)}")
    (pid,) = namespace.processes()
    kill(state)
    assert namespace.processes() == [pid]
    cloud_process.ensure_up()
    assert status(cloud, "load_balancers") == "ONLINE"
    assert namespace.processes() == [pid]
    assert cloud_process.gc() == []
    subprocess.run(["kill", "-9", str(pid)], check=True)
    until(lambda: namespace.processes() not in ([], [pid]))
    until(lambda: status(cloud, "listeners") == "ONLINE")
    deleted(cloud, stack)
    assert not namespace.exists()
    assert namespaces() == []


def test_a_balancer_at_a_public_address(cloud: Connection) -> None:
    resources = balanced()
    for name in ("net", "subnet"):
        del resources[name]
    resources["lb"]["properties"]["vip_subnet"] = "public"
    resources |= moved("/")
    vip = {"vip": {"value": {"get_attr": ["lb", "vip_address"]}}}
    stack = create(cloud, "public", hot(resources, outputs=vip))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert redirection(f"http://{outputs(stack)['vip']}/") == "302 http://new.test/"
    deleted(cloud, stack)
    assert namespaces() == []


def test_what_a_run_has_left_and_what_its_balancers_say(cloud: Connection) -> None:
    """Leftovers are known by the run's name, and removed with their parts."""
    stack = create(cloud, "told", hot(balanced()))
    with Cloud.connect("local", clouds_yaml=StateDir.of_this_user().clouds_yaml) as heat:
        (shown,) = json.loads(heat.balancers(stack.id)).values()
        assert (shown["name"], shown["operating_status"]) == ("lb", "ONLINE")
        (subnet,) = cloud.network.subnets(cidr="10.0.0.0/24")
        api: Any = cloud.load_balancer
        left = api.create_load_balancer(name="infraci-x-1-lb", vip_subnet_id=subnet.id)
        api.wait_for_load_balancer(left.id)
        api.create_listener(load_balancer_id=left.id, protocol="TCP", protocol_port=80)
        api.wait_for_load_balancer(left.id)
        mark, deadline = Mark(name="infraci-x-1"), Deadline(60)
        named = [str(each) for each in heat.leftovers(mark, deadline=deadline)]
        assert named == [f"load balancer infraci-x-1-lb ({left.id})"]
        assert heat.remove_leftovers(mark, deadline=deadline) == ()
    assert [each.name for each in api.load_balancers()] == ["lb"]
    deleted(cloud, stack)


def test_a_balancer_that_no_record_knows_is_garbage(cloud: Connection) -> None:
    """Whatever a process that was killed had made, and not yet written down."""
    owner = StateDir.of_this_user().owner
    stack = create(cloud, "other", hot(balanced()))  # so that the cloud has its bridge
    balancer_id = str(uuid.uuid4())
    Fabric(owner, choose_pools(owner)).create_balancer(balancer_id, ())
    assert cloud_process.gc(dry_run=True) == [f"load balancer {balancer_id}"]
    assert cloud_process.gc() == [f"load balancer {balancer_id}"]
    assert balancer_id not in [own.labels.get("id") for own in find_all()]
    deleted(cloud, stack)


def test_a_client_that_is_not_heat(cloud: Connection) -> None:
    """It waits, lists, changes and deletes as on any cloud."""
    api: Any = cloud.load_balancer
    net = cloud.network.create_network(name="net")
    subnet = cloud.network.create_subnet(network_id=net.id, cidr="10.0.0.0/24", ip_version=4)
    balancer = api.create_load_balancer(name="lb", vip_subnet_id=subnet.id)
    balancer = api.wait_for_load_balancer(balancer.id, interval=0.1)
    assert balancer.operating_status == "ONLINE"
    assert api.find_load_balancer("lb").id == balancer.id
    listener = api.create_listener(
        name="web", load_balancer_id=balancer.id, protocol="TCP", protocol_port=80
    )
    api.wait_for_load_balancer(balancer.id, interval=0.1)
    pool = api.create_pool(listener_id=listener.id, protocol="TCP", lb_algorithm="SOURCE_IP")
    api.wait_for_load_balancer(balancer.id, interval=0.1)
    member = api.create_member(pool, address="10.0.0.5", protocol_port=80, weight=0)
    api.wait_for_load_balancer(balancer.id, interval=0.1)
    assert api.get_member(member, pool).operating_status == "NO_MONITOR"
    assert api.get_listener(listener.id).default_pool_id == pool.id
    with pytest.raises(ConflictException, match="already using protocol TCP"):
        api.create_listener(load_balancer_id=balancer.id, protocol="TCP", protocol_port=80)
    with pytest.raises(BadRequestException, match="it has children"):
        api.delete_load_balancer(balancer.id)
    with pytest.raises(HttpException, match="haproxy balances TCP only"):
        api.create_listener(load_balancer_id=balancer.id, protocol="UDP", protocol_port=53)
    api.delete_load_balancer(balancer.id, cascade=True)
    until(lambda: list(api.load_balancers()) == [])
    cloud.network.delete_network(net)
    assert namespaces() == []


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"protocol": "UDP"}, "haproxy, which balances TCP only"),
        ({"protocol": "TERMINATED_HTTPS"}, "no key manager (Barbican)"),
        ({"sni_container_refs": ["x"]}, "sni_container_refs"),
        ({"protocol": "PROXY"}, "Octavia has no such listeners"),
        ({"protocol": "GOPHER"}, '["HTTP", "HTTPS", "TCP"]'),
    ],
)
def test_a_listener_that_is_refused(
    cloud: Connection, properties: dict[str, object], named: str
) -> None:
    template = hot(balanced())
    template["resources"]["listener"]["properties"].update(properties)  # type: ignore[index]
    reason = refusal(cloud, template)
    assert "resources.listener" in reason
    assert named in reason


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        ("OS::Octavia::Quota", "load balancers have no quotas"),
        ("OS::Octavia::Flavor", "of no flavor and in no zone"),
    ],
)
def test_a_type_that_is_refused(cloud: Connection, type_: str, reason: str) -> None:
    assert reason in refusal(cloud, hot({"it": resource(type_)}))
