"""What does not pass: the class of the failure is right, and what is left is named."""

from __future__ import annotations

import math
from typing import Any

import pytest

from infraci.model.run import Failure, Phase, RunRecord, Verdict
from tests.faults.fakes import TEMPLATE, ProxiedCloud
from tests.faults.proxy import Answer, Fault, Plan, error

pytestmark = pytest.mark.cloud

_STACKS = "/orchestration/v1/ID/stacks"


def always(fault: Fault, call: str) -> Plan:
    """A fault that does not pass."""
    return Plan(fault=fault, spoils=lambda seen: str(seen) == call, times=math.inf)


def refusing(status: int, message: str) -> Fault:
    """Refuses with such words."""
    body = f'{{"error": {{"code": {status}, "message": "{message}"}}}}'.encode()
    headers = (("Content-Type", "application/json"),)
    return lambda ask: Answer(status=status, headers=headers, body=body)


def failure_of(record: RunRecord, phase: Phase) -> Failure:
    """Why a phase of a run did not end well."""
    (failure,) = [r.failure for r in record.phases if r.phase is phase and r.failure]
    return failure


def with_resource(name: str, type_: str, **more: Any) -> Any:
    """The template with one resource more."""
    resources = {**TEMPLATE["resources"], name: {"type": type_, **more}}  # type: ignore[dict-item]
    return {**TEMPLATE, "resources": resources}


@pytest.mark.parametrize(
    ("fault", "call", "category"),
    [
        (error(503), f"POST {_STACKS}", "api"),
        (error(504), f"GET {_STACKS}/ID/ID", "api"),
        (refusing(403, "You have reached the maximum stacks per tenant, 1."),
         f"POST {_STACKS}", "quota"),
        (refusing(403, "Quota exceeded, too many key pairs."),
         "POST /compute/v2.1/os-keypairs", "quota"),
        (error(401), "POST /identity/v3/auth/tokens", "api"),
    ],
    ids=["create", "read", "stacks", "key pairs", "login"],
)  # fmt: skip
def test_a_fault_that_does_not_pass(
    near: ProxiedCloud, fault: Fault, call: str, category: str
) -> None:
    record = near.run(always(fault, call), timeout_s=3)
    assert record.verdict is Verdict.ERROR
    assert failure_of(record, Phase.PROVISION).category == category
    near.remove(record)
    assert near.left(record) == ()


def test_a_stack_that_takes_too_long(near: ProxiedCloud) -> None:
    waits = {"action_wait_secs": {"create": 60}}
    template = with_resource("delay", "OS::Heat::TestResource", properties=waits)
    record = near.run(Plan(), template=template, timeout_s=3)
    assert record.verdict is Verdict.ERROR
    failure = failure_of(record, Phase.PROVISION)
    assert failure.category == "timeout"
    assert "delay" in failure.message
    near.remove(record)
    assert near.left(record) == ()


def test_what_heat_leaves_is_a_leak(near: ProxiedCloud) -> None:
    template = with_resource("kept", "OS::Neutron::Net", deletion_policy="Retain")
    record = near.run(Plan(), template=template)
    assert record.verdict is Verdict.ERROR
    assert not record.destroyed
    failure = failure_of(record, Phase.DESTROY)
    assert failure.category == "leak"
    (leak,) = record.leaks
    assert leak.startswith("network infraci-web-")
    assert leak in failure.message
    assert "openstack --os-cloud local network delete" in str(failure.hint)
    assert near.left(record) == (leak,)
    near.remove(record)
    assert near.left(record) == ()


def test_a_stack_that_cannot_be_deleted_is_still_known(near: ProxiedCloud) -> None:
    record = near.run(always(error(503), f"DELETE {_STACKS}/ID/ID"), timeout_s=3)
    assert record.verdict is Verdict.ERROR
    assert not record.destroyed
    assert failure_of(record, Phase.DESTROY).category == "api"
    assert len(near.left(record)) > 1
    near.remove(record)
    assert near.left(record) == ()
