"""Temporary URLs: who has one may do one thing to an object, until it expires.

Source: https://docs.openstack.org/swift/latest/api/temporary_url_middleware.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

_DIGESTS = {40: "sha1", 64: "sha256", 128: "sha512"}
_TIMES = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryUrl:
    """What a URL says of itself: its signature, its end, and the names it is for."""

    signature: str
    expires: str
    #: What names of objects begin with, where the URL is for more than one.
    prefix: str | None = None

    def allows(
        self, method: str, account: str, name: tuple[str, str], *, keys: Iterable[str], now: float
    ) -> bool:
        """Whether it is signed by one of the keys for a method, and an object in a container."""
        expires, (digest, proof) = _epoch(self.expires), _decoded(self.signature)
        if not digest or expires is None or expires <= now or method not in METHODS:
            return False
        container, object_name = name
        if self.prefix is not None and not object_name.startswith(self.prefix):
            return False
        path = f"/v1/{account}/{container}/{object_name if self.prefix is None else self.prefix}"
        path = path if self.prefix is None else f"prefix:{path}"
        # Who may read or write an object may ask about it.
        methods = (method, "GET", "PUT", "POST") if method == "HEAD" else (method,)
        expected = [
            hmac.digest(_bytes(key), _bytes(f"{each}\n{expires}\n{path}"), digest)
            for key in keys
            for each in methods
        ]
        return any(hmac.compare_digest(proof, each) for each in expected)


def _epoch(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    for form in _TIMES:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
        except ValueError:
            continue
    return None


def _decoded(signature: str) -> tuple[str, bytes]:
    """The digest's name and the bytes of a signature, in hex or base64; no name if it is none."""
    digest, colon, encoded = signature.partition(":")
    try:
        if not colon:
            return _DIGESTS.get(len(signature), ""), binascii.unhexlify(signature)
        if digest not in _DIGESTS.values():
            return "", b""
        padded = encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4)
        return digest, base64.b64decode(padded, validate=True)
    except ValueError:
        return "", b""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def known_digests() -> tuple[str, ...]:
    """The digests of signatures, by the names that they have in a URL."""
    return tuple(name for name in _DIGESTS.values() if name in hashlib.algorithms_available)
