"""Images: which names there may be, and what building and removing do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infraci.errors import CloudError
from infraci.local.host import image_store
from infraci.local.host.image_store import ImageNotFoundError
from infraci.local.host.recipe import RECIPES, Mirrors


@pytest.mark.parametrize(
    "name",
    [
        "debian-12",
        "docker.io/library/debian:12",
        "localhost/mine",
        "registry.example:5000/team/app_server:v1.2",
        "quay.io/a/b@sha256:" + "0" * 64,
    ],
)
def test_recipes_and_references_are_known(name: str) -> None:
    assert image_store.known(name)


@pytest.mark.parametrize(
    "name", ["debian", "Debian-12", "debian-12 ", "", "docker.io/UPPER/case", "a//b", "/a"]
)
def test_other_names_are_not(name: str) -> None:
    assert not image_store.known(name)


def test_recipes_are_listed_by_name() -> None:
    assert [recipe.name for recipe in image_store.recipes()] == sorted(RECIPES)


@pytest.mark.parametrize("name", ["debian12", "debain-12", "Debian 12"])
def test_unknown_name_gets_a_near_one(name: str) -> None:
    with pytest.raises(ImageNotFoundError, match=f"cannot use image '{name}'") as caught:
        image_store.ensure(name)
    assert "did you mean debian-12?" in str(caught.value.hint)


def test_phases_of_the_build_are_told() -> None:
    assert (
        image_store._phase("I: installing essential packages...\n")
        == "installing essential packages"
    )
    assert image_store._phase("I: automatically chosen format: tar\n") is None
    assert image_store._phase("Setting up libc6\n") is None


@pytest.mark.cloud
def test_image_is_there_at_once_when_it_was_built_before() -> None:
    image_store.ensure("debian-12")
    progress: list[str] = []
    image = image_store.ensure("debian-12", on_progress=progress.append)
    assert progress == []
    assert image.name == "debian-12"
    assert image.size_bytes > 100_000_000
    assert image in image_store.list_images()
    # By its reference, too, as any image that podman has.
    assert image_store.ensure(image.reference).id == image.id


@pytest.mark.cloud
def test_reference_that_cannot_be_pulled() -> None:
    with pytest.raises(ImageNotFoundError, match="cannot use image localhost/infraci/none:1"):
        image_store.ensure("localhost/infraci/none:1")


@pytest.mark.cloud
def test_build_that_fails_says_why(tmp_path: Path) -> None:
    nowhere = Mirrors(main="file:///nowhere/debian", security="file:///nowhere/security")
    progress: list[str] = []
    with pytest.raises(CloudError, match=r"cannot build image debian-12: mmdebstrap") as caught:
        image_store._build(RECIPES["debian-12"], nowhere, progress.append)
    assert "/nowhere/debian" in str(caught.value)
    assert caught.value.hint == "check that this machine reaches file:///nowhere/debian"
    assert progress[:2] == [
        "building debian-12 from file:///nowhere/debian",
        "debian-12: running apt-get update",
    ]


@pytest.mark.cloud
def test_removing_what_is_not_there_is_a_success() -> None:
    image_store.remove("localhost/infraci/none:1")


def test_who_waits_for_anothers_build_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    order: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        with image_store._lock("debian-12", order.append):
            progress = threading.Event()
            waiting = pool.submit(_locked, order, progress)
            assert progress.wait(20)
            order.append("built by the first")
        waiting.result(20)
    assert order == [
        "debian-12: another process is building it",
        "built by the first",
        "the second's turn",
    ]


def _locked(order: list[str], progress: threading.Event) -> None:
    def tell(line: str) -> None:
        order.append(line)
        progress.set()

    with image_store._lock("debian-12", tell):
        order.append("the second's turn")
