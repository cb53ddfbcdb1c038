"""Builds, pulls, lists and removes images: the root file systems of servers.

An image is a recipe of ours, built from a Debian mirror at first use and cached by content
(:mod:`infraci.local.host.recipe`), or any OCI reference that podman has or can pull, provided there
is a systemd in it.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from infraci.base.deadline import Deadline
from infraci.base.locks import acquire
from infraci.base.program import ProgramTimeoutError, run_program
from infraci.base.temporary import temporary_folder
from infraci.errors import CloudError
from infraci.local.host.podman_command import reason_in, run_podman
from infraci.local.host.recipe import (
    RECIPES,
    Mirrors,
    Recipe,
    customize_script,
    host_mirrors,
    overlay,
)

#: A build takes half a minute, and longer from a mirror that is far; podman has to pull or
#: unpack an image.
_BUILD_S = 1800.0
_PODMAN_S = 900.0

Progress = Callable[[str], None]

_LABEL_RECIPE = "infraci.recipe"
_OCI_REFERENCE = re.compile(
    r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
#: Documentation and translations of what the image begins with; what a server installs later
#: comes whole. As an option of mmdebstrap's it would slow down the unpacking threefold.
_LEAVE_OUT = """\
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
"""


class ImageNotFoundError(CloudError):
    """There is no recipe of that name, and podman neither has nor can pull it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """An image that podman has."""

    #: What it was asked for as: a recipe's name or an OCI reference.
    name: str
    #: What podman is to be given.
    reference: str
    #: podman's image ID, 64 hexadecimal digits.
    id: str
    size_bytes: int
    #: UTC, to the second.
    created: datetime


def recipes() -> tuple[Recipe, ...]:
    """Return the recipes, by name."""
    return tuple(RECIPES[name] for name in sorted(RECIPES))


def known(name: str) -> bool:
    """Say whether a name could be an image: a recipe's, or an OCI reference with a slash."""
    return name in RECIPES or _OCI_REFERENCE.fullmatch(name) is not None


def ensure(name: str, *, on_progress: Progress = lambda _: None) -> ImageRef:
    """Return the image of that name, built or pulled if this machine has not got it yet.

    Two processes that ask at once build once. Blocks for as long as the build takes (half a
    minute on two cores). Raises ImageNotFoundError or CloudError.
    """
    recipe = RECIPES.get(name)
    if recipe is not None:
        return _find(name, recipe.tag(host_mirrors())) or _ensure_built(recipe, on_progress)
    if not known(name):
        variants = {each.with_agents for each in RECIPES.values()}
        names = [each for each in RECIPES if each not in variants]
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or sorted(names)
        raise ImageNotFoundError(
            f"cannot use image {name!r}: there is no such recipe",
            hint=f"did you mean {' or '.join(near)}? Other images are named by their registry, "
            "as in docker.io/library/debian:12",
        )
    return _find(name, name) or _pull(name, on_progress)


def build(name: str, *, on_progress: Progress = lambda _: None) -> ImageRef:
    """Build a recipe even if it is cached, so that it has the mirror's packages of today."""
    if name not in RECIPES:
        return ensure(name, on_progress=on_progress)
    with _lock(name, on_progress):
        return _build(RECIPES[name], host_mirrors(), on_progress)


def is_there(name: str) -> bool:
    """Whether this machine has the image of that name; a recipe's as it would be built now."""
    recipe = RECIPES.get(name)
    return _find(name, recipe.tag(host_mirrors()) if recipe else name) is not None


def built() -> frozenset[str]:
    """Return the names of the recipes that this machine has an up-to-date image of."""
    mirrors = host_mirrors()
    present = {image.reference for image in list_images()}
    return frozenset(name for name, recipe in RECIPES.items() if recipe.tag(mirrors) in present)


def list_images() -> tuple[ImageRef, ...]:
    """Return the images built from recipes, those of earlier recipes included."""
    done = _podman("image", "ls", "--format=json", f"--filter=label={_LABEL_RECIPE}")
    _check(done, "list images")
    return tuple(
        ImageRef(
            name=image["Labels"][_LABEL_RECIPE],
            reference=name,
            id=image["Id"],
            size_bytes=image["Size"],
            created=_when(image["CreatedAt"]),
        )
        for image in json.loads(done.stdout or "[]")
        for name in image.get("Names") or [image["Id"]]
    )


def remove(name: str) -> None:
    """Remove every build of a recipe, or one reference; gone already is a success.

    Raises CloudError when a server still uses it.
    """
    if name in RECIPES:
        references = [i.reference for i in list_images() if i.name == name]
    else:
        references = [name]
    for reference in references:
        done = _podman("image", "rm", "--", reference)
        if done.returncode != 0 and _find(name, reference) is not None:
            raise CloudError(
                f"cannot remove image {reference}: {reason_in(done.stderr)}",
                hint="destroy the servers that use it first",
            )


def _find(name: str, reference: str) -> ImageRef | None:
    done = _podman("image", "inspect", "--format=json", "--", reference)
    if done.returncode != 0:
        if "not known" in done.stderr or "no such" in done.stderr:
            return None
        raise CloudError(f"cannot look up image {reference}: {reason_in(done.stderr)}")
    (image,) = json.loads(done.stdout)
    return ImageRef(
        name=name,
        reference=reference,
        id=image["Id"],
        size_bytes=image["Size"],
        created=_when(image["Created"]),
    )


