"""The users that Heat makes for a stack's servers, in a project of the stack's own.

By them servers ask for their metadata and send signals: with a password, or with requests that are
signed as for EC2. Keystone keeps such users in a domain of their own; here they are records.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from keystoneclient.contrib.ec2.utils import Ec2Signer

from infraci.local.account import TokenHolder, stack_user
from infraci.local.domain.record import Record
from infraci.local.domain.store import Store

#: For so long a signature with a timestamp is valid: Keystone's default of ``auth_ttl``.
SIGNATURE_LIFE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackUser(Record):
    """A user of a stack's servers."""

    kind = "stack user"

    name: str
    project_id: str
    #: Of a password that Heat draws at random; empty when the user has none.
    password_hash: str = ""
    is_enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ec2Key(Record):
    """A pair of keys with which a stack's user signs requests."""

    kind = "EC2 key"

    user_id: str
    access: str
    secret: str


class StackUsers:
    """Makes and removes users of stacks, and checks what they prove themselves by."""

    def __init__(
        self, store: Store, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._now = now

    def create(self, name: str, project_id: str, password: str | None) -> StackUser:
        """Make a user."""
        user = StackUser(
            id=uuid4().hex,
            name=name,
            project_id=project_id,
            password_hash=_hash(password) if password else "",
        )
        return self._store.put(user)

    def enable(self, user_id: str, *, is_enabled: bool) -> None:
        """Let a user in, or no longer."""
        self._store.change(StackUser, user_id, lambda user: replace(user, is_enabled=is_enabled))

    def delete(self, user_id: str) -> None:
        """Remove a user with its keys; one that is gone is fine."""
        for key in self._store.find(Ec2Key, lambda key: key.user_id == user_id):
            self._store.drop(key)
        user = self._store.get(StackUser, user_id)
        if user is not None:
            self._store.drop(user)

    def delete_project(self, project_id: str) -> None:
        """Remove all users of a project."""
        for user in self._store.find(StackUser, lambda user: user.project_id == project_id):
            self.delete(user.id)

    def create_key(self, user_id: str) -> Ec2Key:
        """Make a pair of keys for a user."""
        key = Ec2Key(user_id=user_id, access=uuid4().hex, secret=secrets.token_urlsafe(32))
        return self._store.put(key)

    def delete_key(self, key_id: str) -> None:
        """Remove a pair of keys; one that is gone is fine."""
        key = self._store.get(Ec2Key, key_id)
        if key is not None:
            self._store.drop(key)

    def holder(self, user_id: str) -> TokenHolder | None:
        """Whom a token of a user's is for; None for a user that is disabled or gone."""
        user = self._store.get(StackUser, user_id)
        if user is None or not user.is_enabled:
            return None
        return stack_user(user_id=user.id, user=user.name, project_id=user.project_id)

    def by_password(self, user_id: str, password: str) -> TokenHolder | None:
        """Whom a user's password is of; None when it is not that user's."""
        user = self._store.get(StackUser, user_id)
        proof = user.password_hash if user else ""
        is_proved = bool(proof) and hmac.compare_digest(proof, _hash(password))
        return self.holder(user_id) if is_proved else None

    def by_signature(self, signed: Mapping[str, Any]) -> TokenHolder | None:
        """Who signed a request: what Keystone gets as ``ec2Credentials``. None if it is forged.

        Raises KeyError, TypeError or ValueError for what is no description of a request.
        """
        access = str(signed["access"])
        (key, *_) = self._store.find(Ec2Key, lambda key: key.access == access) or (None,)
        if key is None or self._is_stale(signed):
            return None
        host = str(signed["host"])
        # Some clients sign the host without its port.
        hosts = dict.fromkeys((host, host.partition(":")[0]))
        is_proved = any(_is_signed(key.secret, {**signed, "host": each}) for each in hosts)
        return self.holder(key.user_id) if is_proved else None

    def _is_stale(self, signed: Mapping[str, Any]) -> bool:
        """Whether a request was signed too long ago; one without a timestamp never is."""
        parameters, headers = signed.get("params") or {}, signed.get("headers") or {}
        timestamp = (
            parameters.get("Timestamp") or headers.get("X-Amz-Date") or parameters.get("X-Amz-Date")
        )
        if not timestamp:
            return False
        when = datetime.fromisoformat(str(timestamp))
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return when + SIGNATURE_LIFE < self._now()


def _is_signed(secret: str, signed: Mapping[str, Any]) -> bool:
    try:
        expected = Ec2Signer(secret).generate(dict(signed))
    except Exception:  # of no class of its own, for a version of signatures that it does not know
        return False
    return hmac.compare_digest(str(expected).encode(), str(signed["signature"]).encode())


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
