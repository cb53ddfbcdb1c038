"""Compares a stack's needs with what is left of the quotas."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from infraci.base.invocation import invocation
from infraci.doctor.needs import needs_of
from infraci.errors import CloudError
from infraci.heat import Cloud, Request
from infraci.heat.capacity import Quota


def remedy(cloud: str) -> str:
    """The hint for a quota that is used up."""
    gc = invocation("gc", cloud=cloud)
    return f"remove what is not needed (`{gc}`), or ask the cloud's operator for more"


def shortages(needs: Mapping[str, int], quotas: Mapping[str, Quota]) -> list[str]:
    """The needs that exceed a quota: ``5 servers, of which 3 are left (quota 10)``."""
    return [
        f"{need} {kind}, of which {quotas[kind].left:.0f} are left (quota {quotas[kind].limit})"
        for kind, need in needs.items()
        if kind in quotas and quotas[kind].left < need
    ]


def check_quotas(request: Request, *, cloud: Cloud, name: str) -> None:
    """Raise CloudError if the quotas do not suffice for a new stack.

    It takes four or five requests. A cloud that does not show its quotas is taken to have enough.
    Raises RefusedError if Heat rejects the request.
    """
    preview = cloud.preview(request, name=name)
    short: list[str] = []
    with suppress(CloudError):
        needs = needs_of(preview.walk(), cloud.capacity.sizes())
        short = shortages(needs, cloud.capacity.quotas(needs))
    if short:
        raise CloudError(
            f"cannot make the stack on cloud {cloud.name}: it takes {'; '.join(short)}",
            hint=remedy(cloud.name),
            category="quota",
        )
