"""What cloud-init was told in the stack's user data."""


def test_deployment_user_exists(host):
    user = host.user("deploy")
    assert user.exists
    assert user.shell == "/bin/bash"


def test_deployment_user_has_no_password(host):
    with host.sudo():
        assert host.user("deploy").password.startswith("!")


def test_motd_tells_the_floating_ip(host):
    assert host.file("/etc/motd").contains("Known to the world as [0-9.]*[.]$")


def test_kernel_settings_are_in_place(host):
    settings = host.file("/etc/sysctl.d/90-single.conf")
    assert settings.is_file
    assert settings.user == "root"
    assert settings.mode == 0o644
