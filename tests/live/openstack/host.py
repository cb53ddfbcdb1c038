"""This machine's part in the network: a bridge, a way out, and what it was like before."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.live.openstack.place import ADDRESS, BRIDGE, EXTERNAL_CIDR, BrokenError, Place

_TABLE = "infraci_live_openstack"
#: What is set here or by Neutron's agents, and is put back.
_SETTINGS = (
    "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-arptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.bridge.bridge-nf-call-iptables",
)
#: Servers reach the world under this host's address. Big packets are agreed to be small enough
#: for the uplink, whose size not everybody on the way tells. The kernel shows what passes through
#: Neutron's bridges as well, which is not on its way out.
_RULES = f"""
define inside = {{ "{BRIDGE}", "brq*" }}
table ip {_TABLE}
delete table ip {_TABLE}
table ip {_TABLE} {{
    chain out {{
        type nat hook postrouting priority srcnat
        ip saddr {EXTERNAL_CIDR} ip daddr != {EXTERNAL_CIDR} oifname != $inside masquerade
    }}
    chain sizes {{
        type filter hook forward priority mangle
        tcp flags syn tcp option maxseg size set rt mtu
    }}
}}
"""


def uplink_mtu() -> int:
    """How big a packet the host's way out takes."""
    for route in json.loads(_run("ip", "-json", "-4", "route", "show", "default") or "[]"):
        (link,) = json.loads(_run("ip", "-json", "link", "show", "dev", route["dev"]))
        return min(1500, int(link["mtu"]))
    return 1500


def nameservers() -> list[str]:
    """The resolvers that this host asks, those on itself left out: servers cannot reach them."""
    for file in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        path = Path(file)
        text = path.read_text() if path.exists() else ""
        addresses = re.findall(r"^nameserver\s+([0-9.]+)\s*$", text, re.MULTILINE)
        addresses = [
            address for address in addresses if not ipaddress.ip_address(address).is_loopback
        ]
        if addresses:
            return addresses
    return ["9.9.9.9"]


