"""Reads a server's console: the line of a failed boot, and the output of user data."""

from __future__ import annotations

import re

from infraci.base.lines import first_line

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
    """The line that shows that the server will not come up; None if there is none."""
    if not (ended := _ENDS.search(text)):
        return None
    begin = text.rfind("\n", 0, ended.start()) + 1
    line = text[begin:].partition("\n")[0]
    return line.strip() or first_line(text[ended.start() :])


#: The beginning of cloud-init's lines, also where another line breaks off before it.
_SERVICE = re.compile(r"(?:\[ *\d+\.\d+\] )?cloud-init\[\d+\]: ")
#: The line after which cloud-init runs the scripts.
_BEGIN = re.compile(r"Cloud-init v\. \S+ running 'modules:final'.*")
#: Lines that no script prints: those of cloud-init, systemd and the kernel, and host keys.
_OTHERS = re.compile(
    r"\d{4}-\d\d-\d\d [\d:,]+ - \S+\.py\[.*|^Cloud-init v\. .*|^ci-info: .*|^<\d+>.*"
    r"|^\[ *(?:OK|FAILED|\d+\.\d+) *\] .*|^Starting .*\.\.\.$|^See 'systemctl status .*"
    r"|^-----(?:BEGIN|END) SSH HOST KEY.*|^(?:ssh|ecdsa)-\S+ AAAA.*"
)
#: curl's progress before its messages, and Heat's answer to a signal.
_PROGRESS = re.compile(r"^[ \d.:%kMG-]*(?:% Total .*|Dload .*|(?=curl: )|$)")
_ANSWER = re.compile(r"^(?:HTTP/[\d.]+ 20\d\b.*|(?:Content-\w+|Date|Server): .*|null)$")


def script_output(text: str) -> str:
    """The output of the user data's scripts, as far as the console shows it."""
    output = _BEGIN.split(_SERVICE.sub("\n", text))[-1]
    lines = (_PROGRESS.sub("", _OTHERS.sub("", line.strip())) for line in output.splitlines())
    return "\n".join(line for line in lines if line and not _ANSWER.match(line))
