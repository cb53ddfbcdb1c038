"""Containers and objects, as Swift's own client, openstacksdk and Heat see them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
import swiftclient
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from swiftclient.exceptions import ClientException

from infraci.local import cloud_process
from tests.local.conftest import create, hot, resource, settled, until
from tests.local.test_cloud import kill, outputs

pytestmark = pytest.mark.cloud


OPTIONS = {"service_type": "object-store", "region_name": "local"}


@pytest.fixture
def swift(cloud: Connection) -> Iterator[Any]:
    """Swift's client; containers that a test leaves are removed."""
    session = cloud.config.get_session()
    client = swiftclient.Connection(auth_version=3, session=session, os_options=OPTIONS, retries=1)
    yield client
    for container in client.get_account()[1]:
        for each in client.get_container(container["name"])[1]:
            client.delete_object(container["name"], each["name"])
        client.delete_container(container["name"])
    client.close()


def names(swift: Any) -> list[str]:
    return [each["name"] for each in swift.get_account()[1]]


def here(cloud: Connection, url: str) -> str:
    """The address at which this machine reaches what servers reach at the gateway."""
    parts = urlsplit(url)
    assert parts.hostname == "169.254.169.254"
    own = urlsplit(str(cloud.object_store.get_endpoint()))
    return urlunsplit(parts._replace(netloc=own.netloc))


def test_swifts_own_client(swift: Any) -> None:
    swift.put_container("c", {"x-container-meta-a": "☃"})
    content = bytes(range(256)) * 4096
    etag = swift.put_object("c", "a//b ☃", io.BytesIO(content), chunk_size=65536)
    headers, back = swift.get_object("c", "a//b ☃")
    assert back == content
    assert headers["etag"] == etag
    chunked = swift.put_object("c", "chunked", iter([b"one", b"two"]))
    headers, listed = swift.get_container("c", full_listing=True)
    assert headers["x-container-meta-a"] == "☃"
    assert {each["name"]: each["bytes"] for each in listed} == {"a//b ☃": 1 << 20, "chunked": 6}
    assert {each["hash"] for each in listed} == {etag, chunked}
    swift.copy_object("c", "chunked", "/c/copied")
    assert swift.get_object("c", "copied", headers={"range": "bytes=1-3"})[1] == b"net"
    swift.post_object("c", "copied", {"x-object-meta-b": "1"})
    assert swift.head_object("c", "copied")["x-object-meta-b"] == "1"
    with pytest.raises(ClientException, match="409"):
        swift.delete_container("c")
    with pytest.raises(ClientException, match="404"):
        swift.get_object("c", "none")
    assert swift.get_capabilities()["swift"]["container_listing_limit"] == 10_000


def test_openstacksdk(cloud: Connection, swift: Any, tmp_path: Any) -> None:
    store: Any = cloud.object_store
    container = store.create_container("sdk", read_ACL=".r:*")
    file = tmp_path / "file"
    file.write_bytes(b"content")
    store.upload_object("sdk", "in/a file", filename=str(file))
    store.upload_object("sdk", "in/data", data="data")
    assert [each.name for each in store.containers()] == ["sdk"]
    assert [each.name for each in store.objects(container, prefix="in/")] == [
        "in/a file",
        "in/data",
    ]
    assert store.download_object("in/a file", container="sdk") == b"content"
    assert store.get_object_metadata("in/data", container="sdk").content_length == 4
    store.set_account_temp_url_key("key")
    signed = store.generate_temp_url(
        "/v1/" + store.get_endpoint().rpartition("/")[2] + "/sdk/in/data", 60, "GET"
    )
    root = store.get_endpoint().partition("/v1/")[0]
    assert requests.get(root + signed, timeout=30).text == "data"
    assert requests.get(f"{store.get_endpoint()}/sdk/in/data", timeout=30).text == "data"
    store.delete_object("in/data", container="sdk")
    with pytest.raises(Exception, match="409"):
        store.delete_container("sdk", ignore_missing=False)


