"""An application server."""

import json


def test_driver_is_installed(host):
    assert host.package("python3-pymysql").is_installed


def test_service_runs_and_starts_at_boot(host):
    greeter = host.service("greeter")
    assert greeter.is_running
    assert greeter.is_enabled


def test_service_has_a_user_of_its_own(host):
    assert host.user("greeter").shell == "/usr/sbin/nologin"
    process = host.process.get(user="greeter")
    assert "greeter.py" in process.args


def test_password_is_for_root_only(host):
    with host.sudo():
        settings = host.file("/etc/greeter/database.env")
        assert (settings.user, settings.mode) == ("root", 0o600)


def test_port_is_open(host):
    assert host.socket("tcp://0.0.0.0:8080").is_listening


def test_answer_comes_from_the_database(host):
    answer = json.loads(host.check_output("curl --silent --fail http://localhost:8080/"))
    assert answer == {
        "server": host.check_output("hostname"),
        "greeting": "Hello from the third tier",
    }
