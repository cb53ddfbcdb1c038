"""The configuration of haproxy for a load balancer, as Octavia's amphora has it.

Each value that a client chose is one word in single quotes, in which haproxy gives no character a
meaning; names of headers and cookies, which are arguments within words, are plain letters.

Source: octavia/common/jinja/haproxy/combined_listeners/templates
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from infraci.errors import CloudError
from infraci.local.host.balancer_plan import (
    Backend,
    BackendServer,
    BalancerPlan,
    Frontend,
    HealthCheck,
    Match,
    Policy,
    backend_name,
)

#: The unprivileged user that Debian's package makes.
USER = "haproxy"
#: Of all frontends together; each connection needs two of the files that a process may open.
_MAX_CONNECTIONS = 2000
#: What a client has open when the configuration changes may last so long.
_OLD_CONNECTIONS_S = 300
_STICKY_CLIENTS = "10k"
_PLAIN = re.compile(r"[A-Za-z0-9!#$&*+.^_`|~-]+")
_ID = re.compile(r"[0-9A-Za-z-]+(:[0-9A-Za-z-]+)?")
_COMPARE = {
    "REGEX": "-m reg",
    "STARTS_WITH": "-m beg",
    "ENDS_WITH": "-m end",
    "CONTAINS": "-m sub",
    "EQUAL_TO": "-m str",
}
#: Header → what haproxy sets it to.
HEADERS = {
    "X-Forwarded-Port": "%[dst_port]",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-IP": "%[src]",
    "X-Client-IP": "%[src]",
    "X-Real-IP": "%[src]",
}
FORWARDED_FOR = "X-Forwarded-For"


def render(plan: BalancerPlan, folder: Path, *, log: int) -> str:
    """Return the configuration of a balancer.

    ``folder`` has its socket, its state and the empty folder it is shut in; ``log`` is the
    descriptor of its log. Raises CloudError for a value that haproxy cannot be told safely.
    """
    lines = [*_global(plan, folder, log)]
    for frontend in plan.frontends:
        lines += _frontend(plan, frontend)
        for backend in frontend.backends:
            lines += _backend(frontend, backend)
    return "\n".join([*lines, ""])


def _global(plan: BalancerPlan, folder: Path, log: int) -> Iterator[str]:
    connections = sum(frontend.max_connections or _MAX_CONNECTIONS for frontend in plan.frontends)
    yield f"# load balancer {_id(plan.id)}"
    yield "global"
    yield f"    user {USER}"
    yield f"    group {USER}"
    yield f"    chroot {folder / 'root'}"
    yield f"    stats socket {folder / 'stats'} mode 600 level admin expose-fd listeners"
    yield f"    server-state-file {folder / 'state'}"
    yield f"    log fd@{log} format raw local0 notice"
    yield f"    maxconn {max(1, min(connections, _MAX_CONNECTIONS))}"
    yield "    no strict-limits"
    yield "    nbthread 1"
    yield f"    hard-stop-after {_OLD_CONNECTIONS_S}s"
    yield "defaults"
    yield "    log global"
    yield "    retries 3"
    yield "    option redispatch"
    yield "    option http-keep-alive"


def _frontend(plan: BalancerPlan, frontend: Frontend) -> Iterator[str]:
    yield f"frontend {_id(frontend.id)}"
    yield f"    mode {frontend.mode}"
    if frontend.max_connections is not None:
        yield f"    maxconn {frontend.max_connections}"
    yield f"    bind {plan.address}:{frontend.port}"
    if frontend.allowed:
        yield f"    tcp-request connection reject unless {{ src {' '.join(frontend.allowed)} }}"
    yield f"    timeout client {frontend.client_timeout_ms}ms"
    if frontend.inspect_delay_ms:
        yield f"    tcp-request inspect-delay {frontend.inspect_delay_ms}ms"
    for policy in frontend.policies:
        yield from _policy(frontend, policy)
    if frontend.default_backend:
        yield f"    default_backend {_id(backend_name(frontend.default_backend, frontend.id))}"


def _policy(frontend: Frontend, policy: Policy) -> Iterator[str]:
    for match in policy.matches:
        yield f"    acl {_id(match.id)} {_condition(match)} {quoted(match.value)}"
    negated = ("!" if match.is_inverted else "" for match in policy.matches)
    pairs = zip(negated, policy.matches, strict=True)
    condition = f"if {' '.join(f'{sign}{match.id}' for sign, match in pairs)}"
    # A redirection's target is a format, in which % has a meaning.
    target = quoted(policy.target.replace("%", "%%"))
    match policy.action:
        case "REJECT":
            yield f"    http-request deny {condition}"
        case "REDIRECT_TO_URL":
            yield f"    http-request redirect code {policy.http_code} location {target} {condition}"
        case "REDIRECT_PREFIX":
            yield f"    http-request redirect code {policy.http_code} prefix {target} {condition}"
        case _:
            yield f"    use_backend {_id(backend_name(policy.target, frontend.id))} {condition}"


def _condition(match: Match) -> str:
    compare = _COMPARE[match.compare]
    match match.type:
        case "HOST_NAME":
            return f"req.hdr(host) -i {compare}"
        case "PATH":
            return f"path {compare}"
        case "FILE_TYPE":
            return "path_end" if match.compare == "EQUAL_TO" else f"path_end {compare}"
        case "HEADER":
            return f"req.hdr({_plain(match.key)}) {compare}"
        case _:
            return f"req.cook({_plain(match.key)}) {compare}"


def _backend(frontend: Frontend, backend: Backend) -> Iterator[str]:
    yield f"backend {_id(backend_name(backend.id, frontend.id))}"
    yield f"    mode {backend.mode}"
    yield f"    balance {backend.balance}"
    if backend.mode == "http":
        yield "    http-reuse safe"
    yield from _persistence(backend)
    if backend.check is not None:
        yield from _check(backend.check)
    if frontend.mode == backend.mode == "http":
        if FORWARDED_FOR in frontend.headers:
            yield "    option forwardfor"
        for header in frontend.headers:
            if header in HEADERS:
                yield f"    http-request set-header {header} {HEADERS[header]}"
    if frontend.max_connections is not None:
        yield f"    fullconn {max(1, frontend.max_connections)}"
    yield "    option allbackups"
    yield f"    timeout connect {frontend.connect_timeout_ms}ms"
    yield f"    timeout server {frontend.server_timeout_ms}ms"
    for server in backend.servers:
        yield f"    {_server(backend, server)}"


def _persistence(backend: Backend) -> Iterator[str]:
    match backend.persistence:
        case "SOURCE_IP":
            yield f"    stick-table type ipv6 size {_STICKY_CLIENTS}"
            yield "    stick on src"
        case "APP_COOKIE":
            cookie = _plain(backend.cookie)
            yield f"    stick-table type string len 64 size {_STICKY_CLIENTS}"
            yield f"    stick store-response res.cook({cookie})"
            yield f"    stick match req.cook({cookie})"
        case "HTTP_COOKIE":
            yield "    cookie SRV insert indirect nocache"


def _check(check: HealthCheck) -> Iterator[str]:
    yield "    load-server-state-from-file global"
    yield f"    timeout check {check.timeout_s}s"
    if check.type in ("HTTP", "HTTPS"):
        version = f" HTTP/{check.version}" if check.version else ""
        yield f"    option httpchk {_plain(check.method)} {quoted(check.path)}{version}"
        if check.host:
            yield f"    http-check send hdr Host {quoted(check.host)}"
        yield f"    http-check expect rstatus {quoted('|'.join(check.codes))}"


def _server(backend: Backend, server: BackendServer) -> str:
    words = [f"server {_id(server.id)} {server.address}:{server.port} weight {server.weight}"]
    if check := backend.check:
        is_tls = check.type in ("HTTPS", "TLS-HELLO")
        words.append("check check-ssl verify none" if is_tls else "check")
        words.append(f"inter {check.every_s}s fall {check.fall} rise {check.rise}")
        if server.check_address:
            words.append(f"addr {server.check_address}")
        if server.check_port:
            words.append(f"port {server.check_port}")
    if backend.persistence == "HTTP_COOKIE":
        words.append(f"cookie {server.id}")
    if backend.proxy_version:
        words.append("send-proxy" if backend.proxy_version == 1 else "send-proxy-v2")
    if server.is_backup:
        words.append("backup")
    if not server.is_enabled:
        words.append("disabled")
    if backend.is_tls:
        words.append("ssl verify none")
    return " ".join(words)


def quoted(value: str) -> str:
    """Return a value as one word of haproxy's, whatever is in it. Raises CloudError."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise CloudError(f"cannot tell haproxy {value!r}: it has control characters")
    return "'" + value.replace("'", r"'\''") + "'"


def is_plain(name: str) -> bool:
    """Whether a header or a cookie of that name can be looked for: haproxy has no way to quote."""
    return _PLAIN.fullmatch(name) is not None


def _plain(name: str) -> str:
    if not is_plain(name):
        raise CloudError(f"cannot tell haproxy the name {name!r}: it is no plain word")
    return name


def _id(name: str) -> str:
    if _ID.fullmatch(name) is None:
        raise CloudError(f"cannot tell haproxy the name {name!r}: it is no id")
    return name
