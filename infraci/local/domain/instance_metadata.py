"""What Nova tells a server about itself, in OpenStack's form and in that of EC2.

One source for the config drive and for the metadata service, as in Nova; versions of each form
have what Nova gave at their time.

Source: https://docs.openstack.org/nova/latest/user/metadata.html, nova/api/metadata/base.py
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from infraci.local.account import PROJECT_ID, ZONE

LATEST = "latest"
OPENSTACK_VERSIONS = (
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06",
    "2017-02-22", "2018-08-27", "2020-10-14",
)  # fmt: skip
EC2_VERSIONS = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01",
    "2008-09-01", "2009-04-04",
)  # fmt: skip
_ROOT_DEVICE = "/dev/vda"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceMetadata:
    """A server, as it sees itself."""

    id: str
    name: str
    image_id: str = ""
    flavor: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: Public keys by their names.
    keys: Mapping[str, str] = field(default_factory=dict)
    user_data: bytes | None = None
    #: Its first IPv4 address, and the floating IP on it.
    fixed_ip: str = ""
    floating_ip: str = ""
    security_groups: tuple[str, ...] = ()
    #: The devices of its volumes.
    volumes: tuple[str, ...] = ()
    #: Its network cards, as ``network_data.json`` has them.
    network_data: Mapping[str, object] = field(
        default_factory=lambda: {"links": [], "networks": [], "services": []}
    )

    @property
    def hostname(self) -> str:
        """Its host name in the domain that Nova has by default."""
        return f"{hostname(self.name)}.novalocal"

    def openstack_files(self, version: str = LATEST) -> dict[str, bytes]:
        """The files of a version of OpenStack's form, by name. Raises KeyError for no version."""
        number = _number(version, OPENSTACK_VERSIONS)
        documents: tuple[tuple[str, str, Mapping[str, object]], ...] = (
            ("meta_data.json", "2012-08-10", self._meta_data(number)),
            ("vendor_data.json", "2013-10-17", {}),
            ("network_data.json", "2015-10-15", self.network_data),
            ("vendor_data2.json", "2016-10-06", {"static": {}}),
        )
        files = {
            name: json.dumps(document).encode()
            for name, since, document in documents
            if number >= OPENSTACK_VERSIONS.index(since)
        }
        return files if self.user_data is None else {**files, "user_data": self.user_data}

    def _meta_data(self, number: int) -> Mapping[str, object]:
        later: Mapping[str, Mapping[str, object]] = {
            "2013-04-04": {"random_seed": base64.b64encode(secrets.token_bytes(512)).decode()},
            "2015-10-15": {"project_id": PROJECT_ID},
            "2016-06-30": {"devices": []},
            "2020-10-14": {"dedicated_cpus": []},
        }
        document: dict[str, object] = {
            "uuid": self.id,
            "name": self.name,
            "hostname": self.hostname,
            "availability_zone": ZONE,
            "launch_index": 0,
        }
        if self.metadata:
            document["meta"] = dict(self.metadata)
        if self.keys:
            document["public_keys"] = dict(self.keys)
            document["keys"] = [
                {"name": name, "type": "ssh", "data": key} for name, key in self.keys.items()
            ]
        for since, fields in later.items():
            if number >= OPENSTACK_VERSIONS.index(since):
                document.update(fields)
        return document

    def ec2_tree(self, version: str = LATEST) -> dict[str, object]:
        """The entries of a version of EC2's form, folders as dicts. Raises KeyError for none."""
        number = _number(version, EC2_VERSIONS)
        later: Mapping[str, Mapping[str, object]] = {
            "2007-01-19": {
                "local-hostname": self.hostname,
                "public-hostname": self.hostname,
                "public-ipv4": self.floating_ip,
            },
            "2007-08-29": {"instance-type": self.flavor},
            "2007-12-15": {"block-device-mapping": self._block_devices()},
            "2008-02-01": {"placement": {"availability-zone": ZONE}},
            "2008-09-01": {"instance-action": "none"},
        }
        entries: dict[str, object] = {
            "ami-id": f"ami-{self.image_id[:8]}",
            "ami-launch-index": 0,
            "ami-manifest-path": "FIXME",  # which Nova gives
            "instance-id": f"i-{self.id[:8]}",
            "hostname": self.hostname,
            "local-ipv4": self.fixed_ip,
            "reservation-id": f"r-{self.id[-8:]}",
            "security-groups": list(self.security_groups),
        }
        if self.keys:
            entries["public-keys"] = {
                str(number): {"_name": f"{number}={name}", "openssh-key": key}
                for number, (name, key) in enumerate(self.keys.items())
            }
        for since, fields in later.items():
            if number >= EC2_VERSIONS.index(since):
                entries.update(fields)
        tree: dict[str, object] = {"meta-data": entries}
        return tree if self.user_data is None else {**tree, "user-data": self.user_data}

    def _block_devices(self) -> Mapping[str, str]:
        volumes = {f"ebs{number}": device for number, device in enumerate(sorted(self.volumes))}
        return {"ami": _ROOT_DEVICE.removeprefix("/dev/"), "root": _ROOT_DEVICE, **volumes}


def hostname(name: str) -> str:
    """A server's host name, made of its name as Nova does it."""
    plain = re.sub(r"[ _]", "-", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^\w.-]+", "", plain).strip(".-")[:63].rstrip(".-") or "server"


def _number(version: str, versions: tuple[str, ...]) -> int:
    if version == LATEST:
        return len(versions) - 1
    if version not in versions:
        raise KeyError(version)
    return versions.index(version)
