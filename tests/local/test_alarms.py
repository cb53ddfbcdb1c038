"""Alarms by Heat: they are kept as Aodh keeps them, and never fire."""

from __future__ import annotations

from typing import Any

from openstack.connection import Connection

from tests.local.conftest import create, hot, resource, until


def _alarms(cloud: Connection) -> list[dict[str, object]]:
    url = cloud.session.get_endpoint(service_type="alarming")
    answer = cloud.session.get(f"{url}/v2/alarms")
    alarms: list[dict[str, object]] = answer.json()
    return alarms


def _delete(cloud: Connection, stack: Any) -> None:
    cloud.orchestration.delete_stack(stack)
    until(lambda: stack.id not in [each.id for each in cloud.orchestration.stacks()])


def test_an_alarm_that_scales_a_group(cloud: Connection) -> None:
    group = resource(
        "OS::Heat::AutoScalingGroup",
        min_size=1,
        max_size=3,
        resource=resource("OS::Heat::RandomString", length=4),
    )
    policy = resource(
        "OS::Heat::ScalingPolicy",
        adjustment_type="change_in_capacity",
        auto_scaling_group_id={"get_resource": "group"},
        scaling_adjustment=1,
    )
    busy = resource(
        "OS::Aodh::GnocchiAggregationByResourcesAlarm",
        metric="cpu",
        aggregation_method="mean",
        threshold=80,
        resource_type="instance",
        query='{"=": {"server_group": "x"}}',
        alarm_actions=[{"get_attr": ["policy", "alarm_url"]}],
    )
    template = hot({"group": group, "policy": policy, "busy": busy})
    stack = create(cloud, "alarmed", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (alarm,) = _alarms(cloud)
    assert (alarm["type"], alarm["state"]) == (
        *("gnocchi_aggregation_by_resources_threshold", "insufficient data"),
    )
    assert alarm["alarm_actions"]
    busy["properties"]["threshold"] = 90
    cloud.orchestration.update_stack(stack, template=template)
    cloud.orchestration.wait_for_status(
        stack, status="UPDATE_COMPLETE", failures=["UPDATE_FAILED"], interval=0.1, wait=60
    )
    (changed,) = _alarms(cloud)
    assert changed["alarm_id"] == alarm["alarm_id"]
    rule = changed["gnocchi_aggregation_by_resources_threshold_rule"]
    assert isinstance(rule, dict)
    assert rule["threshold"] == 90
    _delete(cloud, stack)
    assert _alarms(cloud) == []


def test_an_alarm_by_events(cloud: Connection) -> None:
    alarm = resource("OS::Aodh::EventAlarm", event_type="compute.instance.delete.end")
    stack = create(cloud, "event", hot({"gone": alarm}))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert [each["type"] for each in _alarms(cloud)] == ["event"]
    _delete(cloud, stack)
