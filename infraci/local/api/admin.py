"""The embedded cloud's own API, for `infraci cloud` and `infraci gc`; no OpenStack has it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable

from werkzeug.wrappers import Request

from infraci import __version__
from infraci.local.api.web import Api, Document, route
from infraci.local.domain.balancer_records import LoadBalancer
from infraci.local.domain.records import Network, Router, Server
from infraci.local.domain.servers import Servers
from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import Volume
from infraci.local.domain.volumes import Volumes


class AdminApi(Api):
    """Shows the status, removes what is left over, ends the process."""

    error_key = "error"

    def __init__(
        self,
        store: Store,
        servers: Servers,
        volumes: Volumes,
        is_valid_token: Callable[[str | None], bool],
        *,
        end: Callable[[], None],
    ) -> None:
        super().__init__(is_valid_token)
        self._store = store
        self._servers = servers
        self._volumes = volumes
        self._end = end

    @route("GET", "/status")
    def status(self, request: Request) -> Document:
        """The process, its memory, and the names of what is on the cloud."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "servers": [server.name for server in self._store.find(Server)],
            "volumes": [volume.name or volume.id for volume in self._store.find(Volume)],
            "load_balancers": [each.name or each.id for each in self._store.find(LoadBalancer)],
            "networks": [
                network.name
                for network in self._store.find(Network, lambda network: not network.is_external)
            ],
            "routers": [router.name for router in self._store.find(Router)],
        }

    @route("POST", "/gc")
    def gc(self, request: Request) -> Document:
        """Remove what is on this machine and the store does not know, a line each."""
        dry_run = "dry_run" in request.args
        removed = self._servers.reconcile(dry_run=dry_run)
        return {"removed": removed + self._volumes.reconcile(dry_run=dry_run)}

    @route("POST", "/down")
    def down(self, request: Request) -> None:
        """End the process."""
        self._end()
