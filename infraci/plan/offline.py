"""A cloud that a plan does not ask."""

from __future__ import annotations

from dataclasses import dataclass

from infraci.errors import UsageError
from infraci.model.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """Stands for a cloud of clouds.yaml that only ``--online`` asks."""

    name: str

    @property
    def notice(self) -> str:
        """What a plan without its Heat lacks."""
        return (
            f"cloud {self.name} was not asked, so that its resources and servers, and the roles "
            "that need one, are not known here: `infraci plan --online` has its Heat judge the "
            "template, and makes nothing"
        )

    def catalog(self) -> Catalog:
        """Raises UsageError: what the cloud has is known to it only."""
        raise UsageError(
            f"cannot choose flavors and images of cloud {self.name}: it was not asked",
            hint="`infraci plan --online` asks it, and makes nothing",
        )
