"""Haproxy's configuration: what clients have chosen stays within its word."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.errors import CloudError
from infraci.local.host.balancer_plan import (
    Backend,
    BackendServer,
    BalancerPlan,
    Frontend,
    HealthCheck,
    Match,
    Policy,
)
from infraci.local.host.haproxy_config import quoted, render

_HOSTILE = (
    "plain",
    "it's",
    "'; exit #",
    '"$HOME" ${HOME}',
    "a\\ b\\",
    "%[env(HOME)]",
    "if { always_true }",
    "# no comment",
    "ÄÖ🙂",
)


def plan_with(value: str = "x", *, key: str = "X-Name", cookie: str = "SID") -> BalancerPlan:
    """Return a plan that has a client's values wherever there may be one."""
    check = HealthCheck(
        type="HTTP", every_s=1, timeout_s=1, rise=1, fall=1, path=value, version="1.1", host=value
    )
    matches = (
        Match(id="header", type="HEADER", compare="EQUAL_TO", key=key, value=value),
        Match(id="cookie", type="COOKIE", compare="CONTAINS", key=key, value=value),
        Match(id="path", type="PATH", compare="ENDS_WITH", value=value, is_inverted=True),
        Match(id="host", type="HOST_NAME", compare="STARTS_WITH", value=value),
        Match(id="file", type="FILE_TYPE", compare="EQUAL_TO", value=value),
    )
    backend = Backend(
        id="pool",
        mode="http",
        balance="leastconn",
        persistence="APP_COOKIE",
        cookie=cookie,
        check=check,
        servers=(
            BackendServer(id="one", address="10.0.0.5", port=80, is_backup=True, check_port=81),
            BackendServer(id="two", address="10.0.0.6", port=80, weight=0, is_enabled=False),
        ),
        proxy_version=2,
        is_tls=True,
    )
    frontend = Frontend(
        id="web",
        mode="http",
        port=80,
        allowed=("10.0.0.0/8", "192.0.2.0/24"),
        max_connections=10,
        inspect_delay_ms=5,
        headers=("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-IP"),
        policies=(
            Policy(action="REJECT", matches=matches),
            Policy(action="REDIRECT_TO_URL", target=value, matches=matches),
            Policy(action="REDIRECT_PREFIX", target=value, http_code=308, matches=matches),
            Policy(action="REDIRECT_TO_POOL", target="pool", matches=matches),
        ),
        default_backend="pool",
        backends=(backend,),
    )
    tcp = Backend(id="tcp", mode="tcp", balance="source", persistence="SOURCE_IP")
    other = Frontend(id="tcp", mode="tcp", port=22, default_backend="tcp", backends=(tcp,))
    return BalancerPlan(id="lb", address="127.0.0.1", frontends=(frontend, other))


@pytest.mark.parametrize("value", _HOSTILE)
def test_a_value_is_one_word(value: str, tmp_path: Path) -> None:
    text = render(plan_with(value), tmp_path, log=1)
    assert len(text.splitlines()) == len(render(plan_with(), tmp_path, log=1).splitlines())
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)
    checked = subprocess.run(
        ["haproxy", "-c", "-f", path], capture_output=True, text=True, check=False, timeout=60
    )
    assert checked.returncode == 0, checked.stderr + text


@pytest.mark.parametrize("value", ["a\nbackend b", "a\rb", "\0", "\x7f"])
def test_a_value_has_no_control_characters(value: str) -> None:
    with pytest.raises(CloudError, match="it has control characters"):
        quoted(value)


@pytest.mark.parametrize("name", ["a b", "a)b", "a,b", "a'b", "a\nb", "", "Ä"])
def test_a_name_within_a_word_is_plain(name: str, tmp_path: Path) -> None:
    with pytest.raises(CloudError, match="it is no plain word"):
        render(plan_with(key=name), tmp_path, log=1)
    with pytest.raises(CloudError, match="it is no plain word"):
        render(plan_with(cookie=name), tmp_path, log=1)


def test_names_of_its_parts_are_ids(tmp_path: Path) -> None:
    with pytest.raises(CloudError, match="it is no id"):
        render(replace(plan_with(), id="a\nglobal"), tmp_path, log=1)