def set_up(place: Place) -> None:
    """Make the bridge and the way out; may be repeated."""
    before = place.run / "host.json"
    if not before.exists():
        before.write_text(json.dumps({"settings": _settings(), "tables": _tables()}))
    if not _exists(BRIDGE):
        for route in json.loads(_run("ip", "-json", "-4", "route", "show") or "[]"):
            if route["dst"] == EXTERNAL_CIDR:
                raise BrokenError(f"{EXTERNAL_CIDR} is taken: {route}")
        _run("ip", "link", "add", BRIDGE, "mtu", str(uplink_mtu()), "type", "bridge")
        _run("ip", "address", "add", f"{ADDRESS}/24", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    _write_setting("net.ipv4.ip_forward", "1")
    _run("nft", "-f", "-", text=_RULES)
    Path("/run/netns").mkdir(exist_ok=True)


def tear_down(place: Place) -> None:
    """Remove what ``set_up`` and Neutron's agents made; gone already is a success."""
    for name in leftovers()["namespaces"]:
        _run("ip", "netns", "delete", name, check=False)
    for name in leftovers()["interfaces"]:
        _run("ip", "link", "delete", name, check=False)
    _run("nft", "-f", "-", text=f"table ip {_TABLE}\ndelete table ip {_TABLE}\n")
    for program in ("iptables", "ip6tables"):
        _forget_chains(program)
    _forget_frames()
    for name in leftovers()["ipsets"]:
        _run("ipset", "destroy", name, check=False)
    before = place.run / "host.json"
    if before.exists():
        known = json.loads(before.read_text())
        for name, value in known["settings"].items():
            _write_setting(name, value)
        _forget_tables(known["tables"])
        before.unlink()


def leftovers() -> dict[str, list[str]]:
    """What is on this host because of the OpenStack, by kind."""
    links = [link["ifname"] for link in json.loads(_run("ip", "-json", "link", "show") or "[]")]
    ours = re.compile(rf"{BRIDGE}|brq[0-9a-f]{{8}}-[0-9a-f]{{2}}|tap[0-9a-f]{{8}}-[0-9a-f]{{2}}")
    spaces = [line.split()[0] for line in _run("ip", "netns", "list").splitlines() if line]
    sets = _run("ipset", "list", "-name", check=False).split()
    rules = "".join(_run(f"{name}-save", check=False) for name in ("iptables", "ip6tables"))
    return {
        "interfaces": [name for name in links if ours.fullmatch(name)],
        "namespaces": [name for name in spaces if name.startswith(("qdhcp-", "qrouter-"))],
        "ipsets": [name for name in sets if re.match(r"N?(IPv4|IPv6|ET)", name)],
        "packet filters": [line for line in rules.splitlines() if "neutron-" in line],
        "tables": [name for name in _tables() if _TABLE in name],
    }


def _forget_chains(program: str) -> None:
    """Take Neutron's chains, and only those, out of the packet filter."""
    table = ""
    rules: list[str] = []
    flushed: list[str] = []
    deleted: list[str] = []
    script: list[str] = []
    for line in [*_run(f"{program}-save", check=False).splitlines(), "*"]:
        if line.startswith("*"):
            if rules or flushed:
                script += [f"*{table}", *rules, *flushed, *deleted, "COMMIT"]
            table, rules, flushed, deleted = line[1:], [], [], []
        elif line.startswith(":neutron-"):
            chain = line[1:].split()[0]
            flushed.append(f"-F {chain}")
            deleted.append(f"-X {chain}")
        elif (
            line.startswith("-A ") and " -j neutron-" in line and not line.startswith("-A neutron-")
        ):
            rules.append(f"-D {line[3:]}")
    if script:
        _run(f"{program}-restore", "--noflush", text="\n".join([*script, ""]))


def _forget_frames() -> None:
    """The same for Ethernet frames."""
    for table in ("nat", "filter"):
        listing = _run("ebtables", "-t", table, "-L", check=False)
        chain = ""
        chains: list[str] = []
        for line in listing.splitlines():
            if line.startswith("Bridge chain: "):
                chain = line.split()[2].rstrip(",")
                if chain.startswith("neutron"):
                    chains.append(chain)
            elif "-j neutron" in line and not chain.startswith("neutron"):
                _run("ebtables", "-t", table, "-D", chain, *line.split(), check=False)
        for verb in ("-F", "-X"):
            for name in chains:
                _run("ebtables", "-t", table, verb, name, check=False)


def _forget_tables(before: Sequence[str]) -> None:
    """Delete tables that were not there before, if nobody has put a rule there since."""
    for name in _tables():
        family, _, table = name.partition(" ")
        if name in before or table not in ("filter", "nat", "raw", "mangle"):
            continue
        listing = _run("nft", "list", "table", family, table, check=False)
        inside = [line.strip() for line in listing.splitlines()[1:]]
        plain = ("chain ", "type ", "}", "#", "policy ")
        if all(not line or line.startswith(plain) for line in inside):
            _run("nft", "delete", "table", family, table, check=False)


def _tables() -> list[str]:
    lines = _run("nft", "list", "tables", check=False).splitlines()
    return [line.removeprefix("table ") for line in lines]


def _setting(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def _settings() -> dict[str, str]:
    return {n: _setting(n).read_text().strip() for n in _SETTINGS if _setting(n).exists()}


def _write_setting(name: str, value: str) -> None:
    if _setting(name).exists() and _setting(name).read_text().strip() != value:
        _setting(name).write_text(value)


def _exists(link: str) -> bool:
    return Path(f"/sys/class/net/{link}").exists()


def _run(*command: str, text: str | None = None, check: bool = True) -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True)
    except FileNotFoundError:
        if check:
            raise
        return ""
    if check and done.returncode:
        raise BrokenError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
