"""What events say of where their resources stand."""

from __future__ import annotations

import pytest

from infraci.heat.events import _event_path


@pytest.mark.parametrize(
    ("stack", "resource", "path"),
    [
        ("run-1", "router", "router"),
        ("run-1", "run-1", "run-1"),
        ("run-1-apps-2xj4m6kq7w5e", "1", "apps.1"),
        ("run-1-app-servers-2xj4m6kq7w5e-0-abcdefghijkl", "port", "app-servers.0.port"),
        ("adopted", "port", "port"),
    ],
)
def test_an_event_has_its_resources_path(stack: str, resource: str, path: str) -> None:
    assert _event_path("run-1", stack, resource) == path
