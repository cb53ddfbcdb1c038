"""Guest images: small, booted without a boot loader, and built from Debian's packages here.

A kernel and an initramfs go to Glance beside the disk. The initramfs has only what the disk needs:
every megabyte and every program costs when a processor is emulated.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.live.openstack.place import HERE, PATH, BrokenError, Place, say

_FILES = HERE / "guest_files"
#: The embedded cloud's servers have it too.
_STAGES = HERE.parents[2] / "infraci/local/host/debian/root"
_COMMAND_LINE = (
    "console=ttyS0 quiet mitigations=off nokaslr audit=0 apparmor=0 selinux=0 random.trust_cpu=on "
    "no_timer_check net.ifnames=0"
)


@dataclass(frozen=True)
class Image:
    """What Glance is given, and Nova boots."""

    name: str
    #: Changes with what it is made from.
    recipe: str
    kernel: Path
    initrd: Path
    disk: Path
    command_line: str


def images(place: Place) -> tuple[Image, ...]:
    """The images, whether they are built yet or not."""
    folder = place.images / recipe()
    kernel = folder / "vmlinuz"
    return (
        Image(
            name="debian-12",
            recipe=recipe(),
            kernel=kernel,
            initrd=folder / "debian.initrd",
            disk=folder / "debian.qcow2",
            command_line=f"root=/dev/vda rw {_COMMAND_LINE}",
        ),
        Image(
            name="nano",
            recipe=recipe(),
            kernel=kernel,
            initrd=folder / "nano.initrd",
            disk=folder / "nano.raw",
            command_line=_COMMAND_LINE,
        ),
    )


def is_built(place: Place) -> bool:
    """Say whether the images are there."""
    return (place.images / recipe()).exists()


def build(place: Place) -> None:
    """Build the images unless they are there; takes about a minute."""
    folder = place.images / recipe()
    if is_built(place):
        return
    place.images.mkdir(parents=True, exist_ok=True)
    for old in place.images.iterdir():
        shutil.rmtree(old)
    say("guest images")
    with tempfile.TemporaryDirectory(dir=place.images, prefix=".building-") as name:
        work = Path(name)
        (work / "images").mkdir()
        for file in _stages():
            copy = work / "stages" / file.relative_to(_STAGES)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
            copy.chmod(0o755 if "libexec" in copy.parts else 0o644)
        _run([str(_FILES / "build"), str(work), _mirror(), str(work / "stages")])
        (work / "images").rename(folder)
    say("guest images are built")


def recipe() -> str:
    """Return a name that changes with what the images are made from."""
    digest = hashlib.sha256()
    for file in [*sorted(path for path in _FILES.rglob("*") if path.is_file()), *_stages()]:
        digest.update(file.relative_to(HERE.parents[2]).as_posix().encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _stages() -> list[Path]:
    """What lets cloud-init's stages share one interpreter."""
    paths = [_STAGES / "usr/libexec/cloud-init-stages"]
    paths += [
        path
        for path in (_STAGES / "etc/systemd/system").rglob("*")
        if path.is_file() and "cloud-" in path.relative_to(_STAGES).as_posix()
    ]
    return sorted(paths)


def _mirror() -> str:
    """The mirror that this host has its packages from."""
    for file in sorted(Path("/etc/apt").rglob("*.list")) + sorted(
        Path("/etc/apt").rglob("*.sources")
    ):
        for word in file.read_text(errors="replace").split():
            if word.startswith("http") and word.rstrip("/").endswith("/debian"):
                return word.rstrip("/")
    return "http://deb.debian.org/debian"


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, "PATH": PATH, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-20:])
        raise BrokenError(f"{' '.join(command)} failed ({done.returncode}):\n{end}")