def _pull(name: str, on_progress: Progress) -> ImageRef:
    if name.startswith("localhost/"):  # podman would ask a registry there, for a minute or more
        raise ImageNotFoundError(
            f"cannot use image {name}: podman has no image of that name on this machine"
        )
    on_progress(f"pulling {name}")
    done = _podman("image", "pull", "--quiet", "--", name)
    image = _find(name, name) if done.returncode == 0 else None
    if image is None:
        raise ImageNotFoundError(f"cannot pull image {name}: {reason_in(done.stderr)}")
    return image


def _ensure_built(recipe: Recipe, on_progress: Progress) -> ImageRef:
    mirrors = host_mirrors()
    with _lock(recipe.name, on_progress):
        image = _find(recipe.name, recipe.tag(mirrors))
        return image or _build(recipe, mirrors, on_progress)


def _build(recipe: Recipe, mirrors: Mirrors, on_progress: Progress) -> ImageRef:
    if shutil.which("mmdebstrap") is None:
        raise CloudError(
            f"cannot build image {recipe.name}: mmdebstrap is not installed",
            hint="apt-get install --yes mmdebstrap",
        )
    with temporary_folder("image") as folder:
        tarball = folder / "root.tar"
        on_progress(f"building {recipe.name} from {mirrors.main}")
        _bootstrap(recipe, mirrors, tarball, on_progress)
        on_progress(f"{recipe.name}: importing the image")
        tag = recipe.tag(mirrors)
        changes = (
            'CMD ["/sbin/init"]',
            "STOPSIGNAL SIGRTMIN+3",
            f"LABEL {_LABEL_RECIPE}={recipe.name}",
        )
        options = ("--quiet", *(f"--change={change}" for change in changes))
        _check(_podman("import", *options, "--", str(tarball), tag), f"import image {recipe.name}")
    image = _find(recipe.name, tag)
    if image is None:
        raise CloudError(f"cannot build image {recipe.name}: podman has no {tag} after its import")
    on_progress(f"{recipe.name}: done")
    return image


def _bootstrap(recipe: Recipe, mirrors: Mirrors, tarball: Path, on_progress: Progress) -> None:
    files = tarball.with_name("overlay.tar")
    script = tarball.with_name("customize.sh")
    files.write_bytes(overlay(recipe.trees))
    script.write_text(customize_script(recipe.scripts))
    excluded_files = tarball.with_name("leave-out")
    excluded_files.write_text(_LEAVE_OUT)
    command = [
        "mmdebstrap",
        "--variant=apt",
        f"--include={','.join(recipe.packages)}",
        "--aptopt=Apt::Install-Recommends false",
        "--aptopt=Acquire::Languages none",
        "--dpkgopt=force-unsafe-io",
        "--skip=cleanup/apt",  # by the script, so that no folder is touched after it
        f'--essential-hook=cp {excluded_files} "$1/etc/dpkg/dpkg.cfg.d/98build"',
        f"--customize-hook=tar-in {files} /",
        f'--customize-hook=chroot "$1" /bin/sh -eu < {script}',
        "--",
        recipe.suite,
        str(tarball),
        *mirrors.sources(recipe.suite),
    ]
    lines: deque[str] = deque(maxlen=10)

    def hear(line: str) -> None:
        lines.append(line)
        if (phase := _phase(line)) is not None:
            on_progress(f"{recipe.name}: {phase}")

    try:
        status = run_program(
            command,
            cwd=tarball.parent,
            environment=os.environ,
            timeout_s=_BUILD_S,
            deadline=Deadline(_BUILD_S, phase=f"the build of image {recipe.name}"),
            on_line=hear,
        )
    except ProgramTimeoutError as error:
        raise _not_built(recipe, mirrors, error.message, lines) from error
    if status != 0:
        raise _not_built(recipe, mirrors, f"mmdebstrap ended with {status}", lines)


def _not_built(recipe: Recipe, mirrors: Mirrors, reason: str, lines: Iterable[str]) -> CloudError:
    return CloudError(
        f"cannot build image {recipe.name}: {reason}: " + "\n".join(lines),
        hint=f"check that this machine reaches {mirrors.main}",
    )


def _phase(line: str) -> str | None:
    """Return what mmdebstrap says it does now, or None for its chatter."""
    match = re.match(r"I: ((?:running apt-get|downloading|extracting|installing|creating).*)", line)
    return match[1].rstrip(". \n") if match else None


@contextmanager
def _lock(name: str, on_progress: Progress) -> Iterator[None]:
    folder = platformdirs.user_cache_path("infraci", ensure_exists=True)
    path = folder / f"image-{name}.lock"
    descriptor = acquire(path, timeout_s=0.0)
    if descriptor is None:
        on_progress(f"{name}: another process is building it")
        descriptor = acquire(path, timeout_s=2 * _BUILD_S)
    if descriptor is None:
        raise CloudError(f"cannot build image {name}: another process keeps it locked")
    try:
        yield
    finally:
        os.close(descriptor)


def _podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_podman(*arguments, timeout_s=_PODMAN_S)


def _check(done: subprocess.CompletedProcess[str], purpose: str) -> None:
    if done.returncode != 0:
        raise CloudError(f"cannot {purpose}: {reason_in(done.stderr)}")


def _when(iso: str) -> datetime:
    return datetime.fromisoformat(iso).astimezone(UTC).replace(microsecond=0)
