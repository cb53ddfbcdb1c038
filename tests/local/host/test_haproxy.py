"""Load balancers between namespaces: a real haproxy, and real listeners behind it."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.errors import CloudError
from infraci.local.host.balancer_plan import (
    Backend,
    BackendServer,
    BalancerPlan,
    Frontend,
    HealthCheck,
    Match,
    Policy,
)
from infraci.local.host.fabric import find_all
from infraci.local.host.netns import HOST, Namespace, short
from tests.local.conftest import until
from tests.local.wires import FabricTestbed, nic, run_in

pytestmark = pytest.mark.cloud

_PORT = 8000
_CHECK = HealthCheck(type="TCP", every_s=1, timeout_s=1, rise=1, fall=1)


@pytest.fixture(scope="module")
def testbed() -> Iterator[FabricTestbed]:
    with FabricTestbed() as made:
        yield made


class Site:
    """A network with a client, two servers and a balancer at 10.0.0.9."""

    def __init__(self, testbed: FabricTestbed) -> None:
        self.testbed = testbed
        self.network = testbed.network()
        self.client = testbed.host(self.network, "10.0.0.2/24")
        self.one = testbed.host(self.network, "10.0.0.11/24")
        self.two = testbed.host(self.network, "10.0.0.12/24")
        self.id = str(uuid.uuid4())
        self.namespace = Namespace(f"infraci-b-{short(self.id)}")
        testbed.let_pass(self.network, self.id)

    def balance(self, *frontends: Frontend) -> None:
        """Have the balancer listen so."""
        nics = (nic(self.network, "10.0.0.9/24"),)
        plan = BalancerPlan(id=self.id, address="10.0.0.9", frontends=frontends)
        self.testbed.fabric.create_balancer(self.id, nics).apply(plan)

    def get(self, path: str = "/", *headers: str) -> str:
        """What the balancer answers at port 80: status, headers and body."""
        options = [word for header in headers for word in ("--header", header)]
        return run_in(
            self.client, "curl", "-si", "--max-time", "5", *options, f"http://10.0.0.9{path}"
        )

    def name(self) -> str:
        """The name of the server that answers a request."""
        return self.get().partition("\n\n")[2].split()[0]

    def ask(self) -> str | None:
        """What answers a connection to the balancer's port 80."""
        return self.testbed.ask(self.client, "10.0.0.9", 80)

    def status(self, server: str) -> str:
        """What haproxy says of a server of the pool."""
        stats = self.testbed.fabric.haproxy(self.id).stats()
        return stats["pool:web", server].status


@pytest.fixture
def site(testbed: FabricTestbed) -> Site:
    return Site(testbed)


def pool(mode: str, *, check: HealthCheck | None = None, **values: object) -> Backend:
    servers = tuple(
        BackendServer(id=name, address=f"10.0.0.{number}", port=_PORT)
        for name, number in (("one", 11), ("two", 12))
    )
    backend = Backend(id="pool", mode=mode, balance="roundrobin", check=check, servers=servers)
    return replace(backend, **values)  # type: ignore[arg-type]


def frontend(backend: Backend, **values: object) -> Frontend:
    made = Frontend(
        id="web", mode=backend.mode, port=80, default_backend="pool", backends=(backend,)
    )
    return replace(made, **values)  # type: ignore[arg-type]


def test_connections_are_spread_and_a_dead_server_is_left_out(site: Site) -> None:
    site.testbed.serve("one", site.one)
    two = site.testbed.serve("two", site.two)
    site.balance(frontend(pool("tcp", check=_CHECK)))
    assert sorted(site.name() for _ in range(4)) == ["one", "one", "two", "two"]
    assert site.status("two").startswith("UP")
    two.kill()
    until(lambda: site.status("two") == "DOWN")
    assert site.status("one").startswith("UP")
    assert {site.name() for _ in range(2)} == {"one"}
    site.balance(frontend(pool("tcp", check=_CHECK), client_timeout_ms=40000))
    assert site.status("two") == "DOWN"  # the next haproxy need not find that out again


