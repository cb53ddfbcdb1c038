"""Users of stacks: what proves them, and what does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from keystoneclient.contrib.ec2.utils import Ec2Signer

from infraci.local.domain.stack_users import SIGNATURE_LIFE, Ec2Key, StackUsers
from infraci.local.domain.store import Store

NOW = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)


@pytest.fixture
def users() -> StackUsers:
    return StackUsers(Store(), now=lambda: NOW)


def signed(key: Ec2Key, **parameters: str) -> dict[str, Any]:
    """A request as Heat describes it to Identity."""
    request: dict[str, Any] = {
        "access": key.access,
        "host": "169.254.169.254:9000",
        "verb": "POST",
        "path": "/cfn/v1/signal/arn",
        "params": {
            "AWSAccessKeyId": key.access,
            "SignatureMethod": "HmacSHA256",
            "SignatureVersion": "2",
            **parameters,
        },
        "headers": {},
    }
    return {**request, "signature": Ec2Signer(key.secret).generate(dict(request))}


def test_a_password_and_a_signature_prove_a_user(users: StackUsers) -> None:
    user = users.create("web", "p1", "secret")
    holder = users.by_password(user.id, "secret")
    assert holder is not None
    assert (holder.user_id, holder.project_id) == (user.id, "p1")
    assert holder.is_stack_user
    assert users.by_signature(signed(users.create_key(user.id))) == holder


def test_what_is_forged_proves_nothing(users: StackUsers) -> None:
    user, other = users.create("web", "p1", "secret"), users.create("db", "p1", None)
    request = signed(users.create_key(user.id))
    assert users.by_password(user.id, "Secret") is None
    assert users.by_password(other.id, "") is None
    assert users.by_signature({**request, "path": "/cfn/v1/signal/other"}) is None
    assert users.by_signature({**request, "access": users.create_key(other.id).access}) is None
    assert users.by_signature({**request, "access": "unknown"}) is None
    nonsense = {**request["params"], "SignatureVersion": "9"}
    assert users.by_signature({**request, "params": nonsense}) is None


def test_a_signature_of_the_host_without_its_port_counts(users: StackUsers) -> None:
    key = users.create_key(users.create("web", "p1", None).id)
    request = signed(key)
    bare = {**request, "host": "169.254.169.254"}
    bare["signature"] = Ec2Signer(key.secret).generate(dict(bare))
    assert users.by_signature({**bare, "host": request["host"]}) is not None


def test_a_signature_with_a_timestamp_expires_as_keystones_do(users: StackUsers) -> None:
    key = users.create_key(users.create("web", "p1", None).id)

    def at(when: datetime) -> dict[str, Any]:
        return signed(key, Timestamp=when.strftime("%Y-%m-%dT%H:%M:%SZ"))

    assert users.by_signature(at(NOW - SIGNATURE_LIFE)) is not None
    assert users.by_signature(at(NOW - SIGNATURE_LIFE - timedelta(seconds=1))) is None


def test_users_that_are_disabled_or_gone_prove_nothing(users: StackUsers) -> None:
    user = users.create("web", "p1", "secret")
    request = signed(users.create_key(user.id))
    users.enable(user.id, is_enabled=False)
    assert users.by_password(user.id, "secret") is None
    assert users.by_signature(request) is None
    users.enable(user.id, is_enabled=True)
    assert users.by_signature(request) is not None
    users.delete_project("p1")
    assert users.by_signature(request) is None
    assert users.by_password(user.id, "secret") is None
