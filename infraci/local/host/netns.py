"""Network namespaces, and the two programs that furnish them: ``ip`` and ``nft``.

Each call is one process of about 3 ms, so work is batched. Making what is there already and
removing what is gone already are successes; anything else that ``ip`` or ``nft`` complains of
raises :class:`WiringError`.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from infraci.errors import CloudError

#: The nftables table of ours in every namespace.
TABLE = "ip infraci"

_FOLDER = Path("/run/netns")
_TIMEOUT_S = 30.0
_THERE_ALREADY = ("File exists", "already exists")
_GONE_ALREADY = (
    "Cannot find device",
    "No such file or directory",
    "No such device",
    "No such process",
    "Cannot assign requested address",
    "Address not found",
    "does not exist",
    "Cannot open network namespace",
    "failed: Invalid argument",  # of a namespace whose file is being made, or removed
)
#: What marks a device, and with it its namespace, as ours; the kernel keeps it as an alias.
_MARK = "infraci"
_VALUE_MAX = 64
#: `ip` itself is not safe against its like when it makes namespaces.
_MAKING = threading.Lock()


class WiringError(CloudError):
    """The machine refused a device, an address, a route or a packet filter."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace by its name, or the machine's own when the name is empty."""

    name: str

    def __str__(self) -> str:
        return self.name or "this machine"

    @property
    def path(self) -> Path:
        """The file that stands for the namespace."""
        return _FOLDER / self.name

    def exists(self) -> bool:
        """Whether the namespace is there."""
        return not self.name or self.path.exists()

    def create(self, labels: Mapping[str, str], sysctls: Mapping[str, int]) -> None:
        """Make it, or carry on with one half made; :meth:`finish` says that it is whole."""
        with _MAKING:
            HOST.ip([f"netns add {self.name}"])
        self.label(labels)
        self.sysctl(sysctls)

    def finish(self, lines: Iterable[str] = ()) -> None:
        """Run the last lines of ``ip`` that make it whole; its loopback goes up with them."""
        self.ip([*lines, "link set lo up"])

    def is_whole(self) -> bool:
        """Whether it has been made to the end."""
        return any("UP" in link["flags"] for link in self.show("link", "show", "dev", "lo"))

    def label(self, labels: Mapping[str, str]) -> None:
        """Replace its labels."""
        self.ip([f"link set lo alias {label_text(labels)}"])

    def delete(self) -> None:
        """Remove it, its devices first: the kernel takes its time with what is left inside."""
        devices = [link["ifname"] for link in self.show("link") if link["ifname"] != "lo"]
        self.ip_undo([f"link del {device}" for device in devices])
        HOST.ip_undo([f"netns del {self.name}"])

    def ip(self, lines: Iterable[str]) -> None:
        """Run lines of ``ip`` that make something, in one process, whichever was there already."""
        self._ip(lines, _THERE_ALREADY)

    def ip_undo(self, lines: Iterable[str]) -> None:
        """Run lines of ``ip`` that remove something, in one process, whichever is gone already."""
        if self.exists():
            self._ip(lines, _GONE_ALREADY)

    def show(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what ``ip -json`` shows; nothing when the device or namespace is not there."""
        done = _process(["ip", *self._option(), "-json", *arguments])
        if done.returncode != 0 and not _tolerated(done.stderr, _GONE_ALREADY):
            raise WiringError(f"cannot look at {self}: {done.stderr.strip()}")
        return [entry for entry in json.loads(done.stdout or "[]") if entry]

    def processes(self) -> list[int]:
        """Return the ids of the processes in it, the eldest first."""
        done = _process(["ip", "netns", "pids", self.name])
        if done.returncode != 0 and not _tolerated(done.stderr, _GONE_ALREADY):
            raise WiringError(f"cannot look at {self}: {done.stderr.strip()}")
        return sorted(map(int, done.stdout.split()))

    def labels(self, device: str = "lo") -> dict[str, str] | None:
        """Return the labels on a device, or None if it is not there or none of ours."""
        links = self.show("link", "show", "dev", device)
        return label_values(links[0].get("ifalias", "")) if links else None

    def nft(self, rules: str) -> None:
        """Apply rules, all of them or none."""
        done = _process([*self._enter(), "nft", "-f", "-"], rules)
        if done.returncode != 0:
            raise WiringError(f"cannot filter packets in {self}: {done.stderr.strip()}")

    def nft_list(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what ``nft -json list`` shows; nothing when it is not there."""
        done = _process([*self._enter(), "nft", "-j", "list", *arguments])
        if done.returncode == 0:
            return [
                entry for entry in json.loads(done.stdout)["nftables"] if "metainfo" not in entry
            ]
        if "No such file or directory" in done.stderr:
            return []
        raise WiringError(f"cannot look at packet filters in {self}: {done.stderr.strip()}")

    def map_entries(self, name: str) -> dict[str, str]:
        """Return what a map of our table maps."""
        listing = self.nft_list("map", *TABLE.split(), name)
        return {key: value for entry in listing for key, value in entry["map"].get("elem", [])}

    def sysctl(self, values: Mapping[str, int]) -> None:
        """Set variables below ``/proc/sys/net``; one that this kernel has not got is skipped."""
        script = "".join(
            f"f=/proc/sys/net/{key}; if [ -e $f ]; then echo {value} > $f; fi\n"
            for key, value in values.items()
        )
        done = _process([*self._enter(), "sh", "-eu"], script)
        if done.returncode != 0:
            raise WiringError(f"cannot set sysctls in {self}: {done.stderr.strip()}")

    def _ip(self, lines: Iterable[str], tolerated: Sequence[str]) -> None:
        batch = list(lines)
        command = ["ip", *self._option(), "-force", "-batch", "-"]
        done = _process(command, "".join(f"{line}\n" for line in batch))
        if done.returncode != 0:
            complaint = _first_complaint(done.stderr, batch, tolerated)
            if complaint is not None:
                raise WiringError(f"cannot wire {self}: {complaint}")

    def _option(self) -> list[str]:
        return ["-netns", self.name] if self.name else []

    def _enter(self) -> list[str]:
        return ["nsenter", f"--net={self.path}", "--"] if self.name else []


#: The machine's own network namespace.
HOST = Namespace("")


def namespaces(prefix: str) -> tuple[Namespace, ...]:
    """Return the namespaces whose names begin so."""
    return tuple(Namespace(path.name) for path in sorted(_FOLDER.glob(f"{prefix}*")))


def short(object_id: str) -> str:
    """Return the first 40 bits of a UUID, which is what a device's name has room for."""
    return object_id.replace("-", "")[:10]


def digest(*words: str) -> str:
    """Return 40 bits that stand for some words, in a device's name."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:10]


def mac_for(*words: str) -> str:
    """Return a MAC address, locally administered and always the same for the same words."""
    bits = digest(*words)
    return ":".join(["02", *(bits[i : i + 2] for i in range(0, 10, 2))])


def label_text(labels: Mapping[str, str]) -> str:
    """Return labels as the alias of a device, quoted for ``ip -batch``."""
    words = [_MARK, *(f"{key}={quote(clip(value))}" for key, value in sorted(labels.items()))]
    return f'"{" ".join(words)}"'


def label_values(alias: str) -> dict[str, str] | None:
    """Return the labels that an alias holds, or None when it is none of ours."""
    mark, *words = alias.split() or [""]
    if mark != _MARK:
        return None
    pairs = (word.split("=", 1) for word in words if "=" in word)
    return {key: unquote(value) for key, value in pairs}


def clip(value: str) -> str:
    """Return a label's value as it is kept: the kernel has 255 bytes for all of them."""
    return value if len(quote(value)) <= _VALUE_MAX else f"{value[:20]}…{digest(value)}"


def _first_complaint(stderr: str, batch: Sequence[str], tolerated: Sequence[str]) -> str | None:
    """Return the first error of ``ip -force -batch`` that matters, with the line it is about."""
    lines = stderr.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("Command failed") or _tolerated(line, tolerated):
            continue
        position = re.fullmatch(r"Command failed -:(\d+)", following)
        about = f" ({batch[int(position[1]) - 1]})" if position else ""
        return line.removeprefix("RTNETLINK answers: ").removeprefix("Error: ") + about
    return None


def _tolerated(text: str, tolerated: Sequence[str]) -> bool:
    return any(words in text for words in tolerated)


def _process(command: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except FileNotFoundError as error:
        raise WiringError(
            f"cannot run {command[0]}: it is not installed",
            hint="infraci doctor names the package",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise WiringError(f"cannot run {command[0]}: no end within {_TIMEOUT_S:g} s") from error
