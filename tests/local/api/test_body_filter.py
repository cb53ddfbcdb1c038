"""Bodies that no API takes: a reason, and never a bug of the cloud's."""

from __future__ import annotations

import io
import json

import pytest
from werkzeug.test import Client

from infraci.local.api.body_filter import MOST_BYTES, BodyFilter
from infraci.local.api.identity import IdentityApi, Tokens
from infraci.local.domain.keystone import Identity
from infraci.local.domain.stack_users import StackUsers
from infraci.local.domain.store import Store

PATH = "/v3/auth/tokens"


@pytest.fixture
def client() -> Client:
    return Client(
        BodyFilter(
            IdentityApi(
                "http://127.0.0.1:1", "pw", Tokens(), StackUsers(Store()), Identity(Store())
            )
        )
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no authentication request"),
        (b"no JSON", "not JSON"),
        (b"a=b&c=d", "not JSON"),
        (b'"\xff"', "not UTF-8"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"auth":' * 100_000, "nested deeper"),
        (b'{"auth": NaN}', "NaN"),
        (b"1" * 10_000, "integer"),
        (b"[]", "no authentication request"),
        (b'{"auth": 1}', "no authentication request"),
        (b'{"auth": {"identity": {"methods": 7}}}', "no authentication request"),
        (
            b'{"auth": {"identity": {"methods": ["password"], "password": {"user": []}}}}',
            "no authentication request",
        ),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "x/y; charset=nope"])
def test_bad_bodies(client: Client, body: bytes, reason: str, content_type: str) -> None:
    answer = client.post(PATH, data=body, content_type=content_type)
    assert answer.status_code == 400
    assert reason in json.loads(answer.data)["error"]["message"]


def test_a_body_that_is_too_large(client: Client) -> None:
    content = io.BytesIO(b"x" * (2 * MOST_BYTES))
    answer = client.post(PATH, input_stream=content, content_length=2 * MOST_BYTES)
    assert answer.status_code == 413
    assert content.tell() <= MOST_BYTES + 1


def test_a_good_body_arrives_whole(client: Client) -> None:
    user = {"name": "infraci", "password": "wrong", "domain": {"id": "default"}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = json.dumps({"auth": {"identity": identity}, "more": "x" * 5_000_000})
    assert client.post(PATH, data=body).status_code == 401