def test_a_server_that_is_ill_gets_no_requests(site: Site, tmp_path: Path) -> None:
    ill = tmp_path / "ill"
    site.testbed.serve("one", site.one)
    site.testbed.serve("two", site.two, ill=str(ill))
    check = replace(_CHECK, type="HTTP", path="/it's?fine=1", codes=("200", "204"))
    site.balance(frontend(pool("http", check=check)))
    assert {site.name() for _ in range(4)} == {"one", "two"}
    ill.touch()
    until(lambda: site.status("two") == "DOWN")
    assert {site.name() for _ in range(4)} == {"one"}
    ill.unlink()
    until(lambda: site.status("two") == "UP")


def test_policies_decide_what_becomes_of_requests(site: Site) -> None:
    site.testbed.serve("one", site.one)
    site.testbed.serve("two", site.two)
    admin = replace(pool("http"), id="admin")
    admin = replace(admin, servers=admin.servers[1:])
    policies = (
        Policy(
            action="REJECT",
            matches=(Match(id="a", type="PATH", compare="EQUAL_TO", value="/x"),),
        ),
        Policy(
            action="REDIRECT_TO_URL",
            target="http://elsewhere.test/it's%20\"new\"",
            http_code=301,
            matches=(Match(id="b", type="HEADER", compare="REGEX", key="X-Old", value="^a b\\d$"),),
        ),
        Policy(
            action="REDIRECT_TO_POOL",
            target="admin",
            matches=(
                Match(id="c", type="PATH", compare="STARTS_WITH", value="/admin"),
                Match(
                    id="d", type="COOKIE", compare="CONTAINS", key="no", value="1", is_inverted=True
                ),
            ),
        ),
    )  # fmt: skip
    backends = (replace(pool("http"), servers=pool("http").servers[:1]), admin)
    headers = ("X-Forwarded-For", "X-Forwarded-Port")
    site.balance(
        frontend(backends[0], backends=backends, policies=policies, headers=headers),
    )
    answer = site.get("/y")
    assert "\n\none /y" in answer
    assert "x-forwarded-for: 10.0.0.2" in answer.lower()
    assert "x-forwarded-port: 80" in answer.lower()
    assert site.get("/x").startswith("HTTP/1.1 403")
    redirected = site.get("/y", "X-Old: a b1")
    assert redirected.startswith("HTTP/1.1 301")
    assert 'location: http://elsewhere.test/it\'s%20"new"\n' in redirected
    assert "\n\ntwo /admin" in site.get("/admin")
    assert "\n\none /admin" in site.get("/admin", "Cookie: no=1")


