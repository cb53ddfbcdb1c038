"""The load balancer, and through it the whole application."""

import json
from urllib.request import urlopen

import pytest


@pytest.fixture
def url(host):
    """Where the world reaches the application: the floating IP, which nginx was told."""
    name = host.check_output("sed -n 's/^ *server_name \\(.*\\);/\\1/p' /etc/greeter/nginx.conf")
    return f"http://{name}/"


def ask(url):
    """Ask the application, from outside."""
    with urlopen(url, timeout=10) as answer:
        return json.load(answer)


def test_package_is_installed(host):
    assert host.package("nginx").is_installed


def test_service_runs_and_starts_at_boot(host):
    nginx = host.service("nginx")
    assert nginx.is_running
    assert nginx.is_enabled


def test_configuration_is_valid(host):
    with host.sudo():
        assert host.run("nginx -t").succeeded


def test_port_is_open(host):
    assert host.socket("tcp://0.0.0.0:80").is_listening


def test_answer_comes_from_the_database(url):
    assert ask(url)["greeting"] == "Hello from the third tier"


def test_all_application_servers_answer(url):
    assert {ask(url)["server"] for _ in range(10)} == {"app-0", "app-1"}
