"""What a template may do with servers, on the embedded cloud: attributes, updates, cards, keys."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from openstack.connection import Connection

from infraci.local.host import image_store
from tests.local.conftest import create, hot, network, resource, server, settled, until
from tests.local.test_cloud import booted, inside, outputs

pytestmark = pytest.mark.cloud

NOWHERE = [{"allocate_network": "none"}]


def on_net(**properties: Any) -> dict[str, Any]:
    """A server on the network of the template."""
    nic = {"network": {"get_resource": "net"}}
    return {**server(networks=[nic], **properties), "depends_on": "subnet"}


def changed(cloud: Connection, stack: Any, template: dict[str, object]) -> Any:
    """The stack after an update."""
    cloud.orchestration.update_stack(stack, template=template)
    return until(
        lambda: next((s for s in [settled(cloud, stack.id)] if s.status.startswith("UPDATE")), None)
    )


def test_attributes_have_values(cloud: Connection) -> None:
    names = ["name", "networks", "first_address", "instance_name", "accessIPv4", "tags", "show"]
    template = hot(
        {**network(), "web": on_net(name="web", tags=["a"], metadata={"role": "web"})},
        outputs={n.lower(): {"value": {"get_attr": ["web", n]}} for n in names},
    )
    stack = create(cloud, "attributes", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    got = outputs(stack)
    (web,) = cloud.compute.servers()
    assert got["name"] == "web"
    assert got["first_address"] == "10.0.0.2"
    assert got["instance_name"] == f"infraci-{web.id}"
    assert got["accessipv4"] == web.access_ipv4
    assert got["tags"] == ["a"]
    assert "10.0.0.2" in json.dumps(got["networks"])
    assert got["show"]["id"] == web.id
    assert got["show"]["metadata"] == {"role": "web"}


def test_a_generated_key_logs_in(cloud: Connection, tmp_path: Any) -> None:
    template = hot(
        {
            **network(),
            "key": resource("OS::Nova::KeyPair", name="made", save_private_key=True),
            "web": on_net(key_name={"get_resource": "key"}),
        },
        outputs={"private": {"value": {"get_attr": ["key", "private_key"]}}},
    )
    stack = create(cloud, "key", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    private = tmp_path / "key"
    private.touch(mode=0o600)
    private.write_text(outputs(stack)["private"])
    (web,) = cloud.compute.servers()
    booted(cloud, web.id)
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"]
    login = subprocess.run(
        [
            "ssh",
            "-i",
            str(private),
            *(word for option in options for word in ("-o", option)),
            f"debian@{web.access_ipv4}",
            "sudo -n id -un",
        ],
        capture_output=True,
        check=False,
    )
    assert login.stdout == b"root\n", login.stderr


def test_the_flavor_limits_memory_and_a_resize_changes_it(cloud: Connection) -> None:
    template = hot({"web": server(networks=NOWHERE)})
    stack = create(cloud, "resize", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (web,) = cloud.compute.servers()
    assert limit_mb(web.id) == 512
    template["resources"]["web"]["properties"]["flavor"] = "m1.small"  # type: ignore[index]
    assert changed(cloud, stack, template).status == "UPDATE_COMPLETE"
    (resized,) = cloud.compute.servers()
    assert resized.id == web.id
    assert resized.flavor.original_name == "m1.small"
    assert limit_mb(web.id) == 2048


def limit_mb(server_id: str) -> int:
    """The memory limit of a server's container, as the kernel has it."""
    script = (
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"
        " || cat /sys/fs/cgroup/memory.max"
    )
    return int(inside(server_id, script)) // 2**20


def test_user_data_that_changes_replaces_the_server(cloud: Connection) -> None:
    def template(word: str) -> dict[str, Any]:
        script = f"#!/bin/sh\necho {word} > /root/word\n"
        return hot({**network(), "web": on_net(user_data_format="RAW", user_data=script)})

    stack = create(cloud, "replace", template("old"))
    (old,) = cloud.compute.servers()
    updated = changed(cloud, stack, template("new"))
    assert updated.status == "UPDATE_COMPLETE", updated.status_reason
    (new,) = cloud.compute.servers()
    assert new.id != old.id
    booted(cloud, new.id)
    assert inside(new.id, "cat /root/word") == "new\n"


def test_cards_come_and_go_with_an_update(cloud: Connection) -> None:
    def template(*names: str) -> dict[str, Any]:
        nets = {f"net{n}": resource("OS::Neutron::Net") for n in (1, 2)} | {
            f"subnet{n}": resource(
                "OS::Neutron::Subnet", network={"get_resource": f"net{n}"}, cidr=f"10.0.{n}.0/24"
            )
            for n in (1, 2)
        }
        cards = [{"network": {"get_resource": name}} for name in names]
        return hot(
            {**nets, "web": {**server(networks=cards), "depends_on": ["subnet1", "subnet2"]}}
        )

    stack = create(cloud, "cards", template("net1"))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (web,) = cloud.compute.servers()
    assert addresses(web.id) == ["10.0.1.2/24"]
    updated = changed(cloud, stack, template("net1", "net2"))
    assert updated.status == "UPDATE_COMPLETE", updated.status_reason
    assert addresses(web.id) == ["10.0.1.2/24", "10.0.2.2/24"]
    updated = changed(cloud, stack, template("net2"))
    assert updated.status == "UPDATE_COMPLETE", updated.status_reason
    assert addresses(web.id) == ["10.0.2.2/24"]


