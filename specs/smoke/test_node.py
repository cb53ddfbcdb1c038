"""A server as it comes."""

import pytest


def test_name(host):
    assert host.check_output("hostname").startswith("node-")


def test_ssh_is_running(host):
    assert host.service("ssh").is_running


def test_ssh_is_enabled(host):
    assert host.service("ssh").is_enabled


def test_ssh_listens(host):
    assert host.socket("tcp://22").is_listening


def test_user(host):
    assert host.user("debian").shell == "/bin/bash"


@pytest.mark.parametrize("package", ["openssh-server", "cloud-init", "sudo", "systemd"])
def test_package(host, package):
    assert host.package(package).is_installed


def test_host_name_file(host):
    assert host.file("/etc/hostname").content_string.startswith("node-")
