"""Checks names, metadata, tags and user data against the limits of Nova and Neutron.

Sources: nova/api/openstack/compute/schemas/servers.py, nova/api/validation/parameter_types.py and
the default quota metadata_items; neutron_lib/db/constants.py. A cloud may have other quotas.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from unicodedata import category

USER_DATA_BYTES = 65535  # in base64
NAME_LENGTH = 255
METADATA_LENGTH = 255  # of a key, and of a value
METADATA_ITEMS = 128
TAGS = 50
TAG_LENGTH = 60

#: Unicode's categories: controls, characters without width or meaning, ends of lines.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEY = re.compile(r"[a-zA-Z0-9\-_:. ]+\Z")
_TAG = re.compile(r"[^,/]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """A property beyond a limit of the cloud, and the limit."""

    field: str
    message: str


def base64_bytes(size: int) -> int:
    """The length in base64 of so many bytes."""
    return 4 * ((size + 2) // 3)


def check_user_data(encoded_bytes: int) -> Iterator[Excess]:
    """The excess of user data that is too long."""
    if encoded_bytes > USER_DATA_BYTES:
        yield Excess(
            field="user_data",
            message=f"user data is {encoded_bytes} bytes in base64, and Nova takes "
            f"{USER_DATA_BYTES}",
        )


def check_name(name: str) -> Iterator[Excess]:
    """The excess of a server's or a Neutron resource's name that is too long."""
    if len(name) > NAME_LENGTH:
        message = f"the name has {len(name)} characters, and {NAME_LENGTH} are taken"
        yield Excess(field="name", message=message)


def check_server_name(name: str) -> Iterator[Excess]:
    """The same of a server's name, of which Nova takes printable characters only."""
    yield from check_name(name)
    if any(category(character) in _UNPRINTABLE for character in name):
        message = "the name has characters that are not printable, which Nova does not take"
        yield Excess(field="name", message=message)


def check_description(description: str) -> Iterator[Excess]:
    """The excess of a description of Neutron's or Cinder's."""
    if len(description) > NAME_LENGTH:
        message = f"the description has {len(description)} characters, and {NAME_LENGTH} are taken"
        yield Excess(field="description", message=message)


def check_volume_metadata(metadata: Mapping[str, str]) -> Iterator[Excess]:
    """Keys and values of a volume's metadata that are too long for Cinder."""
    for key, value in metadata.items():
        if max(len(key), len(value)) > METADATA_LENGTH:
            message = f'"{key[:40]}" in metadata, or its value, has more than {METADATA_LENGTH}'
            yield Excess(field="metadata", message=f"{message} characters, which Cinder takes")


def check_metadata(metadata: Mapping[str, str]) -> Iterator[Excess]:
    """The excess of metadata: too many items, keys and values too long or with wrong characters."""
    if len(metadata) > METADATA_ITEMS:
        message = f"metadata has {len(metadata)} items, and Nova takes {METADATA_ITEMS}"
        yield Excess(field="metadata", message=message)
    for key, value in metadata.items():
        if len(key) > METADATA_LENGTH or not _KEY.match(key):
            yield Excess(
                field="metadata",
                message=f'the key "{key[:40]}" of metadata has {len(key)} characters; Nova takes '
                f"{METADATA_LENGTH}, of a-z A-Z 0-9 - _ : . and spaces",
            )
        if len(value) > METADATA_LENGTH:
            yield Excess(
                field="metadata",
                message=f'the value of "{key[:40]}" in metadata has {len(value)} characters, and '
                f"Nova takes {METADATA_LENGTH}",
            )


def check_tags(tags: Collection[str]) -> Iterator[Excess]:
    """Too many tags, or wrong ones."""
    if len(tags) > TAGS:
        yield Excess(field="tags", message=f"there are {len(tags)} tags, and Nova takes {TAGS}")
    for tag in tags:
        if len(tag) > TAG_LENGTH or not _TAG.match(tag):
            message = (
                f'the tag "{tag[:40]}" is not what Nova takes: {TAG_LENGTH} characters, no , or /'
            )
            yield Excess(field="tags", message=message)
