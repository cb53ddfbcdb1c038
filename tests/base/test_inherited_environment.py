"""What programs of a commit inherit."""

from __future__ import annotations

from infraci.base.inherited_environment import inherited


def test_what_programs_need_is_inherited() -> None:
    needed = {
        "PATH": "/usr/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": "/lib",
        "http_proxy": "http://proxy.example.org:3128",
        "NO_PROXY": "localhost",
    }
    assert inherited(needed) == needed


def test_credentials_are_not_whatever_they_are_called() -> None:
    secret = {
        "OS_PASSWORD": "s",
        "AWS_SECRET_ACCESS_KEY": "s",
        "JENKINS_TOKEN": "s",
        "SSH_AUTH_SOCK": "/run/agent",
        "KUBECONFIG": "/root/.kube/config",
        "INFRACI_CLOUD": "prod",
        "PYTEST_ADDOPTS": "-p evil",
        "DOCKER_HOST": "unix:///run/docker.sock",
        "HTTPS_PROXY": "http://user:password@proxy.example.org",
        "SPEC_OPTS": "--dry-run",
        "GITHUB_TOKEN": "s",
    }
    assert inherited(secret) == {}
