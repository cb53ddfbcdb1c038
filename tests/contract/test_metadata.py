"""What servers are told at 169.254.169.254, the same on every cloud."""

from __future__ import annotations

import pytest

from tests.contract.conftest import Repository

pytestmark = pytest.mark.timeout(900)

SPEC = '''\
import json


def ask(host, path):
    """What the metadata service answers."""
    url = f"http://169.254.169.254/{path}"
    return host.check_output(
        f"if command -v curl > /dev/null; then curl -fsS {url}; else wget -qO- {url}; fi"
    )


def test_in_the_form_of_ec2(host):
    assert ask(host, "latest/meta-data/local-ipv4") == "10.50.0.10"
    assert ask(host, "latest/meta-data/hostname") == "web.novalocal"
    assert "latest" in ask(host, "").split()
    names = ask(host, "2009-04-04/meta-data/").split()
    assert set(names) - {"kernel-id", "ramdisk-id"} == {
        "ami-id", "ami-launch-index", "ami-manifest-path", "block-device-mapping/", "hostname",
        "instance-action", "instance-id", "instance-type", "local-hostname", "local-ipv4",
        "placement/", "public-hostname", "public-ipv4", "public-keys/", "reservation-id",
        "security-groups",
    }
    assert ask(host, "latest/meta-data/public-ipv4").count(".") == 3
    assert ask(host, "latest/meta-data/public-keys/0/openssh-key").startswith("ssh-")


def test_in_the_form_of_openstack(host):
    document = json.loads(ask(host, "openstack/latest/meta_data.json"))
    assert (document["name"], document["meta"]["role"]) == ("web", "web")
    network = json.loads(ask(host, "openstack/latest/network_data.json"))
    assert len(network["links"]) == len(network["networks"]) == 1
    files = set(ask(host, "openstack/2018-08-27/").split())
    assert {"meta_data.json", "network_data.json", "vendor_data2.json", "password"} <= files


def test_what_is_not_there(host):
    url = "http://169.254.169.254/latest/meta-data/nothing"
    got = f"if command -v curl > /dev/null; then curl -fsS {url}; else wget -qO- {url}; fi"
    assert host.run(got).rc != 0
'''


def test_a_server_is_told_of_itself(repository: Repository) -> None:
    repository.write({"specs/test_web.py": SPEC})
    done = repository.run()
    assert done.returncode == 0, done.stderr
    assert "3 passed" in done.stderr
