"""Checks a cloud: token, roles, Heat, each pipeline's plan, and quotas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infraci.doctor.check_result import CheckResult
from infraci.doctor.needs import needs_of
from infraci.doctor.quota import remedy, shortages
from infraci.errors import CloudError
from infraci.heat.capacity import Account, Capacity
from infraci.plan import PipelinePlan

#: Clouds let users with any of these roles make stacks.
_ROLES = frozenset({"member", "_member_", "heat_stack_owner", "manager", "admin"})
#: The quotas that are checked if no pipeline is named.
_USUAL = ("servers", "cores", "MB of RAM", "networks", "routers", "ports", "floating IPs",
          "security groups")  # fmt: skip


def examine(capacity: Capacity, plans: Sequence[PipelinePlan]) -> Iterator[CheckResult]:
    """Check a cloud, and what each plan's stack needs of it; makes nothing there.

    Without a token there are no further checks.
    """
    try:
        account = capacity.account()
    except CloudError as error:
        yield _failed("token", error)
        return
    yield CheckResult(
        what="token",
        well=True,
        detail=f"{account.user} in project {account.project}, until {account.expires}",
    )
    yield _roles(account)
    yield _heat(capacity)
    for plan in plans:
        yield from _plan(plan)
    yield from _quotas(capacity, [plan for plan in plans if not plan.problems])


def _roles(account: Account) -> CheckResult:
    roles = ", ".join(account.roles) or "none"
    if _ROLES.isdisjoint(account.roles):
        remedy = f"ask for member in project {account.project}, and for heat_stack_owner if"
        remedy += " the cloud's Heat wants that for trusts"
        return CheckResult(what="roles", well=False, detail=roles, remedy=remedy)
    return CheckResult(what="roles", well=True, detail=roles)


def _heat(capacity: Capacity) -> CheckResult:
    try:
        versions = capacity.template_versions()
    except CloudError as error:
        return _failed("Heat", error)
    return CheckResult(what="Heat", well=True, detail=f"understands templates up to {versions[-1]}")


def _plan(plan: PipelinePlan) -> Iterator[CheckResult]:
    """Heat has validated the template: its types, images, flavors, networks and key."""
    what = f"pipeline {plan.name}"
    for problem in plan.problems:
        yield CheckResult(what=what, well=False, detail=str(problem))
    if not plan.problems:
        images = sorted({server.image for server in plan.servers if server.image})
        flavors = sorted({server.flavor for server in plan.servers if server.flavor})
        detail = f"Heat accepts its template; images {', '.join(images) or '-'};"
        yield CheckResult(
            what=what, well=True, detail=f"{detail} flavors {', '.join(flavors) or '-'}"
        )


def _quotas(capacity: Capacity, plans: Sequence[PipelinePlan]) -> Iterator[CheckResult]:
    try:
        sizes = capacity.sizes() if plans else {}
        needs = {
            plan.name: needs_of((r for top in plan.resources for r in top.walk()), sizes)
            for plan in plans
        }
        kinds = {kind for need in needs.values() for kind in need} if plans else set(_USUAL)
        quotas = capacity.quotas(kinds)
    except CloudError as error:
        yield _failed("quotas", error)
        return
    for name, need in needs.items():
        for short in shortages(need, quotas):
            yield CheckResult(
                what="quota",
                well=False,
                detail=f"pipeline {name} takes {short}",
                remedy=remedy(capacity.cloud),
            )
    for kind, quota in quotas.items():
        most = max((need[kind] for need in needs.values()), default=0)
        if most <= quota.left:
            left = "no limit" if quota.limit < 0 else f"{quota.left:.0f} of {quota.limit} are left"
            taken = f"; a run takes {most}" if most else ""
            yield CheckResult(what=f"quota of {kind}", well=True, detail=f"{left}{taken}")


def _failed(what: str, error: CloudError) -> CheckResult:
    return CheckResult(what=what, well=False, detail=error.message, remedy=error.hint or "")