def addresses(server_id: str) -> list[str]:
    """The IPv4 addresses of a server, in the order of its cards."""
    lines = inside(server_id, "ip -br -4 address show up").splitlines()
    return sorted(line.split()[2] for line in lines if line.startswith("eth"))


def test_a_server_is_stopped_started_and_rebooted(cloud: Connection) -> None:
    stack = create(cloud, "power", hot({**network(), "web": on_net()}))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (web,) = cloud.compute.servers()
    booted(cloud, web.id)
    cloud.compute.stop_server(web)
    cloud.compute.wait_for_server(web, status="SHUTOFF", wait=60)
    cloud.compute.start_server(web)
    cloud.compute.wait_for_server(web, status="ACTIVE", wait=60)
    assert addresses(web.id) == ["10.0.0.2/24"]
    cloud.compute.reboot_server(web, "HARD")
    cloud.compute.wait_for_server(web, status="ACTIVE", wait=60)
    assert addresses(web.id) == ["10.0.0.2/24"]


def test_a_server_that_reboots_itself_comes_back_and_one_that_halts_is_off(
    cloud: Connection,
) -> None:
    stack = create(cloud, "itself", hot({**network(), "web": on_net()}))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (web,) = cloud.compute.servers()
    booted(cloud, web.id)
    inside(web.id, "touch /run/before")
    assert inside(web.id, "systemctl reboot --no-block; echo asked") == "asked\n"
    until(lambda: came_back(web.id))
    assert addresses(web.id) == ["10.0.0.2/24"]
    assert cloud.compute.get_server(web).status == "ACTIVE"
    assert inside(web.id, "systemctl poweroff --no-block; echo asked") == "asked\n"
    until(lambda: cloud.compute.get_server(web).status == "SHUTOFF")


def came_back(server_id: str) -> bool:
    """Whether a server runs, and not since before."""
    done = subprocess.run(
        ["podman", "exec", f"infraci-{server_id}", "test", "!", "-e", "/run/before"],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.fixture
def other_image() -> Iterator[str]:
    """An image of the user's own making: any with systemd may be named."""
    built = image_store.ensure("debian-12")
    name = "localhost/infraci-test/own:1"
    subprocess.run(["podman", "tag", built.id, name], check=True)
    yield name
    subprocess.run(["podman", "untag", built.id, name], check=True)


def test_an_image_of_ones_own_and_a_rebuild_with_another(
    cloud: Connection, other_image: str
) -> None:
    web = server(networks=NOWHERE)
    web["properties"]["image"] = other_image
    stack = create(cloud, "image", hot({"web": web}))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (before,) = cloud.compute.servers()
    web["properties"]["image"] = "debian-12"
    updated = changed(cloud, stack, hot({"web": web}))
    assert updated.status == "UPDATE_COMPLETE", updated.status_reason
    (after,) = cloud.compute.servers()
    assert after.id == before.id
    assert cloud.image.get_image(after.image.id).name == "debian-12"


def test_a_template_within_a_template(cloud: Connection) -> None:
    member = {
        "heat_template_version": "2018-08-31",
        "parameters": {"word": {"type": "string"}},
        "resources": {"value": resource("OS::Heat::Value", value={"get_param": "word"})},
        "outputs": {"word": {"value": {"get_attr": ["value", "value"]}}},
    }
    group = resource(
        "OS::Heat::ResourceGroup",
        count=2,
        resource_def={"type": "member.yaml", "properties": {"word": "w-%index%"}},
    )
    stack = create(
        cloud,
        "nested",
        hot(
            {"group": group},
            outputs={"words": {"value": {"get_attr": ["group", "word"]}}},
        ),
        files={"member.yaml": json.dumps(member)},
    )
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert outputs(stack)["words"] == ["w-0", "w-1"]


def test_a_floating_ip_moves_from_port_to_port(cloud: Connection) -> None:
    def template(port: str) -> dict[str, Any]:
        return hot(
            {
                **network(),
                "router": resource(
                    "OS::Neutron::Router", external_gateway_info={"network": "public"}
                ),
                "leg": resource(
                    "OS::Neutron::RouterInterface",
                    router={"get_resource": "router"},
                    subnet={"get_resource": "subnet"},
                ),
                **{
                    name: {
                        **resource("OS::Neutron::Port", network={"get_resource": "net"}),
                        "depends_on": "leg",
                    }
                    for name in ("one", "two")
                },
                "floating": resource("OS::Neutron::FloatingIP", floating_network="public"),
                "bond": {
                    **resource(
                        "OS::Neutron::FloatingIPAssociation",
                        floatingip_id={"get_resource": "floating"},
                        port_id={"get_resource": port},
                    ),
                    "depends_on": "leg",
                },
            },
            outputs={
                name: {"value": {"get_attr": [name, "fixed_ips", 0, "ip_address"]}}
                for name in ("one", "two")
            },
        )

    stack = create(cloud, "floating", template("one"))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (floating,) = cloud.network.ips()
    assert floating.fixed_ip_address == outputs(stack)["one"]
    updated = changed(cloud, stack, template("two"))
    assert updated.status == "UPDATE_COMPLETE", updated.status_reason
    (floating,) = cloud.network.ips()
    assert floating.fixed_ip_address == outputs(updated)["two"]