def test_a_change_drops_no_connection(site: Site) -> None:
    site.testbed.serve("one", site.one)
    site.testbed.serve("two", site.two)
    tcp = pool("tcp")
    site.balance(frontend(tcp))
    ask = (
        "import socket, sys; s = socket.create_connection(('10.0.0.9', 80), timeout=20);"
        "print('open', flush=True); sys.stdin.readline();"
        "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(s.makefile().readline())"
    )
    with subprocess.Popen(
        ["nsenter", f"--net={site.client.path}", "--", "python3", "-ISc", ask],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "open\n"
        site.balance(frontend(replace(tcp, servers=tcp.servers[1:])))
        assert len(site.namespace.processes()) == 2
        output, _ = client.communicate("\n", timeout=20)
        assert output.startswith("HTTP/1.1 200")
    until(lambda: len(site.namespace.processes()) == 1)


def test_a_configuration_that_haproxy_refuses_leaves_the_last_one(site: Site) -> None:
    site.testbed.listen("one", site.one)
    tcp = pool("tcp")
    only_one = replace(tcp, servers=tcp.servers[:1])
    site.balance(frontend(only_one))
    match = Match(id="a", type="PATH", compare="REGEX", value="(")
    bad = Policy(action="REJECT", matches=(match,))
    with pytest.raises(CloudError, match=r"cannot start haproxy: .*regex"):
        site.balance(frontend(replace(only_one, mode="http"), policies=(bad,)))
    assert site.ask() == "one saw 10.0.0.9"


def test_haproxy_has_no_rights_and_no_files(site: Site) -> None:
    site.balance(frontend(pool("tcp")))
    (pid,) = site.namespace.processes()
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    assert "0" not in status["Uid"].split()
    assert status["CapEff"] == status["CapPrm"] == "0" * 16
    root = Path(f"/proc/{pid}/root")
    assert root.readlink() == Path(f"/run/infraci/{site.namespace.name}/root")
    assert list(root.iterdir()) == []


def test_nothing_is_left_of_a_balancer(site: Site) -> None:
    site.balance(frontend(pool("tcp")))
    (pid,) = site.namespace.processes()
    assert site.id in [own.labels["id"] for own in site.testbed.fabric.list_ours()]
    site.testbed.fabric.delete_balancer(site.id)
    assert site.id not in [own.labels.get("id") for own in find_all()]
    assert not Path("/run/infraci", site.namespace.name).exists()
    until(lambda: not Path(f"/proc/{pid}").exists())
    site.testbed.fabric.delete_balancer(site.id)


def test_a_balancer_at_a_public_address(site: Site) -> None:
    """Its second card leads to the servers; the host and what is behind routers are its clients."""
    testbed = site.testbed
    testbed.listen("one", site.one)
    outside, vip = testbed.public(20), testbed.public(21)
    nics = (
        replace(
            nic("", f"{outside}/24", gateway=str(testbed.pools.public_host)),
            addresses=(f"{outside}/24", f"{vip}/32"),
        ),
        replace(nic(site.network, "10.0.0.9/24"), device="eth1"),
    )
    testbed.let_pass(site.network, site.id, "eth1")
    backend = replace(pool("tcp"), servers=pool("tcp").servers[:1])
    plan = BalancerPlan(id=site.id, address=vip, frontends=(frontend(backend),))
    testbed.fabric.create_balancer(site.id, nics).apply(plan)
    assert testbed.ask(None, vip, 80) == "one saw 10.0.0.9"
    guarded = frontend(backend, allowed=("192.0.2.0/24",))
    testbed.fabric.haproxy(site.id).apply(replace(plan, frontends=(guarded,)))
    assert testbed.ask(None, vip, 80) is None
    testbed.fabric.delete_balancer(site.id)
    devices = [link["ifname"] for link in HOST.show("link")]
    assert f"iqb{short(site.id)}" not in devices


def test_servers_behind_a_router(site: Site) -> None:
    testbed, other, router_id = site.testbed, site.testbed.network(), str(uuid.uuid4())
    testbed.fabric.create_router(router_id)
    router = testbed.fabric.router(router_id)
    router.add_leg(site.network, "02:00:00:00:00:01", "10.0.0.1/24")
    router.add_leg(other, "02:00:00:00:00:02", "10.1.0.1/24")
    inner = testbed.host(other, "10.1.0.5/24", gateway="10.1.0.1")
    testbed.listen("inner", inner)
    nics = (nic(site.network, "10.0.0.9/24", gateway="10.0.0.1"),)
    server = BackendServer(id="inner", address="10.1.0.5", port=_PORT)
    backend = replace(pool("tcp"), servers=(server,))
    plan = BalancerPlan(id=site.id, address="10.0.0.9", frontends=(frontend(backend),))
    testbed.fabric.create_balancer(site.id, nics).apply(plan)
    assert site.ask() == "inner saw 10.0.0.9"


def test_a_balancer_in_two_networks(site: Site) -> None:
    """Its second card leads to servers that no router reaches."""
    testbed, other = site.testbed, site.testbed.network()
    inner = testbed.host(other, "10.1.0.5/24")
    testbed.listen("inner", inner)
    nics = (
        nic(site.network, "10.0.0.9/24"),
        replace(nic(other, "10.1.0.9/24"), device="eth1"),
    )
    testbed.let_pass(other, site.id, "eth1")
    server = BackendServer(id="inner", address="10.1.0.5", port=_PORT)
    plan = BalancerPlan(
        id=site.id,
        address="10.0.0.9",
        frontends=(frontend(replace(pool("tcp"), servers=(server,))),),
    )
    testbed.fabric.create_balancer(site.id, nics).apply(plan)
    assert site.ask() == "inner saw 10.1.0.9"
    testbed.fabric.create_balancer(site.id, nics[:1])
    devices = [link["ifname"] for link in site.namespace.show("link")]
    assert sorted(devices) == ["eth0", "lo"]
