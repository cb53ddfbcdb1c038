"""What a load balancer is to do, as the host needs to know it: all names in it are ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendServer:
    """A server that requests are sent to."""

    id: str
    address: str
    port: int
    weight: int = 1
    is_backup: bool = False
    is_enabled: bool = True
    #: Where its health is checked, unless at its own address and port.
    check_address: str | None = None
    check_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How the health of a backend's servers is checked."""

    #: ``TCP``, ``TLS-HELLO``, ``HTTP`` or ``HTTPS``.
    type: str
    every_s: int
    timeout_s: int
    #: After so many successes a server is up, after so many failures it is down.
    rise: int
    fall: int
    method: str = "GET"
    path: str = "/"
    #: HTTP statuses of a healthy server.
    codes: tuple[str, ...] = ("200",)
    #: HTTP's version, ``1.0`` or ``1.1``; empty for haproxy's choice.
    version: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Servers, one of which is chosen for each request."""

    id: str
    #: ``http`` or ``tcp``.
    mode: str
    #: haproxy's name of the algorithm.
    balance: str
    #: ``SOURCE_IP``, ``HTTP_COOKIE`` or ``APP_COOKIE``, if one client's requests stay together.
    persistence: str = ""
    cookie: str = ""
    check: HealthCheck | None = None
    servers: tuple[BackendServer, ...] = ()
    #: The version of the PROXY protocol that the servers speak; 0 for none.
    proxy_version: int = 0
    is_tls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A condition on a request."""

    id: str
    #: ``HOST_NAME``, ``PATH``, ``FILE_TYPE``, ``HEADER`` or ``COOKIE``.
    type: str
    #: ``REGEX``, ``STARTS_WITH``, ``ENDS_WITH``, ``CONTAINS`` or ``EQUAL_TO``.
    compare: str
    #: The name of the header or cookie.
    key: str = ""
    value: str
    is_inverted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What becomes of requests for which all conditions hold."""

    #: ``REJECT``, ``REDIRECT_TO_URL``, ``REDIRECT_PREFIX`` or ``REDIRECT_TO_POOL``.
    action: str
    matches: tuple[Match, ...]
    #: The URL, the prefix, or the backend's id.
    target: str = ""
    http_code: int = 302


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """A port at which a balancer listens."""

    id: str
    #: ``http`` or ``tcp``.
    mode: str
    port: int
    #: The networks from which clients may come, where no packet filter sees to it; empty for all.
    allowed: tuple[str, ...] = ()
    #: At once; None for no limit of its own.
    max_connections: int | None = None
    client_timeout_ms: int = 50000
    connect_timeout_ms: int = 5000
    server_timeout_ms: int = 50000
    inspect_delay_ms: int = 0
    #: Names of the headers that tell servers about the client.
    headers: tuple[str, ...] = ()
    policies: tuple[Policy, ...] = ()
    default_backend: str = ""
    #: The backends that this frontend uses.
    backends: tuple[Backend, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerPlan:
    """A load balancer to be."""

    id: str
    #: The address at which it listens.
    address: str
    frontends: tuple[Frontend, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyStats:
    """What haproxy counts of a frontend, a backend, or a server of a backend."""

    #: haproxy's word: ``OPEN``, ``UP``, ``DOWN``, ``no check``…
    status: str
    bytes_in: int
    bytes_out: int
    active_connections: int
    total_connections: int
    request_errors: int


#: What runs of a balancer: each part's statistics, by the names of proxy and server in it.
BalancerStats = Mapping[tuple[str, str], ProxyStats]
#: In place of a server's name: the frontend, and the backend as a whole.
FRONTEND, BACKEND = "FRONTEND", "BACKEND"


def backend_name(backend_id: str, frontend_id: str) -> str:
    """Return the name of the backend that a frontend has."""
    return f"{backend_id}:{frontend_id}"
