"""What a machine can do, and what would mend it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from infraci.local.host.capabilities import (
    Capabilities,
    Cgroups,
    Uplink,
    _cgroups,
    install_command,
    no_volumes_reason,
    probe,
    run_options,
)

ALL = 0x1FFFFFFFFFF
WITHOUT_RESOURCE = ALL & ~(1 << 24)

WHOLE = Capabilities(
    is_root=True,
    podman="4.3.1",
    cgroups=Cgroups.V2,
    runtime="crun",
    run_options=(),
    memory_limits=True,
    cpu_limits=True,
    ip=True,
    nft=True,
    mmdebstrap=True,
    debian_keyring=True,
    kernel=frozenset({"namespaces", "bridge", "veth", "nf_tables", "packet_filter"}),
    ip_forward=False,
    uplink=Uplink(device="eth0", mtu=1500),
)


def test_nothing_is_missing_on_a_whole_machine() -> None:
    assert WHOLE.missing() == ()
    assert install_command(WHOLE.missing()) is None


def test_a_machine_says_why_it_has_no_volumes(tmp_path: Path) -> None:
    control = tmp_path / "loop-control"
    assert "has no loop devices" in str(no_volumes_reason(control=control))
    control.touch()
    assert "before 5.12" in str(no_volumes_reason(control=control, release="5.4.0-1-amd64"))
    assert no_volumes_reason(control=control, release="5.12.0") is None


def test_bare_machine_is_mended_by_one_command() -> None:
    bare = dataclasses.replace(
        WHOLE,
        podman=None,
        cgroups=Cgroups.HYBRID,
        runtime=None,
        ip=False,
        nft=False,
        mmdebstrap=False,
        debian_keyring=False,
    )
    assert install_command(bare.missing()) == (
        "apt-get install --yes --no-install-recommends"
        " debian-archive-keyring iproute2 mmdebstrap nftables podman runc"
    )
    assert all(lack.remedy.startswith("apt-get install") for lack in bare.missing())


def test_root_and_kernel_are_no_packages() -> None:
    unprivileged = dataclasses.replace(WHOLE, is_root=False, kernel=frozenset())
    assert [lack.package for lack in unprivileged.missing()] == [None]
    old_kernel = dataclasses.replace(WHOLE, kernel=frozenset({"namespaces", "bridge", "veth"}))
    assert [lack.remedy for lack in old_kernel.missing()] == ["modprobe nf_tables"]
    assert install_command(old_kernel.missing()) is None
    assert (WHOLE.filters_packets, old_kernel.filters_packets) == (True, False)
    contained = dataclasses.replace(WHOLE, kernel=frozenset())
    assert [lack.what for lack in contained.missing()] == ["permission to make network namespaces"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["cgroup.controllers"], Cgroups.V2),
        (["unified/cgroup.procs", "memory/cgroup.procs"], Cgroups.HYBRID),
        (["memory/cgroup.procs"], Cgroups.V1),
    ],
)
def test_control_groups_are_told_apart(tmp_path: Path, files: list[str], expected: Cgroups) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert _cgroups(tmp_path) is expected


def test_limits_are_podmans_own_where_they_may_be_raised() -> None:
    options = run_options(
        runtime="crun", effective=ALL, open_files=1024, processes=100, pid_max=4194304
    )
    assert options[:2] == ("--systemd=always", "--runtime=crun")
    assert not any("ulimit" in option for option in options)


@pytest.mark.parametrize(
    ("open_files", "processes", "expected"),
    [
        (20000, 96365, ("nofile=20000:20000", "nproc=32768:32768")),
        (-1, -1, ("nofile=1048576:1048576", "nproc=32768:32768")),
        (2**30, 500, ("nofile=1048576:1048576", "nproc=500:500")),
    ],
)
def test_limits_are_what_may_be_had_where_they_may_not(
    open_files: int, processes: int, expected: tuple[str, ...]
) -> None:
    options = run_options(
        runtime="runc",
        effective=WITHOUT_RESOURCE,
        open_files=open_files,
        processes=processes,
        pid_max=32768,
    )
    assert tuple(o.removeprefix("--ulimit=") for o in options if "ulimit" in o) == expected


def test_capabilities_that_this_process_lacks_are_not_asked_for() -> None:
    (added,) = [
        option
        for option in run_options(
            runtime=None, effective=1 << 13, open_files=1, processes=1, pid_max=1
        )
        if option.startswith("--cap-add")
    ]
    assert added == "--cap-add=NET_RAW"


@pytest.mark.cloud
def test_this_machine_can_be_a_cloud() -> None:
    capabilities = probe()
    assert capabilities.missing() == ()
    assert capabilities.runtime in ("crun", "runc")
    assert capabilities.kernel == WHOLE.kernel
    assert capabilities.uplink is not None
    assert Path(f"/sys/class/net/{capabilities.uplink.device}").exists()
