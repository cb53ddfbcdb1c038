"""Recipes of the images that infraci builds itself, from a Debian mirror.

A recipe is data: a release, its packages, and files of this folder's ``debian/`` — trees laid over
the root file system, and a script run once inside it. Its tag is a hash of all of it, so that a
changed recipe is another image and an unchanged one is never built twice.

The tree ``agents`` has the hooks of OpenStack's heat-agents and tripleo-image-elements.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

#: Debian's archive keys, at the same place here (for the build) and in the image.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_DEBIAN = Path(__file__).parent / "debian"
_DEFAULT_MIRROR = "http://deb.debian.org/debian"
_DEFAULT_SECURITY_MIRROR = "http://deb.debian.org/debian-security"
_REPOSITORY = "localhost/infraci"

#: What a server has when it boots. The full ``python3``, because Ansible's modules and
#: Testinfra's checks need more than ``python3-minimal``; otherwise what Debian's cloud image has
#: and scripts take for granted.
_PACKAGES = (
    "apt-utils",
    "ca-certificates",
    "cloud-init",
    "cron",
    "curl",
    "dbus",
    "e2fsprogs",
    "gdisk",
    "gpg",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libpam-systemd",
    "logrotate",
    "lsb-release",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tzdata",
    "wget",
)


#: What applies the deployments of Heat's: the agents, and the programs that their hooks run.
_AGENTS = (
    "ansible-core",
    "heat-cfntools",
    "hiera",
    "jq",
    "puppet-agent",
    "python3-os-apply-config",
    "python3-os-collect-config",
    "python3-os-refresh-config",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    """Where packages come from, while the image is built and in its servers."""

    main: str = _DEFAULT_MIRROR
    security: str = _DEFAULT_SECURITY_MIRROR

    def sources(self, suite: str) -> tuple[str, ...]:
        """Return the lines of ``sources.list`` for a stable release."""
        signed = f"deb [signed-by={KEYRING}]"
        return (
            f"{signed} {self.main} {suite} main",
            f"{signed} {self.main} {suite}-updates main",
            f"{signed} {self.security} {suite}-security main",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A release of Debian, made into a server."""

    name: str
    suite: str
    description: str
    packages: tuple[str, ...] = _PACKAGES
    #: The folders of ``debian/`` that are laid over its root file system.
    trees: tuple[str, ...] = ("root",)
    #: The files of ``debian/`` that are run in it, in this order.
    scripts: tuple[str, ...] = ("customize.sh",)
    #: The recipe of the same server with Heat's agents in it; empty if there is none.
    with_agents: str = ""

    def tag(self, mirrors: Mirrors) -> str:
        """Return the image's name, whose tag is a hash of all that goes into it."""
        digest = hashlib.sha256()
        sources = mirrors.sources(self.suite)
        for part in (self.suite, *self.packages, *sources, customize_script(self.scripts)):
            digest.update(part.encode() + b"\0")
        digest.update(overlay(self.trees))
        return f"{_REPOSITORY}/{self.name}:{digest.hexdigest()[:12]}"


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "debian-12": Recipe(
            name="debian-12",
            suite="bookworm",
            description="Debian 12 with cloud-init",
            with_agents="debian-12-agents",
        ),
        "debian-12-agents": Recipe(
            name="debian-12-agents",
            suite="bookworm",
            description="Debian 12 with cloud-init and Heat's agents",
            packages=(*_PACKAGES, *_AGENTS),
            trees=("root", "agents"),
            scripts=("agents.sh", "customize.sh"),
        ),
    }
)


def image_with_agents(image: str) -> str:
    """Return the name of the image that has Heat's agents too; the same name where none has."""
    recipe = RECIPES.get(image)
    return (recipe.with_agents if recipe else "") or image


def repository(recipe: Recipe) -> str:
    """Return the name that every build of a recipe has, without its tag."""
    return f"{_REPOSITORY}/{recipe.name}"


def customize_script(scripts: Iterable[str]) -> str:
    """Return the shell script run once inside the new root file system."""
    return "\n".join((_DEBIAN / script).read_text() for script in scripts)


def overlay(trees: Iterable[str]) -> bytes:
    """Return the trees laid over the root file system: a tar archive, the same on any machine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for root in (_DEBIAN / tree for tree in trees):
            for path in sorted(filter(Path.is_file, root.rglob("*"))):
                content = path.read_bytes()
                member = tarfile.TarInfo(path.relative_to(root).as_posix())
                member.size = len(content)
                member.mode = 0o755 if content.startswith(b"#!") else 0o644
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def host_mirrors(sources: Path = Path("/etc/apt")) -> Mirrors:
    """Return the mirrors this machine itself uses, if it is a Debian; else Debian's own."""
    uris = _uris(sources)
    main = next((u for u in uris if u.endswith("/debian")), _DEFAULT_MIRROR)
    security = next((u for u in uris if u.endswith("/debian-security")), _DEFAULT_SECURITY_MIRROR)
    return Mirrors(main=main, security=security)


def _uris(sources: Path) -> list[str]:
    files = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]
    words: list[str] = []
    for file in files:
        if not file.is_file() or file.suffix not in (".list", ".sources"):
            continue
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith(("deb ", "URIs:")):
                words.extend(line.split())
    return [word.rstrip("/") for word in words if word.startswith(("http://", "https://"))]