def test_a_cloud_that_is_killed_has_the_former_content(state: Path, swift: Any) -> None:
    swift.put_container("c")
    swift.put_object("c", "o", b"old")

    def content() -> Iterator[bytes]:
        yield b"new" * 100_000
        until(lambda: len(list((state / "objects").iterdir())) == 2)
        kill(state)
        yield b"new"

    with pytest.raises((ClientException, requests.ConnectionError)):
        swift.put_object("c", "o", content())
    clouds = OpenStackConfig(config_files=[str(cloud_process.ensure_up())], load_envvars=False)
    session = clouds.get_one("local").get_session()
    again = swiftclient.Connection(auth_version=3, session=session, os_options=OPTIONS)
    assert again.get_object("c", "o")[1] == b"old"
    assert len(list((state / "objects").iterdir())) == 1
    again.delete_object("c", "o")
    again.delete_container("c")
    again.close()


def test_a_stacks_container(cloud: Connection, swift: Any) -> None:
    named = {
        "name": "kept",
        "X-Container-Read": ".r:*",
        "X-Container-Meta": {"owner": "infraci"},
        "X-Account-Meta": {"tier": "gold"},
    }
    template = hot(
        {
            "named": resource("OS::Swift::Container", **named),
            "purged": resource("OS::Swift::Container", PurgeOnDelete=True),
            "bucket": resource(
                "AWS::S3::Bucket", AccessControl="PublicRead", Tags=[{"Key": "a", "Value": "b"}]
            ),
        },
        outputs={
            "bytes": {"value": {"get_attr": ["named", "BytesUsed"]}},
            "url": {"value": {"get_attr": ["named", "WebsiteURL"]}},
            "purged": {"value": {"get_resource": "purged"}},
        },
    )
    stack = create(cloud, "objects", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert outputs(stack)["bytes"] == "0"
    assert outputs(stack)["url"].endswith("/kept")
    head = swift.head_container("kept")
    assert head["x-container-meta-owner"] == "infraci"
    assert swift.head_account()["x-account-meta-tier"] == "gold"
    assert len(names(swift)) == 3
    swift.put_object("kept", "o", "x")
    swift.put_object(outputs(stack)["purged"], "o", "x")
    cloud.orchestration.delete_stack(stack)
    failed = until(lambda: (s := settled(cloud, stack.id)).status == "DELETE_FAILED" and s)
    assert "Deleting non-empty container" in failed.status_reason
    swift.delete_object("kept", "o")
    cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.orchestration.stacks()))
    assert names(swift) == []


def test_what_swift_refuses_fails_a_stack(cloud: Connection) -> None:
    bucket = resource("AWS::S3::Bucket", AccessControl="PublicReadWrite")
    stack = create(cloud, "public", hot({"bucket": bucket}))
    assert stack.status == "CREATE_FAILED"
    assert "Referrers not allowed in write ACL" in stack.status_reason


def test_signals_by_temporary_urls(cloud: Connection, swift: Any) -> None:
    template = hot(
        {
            "handle": resource("OS::Heat::SwiftSignalHandle"),
            "signal": resource(
                "OS::Heat::SwiftSignal", handle={"get_resource": "handle"}, timeout=120, count=2
            ),
        },
        outputs={
            "handle": {"value": {"get_resource": "handle"}},
            "data": {"value": {"get_attr": ["signal", "data"]}},
        },
    )
    stack = cloud.orchestration.create_stack(name="signals", template=template)
    handle = here(
        cloud, until(lambda: outputs(cloud.orchestration.get_stack(stack.id)).get("handle"))
    )
    body = {"id": "1", "data": "one", "status": "SUCCESS"}
    assert requests.put(handle, json=body, timeout=30).status_code == 201
    assert requests.put(handle, json={**body, "id": "2", "data": "two"}, timeout=30).ok
    assert requests.get(handle, timeout=30).status_code == 401
    assert requests.put(handle.replace("_sig=", "_sig=0"), json=body, timeout=30).status_code == 401
    stack = settled(cloud, stack.id)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert json.loads(outputs(stack)["data"]) == {"1": "one", "2": "two"}
    cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.orchestration.stacks()))
    assert names(swift) == []
