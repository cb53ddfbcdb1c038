"""Neutron: networks as Linux bridges; addresses, routers and metadata in namespaces."""

from __future__ import annotations

from tests.live.openstack.host import nameservers, uplink_mtu
from tests.live.openstack.packages import common
from tests.live.openstack.place import ADDRESS, BRIDGE, Place
from tests.live.openstack.processes import Daemon, entry, run, script, with_programs
from tests.live.openstack.services.common import RABBIT, login, shared, transport, write

DATABASES = ("neutron",)
API = f"{ADDRESS}:9696"


def configure(place: Place) -> None:
    """Write the files of the server and of the agents."""
    (place.data / "neutron").mkdir(exist_ok=True)
    write(
        place.etc / "neutron.conf",
        {
            "DEFAULT": {
                "host": "live",
                "bind_host": ADDRESS,
                "state_path": place.data / "neutron",
                "core_plugin": "ml2",
                "service_plugins": "router",
                "api_workers": 1,
                "rpc_workers": 1,
                "rpc_state_report_workers": 0,
                "api_paste_config": common(place, "usr/share/neutron-common/api-paste.ini"),
                "dhcp_agents_per_network": 1,
                "global_physnet_mtu": uplink_mtu(),
                "notify_nova_on_port_status_changes": True,
                "notify_nova_on_port_data_changes": True,
                **transport(place),
            },
            **shared(place, "neutron"),
            "nova": login(place),
            # There is no sudo: all is root's already.
            "agent": {"root_helper": "env", "root_helper_daemon": "", "report_interval": 10},
            "experimental": {"linuxbridge": True},
        },
    )
    write(
        place.etc / "ml2.ini",
        {
            "ml2": {
                "type_drivers": "local,flat",
                "tenant_network_types": "local",
                "mechanism_drivers": "linuxbridge",
                "extension_drivers": "port_security",
            },
            "ml2_type_flat": {"flat_networks": "public"},
            "securitygroup": {
                "enable_security_group": True,
                "firewall_driver": "iptables",
                "enable_ipset": True,
            },
            "linux_bridge": {"bridge_mappings": f"public:{BRIDGE}"},
            "vxlan": {"enable_vxlan": False},
            "agent": {"polling_interval": 1},
        },
    )
    # It would read its files as nobody, who may not enter the state folder.
    (place.etc / "dnsmasq.conf").write_text("user=root\n")
    write(
        place.etc / "agents.ini",
        {
            "DEFAULT": {
                "interface_driver": "linuxbridge",
                "dhcp_driver": "neutron.agent.linux.dhcp.Dnsmasq",
                "enable_isolated_metadata": True,
                "resync_interval": 5,
                "dnsmasq_config_file": place.etc / "dnsmasq.conf",
                "dnsmasq_dns_servers": ",".join(nameservers()),
                "agent_mode": "legacy",
                "nova_metadata_host": "127.0.0.1",
                "metadata_proxy_shared_secret": place.passwords["metadata"],
                "metadata_workers": 0,
            }
        },
    )


def create_schema(place: Place) -> None:
    """Make the tables."""
    command = script("neutron-db-manage", *_files(place), "upgrade", "heads")
    run(place, command, log="neutron-schema")


def daemons(place: Place) -> list[Daemon]:
    """The server, and the agents, which begin when it listens."""
    agents = _config(place, "neutron.conf", "agents.ini")
    bridges = entry("neutron-linuxbridge-agent", *_files(place), after=[RABBIT, API])
    return [
        entry("neutron-server", *_files(place), after=[RABBIT]),
        with_programs(bridges),
        entry("neutron-dhcp-agent", *agents, after=[RABBIT, API]),
        entry("neutron-l3-agent", *agents, after=[RABBIT, API]),
        entry("neutron-metadata-agent", *agents, after=[RABBIT, API]),
    ]


def _files(place: Place) -> tuple[str, ...]:
    return _config(place, "neutron.conf", "ml2.ini")


def _config(place: Place, *names: str) -> tuple[str, ...]:
    return tuple(word for name in names for word in ("--config-file", str(place.etc / name)))
