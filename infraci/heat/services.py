"""The services of a cloud's catalog, asked over HTTP, every request counted.

Region, interface, service types and endpoints are those of clouds.yaml, by openstacksdk's rules.
Its proxies are not used: they ask each service for its versions first, and fall back to another
address when that goes wrong.
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

#: Where a service answers if the catalog names no version.
_VERSIONS = {
    "identity": "/v3",
    "compute": "/v2.1",
    "image": "/v2",
    "network": "/v2.0",
    "orchestration": "/v1/{project}",
    "block_storage": "/v3/{project}",
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
        """Where the Identity service is."""
        return str(self._region.auth.get("auth_url", "?"))

    @property
    def is_delegated(self) -> bool:
        """Whether we log in with a part of somebody's rights: by an application credential."""
        return "applicationcredential" in str(self._region.config.get("auth_type", ""))

    @property
    def calls(self) -> Counter[str]:
        """How many requests were sent so far: "compute GET" → 12."""
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
        """Send one request, once; but an expired token is renewed, and the request repeated.

        The answer may come ``wait_s`` later if it is better then; few clouds know how.
        Raises keystoneauth's errors where there is no answer.
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
        """What Identity says of us, as keystoneauth understands it; a token if there is none yet.

        Raises keystoneauth's errors.
        """
        plugin: Any = self._session.auth
        access: AccessInfo = plugin.get_access(self._session)
        return access

    def close(self) -> None:
        """Let go of the sockets."""
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
    """Hands requests on to another adapter: what goes over the wire comes by here."""

    def __init__(self, inner: BaseAdapter, counter: _Counter) -> None:
        super().__init__()
        self._inner = inner
        self._counter = counter

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> Any:
        self._counter.count(str(request.method), str(request.url))
        return self._inner.send(request, *args, **more)

    def close(self) -> None:
        self._inner.close()
