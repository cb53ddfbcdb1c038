"""openstacksdk, without its proxies for some forty services: importing them takes half a second.

Its package imports them all, and infraci asks services in another way (see
:mod:`infraci.heat.services`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_PACKAGE = "openstack"
_PROXIES = f"{_PACKAGE}.connection"


def import_sdk() -> None:
    """Import what reads ``clouds.yaml``; whoever wants the proxies can still import them.

    Should a release of openstacksdk need them for that, it gets them.
    """
    if _PACKAGE in sys.modules:
        return
    nothing = _Nothing()
    sys.meta_path.insert(0, nothing)
    try:
        importlib.import_module(f"{_PACKAGE}.config")
    except (AttributeError, ImportError):
        for name in [n for n in sys.modules if n.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]
    else:
        del sys.modules[_PROXIES]
        del sys.modules[_PACKAGE].connection
    finally:
        sys.meta_path.remove(nothing)


class _Nothing(MetaPathFinder, Loader):
    """Takes the proxies' place for a moment."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Found is only what is left out."""
        return ModuleSpec(fullname, self) if fullname == _PROXIES else None

    def exec_module(self, module: ModuleType) -> None:
        """What an annotation of the package names."""
        module.Connection = None  # type: ignore[attr-defined]
