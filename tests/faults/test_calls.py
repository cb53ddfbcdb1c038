"""Each call of a run goes wrong in turn: the run passes all the same, and leaves nothing."""

from __future__ import annotations

import pytest

from infraci.model.run import RunRecord, Verdict
from tests.faults.fakes import ProxiedCloud
from tests.faults.proxy import PASSING, Call, Fault, Plan

pytestmark = pytest.mark.cloud

_STACKS = "/orchestration/v1/ID/stacks"

IDENTITY = ("GET /identity/v3", "POST /identity/v3/auth/tokens")
#: All that a run asks a cloud. A new call has to be told here, and so is tested.
CALLS = (
    *IDENTITY,
    "POST /compute/v2.1/os-keypairs",
    f"POST {_STACKS}/preview",
    f"POST {_STACKS}",
    f"GET {_STACKS}/ID/ID",
    f"GET {_STACKS}/ID/ID/events",
    f"GET {_STACKS}/ID/ID/resources",
    "GET /compute/v2.1/servers/detail",
    f"DELETE {_STACKS}/ID/ID",
    "DELETE /compute/v2.1/os-keypairs/ID",
    f"GET {_STACKS}",
    "GET /compute/v2.1/servers",
    "GET /compute/v2.1/os-keypairs",
    "GET /network/v2.0/floatingips",
    "GET /network/v2.0/ports",
    "GET /network/v2.0/routers",
    "GET /network/v2.0/networks",
    "GET /network/v2.0/security-groups",
    "GET /volume/v3/ID/snapshots",
    "GET /volume/v3/ID/volumes",
    "GET /load-balancer/v2.0/lbaas/loadbalancers",
)

CREATE = f"POST {_STACKS}"
#: Those that change something.
CHANGES = (
    CREATE,
    "POST /compute/v2.1/os-keypairs",
    f"DELETE {_STACKS}/ID/ID",
    "DELETE /compute/v2.1/os-keypairs/ID",
)
#: To a change: nothing was done; it was done, but nobody knows; nobody can read what was.
ALONE = [
    *((call, "truncated") for call in CALLS if call not in CHANGES),
    *((call, sort) for call in CHANGES for sort in ("503", "reset-after", "truncated")),
]


def passed(near: ProxiedCloud, record: RunRecord) -> None:
    """Assert that a run went well, and that nothing is left of it."""
    failures = [result.failure.message for result in record.phases if result.failure]
    assert failures == []
    assert record.verdict is Verdict.PASSED
    assert near.left(record) == ()


def test_the_calls_of_a_run(near: ProxiedCloud) -> None:
    plan = Plan()
    passed(near, near.run(plan))
    assert sorted(set(map(str, plan.calls))) == sorted(CALLS)
    assert [str(call) for call in plan.calls].count(CREATE) == 1


@pytest.mark.parametrize(("call", "sort"), ALONE)
def test_one_call_goes_wrong(near: ProxiedCloud, call: str, sort: str) -> None:
    plan = Plan(fault=PASSING[sort], spoils=lambda seen: str(seen) == call)
    record = near.run(plan)
    assert plan.spoiled == 1
    passed(near, record)
    assert record.stack_id is not None
    if sort != "503":  # it was done, so it is not asked for again
        assert [str(seen) for seen in plan.calls].count(CREATE) == 1


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_every_call_goes_wrong_once(near: ProxiedCloud, fault: Fault) -> None:
    seen: set[str] = set()
    # What asks for a token has none that could have expired.
    spared = IDENTITY if fault is PASSING["401"] else ()

    def first_time(call: Call) -> bool:
        is_new = str(call) not in (*seen, *spared)
        seen.add(str(call))
        return is_new

    plan = Plan(fault=fault, spoils=first_time, times=len(CALLS))
    record = near.run(plan)
    passed(near, record)
    assert plan.spoiled == len(CALLS) - len(spared)
