"""Makes the files of a server's config drive, by which Nova tells a server about itself.

Source: https://docs.openstack.org/nova/latest/user/metadata.html; cloud-init reads it as the
ConfigDrive data source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from infraci.local.domain.instance_metadata import LATEST, InstanceMetadata


def config_drive(metadata: InstanceMetadata) -> Mapping[str, bytes]:
    """The files of a server's config drive, by their path on it."""
    files = {
        f"openstack/{LATEST}/{name}": content
        for name, content in metadata.openstack_files().items()
    }
    tree = metadata.ec2_tree()
    files[f"ec2/{LATEST}/meta-data.json"] = json.dumps(tree["meta-data"]).encode()
    if metadata.user_data is not None:
        files[f"ec2/{LATEST}/user-data"] = metadata.user_data
    return files
