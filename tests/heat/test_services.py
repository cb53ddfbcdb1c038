"""Where services are, by clouds.yaml and the catalog, and how often they were asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from keystoneauth1.exceptions import EndpointNotFound
from openstack.config import OpenStackConfig

from infraci.heat.services import Services

#: As a catalog may say them: with a version or without, with a slash at the end or without.
PATHS = {
    "compute": "/nova",
    "network": "/neutron/",
    "orchestration": "/heat/v1/p1",
    "volumev3": "/cinder",
    "load-balancer": "/octavia",
}


class Catalog(BaseHTTPRequestHandler):
    """Keystone, and whatever its catalog says, at one address."""

    def do_GET(self) -> None:
        self._answer(200, {"here": self.path})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        host = f"http://127.0.0.1:{self.connection.getsockname()[1]}"
        catalog = [
            {"type": kind, "name": kind, "endpoints": [
                {"interface": "public", "region_id": "R", "region": "R", "url": host + path}
            ]}
            for kind, path in PATHS.items()
        ]  # fmt: skip
        token = {
            "user": {"id": "u1", "name": "u", "domain": {"id": "d"}},
            "project": {"id": "p1", "name": "p", "domain": {"id": "d"}},
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00Z",
            "issued_at": "2026-01-01T00:00:00Z",
            "catalog": catalog,
            "roles": [],
        }
        self._answer(201, {"token": token})

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("X-Subject-Token", "t")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with HTTPServer(("127.0.0.1", 0), Catalog) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v3"
        auth = {"auth_url": url, "username": "u", "password": "p", "project_name": "p",
                "user_domain_name": "d", "project_domain_name": "d"}  # fmt: skip
        entry = {"auth_type": "v3password", "auth": auth, "region_name": "R"}
        entry["image_endpoint_override"] = url.replace("/v3", "/images/v2/")
        path = tmp_path / "clouds.yaml"
        path.write_text(yaml.safe_dump({"clouds": {"c": entry}}))
        made = Services(OpenStackConfig(config_files=[str(path)]).get_one("c"))
        yield made
        made.close()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("compute", "/nova/v2.1/x"),
        ("network", "/neutron/v2.0/x"),
        ("orchestration", "/heat/v1/p1/x"),
        ("block_storage", "/cinder/v3/p1/x"),
        ("load_balancer", "/octavia/v2.0/x"),
        ("image", "/images/v2/x"),
    ],
)
def test_where_a_service_answers(services: Services, service: str, path: str) -> None:
    assert services.request(service, "GET", "/x", timeout_s=5).json() == {"here": path}


def test_a_service_that_is_not_there(services: Services) -> None:
    with pytest.raises(EndpointNotFound):
        services.request("dns", "GET", "/x", timeout_s=5)


def test_each_request_is_counted(services: Services) -> None:
    for _ in range(3):
        services.request("compute", "GET", "/x", timeout_s=5)
    services.request("network", "GET", "/x", timeout_s=5)
    assert services.calls == {"identity POST": 1, "compute GET": 3, "network GET": 1}
