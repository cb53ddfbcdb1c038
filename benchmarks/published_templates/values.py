"""Values for the parameters of published templates, as their users would choose them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.published_templates.purposes import Purpose, rule
from infraci.local.account import PROJECT

#: What there is for each purpose; fixtures.py makes what a cloud does not have by itself.
NAMES: Mapping[Purpose, str] = {
    Purpose.IMAGE: "debian-12",
    Purpose.FLAVOR: "m1.small",
    Purpose.KEY: "published-key",
    Purpose.NETWORK: "private",
    Purpose.EXTERNAL_NETWORK: "public",
    Purpose.SUBNET: "private-subnet",
    Purpose.ROUTER: "published-router",
    Purpose.PORT: "published-port",
    Purpose.GROUP: "default",
    Purpose.VOLUME: "published-volume",
    Purpose.VOLUME_TYPE: "__DEFAULT__",
    Purpose.ZONE: "nova",
    Purpose.REGION: "local",
    Purpose.DOMAIN: "default",
    Purpose.PROJECT: PROJECT,
    Purpose.ROLE: "published-role",
    Purpose.USER_GROUP: "published-users",
}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIHhJ0pGmkmlEIlyKGNm8VQ1nLh8u3cfMe3uQmVtWGYl user"
#: By what a parameter is called, in lower case: what it may take.
_TEXTS: tuple[tuple[str, Sequence[str]], ...] = (
    (r"cidr|prefix|range|sub_?net|net(work)?$", ("10.77.0.0/24",)),
    (r"gateway|_gw", ("10.77.0.1",)),
    (r"start", ("10.77.0.20",)),
    (r"end$|stop", ("10.77.0.200",)),
    (r"mask", ("255.255.255.0",)),
    (r"dns|name_?server", ("10.77.0.2",)),
    (r"mac", ("fa:16:3e:00:77:01",)),
    (r"ip$|addr|_ip|ip_|^ip", ("10.77.0.50",)),
    (r"mail", ("ops@example.org",)),
    (r"domain|fqdn|host_?name|host$|zone$", ("web.example.org", "example.org.")),
    (r"url|uri|repo|endpoint", ("http://example.org/x",)),
    (r"pass|secret|token", ("Passw0rd12345678", "Passw0rd-12345", "PASSWORDa1234", "Passw0rd")),
    (r"port", ("8080",)),
    (r"size|count|num|replicas|min|max", ("1",)),
    (r"time_?zone|^tz", ("UTC",)),
    (r"ssh.*key|pub(lic)?_?key", (PUBLIC_KEY,)),
    (r"user", ("operator",)),
)
_ANY = (
    "sample", "Sample12345", "sample12", "1", "5", "8080", "10.77.0.50", "10.77.0.0/24",
    "example.org", "A1" * 16, "00:11:22:33:44:55", "true", "UTC", "ops@example.org", "/sample",
    "http://example.org",
)  # fmt: skip


def value_for(name: str, declared: Mapping[str, Any], thing: str | None) -> object:
    """A value that a parameter takes; ``thing`` is the name of what it is for, if that is one."""
    allowed = rule(declared, "allowed_values")
    if isinstance(allowed, list) and allowed:
        return declared["default"] if declared.get("default") in allowed else allowed[0]
    kind = str(declared.get("type") or "string").lower()
    if kind == "json":
        return {}
    if kind == "boolean":
        return False
    if kind == "number":
        return next((n for n in _numbers(name, declared) if fits(n, declared)), 1)
    if thing is not None:
        return thing
    texts = list(_texts(name))
    return next((text for text in _cut(texts, declared) if fits(text, declared)), texts[0])


def fits(value: str | float, declared: Mapping[str, Any]) -> bool:
    """Whether a value keeps to a parameter's constraints, as far as they say it of themselves."""
    rules = declared.get("constraints")
    return all(
        _keeps(value, key, bound)
        for each in (rules if isinstance(rules, list) else [])
        if isinstance(each, dict)
        for key, bound in each.items()
    )


def _keeps(value: str | float, key: str, bound: Any) -> bool:
    match key, bound:
        case "allowed_pattern", str():
            try:
                return re.fullmatch(bound, str(value)) is not None
            except re.error:
                return True
        case "length", dict():
            return bool(bound.get("min", 0) <= len(str(value)) <= bound.get("max", 1 << 30))
        case "range", dict():
            return bool(bound.get("min", value) <= value <= bound.get("max", value))
        case "modulo", {"step": step, "offset": offset}:
            return bool((float(value) - offset) % step == 0)
    return True


def _numbers(name: str, declared: Mapping[str, Any]) -> Iterator[float]:
    limits, modulo = rule(declared, "range"), rule(declared, "modulo")
    if "port" in name.lower():
        yield 8080
    yield 1
    yield from (limits or {}).values()
    yield from (modulo or {}).values()


def _texts(name: str) -> Iterator[str]:
    lowered = name.lower()
    for pattern, texts in _TEXTS:
        if re.search(pattern, lowered):
            yield from texts
    yield from _ANY


def _cut(texts: Sequence[str], declared: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts, then as short or as long as the parameter's are to be."""
    yield from texts
    limits = rule(declared, "length") or {}
    for text in texts:
        yield (text * 50)[: max(limits.get("min", 1), min(len(text), limits.get("max", 50)))]
