"""What servers reach of the cloud by its gateway."""

from __future__ import annotations

import io
import json

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from infraci.local.account import ACCOUNT, USER_ID
from infraci.local.api.gateway import GatewayFilter
from infraci.local.api.identity import StackUserIdentityApi, Tokens
from infraci.local.domain.stack_users import StackUsers
from infraci.local.domain.store import Store

RESOURCE = "/orchestration/v1/0a/stacks/s/1/resources/r"
OBJECT = "/v1/AUTH_0a/c/o"
METADATA = "/cfn/v1/?Action=DescribeStackResource&StackName=s"


@pytest.fixture
def users() -> StackUsers:
    return StackUsers(Store())


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def client(users: StackUsers, tokens: Tokens) -> Client:
    """A server's view of a cloud that answers 200 to all that it gets."""
    identity = StackUserIdentityApi("http://169.254.169.254:9", users, tokens)
    return Client(GatewayFilter(Response("the cloud"), identity, Response("metadata")))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{RESOURCE}/signal"),
        ("GET", f"{RESOURCE}/metadata"),
        ("POST", "/cfn/v1/signal/arn:openstack:heat::0a:stacks/s/1/resources/r"),
        ("PUT", "/cfn/v1/waitcondition/arn:openstack:heat::0a:stacks/s/1/resources/r"),
        ("GET", METADATA),
        ("PUT", f"{OBJECT}?temp_url_sig=0a&temp_url_expires=1"),
    ],
)
def test_the_cloud_gets_what_servers_may_ask(client: Client, method: str, path: str) -> None:
    assert client.open(path, method=method).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", RESOURCE),
        ("PUT", f"{RESOURCE}/metadata"),
        ("DELETE", f"{RESOURCE}/signal"),
        ("GET", "/orchestration/v1/0a/stacks"),
        ("POST", "/orchestration/v1/0a/stacks/s/1/resources/../signal/x"),
        ("POST", METADATA),  # the body could hold another action
        ("GET", "/cfn/v1/?Action=DeleteStack&StackName=s"),
        ("GET", f"{METADATA}&Action=DeleteStack"),
        ("GET", "/cfn/v1/stacks"),
        ("GET", "/identity/v3/auth/tokens"),
        ("POST", "/identity/v3/ec2tokens"),
        ("GET", "/compute/v2.1/servers"),
        ("GET", "/network/v2.0/ports"),
        ("GET", "/infraci/status"),
        ("GET", "/load-balancer/v2.0/lbaas/loadbalancers"),
        ("GET", OBJECT),
        ("GET", f"{OBJECT}?temp_url_sig="),
        ("GET", "/v1/other?temp_url_sig=0a"),
        ("GET", "/info"),
        ("GET", "/volume"),
    ],
)
def test_other_requests_of_apis_are_refused(client: Client, method: str, path: str) -> None:
    assert client.open(path, method=method).status_code == 403


@pytest.mark.parametrize("path", ["/", "/latest/meta-data/", "/openstack", "/networks"])
def test_the_metadata_service_answers_what_names_no_api(client: Client, path: str) -> None:
    assert client.get(path).text == "metadata"


def test_a_body_is_read_to_its_end_and_held_nowhere(client: Client) -> None:
    content = io.BytesIO(b"x" * (1 << 20))
    refused = client.open("/compute/v2.1", method="POST", input_stream=content)
    assert refused.status_code == 403
    assert content.tell() == 1 << 20
    chunked = {"Transfer-Encoding": "chunked"}
    assert client.open(f"{RESOURCE}/signal", method="POST", headers=chunked).status_code == 411


def test_a_stacks_user_gets_a_token_that_only_heat_takes(
    client: Client, users: StackUsers, tokens: Tokens
) -> None:
    user = users.create("web", "0a", "secret")
    answer = ask(client, user.id, "secret")
    assert answer.status_code == 201
    token = answer.headers["X-Subject-Token"]
    holder = tokens.holder(token)
    assert holder is not None
    assert holder.user_id == user.id
    assert not tokens.is_valid(token)
    (service,) = json.loads(answer.data)["token"]["catalog"]
    (endpoint,) = service["endpoints"]
    assert endpoint["url"] == "http://169.254.169.254:9/orchestration/v1/0a"


def test_nobody_else_gets_a_token(client: Client, users: StackUsers, tokens: Tokens) -> None:
    user = users.create("web", "0a", "secret")
    assert ask(client, user.id, "other").status_code == 401
    assert ask(client, USER_ID, "secret").status_code == 401
    own, _ = tokens.issue(holder=ACCOUNT)
    by_token = {"auth": {"identity": {"methods": ["token"], "token": {"id": own}}}}
    assert client.post("/identity/v3/auth/tokens", json=by_token).status_code == 401


def ask(client: Client, user_id: str, password: str) -> Response:
    user = {"id": user_id, "password": password}
    identity = {"methods": ["password"], "password": {"user": user}}
    return client.post("/identity/v3/auth/tokens", json={"auth": {"identity": identity}})
