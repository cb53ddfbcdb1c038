"""The embedded cloud as a whole: the real engine, real containers, any OpenStack client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from infraci.local import cloud_process
from infraci.local.host.fabric import find_all
from infraci.local.state_dir import StateDir
from tests.local.conftest import create, hot, network, resource, server, settled, until
from tests.processes import run_infraci

pytestmark = pytest.mark.cloud


def containers() -> list[str]:
    """The names of the containers of this test's cloud."""
    owner = StateDir.of_this_user().owner
    command = ["podman", "ps", "--all", "--filter", f"label=infraci.cloud={owner}"]
    done = subprocess.run([*command, "--format={{.Names}}"], capture_output=True, check=True)
    return done.stdout.decode().split()


def namespaces() -> list[str]:
    """The network namespaces of this test's cloud."""
    owner = StateDir.of_this_user().owner
    return [own.namespace for own in find_all() if own.labels.get("cloud") == owner]


def inside(server_id: str, command: str) -> str:
    """What a command says within a server."""
    done = subprocess.run(
        ["podman", "exec", f"infraci-{server_id}", "sh", "-c", command],
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def outputs(stack: Any) -> Mapping[str, Any]:
    return {output["output_key"]: output["output_value"] for output in stack.outputs}


def booted(cloud: Connection, server_id: str) -> str:
    """The console of a server, once cloud-init has finished."""

    def console() -> str | None:
        text = cloud.compute.get_server_console_output(server_id)["output"]
        return text if " finished at " in text else None

    return str(until(console))


def test_a_stack_comes_and_goes_and_leaves_nothing(cloud: Connection) -> None:
    template = hot(
        {
            **network(),
            "router": resource("OS::Neutron::Router", external_gateway_info={"network": "public"}),
            "leg": resource(
                "OS::Neutron::RouterInterface",
                router={"get_resource": "router"},
                subnet={"get_resource": "subnet"},
            ),
            "port": resource("OS::Neutron::Port", network={"get_resource": "net"}),
            "floating": {
                **resource(
                    "OS::Neutron::FloatingIP",
                    floating_network="public",
                    port_id={"get_resource": "port"},
                ),
                "depends_on": "leg",
            },
            "web": server(
                name="web",
                metadata={"role": "web"},
                networks=[{"port": {"get_resource": "port"}}],
                user_data_format="RAW",
                user_data="#!/bin/sh\necho hello > /root/hello\n",
            ),
        },
        outputs={
            "floating": {"value": {"get_attr": ["floating", "floating_ip_address"]}},
            "fixed": {"value": {"get_attr": ["web", "first_address"]}},
        },
    )
    stack = create(cloud, "whole", template, tags="infraci,infraci-run=r-1,infraci-expires=99")
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (web,) = cloud.compute.servers()
    assert (web.name, web.status, web.metadata) == ("web", "ACTIVE", {"role": "web"})
    addresses = {a["OS-EXT-IPS:type"]: a["addr"] for net in web.addresses.values() for a in net}
    assert addresses == {
        "fixed": outputs(stack)["fixed"],
        "floating": outputs(stack)["floating"],
    }
    assert web.access_ipv4
    console = booted(cloud, web.id)
    assert "BEGIN SSH HOST KEY KEYS" in console
    assert inside(web.id, "cat /root/hello; hostname") == "hello\nweb\n"
    labels = json.loads(
        subprocess.run(
            ["podman", "inspect", f"infraci-{web.id}", "--format={{json .Config.Labels}}"],
            capture_output=True,
            check=True,
        ).stdout
    )
    assert (labels["infraci.run"], labels["infraci.expires"]) == ("r-1", "99")

    cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.orchestration.stacks()))
    assert containers() == []
    assert namespaces() == []
    assert [n.name for n in cloud.network.networks()] == ["public"]
    for left in (cloud.network.ports, cloud.network.routers, cloud.network.ips):
        assert list(left()) == []


