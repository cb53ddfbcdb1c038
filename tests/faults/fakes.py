"""Runs in which the cloud is real, and reached through the proxy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from openstack.connection import Connection as Sdk

from infraci.base.deadline import Deadline
from infraci.base.interrupts import Interrupts
from infraci.heat import Cloud, NovaServer
from infraci.heat.openstack_connection import Connection
from infraci.ledger.ledger import Ledger
from infraci.model.run import Phase, RunRecord
from infraci.pipeline import Drivers, run_phases
from infraci.pipeline.destroy_phase import mark_of, remove_run
from infraci.pipeline.run_phases import RUN_PHASES
from infraci.progress.plain import Silent
from infraci.templates import StackRequest
from tests.faults.proxy import Plan, Proxy
from tests.pipeline.fakes import KEYS, FakeCloud, FakeDrivers, FaultInjector

#: Cheap, and with something on Neutron: it is what the calls before and after are about.
TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "parameters": {"key_name": {"type": "string"}},
    "resources": {
        "net": {"type": "OS::Neutron::Net"},
        "subnet": {
            "type": "OS::Neutron::Subnet",
            "properties": {"network": {"get_resource": "net"}, "cidr": "10.11.12.0/24"},
        },
        "group": {"type": "OS::Neutron::SecurityGroup"},
    },
    "outputs": {"net": {"value": {"get_resource": "net"}}},
}


class WithServer(Cloud):
    """A cloud on which each stack has one more server, that is up at once.

    A stub: to boot one for each fault would take minutes, and is done once for all in
    ``test_server.py``.
    """

    server_of_all = FakeCloud(FaultInjector()).nova_servers[0]

    def servers(self, stack_id: str) -> tuple[NovaServer, ...]:
        return (*super().servers(stack_id), self.server_of_all)

    def server(self, server_id: str) -> NovaServer:
        return self.server_of_all

    def console(self, server_id: str) -> str:
        return KEYS


class FakesAroundCloud(FakeDrivers):
    """The fake drivers of a run whose cloud is real."""

    def __init__(
        self, root: Path, cloud: Cloud, *, template: Any = None, timeout_s: float = 60
    ) -> None:
        super().__init__(root)
        self.proxied = cloud
        self.template = template or TEMPLATE
        limits = replace(self.pipeline.timeouts, provision_s=timeout_s, destroy_s=timeout_s)
        self.pipeline = replace(self.pipeline, timeouts=limits)

    def drivers(self) -> Drivers:
        def prepare(request: StackRequest) -> None:
            self.proxied.preview(request, name="preview")

        return replace(super().drivers(), cloud=self.proxied, prepare=prepare)

    def _load(self) -> StackRequest:
        return StackRequest(template=self.template)

    def run(self, phases: Sequence[Phase] = RUN_PHASES) -> RunRecord:
        """Take a run all the way."""
        with Interrupts() as interrupts:
            return run_phases(self.make_run(interrupts), phases)


def clouds_yaml(folder: Path, sdk: Sdk, proxy: Proxy, *, name: str = "local") -> Path:
    """A file that has the cloud of a connection behind the proxy.

    By the name ``local`` it is asked as often as one that is near.
    """
    auth = dict(sdk.config.auth)
    auth["auth_url"] = proxy.address(str(auth["auth_url"]))
    entry = {"auth": auth, "region_name": sdk.config.region_name}
    path = folder / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": {name: entry}}))
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedCloud:
    """A cloud behind the proxy, and a folder for runs on it."""

    clouds_yaml: Path
    proxy: Proxy
    engine_proxy: Proxy
    folder: Path

    def open(self) -> WithServer:
        """The cloud as infraci sees it."""
        return WithServer(Connection.open("local", clouds_yaml=self.clouds_yaml))

    def run(self, plan: Plan, *, within: Plan | None = None, **more: Any) -> RunRecord:
        """A run all the way, on which the plan makes things go wrong, or another within Heat."""
        self.proxy.plan, self.engine_proxy.plan = plan, within or Plan()
        try:
            with self.open() as cloud:
                return FakesAroundCloud(self.folder, cloud, **more).run()
        finally:
            self.engine_proxy.plan = Plan()

    def left(self, record: RunRecord) -> tuple[str, ...]:
        """What is on the cloud of a run, asked without faults."""
        self.proxy.plan = Plan()
        with self.open() as cloud:
            return tuple(map(str, cloud.leftovers(mark_of(record), deadline=Deadline(5))))

    def remove(self, record: RunRecord) -> None:
        """What ``infraci destroy`` does, without faults."""
        self.proxy.plan = Plan()
        with self.open() as cloud:
            remove_run(record, cloud=cloud, ledger=Ledger(self.folder), progress=Silent())
