"""What the console of a server shows of a boot that has ended badly."""

from __future__ import annotations

import re

#: Of kernel, initramfs, systemd, GRUB, firmware.
_ENDS = re.compile(
    r"Kernel panic - not syncing"
    r"|Unable to mount root fs|[Ff]ailed to mount root|Failed to mount /sysroot"
    r"|Dropping to a shell!|^\s*\(initramfs\)"
    r"|You are in emergency mode|Entering emergency mode|Cannot open access to console"
    r"|No bootable device|Boot failed: not a bootable disk|Operating System not found"
    r"|^\s*(?:grub rescue|grub)>",
    re.MULTILINE,
)


def fatal_line(text: str) -> str | None:
    """The line by which it is plain that the server will not come up; None if there is none."""
    if not (ended := _ENDS.search(text)):
        return None
    begin = text.rfind("\n", 0, ended.start()) + 1
    line = text[begin:].partition("\n")[0]
    return line.strip() or text[ended.start() :].strip().partition("\n")[0]
