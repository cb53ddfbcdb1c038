"""``infraci image``: what servers of the embedded cloud boot from."""

from __future__ import annotations

from dataclasses import asdict

import click

from infraci.app.options import json_option
from infraci.base.terminal import say, say_json


@click.group("image", short_help="Build, list and remove images of the embedded cloud.")
def command() -> None:
    """Build, list and remove images of the embedded cloud.

    They are built when a server first needs them; doing it before saves that time.
    """


@command.command("build")
@click.argument("name", default="debian-12")
@click.option("--fresh", is_flag=True, help="Even if there is one: with the packages of today.")
def build(name: str, fresh: bool) -> None:
    """Build an image, unless this machine has it."""
    from infraci.local.host import image_store

    make = image_store.build if fresh else image_store.ensure
    made = make(name, on_progress=lambda text: say(text, err=True))
    say(f"{made.name}  {made.reference}")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the images that were built, and those that could be."""
    from infraci.local.host import image_store

    built = image_store.list_images()
    if as_json:
        say_json([asdict(ref) for ref in built])
        return
    for ref in built:
        say(f"{ref.name}  {ref.reference}  {ref.size_bytes >> 20} MB")
    for recipe in image_store.recipes():
        if all(ref.name != recipe.name for ref in built):
            say(f"{recipe.name}  not built yet")


@command.command("rm")
@click.argument("names", nargs=-1, required=True)
def remove(names: tuple[str, ...]) -> None:
    """Remove images; one that is gone already is no error."""
    from infraci.local.host import image_store

    for name in names:
        image_store.remove(name)
        say(f"{name}: removed")
