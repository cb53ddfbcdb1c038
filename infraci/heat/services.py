"""Sends HTTP requests to the services of a cloud's catalog, and counts them.

Region, interface, service types and endpoints come from clouds.yaml, by openstacksdk's rules.
infraci does not use its proxies: they ask each service for its versions first, and fall back to
another address when that fails.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import requests
from keystoneauth1.access import AccessInfo
from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import EndpointNotFound
from openstack.config.cloud_region import CloudRegion
from requests.adapters import BaseAdapter

#: The paths to add where the catalog's address has no version.
_VERSIONS = {
    "identity": "/v3",
    "compute": "/v2.1",
    "image": "/v2",
    "network": "/v2.0",
    "orchestration": "/v1/{project}",
    "block_storage": "/v3/{project}",
    "load_balancer": "/v2.0",
    "object_store": "/v1/AUTH_{project}",
}
_VERSIONED = re.compile(r"/v\d")


class Services:
    """One cloud's services; threads may share it."""

    def __init__(self, region: CloudRegion) -> None:
        self._region = region
        self._session = region.get_session()
        self._adapters: dict[str, Adapter] = {}
        self._addresses: dict[str, str] = {}
        self._counter = _Counter(self._addresses)
        web = self._session.session
        for scheme, adapter in list(web.adapters.items()):
            web.mount(scheme, _CountingAdapter(adapter, self._counter))

    @property
    def auth_url(self) -> str:
        """The address of the Identity service."""
        return str(self._region.auth.get("auth_url", "?"))

    @property
    def is_delegated(self) -> bool:
        """Whether the login is an application credential, with a part of a user's rights."""
        return "applicationcredential" in str(self._region.config.get("auth_type", ""))

    @property
    def calls(self) -> Counter[str]:
        """How many requests infraci has sent: "compute GET" → 12."""
        return self._counter.copy()

    def request(
        self,
        service: str,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        params: Mapping[str, object] | None = None,
        wait_s: int = 0,
        timeout_s: float,
    ) -> requests.Response:
        """Send a request once; keystoneauth renews an expired token and repeats the request.

        ``wait_s`` asks for a long poll, which few clouds support. Raises keystoneauth's errors
        where there is no answer.
        """
        adapter = self._adapter(service)
        headers = {"Accept": "application/json"}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"  # RFC 7240
        more: dict[str, Any] = {} if json is None else {"json": json}
        response: requests.Response = adapter.request(
            self._addresses[service] + path,
            method,
            params=params or {},
            headers=headers,
            timeout=timeout_s,
            raise_exc=False,
            connect_retries=0,
            status_code_retries=0,
            **more,
        )
        return response

    def access(self) -> AccessInfo:
        """The login's user, project and roles; logs in if there is no token yet.

        Raises keystoneauth's errors.
        """
        plugin: Any = self._session.auth
        access: AccessInfo = plugin.get_access(self._session)
        return access

    def close(self) -> None:
        """Close the sockets."""
        self._session.session.close()

    def _adapter(self, service: str) -> Adapter:
        if service not in self._addresses:
            kind = service.replace("_", "-")
            adapter = Adapter(
                session=self._session,
                service_type=self._region.get_service_type(kind),
                service_name=self._region.get_service_name(kind),
                interface=self._region.get_interface(kind),
                region_name=self._region.get_region_name(kind),
                endpoint_override=self._region.get_endpoint(kind),
            )
            url = adapter.endpoint_override or adapter.get_endpoint(skip_discovery=True)
            if not url:
                raise EndpointNotFound(f"there is no {kind} in its catalog")
            self._adapters[service] = adapter
            self._addresses[service] = self._versioned(service, str(url).rstrip("/"))
        return self._adapters[service]

    def _versioned(self, service: str, url: str) -> str:
        if _VERSIONED.search(url):
            return url
        project = self._session.get_project_id() or ""
        return url + _VERSIONS.get(service, "").format(project=project)


class _Counter:
    """Counts requests by service and method."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, method: str, url: str) -> None:
        known = list(self._addresses.items())
        service = next((name for name, start in known if url.startswith(start)), "identity")
        with self._lock:
            self._counts[f"{service} {method}"] += 1

    def copy(self) -> Counter[str]:
        with self._lock:
            return self._counts.copy()


class _CountingAdapter(BaseAdapter):
    """Counts the requests that it forwards to another adapter, so all that are sent."""

    def __init__(self, inner: BaseAdapter, counter: _Counter) -> None:
        super().__init__()
        self._inner = inner
        self._counter = counter

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> Any:
        self._counter.count(str(request.method), str(request.url))
        return self._inner.send(request, *args, **more)

    def close(self) -> None:
        self._inner.close()
