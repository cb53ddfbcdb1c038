"""The filter of a server's system calls: podman's own, but for two calls that partition disks.

A server has no right to tell the kernel of a new partition table, and the programs that write
tables take the refusal for a failure. So the two calls do nothing and succeed; this machine sees
to it that the kernel learns of the table (:mod:`infraci.local.host.shown_disks`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: Podman's filter, of the package golang-github-containers-common.
DEFAULT = Path("/usr/share/containers/seccomp.json")
#: linux/fs.h, linux/blkpg.h: read the table again, and change one partition.
_BLKRRPART, _BLKPG = 0x125F, 0x1269


def server_filter(default: Path = DEFAULT) -> str | None:
    """The filter as podman reads it, or None if podman's own is not there to be changed."""
    try:
        profile: dict[str, Any] = json.loads(default.read_text())
        rules: list[dict[str, Any]] = profile["syscalls"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    allowing = [
        rule
        for rule in rules
        if "ioctl" in rule["names"] and rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
    ]
    if len(allowing) != 1 or sum("ioctl" in rule["names"] for rule in rules) != 1:
        return None
    allowing[0]["names"].remove("ioctl")
    between = range(_BLKRRPART + 1, _BLKPG)
    rules += [
        _rule("SCMP_CMP_LT", _BLKRRPART),
        _rule("SCMP_CMP_GT", _BLKPG),
        *(_rule("SCMP_CMP_EQ", number) for number in between),
        *(_rule("SCMP_CMP_EQ", number) | _SUCCEED for number in (_BLKRRPART, _BLKPG)),
    ]
    return json.dumps(profile)


_SUCCEED = {"action": "SCMP_ACT_ERRNO", "errnoRet": 0}


def _rule(operator: str, number: int) -> dict[str, Any]:
    """Allow ioctl() with its second argument."""
    arguments = [{"index": 1, "value": number, "op": operator}]
    return {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": arguments}
