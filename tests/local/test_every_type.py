"""Each of Heat's types gets an answer for a cloud that is not asked: it is right, or why not.

The properties are those that are required, or all that there are, each with a value of its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openstack.connection import Connection

from infraci.heat import Cloud, RefusedError
from infraci.local import cloud_process
from infraci.local.account import ANY_CLOUD
from infraci.templates import StackRequest
from tests.local.conftest import hot, resource


def test_each_type_gets_an_answer_with_a_reason(cloud: Connection) -> None:
    path = str(cloud.orchestration.get_endpoint()).replace("/orchestration/", "/any-cloud/")
    types = cloud.session.get(f"{path}/resource_types").json()["resource_types"]
    assert len(types) > 150  # also those of services that the embedded cloud has not
    reasons: dict[tuple[str, bool], str] = {}
    with Cloud.connect(ANY_CLOUD, clouds_yaml=cloud_process.ensure_up()) as heat:
        for name in types:
            schema = cloud.session.get(f"{path}/resource_types/{name}").json()
            for is_full in (False, True):
                template = _template(name, schema, is_full=is_full)
                try:  # any other error is a failure of the test
                    heat.preview(StackRequest(template=template), name="any")
                except RefusedError as error:
                    reasons[name, is_full] = error.reason
    assert "only be specified" in reasons["OS::Heat::ScalingPolicy", True]
    unclear = {
        key
        for key, reason in reasons.items()
        if not reason or "NotAsked" in reason or "fails on it" in reason
    }
    assert unclear == set()


def _template(name: str, schema: Mapping[str, Any], *, is_full: bool) -> Mapping[str, Any]:
    properties = {
        key: _value(inner, is_full=is_full)
        for key, inner in schema["properties"].items()
        if is_full or inner["required"]
    }
    outputs = {key: {"value": {"get_attr": ["it", key]}} for key in schema["attributes"]}
    return hot({"it": resource(name, **properties)}, outputs=outputs)


def _value(schema: Mapping[str, Any], *, is_full: bool) -> Any:
    """A value that the schema of a property allows, as far as it tells."""
    for rule in schema.get("constraints", ()):
        if "allowed_values" in rule:
            return rule["allowed_values"][0]
        if "range" in rule:
            return rule["range"].get("min", rule["range"].get("max"))
    inner = schema.get("schema") or {}
    match schema["type"]:
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "list":
            return [_value(inner["*"], is_full=is_full)] if "*" in inner else ["x"]
        case "map" if inner and "*" not in inner:
            return {
                key: _value(each, is_full=is_full)
                for key, each in inner.items()
                if is_full or each["required"]
            }
        case "map":
            return {"k": "v"}
    return "x"
