"""The cloud's APIs, asked plainly: what is made here has no other client's quirks in it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.live.openstack.place import BrokenError

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers_at(url: str) -> bool:
    """Say whether a service answers, if only that it wants a token."""
    try:
        _OPENER.open(url, timeout=30).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


class Api:
    """The cloud's APIs, with somebody's token."""

    def __init__(self, identity: str, *, user: str, password: str, project: str) -> None:
        domain = {"name": "Default"}
        wish = {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": password}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
        self._token = ""
        with self._open("POST", f"{identity}/auth/tokens", {"auth": wish}) as answer:
            self._token = answer.headers["X-Subject-Token"]

    def get(self, url: str) -> Any:
        """Read."""
        with self._open("GET", url) as answer:
            return json.load(answer)

    def post(self, url: str, body: Mapping[str, object]) -> Any:
        """Make; returns what was made."""
        with self._open("POST", url, body) as answer:
            return json.load(answer)

    def put(self, url: str, body: Mapping[str, object] | None = None) -> None:
        """Set."""
        self._open("PUT", url, body).close()

    def delete(self, url: str) -> None:
        """Remove."""
        self._open("DELETE", url).close()

    def upload(self, url: str, file: Path) -> None:
        """Send a file."""
        with file.open("rb") as data:
            headers = {"Content-Type": "application/octet-stream"}
            headers["Content-Length"] = str(file.stat().st_size)
            self._send(urllib.request.Request(url, data, headers, method="PUT")).close()

    def ensure(self, url: str, kind: str, name: str, **more: object) -> Any:
        """The thing of that kind and name, made if it is not there."""
        entries = self.get(f"{url}/{kind}s")[f"{kind}s"]
        matching = [entry for entry in entries if entry["name"] == name]
        if matching:
            return matching[0]
        return self.post(f"{url}/{kind}s", {kind: {"name": name, **more}})[kind]

    def _open(self, method: str, url: str, body: Mapping[str, object] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self._send(urllib.request.Request(url, data, headers, method=method))

    def _send(self, request: urllib.request.Request) -> Any:
        request.add_header("Accept", "application/json")
        if self._token:
            request.add_header("X-Auth-Token", self._token)
        try:
            return _OPENER.open(request, timeout=120)
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace")
            where = f"{request.method} {request.full_url}"
            raise BrokenError(f"{where}: {error.code} {reason}") from error
