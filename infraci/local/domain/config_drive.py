"""Makes the files of a server's config drive, by which Nova tells a server about itself.

Source: https://docs.openstack.org/nova/latest/user/metadata.html; cloud-init reads it as the
ConfigDrive data source.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping

from infraci.local.account import ZONE

_LATEST = "openstack/latest"


def config_drive(
    *,
    server_id: str,
    name: str,
    metadata: Mapping[str, str],
    keys: Mapping[str, str],
    user_data: bytes | None,
    project_id: str,
) -> dict[str, bytes]:
    """The files of a server's config drive, by their path on it; ``keys`` are public keys."""
    meta_data = {
        "uuid": server_id,
        "name": name,
        "hostname": f"{hostname(name)}.novalocal",
        "availability_zone": ZONE,
        "launch_index": 0,
        "project_id": project_id,
        "meta": dict(metadata),
        "public_keys": dict(keys),
        "keys": [{"name": n, "type": "ssh", "data": key} for n, key in keys.items()],
        "random_seed": base64.b64encode(secrets.token_bytes(64)).decode(),
        "devices": [],
    }
    files = {
        # In the form of Amazon's, which some agents read.
        "ec2/latest/meta-data.json": json.dumps(
            {
                "instance-id": server_id,
                "hostname": meta_data["hostname"],
                "local-hostname": meta_data["hostname"],
                "placement": {"availability-zone": ZONE},
                "public-keys": {
                    str(number): {"openssh-key": key, "_name": f"{number}={n}"}
                    for number, (n, key) in enumerate(keys.items())
                },
            }
        ).encode(),
        f"{_LATEST}/meta_data.json": json.dumps(meta_data).encode(),
        f"{_LATEST}/vendor_data.json": b"{}",
        f"{_LATEST}/network_data.json": b'{"links": [], "networks": [], "services": []}',
    }
    if user_data:
        files[f"{_LATEST}/user_data"] = user_data
    return files


def hostname(name: str) -> str:
    """A server's host name, made of its name as Nova does it."""
    plain = re.sub(r"[ _]", "-", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^\w.-]+", "", plain).strip(".-")[:63].rstrip(".-") or "server"
