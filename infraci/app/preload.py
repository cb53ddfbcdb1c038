"""Imports that go on while git is at work."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread

from infraci.app.checkout import Checkout, open_source


@contextmanager
def open_source_early(
    *modules: str,
    commit: str | None = None,
    working_tree: bool = False,
    quiet: bool = False,
    may_be_unborn: bool = False,
) -> Iterator[Checkout]:
    """The commit's files as of :func:`open_source`; these modules are imported in the meantime."""
    with ExitStack() as files:
        with importing_early(*modules):
            source = files.enter_context(
                open_source(
                    commit=commit,
                    working_tree=working_tree,
                    quiet=quiet,
                    may_be_unborn=may_be_unborn,
                )
            )
        yield source


@contextmanager
def importing_early(*modules: str) -> Iterator[None]:
    """Import openstacksdk and then these modules, while git does what the block asks of it.

    Nothing that these might import may be imported in the block as well: two threads must not meet
    in the same package. GitPython comes first, since the block needs it at once.
    """
    with suppress(ImportError):  # the first program of git's raises it again
        importlib.import_module("infraci.git.bounded")
    thread = Thread(target=_import, args=(modules,), name="import", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _import(modules: tuple[str, ...]) -> None:
    with suppress(Exception):  # raised again by whoever imports it for use
        for name in ("openstack.config", *modules):
            importlib.import_module(name)
