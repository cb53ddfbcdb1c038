"""Which options of a mount reach the kernel of this machine."""

from __future__ import annotations

import pytest

from infraci.local.domain.mount_options import TYPES, parse_options
from infraci.local.errors import InvalidRequestError
from infraci.local.host.capabilities import FILE_SYSTEMS


def test_the_probe_of_this_machine_knows_them_all() -> None:
    assert TYPES.keys() == FILE_SYSTEMS


def test_options_go_where_the_kernel_expects_them() -> None:
    options = parse_options("ext4", "rw,noexec,noatime,data=ordered,commit=30,x-systemd.after=a")
    assert options.flags == ("noatime", "nodev", "noexec")
    assert dict(options.options) == {
        "errors": "remount-ro",
        "rw": "",
        "data": "ordered",
        "commit": "30",
    }


def test_what_fstab_and_cloud_init_add_is_for_programs() -> None:
    text = "defaults,nofail,x-systemd.requires=cloud-init.service,_netdev,comment=cloudconfig"
    assert parse_options("ext4", text) == parse_options("ext4", "")


def test_a_read_only_mount_is_one_of_a_read_only_file_system() -> None:
    options = parse_options("vfat", "ro")
    assert (options.flags, options.options) == (("nodev", "ro"), (("ro", ""),))


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("text", ["", "rw,dev,suid", "defaults"])
def test_a_volume_holds_no_devices(type_: str, text: str) -> None:
    assert "nodev" in parse_options(type_, text).flags


def test_a_copy_of_a_mounted_volume_can_be_mounted_too() -> None:
    assert ("nouuid", "") in parse_options("xfs", "rw").options


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("ext4", "errors=panic"),
        ("ext4", "journal_dev=0xfe00"),
        ("ext4", "journal_path=/dev/vda"),
        ("ext3", "rw,debug"),
        ("xfs", "logdev=/dev/vda"),
        ("xfs", "rtdev=/dev/vda"),
        ("btrfs", "device=/dev/vda"),
        ("btrfs", "fatal_errors=panic"),
        ("vfat", "uid=root"),
        ("ext4", "commit=30\nx"),
    ],
)
def test_an_option_that_names_a_device_or_stops_the_machine_is_refused(
    type_: str, text: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"mounts no {type_} with the option"):
        parse_options(type_, text)


def test_a_file_system_that_is_none_of_a_volume_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="unknown filesystem type 'overlay'"):
        parse_options("overlay", "lowerdir=/")
