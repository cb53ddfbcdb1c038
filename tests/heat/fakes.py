"""A cloud's services, answering from a script."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import requests
from keystoneauth1.exceptions import EndpointNotFound

from infraci.heat import Cloud
from infraci.heat.openstack_connection import Connection
from infraci.heat.retry import Retry

Answer = tuple[int, Any] | Exception
Handler = Callable[[str, str, Mapping[str, Any]], Answer]


class FakeService:
    """One service of a cloud."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.requests: list[tuple[str, str, Mapping[str, Any]]] = []

    def request(self, path: str, method: str, **more: Any) -> requests.Response:
        arguments = {"json": more.get("json"), "params": dict(more.get("params") or {})}
        self.requests.append((method, path, arguments))
        answer = self._handler(method, path, arguments)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        response = requests.Response()
        response.status_code = status
        response.reason = "reason"
        response.url = f"http://cloud{path}"
        response.request = requests.Request(method, response.url).prepare()
        response._content = b"" if body is None else json.dumps(body).encode()
        return response


class FakeSdk:
    """Two services, or up to five; what they answer is up to the test."""

    def __init__(
        self,
        heat: Handler,
        nova: Handler | None = None,
        neutron: Handler | None = None,
        cinder: Handler | None = None,
        swift: Handler | None = None,
    ) -> None:
        self.auth_url = "http://cloud/identity"
        self.is_delegated = False
        self.calls = Counter[str]()
        self.orchestration = FakeService(heat)
        self.compute = FakeService(nova or (lambda *_: (500, None)))
        self.network = FakeService(neutron) if neutron else None
        self.block_storage = FakeService(cinder) if cinder else None
        self.object_store = FakeService(swift) if swift else None

    def request(self, service: str, method: str, path: str, **more: Any) -> requests.Response:
        fake: FakeService | None = getattr(self, service, None)
        if fake is None:
            raise EndpointNotFound(service)
        return fake.request(path, method, **more)

    def close(self) -> None:
        pass


class FakeClock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def fake_cloud(
    heat: Handler,
    nova: Handler | None = None,
    neutron: Handler | None = None,
    *,
    cinder: Handler | None = None,
    swift: Handler | None = None,
    name: str = "far",
) -> tuple[Cloud, FakeSdk, FakeClock]:
    """A cloud whose services answer as they are told."""
    sdk, clock = FakeSdk(heat, nova, neutron, cinder, swift), FakeClock()
    retry = Retry(clock=clock, sleep=clock.sleep)
    return Cloud(Connection(name, sdk, retry=retry), clock=clock), sdk, clock


def stack_entry(status: str = "CREATE_COMPLETE", **more: Any) -> dict[str, Any]:
    """A stack as Heat shows it."""
    return {"stack": {"id": "s-1", "stack_name": "web", "stack_status": status, **more}}


def links(stack: str, nested: str | None = None) -> list[dict[str, str]]:
    """Links as a resource or an event has them."""
    entries = [{"rel": "stack", "href": f"http://cloud/stacks/{stack}/id"}]
    if nested:
        entries.append({"rel": "nested", "href": f"http://cloud/stacks/{nested}/id"})
    return entries


def resource_entry(name: str, status: str = "CREATE_COMPLETE", **more: Any) -> dict[str, Any]:
    """A resource as Heat shows it."""
    return {
        "resource_name": name,
        "resource_type": "OS::Nova::Server",
        "resource_status": status,
        "links": links("web"),
        **more,
    }


def event_entry(number: int, resource: str, status: str, **more: Any) -> dict[str, Any]:
    """An event as Heat shows it."""
    return {
        "id": f"e{number}",
        "event_time": "2026-01-01T00:00:00Z",
        "resource_name": resource,
        "resource_status": status,
        "links": links("web"),
        **more,
    }
