"""The database server."""


def test_package_is_installed(host):
    assert host.package("mariadb-server").is_installed


def test_service_runs_and_starts_at_boot(host):
    mariadb = host.service("mariadb")
    assert mariadb.is_running
    assert mariadb.is_enabled


def test_other_servers_can_reach_it(host):
    assert host.socket("tcp://0.0.0.0:3306").is_listening


def test_password_is_for_root_only(host):
    with host.sudo():
        script = host.file("/etc/greeter/database.sql")
        assert (script.user, script.mode) == ("root", 0o600)


def test_greeting_is_kept(host):
    with host.sudo():
        greeting = host.check_output(
            "mariadb --batch --skip-column-names greeter -e %s", "SELECT text FROM greeting"
        )
    assert greeting == "Hello from the third tier"


def test_application_may_only_read(host):
    with host.sudo():
        grants = host.check_output(
            "mariadb --batch --skip-column-names -e %s", "SHOW GRANTS FOR 'greeter'@'%'"
        )
    assert "GRANT SELECT ON `greeter`.*" in grants
    assert "ALL PRIVILEGES" not in grants