def test_two_stacks_with_the_same_addresses_do_not_meet(cloud: Connection) -> None:
    def one(word: str) -> Any:
        nic = {"network": {"get_resource": "net"}, "fixed_ip": "10.0.0.10"}
        web = server(
            networks=[nic],
            user_data_format="RAW",
            user_data=f"#!/bin/sh\necho {word} > /root/word\n",
        )
        return hot({**network(), "web": {**web, "depends_on": "subnet"}})

    stacks = [
        cloud.orchestration.create_stack(name=word, template=one(word))
        for word in ("left", "right")
    ]
    assert {settled(cloud, stack.id).status for stack in stacks} == {"CREATE_COMPLETE"}
    servers = list(cloud.compute.servers())
    assert len({s.access_ipv4 for s in servers}) == 2
    for each in servers:
        booted(cloud, each.id)
        assert inside(each.id, "cat /root/word").strip() == each.name.split("-")[0]
        assert "10.0.0.10/24" in inside(each.id, "ip -br -4 address")


def test_a_server_signals_its_wait_condition(cloud: Connection) -> None:
    notify = '#!/bin/sh\nNOTIFY --data-binary \'{"status": "SUCCESS", "data": "up"}\'\n'
    web = server(
        networks=[{"network": {"get_resource": "net"}}],
        user_data_format="RAW",
        user_data={
            "str_replace": {
                "template": notify,
                "params": {"NOTIFY": {"get_attr": ["handle", "curl_cli"]}},
            }
        },
    )
    template = hot(
        {
            **network(gateway_ip=None),  # not even a gateway is needed
            "handle": resource("OS::Heat::WaitConditionHandle"),
            "condition": resource(
                "OS::Heat::WaitCondition", handle={"get_resource": "handle"}, timeout=60
            ),
            "web": {**web, "depends_on": "subnet"},
        },
        outputs={"data": {"value": {"get_attr": ["condition", "data"]}}},
    )
    stack = create(cloud, "signal", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert json.loads(outputs(stack)["data"]) == {"1": "up"}
    (web_server,) = cloud.compute.servers()
    url = inside(web_server.id, "cat /var/lib/cloud/instance/user-data.txt | grep -o 'http[^ ]*'")
    base = url.split("/orchestration")[0]
    refused = inside(
        web_server.id, f"curl -s -o /dev/null -w '%{{http_code}}' {base}/identity/v3; true"
    )
    assert refused == "403", "servers may signal, and nothing else"


def test_each_wait_condition_hears_its_own_handle(cloud: Connection) -> None:
    names = ["a", "b", "c", "d"]
    handles = {f"handle_{name}": resource("OS::Heat::WaitConditionHandle") for name in names}
    conditions = {
        f"condition_{name}": resource(
            "OS::Heat::WaitCondition", handle={"get_resource": f"handle_{name}"}, timeout=60
        )
        for name in names
    }
    signalled = {name: {"value": {"get_attr": [f"condition_{name}", "data"]}} for name in names}
    template = hot({**handles, **conditions}, outputs=signalled)
    heat = cloud.orchestration
    stack = heat.create_stack(name="handles", template=template)

    def ready() -> bool:
        states = {member.name: member.status for member in heat.resources(stack)}
        return all(states.get(name) == "CREATE_COMPLETE" for name in handles)

    until(ready)
    for name in names:
        path = f"/stacks/handles/{stack.id}/resources/handle_{name}/signal"
        assert heat.post(path, json={"data": name}).ok
    stack = settled(cloud, stack.id)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    signals = {name: json.loads(data) for name, data in outputs(stack).items()}
    assert signals == {name: {"1": name} for name in names}


def test_an_answer_waits_for_heat_if_that_is_preferred(cloud: Connection) -> None:
    template = hot(
        {
            "handle": resource("OS::Heat::WaitConditionHandle"),
            "condition": resource(
                "OS::Heat::WaitCondition", handle={"get_resource": "handle"}, timeout=60
            ),
        }
    )
    heat = cloud.orchestration
    stack = heat.create_stack(name="waiting", template=template)

    def status(**headers: str) -> str:
        answer = heat.get(f"/stacks/waiting/{stack.id}", headers=headers)
        return str(answer.json()["stack"]["stack_status"])

    assert status() == "CREATE_IN_PROGRESS"
    until(lambda: {r.name: r.status for r in heat.resources(stack)}.get("condition"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(status, Prefer="wait=10")
        heat.post(f"/stacks/waiting/{stack.id}/resources/handle/signal", json={})
        assert waiting.result() == "CREATE_COMPLETE"


def test_a_stack_is_updated_in_place(cloud: Connection) -> None:
    def with_servers(count: int, role: str) -> Any:
        nic = {"network": {"get_resource": "net"}}
        member = server(name="app-%index%", metadata={"role": role}, networks=[nic])
        group = resource("OS::Heat::ResourceGroup", count=count, resource_def=member)
        return hot({**network(), "group": {**group, "depends_on": "subnet"}})

    stack = create(cloud, "update", with_servers(1, "app"))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (first,) = cloud.compute.servers()
    cloud.orchestration.update_stack(stack, template=with_servers(2, "web"))
    assert until(lambda: settled(cloud, stack.id)).status == "UPDATE_COMPLETE"
    after = {s.name: s for s in cloud.compute.servers()}
    assert after.keys() == {"app-0", "app-1"}
    assert after["app-0"].id == first.id
    assert after["app-0"].metadata == {"role": "web"}


def test_a_failed_create_is_rolled_back(cloud: Connection) -> None:
    template = hot(
        {
            **network(),
            "web": {
                **server(networks=[{"network": {"get_resource": "net"}}]),
                "depends_on": "subnet",
            },
            "never": {
                **resource("OS::Heat::TestResource", fail=True),
                "depends_on": "web",
            },
        }
    )
    stack = cloud.orchestration.create_stack(
        name="rollback", template=template, disable_rollback=False, is_rollback_disabled=False
    )
    until(lambda: not [s for s in cloud.orchestration.stacks() if s.id == stack.id])
    assert containers() == []
    assert namespaces() == []


def test_a_server_that_cannot_boot_says_why(cloud: Connection) -> None:
    web = server(networks=[{"allocate_network": "none"}])
    web["properties"] |= {"image": "localhost/no-such/image:1"}
    stack = create(cloud, "fault", hot({"web": web}))
    assert stack.status == "CREATE_FAILED"
    assert "localhost/no-such/image:1" in stack.status_reason
    (failed,) = cloud.compute.servers()
    assert failed.status == "ERROR"
    assert "localhost/no-such/image:1" in failed.fault["message"]


def test_killing_the_process_loses_no_server(cloud: Connection, state: Path) -> None:
    template = hot(
        {
            **network(),
            "web": {
                **server(name="web", networks=[{"network": {"get_resource": "net"}}]),
                "depends_on": "subnet",
            },
        }
    )
    stack = create(cloud, "survivor", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (before,) = cloud.compute.servers()
    booted(cloud, before.id)
    kill(state)
    assert containers() == [f"infraci-{before.id}"]

    cloud_process.ensure_up()
    (after,) = cloud.compute.servers()
    assert (after.id, after.status, after.access_ipv4) == (before.id, "ACTIVE", before.access_ipv4)
    cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.orchestration.stacks()))
    assert containers() == []
    assert namespaces() == []


def test_what_nobody_knows_is_swept_away(cloud: Connection, state: Path) -> None:
    template = hot(
        {
            **network(),
            "web": {
                **server(networks=[{"network": {"get_resource": "net"}}]),
                "depends_on": "subnet",
            },
        }
    )
    create(cloud, "stranger", template)
    assert containers()
    kill(state)
    for database in (*state.glob("cloud.sqlite*"), *state.glob("heat.sqlite*")):
        database.unlink()  # as if the state folder had been lost

    cloud_process.ensure_up()
    assert containers() == []
    assert namespaces() == []
    assert cloud_process.gc() == []


def kill(state: Path) -> None:
    """End the cloud's process as the kernel does when memory runs out."""
    address = StateDir(folder=state).read_address()
    assert address is not None
    os.kill(address.pid, signal.SIGKILL)
    os.waitpid(address.pid, 0)


@pytest.mark.parametrize(
    "command",
    [
        "stack list",
        "server list",
        "network list",
        "image list",
        "flavor list",
        "keypair list",
        "router list",
        "floating ip list",
        "security group list",
        "port list",
        "subnet list",
        "catalog list",
        "token issue",
    ],
)
def test_the_openstack_client_speaks_with_it(cloud: Connection, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "openstackclient.shell", *command.split(), "-f", "json"],
        env={
            **os.environ,
            "OS_CLIENT_CONFIG_FILE": str(StateDir.of_this_user().clouds_yaml),
            "OS_CLOUD": "local",
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert isinstance(json.loads(done.stdout), list | dict)


def test_the_openstack_client_shows_a_server_and_its_console(cloud: Connection) -> None:
    web = server(name="web", networks=[{"allocate_network": "none"}])
    create(cloud, "shown", hot({"web": web}))
    (shown,) = cloud.compute.servers()
    booted(cloud, shown.id)
    environment = {
        **os.environ,
        "OS_CLIENT_CONFIG_FILE": str(StateDir.of_this_user().clouds_yaml),
        "OS_CLOUD": "local",
    }
    shell = [sys.executable, "-m", "openstackclient.shell"]
    show = subprocess.run(
        [*shell, "server", "show", "web", "-f", "json"],
        env=environment,
        capture_output=True,
        check=True,
    )
    assert json.loads(show.stdout)["status"] == "ACTIVE"
    console = subprocess.run(
        [*shell, "console", "log", "show", "web"], env=environment, capture_output=True, check=True
    )
    assert b"finished at" in console.stdout


def test_only_its_user_may_read_its_files(state: Path, cloud: Connection) -> None:
    """Those that stay: the password, the databases with their journals, the log."""
    names = {path.name for path in state.iterdir() if path.is_file()}
    assert {"clouds.yaml", "cloud.sqlite", "cloud.sqlite-wal", "heat.sqlite", "cloud.log"} <= names
    assert {path.stat().st_mode & 0o077 for path in state.iterdir() if path.is_file()} == {0}


def test_a_wrong_password_is_refused(state: Path, cloud: Connection) -> None:
    url = f"{StateDir(folder=state).read_address().url}/identity/v3/auth/tokens"  # type: ignore[union-attr]
    user = {"name": "infraci", "password": "wrong", "domain": {"id": "default"}}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    answer = cloud.session.post(url, json=login, authenticated=False, raise_exc=False)
    assert answer.status_code == 401
    for path in ("compute/v2.1/servers", "network/v2.0/networks", "orchestration/v1/x/stacks"):
        blank = cloud.session.get(
            f"{url.split('/identity')[0]}/{path}", authenticated=False, raise_exc=False
        )
        assert blank.status_code == 401, path


def test_two_clouds_share_a_machine(cloud: Connection, tmp_path: Path) -> None:
    template = hot({**network(), "router": resource("OS::Neutron::Router")})
    assert create(cloud, "here", template).status == "CREATE_COMPLETE"
    environment = {**os.environ, "INFRACI_STATE_DIR": str(tmp_path)}
    script = (
        "from openstack.config import OpenStackConfig\n"
        "from openstack.connection import Connection\n"
        "from infraci.local import cloud_process\n"
        "from tests.local.conftest import create, hot, network, resource, until\n"
        "clouds_yaml = str(cloud_process.ensure_up())\n"
        "config = OpenStackConfig(config_files=[clouds_yaml], load_envvars=False)\n"
        "cloud = Connection(config=config.get_one('local'))\n"
        "router = resource('OS::Neutron::Router', external_gateway_info={'network': 'public'})\n"
        "stack = create(cloud, 'there', hot({**network(), 'router': router}))\n"
        "print(stack.status)\n"
        "print(*[subnet.cidr for subnet in cloud.network.subnets(name='public')])\n"
        "cloud.orchestration.delete_stack(stack)\n"
        "until(lambda: not list(cloud.orchestration.stacks()))\n"
        "cloud_process.down()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    status, cidr = done.stdout.decode().split()
    (here,) = cloud.network.subnets(name="public")
    assert status == "CREATE_COMPLETE"
    assert cidr != here.cidr


def test_the_process_ends_when_nobody_asks_and_its_servers_stay(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "INFRACI_STATE_DIR": str(tmp_path),
        "INFRACI_CLOUD_IDLE_S": "1",
    }
    start = "from infraci.local import cloud_process; cloud_process.ensure_up()"
    subprocess.run([sys.executable, "-c", start], env=environment, check=True)
    state_dir = StateDir(folder=tmp_path)
    until(lambda: cloud_process.running(state_dir) is None)
    assert StateDir(folder=tmp_path).read_address() is None


def test_modules_of_where_it_is_started_are_not_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    for module in ("infraci", "heat"):
        (folder / module).mkdir(parents=True)
        (folder / module / "__init__.py").write_text("raise SystemExit('not this one')\n")
    environment = {**os.environ, "INFRACI_STATE_DIR": str(tmp_path / "cloud")}
    for verb in ("up", "down"):
        done = run_infraci("cloud", verb, cwd=folder, env=environment)
        assert done.returncode == 0, done.stderr
