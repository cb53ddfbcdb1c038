"""The fields that Octavia takes of a client, each with its parser.

Source: octavia/api/v2/types
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from infraci.local.api.web import Document
from infraci.local.domain.balancer_records import (
    BalancerListener,
    BalancerPool,
    HealthMonitor,
    L7Policy,
    L7Rule,
    LoadBalancer,
    Member,
    OctaviaRecord,
    SessionPersistence,
)
from infraci.local.domain.balancer_rules import unsupported
from infraci.local.errors import InvalidRequestError

#: Raises ValueError with what is wrong.
_Parser: TypeAlias = Callable[[Any], object]

_NAME_LENGTH = 255
_LARGEST_TIMEOUT_MS = 24 * 24 * 60 * 60 * 1000
_LAST_POSITION = 2147483647
_CODES = re.compile(r"\d{3}(\s*,\s*\d{3})*|\d{3}-\d{3}")
_COOKIE_NAME = re.compile(r"[^\s,;\\]+")
_LINE = re.compile(r"[^\r\n]*")
_DOMAIN_NAME = re.compile(r"(?=.{1,253}\.?$)(?:(?!-|[^.]+_)[A-Za-z0-9-_]{1,63}(?<!-)(?:\.|$))+")
_BAD_IN_URL = re.compile(r"[\x00-\x20\x7f-\x9f]")


def _wrong_type(expected: str, value: object) -> ValueError:
    return ValueError(f"Wrong type. Expected '{expected}', got '{type(value).__name__}'")


def _text(pattern: re.Pattern[str] | None = None, length: int = _NAME_LENGTH) -> _Parser:
    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise _wrong_type("text", value)
        if len(value) > length:
            raise ValueError(f"Value should have a maximum character requirement of {length}")
        if pattern is not None and not pattern.fullmatch(value):
            raise ValueError(f"Value should match the pattern {pattern.pattern}")
        return value

    return parse


def _number(least: int, most: int | None = None) -> _Parser:
    def parse(value: object) -> int:
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if isinstance(number, bool) or not isinstance(number, int):
            raise _wrong_type("number", value)
        if number < least:
            raise ValueError(f"Value should be greater or equal to {least}")
        if most is not None and number > most:
            raise ValueError(f"Value should be lower or equal to {most}")
        return number

    return parse


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "t", "on", "yes", "y", "1"):
        return True
    if str(value).lower() in ("false", "f", "off", "no", "n", "0"):
        return False
    raise ValueError("Value not an unambiguous boolean: " + str(value))


def _choice(*values: object) -> _Parser:
    def parse(value: object) -> object:
        for each in values:
            if value == each and not isinstance(value, bool):
                return each
        listed = ", ".join(map(str, values))
        raise ValueError(f"Value should be one of: {listed}")

    return parse


def _id(value: object) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise ValueError("Value should be UUID format") from None


def _address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise ValueError("Value should be IPv4 or IPv6 format") from None


def _cidr(value: object) -> str:
    try:
        return ipaddress.ip_network(str(value), strict=False).with_prefixlen
    except ValueError:
        raise ValueError("Value should be IPv4 or IPv6 CIDR format") from None


def _list(item: _Parser) -> _Parser:
    def parse(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise _wrong_type("list", value)
        return tuple(dict.fromkeys(map(item, value)))

    return parse


def _headers(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise ValueError("Value should be a map of texts")
    for header, each in value.items():
        if each.lower() not in ("true", "false"):
            raise ValueError(f"{each} is not a valid option for {header}")
    return dict(value)


def _url(value: object) -> str:
    parsed = urlsplit(value) if isinstance(value, str) else None
    if parsed is None or parsed.scheme not in ("http", "https") or not parsed.hostname:
        raise ValueError("Value must be a valid URL string")
    if _BAD_IN_URL.search(str(value)):
        raise ValueError("Value must be a valid URL string")
    return str(value)


def _url_path(value: object) -> str:
    is_path = isinstance(value, str) and value.startswith("/") and not value.startswith("//")
    if not is_path or _BAD_IN_URL.search(str(value)):
        raise ValueError("Value must be a valid URL Path string")
    return str(value)


def _persistence(value: object) -> SessionPersistence:
    if not isinstance(value, dict):
        raise _wrong_type("object", value)
    for key in value.keys() - {"type", "cookie_name"}:
        if value[key] is not None:
            raise ValueError("persistence_timeout and persistence_granularity is only for UDP and"
                             " SCTP protocol pools.")  # fmt: skip
    kind = _choice("SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE")(value.get("type"))
    cookie = value.get("cookie_name")
    name = None if cookie is None else _text(_COOKIE_NAME)(cookie)
    return SessionPersistence(type=str(kind), cookie_name=None if name is None else str(name))


_PORT = _number(1, 65535)
_TIMEOUT = _number(0, _LARGEST_TIMEOUT_MS)
_RETRIES = _number(1, 10)
_COMMON: Mapping[str, _Parser] = {
    "name": _text(),
    "admin_state_up": _flag,
    "tags": _list(_text()),
}
_DESCRIBED: Mapping[str, _Parser] = {**_COMMON, "description": _text()}
_POOL_PROTOCOLS = ("TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2", "UDP", "SCTP")
_LISTENER_PROTOCOLS = (
    *("TCP", "HTTPS", "HTTP", "TERMINATED_HTTPS", "UDP", "SCTP"),
    "PROMETHEUS",
)
_ALGORITHMS = ("LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT")
_MONITORS = ("HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT", "SCTP")
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH")
_ACTIONS = ("REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX")
_RULES = (
    *("HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE"),
    *("SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD"),
)
_COMPARISONS = ("REGEX", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO")

#: What a client may set at any time.
SETTABLE: Mapping[type[OctaviaRecord], Mapping[str, _Parser]] = {
    LoadBalancer: _DESCRIBED,
    BalancerListener: {
        **_DESCRIBED,
        "connection_limit": _number(-1),
        "default_pool_id": _id,
        "insert_headers": _headers,
        "timeout_client_data": _TIMEOUT,
        "timeout_member_connect": _TIMEOUT,
        "timeout_member_data": _TIMEOUT,
        "timeout_tcp_inspect": _TIMEOUT,
        "allowed_cidrs": _list(_cidr),
    },
    BalancerPool: {
        **_DESCRIBED,
        "lb_algorithm": _choice(*_ALGORITHMS),
        "session_persistence": _persistence,
        "tls_enabled": _flag,
    },
    Member: {
        **_COMMON,
        "weight": _number(0, 256),
        "backup": _flag,
        "monitor_address": _address,
        "monitor_port": _PORT,
    },
    HealthMonitor: {
        **_COMMON,
        "delay": _number(0),
        "timeout": _number(0),
        "max_retries": _RETRIES,
        "max_retries_down": _RETRIES,
        "http_method": _choice(*_METHODS),
        "url_path": _url_path,
        "expected_codes": _text(_CODES),
        "http_version": _choice(1.0, 1.1),
        "domain_name": _text(_DOMAIN_NAME),
    },
    L7Policy: {
        **_DESCRIBED,
        "action": _choice(*_ACTIONS),
        "position": _number(1, _LAST_POSITION),
        "redirect_pool_id": _id,
        "redirect_url": _url,
        "redirect_prefix": _url,
        "redirect_http_code": _choice(301, 302, 303, 307, 308),
    },
    L7Rule: {
        "admin_state_up": _flag,
        "tags": _list(_text()),
        "type": _choice(*_RULES),
        "compare_type": _choice(*_COMPARISONS),
        "key": _text(_LINE),
        "value": _text(_LINE),
        "invert": _flag,
    },
}

_PROJECT: Mapping[str, _Parser] = {"project_id": _text(length=36), "tenant_id": _text(length=36)}
#: And what only when it makes a new one.
NEW: Mapping[type[OctaviaRecord], Mapping[str, _Parser]] = {
    LoadBalancer: {
        **_PROJECT,
        "vip_address": _address,
        "vip_subnet_id": _id,
        "vip_network_id": _id,
        "vip_port_id": _id,
        "provider": _text(length=64),
    },
    BalancerListener: {
        **_PROJECT,
        "loadbalancer_id": _id,
        "protocol": _choice(*_LISTENER_PROTOCOLS),
        "protocol_port": _PORT,
    },
    BalancerPool: {
        **_PROJECT,
        "loadbalancer_id": _id,
        "listener_id": _id,
        "protocol": _choice(*_POOL_PROTOCOLS),
    },
    Member: {**_PROJECT, "address": _address, "protocol_port": _PORT, "subnet_id": _id},
    HealthMonitor: {**_PROJECT, "pool_id": _id, "type": _choice(*_MONITORS)},
    L7Policy: {**_PROJECT, "listener_id": _id},
    L7Rule: _PROJECT,
}

#: What a client must say of a new one.
_REQUIRED: Mapping[type[OctaviaRecord], tuple[str, ...]] = {
    BalancerListener: ("loadbalancer_id", "protocol", "protocol_port"),
    BalancerPool: ("protocol", "lb_algorithm"),
    Member: ("address", "protocol_port"),
    HealthMonitor: ("pool_id", "type", "delay", "timeout", "max_retries"),
    L7Policy: ("listener_id", "action"),
    L7Rule: ("type", "compare_type", "value"),
}

_KEYS = "there is no key manager that could keep certificates"
_TLS = "no listener ends TLS"
#: Fields of Octavia's that the embedded cloud honours with no value but these → why.
_UNSUPPORTED: Mapping[str, str] = {
    "default_tls_container_ref": _KEYS,
    "sni_container_refs": _KEYS,
    "client_ca_tls_container_ref": _KEYS,
    "client_crl_container_ref": _KEYS,
    "tls_container_ref": _KEYS,
    "ca_tls_container_ref": _KEYS,
    "crl_container_ref": _KEYS,
    "client_authentication": _TLS,
    "tls_ciphers": "haproxy chooses the ciphers",
    "tls_versions": "haproxy chooses the versions of TLS",
    "alpn_protocols": "haproxy speaks HTTP/1.1 with members",
    "hsts_max_age": _TLS,
    "hsts_include_subdomains": _TLS,
    "hsts_preload": _TLS,
    "vip_qos_policy_id": "there are no QoS policies",
    "vip_sg_ids": "a balancer has a security group of its own",
    "additional_vips": "a balancer has one address",
    "flavor_id": "load balancers have no flavors",
    "availability_zone": "load balancers have no availability zones",
    "listeners": "a balancer's parts are made one by one",
    "pools": "a balancer's parts are made one by one",
    "default_pool": "a balancer's parts are made one by one",
    "l7policies": "a balancer's parts are made one by one",
    "healthmonitor": "a balancer's parts are made one by one",
    "members": "a balancer's parts are made one by one",
    "redirect_pool": "a balancer's parts are made one by one",
    "rules": "a balancer's parts are made one by one",
    "request_sriov": "no port is a virtual function of a card",
}
_UNSAID: tuple[object, ...] = (None, "", "NONE", False)


def parse_new(kind: type[OctaviaRecord], body: Document) -> Document:
    """The fields of a new record. Raises RequestError as Octavia does."""
    for name in _REQUIRED.get(kind, ()):
        if body.get(name) is None:
            raise _invalid(name, None, "Mandatory field missing.")
    parsed = _parse(kind, body, {**SETTABLE[kind], **NEW[kind]})
    return {name: value for name, value in parsed.items() if value is not None}


def parse_change(kind: type[OctaviaRecord], body: Document) -> Document:
    """The fields that a client changes; None is for the default of a new one."""
    return _parse(kind, body, SETTABLE[kind])


def _parse(kind: type[OctaviaRecord], body: Document, known: Mapping[str, _Parser]) -> Document:
    parsed: Document = {}
    for name, value in body.items():
        if name in known:
            parsed[name] = _parsed(name, value, known[name])
        elif name not in _UNSUPPORTED:
            raise InvalidRequestError(f"Unknown attribute:\n{kind.noun}: {name}")
        elif value not in _UNSAID and value != []:
            raise unsupported(f"{name} has no effect ({_UNSUPPORTED[name]})")
    project = parsed.pop("tenant_id", None)
    if project is not None:
        parsed.setdefault("project_id", project)
    return parsed


def _parsed(name: str, value: object, parse: _Parser) -> object:
    if value is None:
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise _invalid(name, value, str(error)) from error


def _invalid(name: str, value: object, reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"Invalid input for field/attribute {name}. Value: '{value}'. {reason}"
    )
