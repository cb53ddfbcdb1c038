"""What every server must be, whatever it is for."""


def test_system_is_up_without_failed_units(host):
    failed = host.check_output("systemctl list-units --state=failed --plain --no-legend")
    assert failed == ""


def test_clock_and_release_are_right(host):
    assert host.system_info.distribution == "debian"
    assert host.system_info.release.startswith("12")


def test_ssh_serves(host):
    assert host.service("ssh").is_running
    assert host.socket("tcp://0.0.0.0:22").is_listening


def test_root_cannot_log_in_with_a_password(host):
    with host.sudo():
        settings = host.check_output("sshd -T")
    assert "permitrootlogin yes" not in settings


def test_way_out_exists(host):
    assert host.addr("deb.debian.org").is_resolvable
