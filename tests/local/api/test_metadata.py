"""The metadata service: Nova's forms, and each server told of itself only."""

from __future__ import annotations

import base64
import json

import pytest
from werkzeug.test import Client, TestResponse

from infraci.local.api.metadata import MetadataApi
from infraci.local.domain.instance_metadata import InstanceMetadata

WEB = InstanceMetadata(
    id="5a6f1c2e-0000-4000-8000-00000000beef",
    name="Web 0",
    image_id="aabbccdd-0000-4000-8000-000000000000",
    flavor="m1.tiny",
    metadata={"role": "web"},
    keys={"mine": "ssh-ed25519 AAAA mine"},
    user_data=b"#!/bin/sh\n\xff",
    fixed_ip="10.0.0.5",
    floating_ip="172.24.4.9",
    security_groups=("default", "web"),
    volumes=("/dev/vdc", "/dev/vdb"),
)
BARE = InstanceMetadata(id="b" * 36, name="bare")


def get(path: str, asked_from: str = "172.24.105.2", method: str = "GET") -> TestResponse:
    servers = {"172.24.105.2": WEB, "172.24.105.3": BARE}
    client = Client(MetadataApi(servers.get))
    return client.open(path, method=method, environ_base={"REMOTE_ADDR": asked_from})


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/latest/meta-data/local-ipv4", "10.0.0.5"),
        ("/2009-04-04/meta-data/public-ipv4", "172.24.4.9"),
        ("/latest/meta-data/hostname", "web-0.novalocal"),
        ("/latest/meta-data/instance-id", "i-5a6f1c2e"),
        ("/latest/meta-data/ami-id", "ami-aabbccdd"),
        ("/latest/meta-data/instance-type", "m1.tiny"),
        ("/latest/meta-data/placement/availability-zone", "nova"),
        ("/latest/meta-data/security-groups", "default\nweb"),
        ("/latest/meta-data/public-keys/", "0=mine"),
        ("/latest/meta-data/public-keys/0/", "openssh-key"),
        ("/latest/meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAA mine"),
        ("/latest/meta-data/block-device-mapping/", "ami\nebs0\nebs1\nroot"),
        ("/latest/meta-data/block-device-mapping/ebs0", "/dev/vdb"),
        ("/latest/", "meta-data/\nuser-data"),
        ("/ec2/latest/meta-data/local-ipv4", "10.0.0.5"),
        ("/latest//meta-data/../meta-data/local-ipv4", "10.0.0.5"),
        (
            "/1.0/meta-data/",
            "ami-id\nami-launch-index\nami-manifest-path\nhostname\ninstance-id\nlocal-ipv4\n"
            "public-keys/\nreservation-id\nsecurity-groups",
        ),
        ("/openstack/latest/password", ""),
        ("/openstack/latest/vendor_data.json", "{}"),
        ("/openstack/latest/vendor_data2.json", '{"static": {}}'),
        ("/openstack/2012-08-10", "meta_data.json\nuser_data"),
    ],
)
def test_a_value_or_a_listing(path: str, text: str) -> None:
    answer = get(path)
    assert (answer.status_code, answer.text) == (200, text)


def test_versions() -> None:
    assert get("/").text.splitlines()[-2:] == ["2009-04-04", "latest"]
    assert get("/openstack").text.splitlines()[-2:] == ["2020-10-14", "latest"]


def test_user_data_is_given_as_it_is() -> None:
    for path in ("/latest/user-data", "/openstack/latest/user_data"):
        assert get(path).data == b"#!/bin/sh\n\xff"
        assert get(path, "172.24.105.3").status_code == 404


def test_meta_data() -> None:
    answer = get("/openstack/latest/meta_data.json")
    document = json.loads(answer.data)
    assert answer.content_type == "application/json"
    assert len(base64.b64decode(document.pop("random_seed"))) == 512
    assert document == {
        "uuid": WEB.id,
        "name": "Web 0",
        "hostname": "web-0.novalocal",
        "availability_zone": "nova",
        "launch_index": 0,
        "project_id": "1f7ac1000000400080000000000000aa",
        "meta": {"role": "web"},
        "public_keys": {"mine": "ssh-ed25519 AAAA mine"},
        "keys": [{"name": "mine", "type": "ssh", "data": "ssh-ed25519 AAAA mine"}],
        "devices": [],
        "dedicated_cpus": [],
    }
    oldest = json.loads(get("/openstack/2012-08-10/meta_data.json").data)
    assert oldest.keys() == document.keys() - {"project_id", "devices", "dedicated_cpus"}
    assert "meta" not in json.loads(get("/openstack/latest/meta_data.json", "172.24.105.3").data)


@pytest.mark.parametrize(
    ("path", "asked_from"),
    [
        ("/latest/meta-data/local-ipv4", "172.24.105.9"),
        ("/latest/meta-data/nothing", "172.24.105.2"),
        ("/latest/meta-data/hostname/x", "172.24.105.2"),
        ("/latest/meta-data/public-keys", "172.24.105.3"),
        ("/1999/meta-data/hostname", "172.24.105.2"),
        ("/openstack/1999/meta_data.json", "172.24.105.2"),
        ("/openstack/2012-08-10/network_data.json", "172.24.105.2"),
        ("/openstack/content/0000", "172.24.105.2"),
        ("/favicon.ico", "172.24.105.2"),
    ],
)
def test_what_is_not_there(path: str, asked_from: str) -> None:
    assert get(path, asked_from).status_code == 404


def test_nothing_is_set() -> None:
    assert get("/openstack/latest/password", method="POST").status_code == 405
