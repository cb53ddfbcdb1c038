"""Fields of bodies that hold something else than they should."""

from __future__ import annotations

import pytest

from infraci.local.api.field_types import type_errors


@pytest.mark.parametrize(
    ("body", "type_error"),
    [
        ({"network_id": [{}]}, "port.network_id is not text."),
        ({"fixed_ips": [{"subnet_id": 7}]}, "port.fixed_ips[0].subnet_id is not text."),
        ({"fixed_ips": ["10.0.0.5"]}, "port.fixed_ips is not a list of objects."),
        ({"tags": [["a"]]}, "port.tags is not a list of text."),
        ({"external_gateway_info": "public"}, "port.external_gateway_info is not an object."),
        ({"port_range_min": []}, "port.port_range_min is not a number."),
        ({"admin_state_up": "maybe"}, "port.admin_state_up is not true or false."),
    ],
)
def test_a_type_error_is_named(body: object, type_error: str) -> None:
    assert list(type_errors(body, "port")) == [type_error]


def test_what_fits() -> None:
    body = {
        "name": "p",
        "network_id": None,
        "fixed_ips": [{"ip_address": "10.0.0.5"}],
        "admin_state_up": "True",
        "port_range_min": "22",
        "protocol": 6,
        "metadata": {"id": "anything", "tags": "text"},
        "unknown": [1],
    }
    assert list(type_errors(body, "port")) == []
