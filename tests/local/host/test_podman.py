"""Servers for real: a container that boots, is configured by cloud-init and can be logged in to."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from infraci.base.deadline import Deadline
from infraci.errors import CloudError
from infraci.local.domain.config_drive import config_drive
from infraci.local.domain.instance_metadata import InstanceMetadata
from infraci.local.host import image_store
from infraci.local.host.capabilities import Capabilities, Cgroups, probe
from infraci.local.host.fabric import server_namespace
from infraci.local.host.podman import (
    LABEL_CLOUD,
    LABEL_FOLDER,
    ContainerSpec,
    Podman,
    _console,
    container_name,
)
from infraci.local.host.server_group import is_of_version_1
from infraci.model.run import Server
from infraci.ssh import generate_key, host_keys_from_console
from tests.containers import wait_for_login
from tests.local.wires import FabricTestbed

USER_DATA = b"""#cloud-config
write_files: [{path: /etc/motto, content: "steady as she goes"}]
runcmd: [[touch, /var/tmp/was-here]]
"""


def test_console_is_the_text_of_the_log() -> None:
    log = (
        "2026-11-21T13:05:04.699375932+00:00 stdout F Welcome to Debian!\r\n"
        "2026-11-21T13:05:04.699375932+00:00 stdout F \r\n"
        "2026-11-21T13:05:04.718278361+00:00 stdout P   half a line,\n"
        "2026-11-21T13:05:04.718278361+00:00 stdout F  and the rest\r\n"
    )
    assert _console(log) == "Welcome to Debian!\n\n  half a line, and the rest\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSetup:
    """Podman, a fabric with one network, and a key."""

    podman: Podman
    testbed: FabricTestbed
    network: str
    key: Path
    public_key: str

    def spec(self, number: int, *, user_data: bytes | None = None, **more: object) -> ContainerSpec:
        """A server ``web-<number>`` at ``10.0.0.<number>``, wired."""
        host = self.testbed.host(self.network, f"10.0.0.{number}/24")
        self.testbed.fabric.add_access(
            self.network, self.testbed.access(number), f"10.0.0.{number}"
        )
        fields: dict[str, object] = {
            "id": host.id,
            "name": f"web_{number}",
            "hostname": f"web-{number}",
            "image": image_store.ensure("debian-12").reference,
            "netns": server_namespace(host.id),
            "cpus": 1,
            "memory_mb": 256,
            "labels": {LABEL_CLOUD: self.testbed.cloud},
            "seed": config_drive(
                InstanceMetadata(
                    id=host.id,
                    name=f"web_{number}",
                    metadata={"role": "web"},
                    keys={"run": self.public_key},
                    user_data=user_data,
                )
            ),
        }
        return ContainerSpec(**{**fields, **more})  # type: ignore[arg-type]

    def server(self, spec: ContainerSpec) -> Server:
        """How to log in to a server, once its console has its host key."""
        keys = host_keys_from_console(self.wait_for(spec.id, "END SSH HOST KEY KEYS"))
        address = self.testbed.access(int(spec.hostname.partition("-")[2]))
        return Server(
            name=spec.name, id=spec.id, role="web", user="debian", address=address, host_keys=keys
        )

    def wait_for(self, server_id: str, text: str, *, times: int = 1) -> str:
        """The console, when it has a text so many times."""
        for _ in Deadline(60.0).poll(f"{text!r} on the console", first_s=0.05, ceiling_s=0.1):
            if (console := self.podman.logs(server_id)).count(text) >= times:
                break
        return console

    def run(self, spec: ContainerSpec, *argv: str) -> str:
        """What a command prints that succeeds."""
        done = self.podman.exec(spec.id, argv, timeout_s=20)
        assert done.exit_status == 0, done
        return done.stdout.strip()


@pytest.fixture(scope="module")
def capabilities() -> Capabilities:
    return probe()


@pytest.fixture(scope="module")
def setup(
    capabilities: Capabilities, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerSetup]:
    folder = tmp_path_factory.mktemp("podman")
    key = generate_key(folder, "test")
    podman = Podman(capabilities, folder / "servers")
    with FabricTestbed() as testbed:
        try:
            yield ServerSetup(
                podman=podman,
                testbed=testbed,
                network=testbed.network(),
                key=key.private_path,
                public_key=key.public,
            )
        finally:
            for state in podman.list_servers({LABEL_CLOUD: testbed.cloud}):
                podman.remove(state.id)


@pytest.fixture(scope="module")
def booted(setup: ServerSetup) -> ContainerSpec:
    """A server whose cloud-init has finished."""
    spec = setup.spec(5, user_data=USER_DATA)
    setup.podman.create_server(spec)
    setup.wait_for(spec.id, "Reached target cloud-init.target")
    return spec


@pytest.mark.cloud
class TestBooted:
    """A server after its first boot."""

    def test_is_logged_in_to_with_the_key_and_the_pinned_host_key(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        server = setup.server(booted)
        assert [key.split()[0] for key in server.host_keys] == ["ssh-ed25519"]
        with wait_for_login(server, private_key=setup.key, deadline=Deadline(20.0)) as session:
            done = session.run("sudo cat /etc/motto; hostname", timeout_s=10)
        assert done.stdout.split("\n")[0].startswith("steady as she goes")
        assert "web-5" in done.stdout

    def test_cloud_init_is_done_without_errors_or_warnings(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        assert "status: done" in setup.run(booted, "cloud-init", "status")
        log = setup.run(booted, "cat", "/var/log/cloud-init.log")
        assert [line for line in log.splitlines() if "WARN" in line or "ERROR" in line] == []
        assert setup.run(booted, "ls", "/var/tmp/was-here")

    def test_systemd_runs_with_no_failed_unit(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        assert setup.run(booted, "systemctl", "is-system-running") == "running"
        assert setup.run(booted, "systemctl", "--failed", "--no-legend") == ""

    def test_console_tells_the_boot_to_its_end(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        console = setup.podman.logs(booted.id)
        assert "Welcome to Debian GNU/Linux 12 (bookworm)!" in console
        assert "running 'init-local'" in console
        assert " finished at " in console
        assert "\r" not in console
        tail = setup.podman.logs(booted.id, tail=2)
        assert len(tail.splitlines()) == 2
        assert console.endswith(tail)

    def test_metadata_is_what_nova_would_give(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        assert setup.run(booted, "cloud-init", "query", "ds.meta_data.meta.role") == "web"
        assert setup.run(booted, "cloud-init", "query", "instance_id") == booted.id

    def test_names_resolve(self, setup: ServerSetup, booted: ContainerSpec) -> None:
        assert setup.run(booted, "hostname", "--fqdn") == "web-5.novalocal"
        assert "nameserver" in setup.run(booted, "cat", "/etc/resolv.conf")

    def test_limits_are_enforced(
        self, setup: ServerSetup, booted: ContainerSpec, capabilities: Capabilities
    ) -> None:
        assert capabilities.memory_limits
        assert _memory_mb(setup, booted, capabilities) == 256
        setup.podman.resize(booted.id, cpus=2, memory_mb=512)
        assert _memory_mb(setup, booted, capabilities) == 512

    def test_nothing_takes_the_package_lock(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        timers = setup.run(booted, "systemctl", "list-timers", "--no-legend")
        assert "apt" not in timers

    def test_package_lists_are_not_there_and_do_not_look_fresh(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        assert setup.run(booted, "ls", "/var/lib/apt/lists") == ""
        assert setup.run(booted, "stat", "--format=%Y", "/var/lib/apt/lists") == "0"

    def test_no_device_can_be_made(self, setup: ServerSetup, booted: ContainerSpec) -> None:
        """Users of this machine could open it, outside of what confines the server."""
        done = setup.podman.exec(booted.id, ["mknod", "/tmp/disk", "b", "8", "0"], timeout_s=10)
        assert "Operation not permitted" in done.stderr
        if Path("/dev/net/tun").exists():
            kind = setup.run(booted, "stat", "--format=%F", "/dev/net/tun")
            assert kind == "character special file"

    def test_no_set_uid_file_of_it_gives_rights_outside(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        """A user of this machine reaches a server's files through a process of the same number."""
        setup.run(booted, "cp", "/usr/bin/id", "/usr/local/bin/as-root")
        setup.run(booted, "chmod", "4755", "/usr/local/bin/as-root")
        user = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups")
        assert "euid=0(root)" in setup.run(booted, *user, "/usr/local/bin/as-root")
        setup.run(booted, "sh", "-c", f"{' '.join(user)} sleep 60 >/dev/null 2>&1 & echo $!")
        root = Path(f"/proc/{_process_of(setup, booted, 'sleep 60')}/root")
        done = subprocess.run(
            [*user, str(root / "usr/local/bin/as-root")], capture_output=True, text=True, timeout=10
        )
        assert done.stdout.startswith("uid=1000")  # it is reached
        assert "euid" not in done.stdout

    def test_systemd_groups_of_others_cannot_be_changed(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        groups = "/sys/fs/cgroup/systemd" if is_of_version_1() else "/sys/fs/cgroup"
        own = setup.run(booted, "sed", "-n", "s/.*:name=systemd:\\|^0:://p", "/proc/1/cgroup")
        own_group = f"{groups}{own.splitlines()[0].removesuffix('/init.scope')}"
        setup.run(booted, "mkdir", f"{own_group}/another.slice")
        setup.run(booted, "rmdir", f"{own_group}/another.slice")
        if is_of_version_1():  # of version 2 it sees no other
            for path in (f"{groups}/another", f"{groups}/infraci/another"):
                done = setup.podman.exec(booted.id, ["mkdir", path], timeout_s=10)
                assert "Read-only file system" in done.stderr
            mount = ["mount", "-o", "remount,bind,rw", groups]
            assert setup.podman.exec(booted.id, mount, timeout_s=10).exit_status != 0

    def test_command_that_hangs_is_killed(self, setup: ServerSetup, booted: ContainerSpec) -> None:
        assert setup.podman.exec(booted.id, ["sleep", "60"], timeout_s=0.3).exit_status == 124

    def test_state_is_known(self, setup: ServerSetup, booted: ContainerSpec) -> None:
        state = setup.podman.inspect(booted.id)
        assert state is not None
        assert state.running
        assert Path(f"/proc/{state.pid}").exists()
        assert state.labels[LABEL_CLOUD] == setup.testbed.cloud
        listed = setup.podman.list_servers({LABEL_CLOUD: setup.testbed.cloud})
        assert booted.id in [container.id for container in listed]

    def test_second_server_of_that_id_is_refused(
        self, setup: ServerSetup, booted: ContainerSpec
    ) -> None:
        with pytest.raises(CloudError, match="cannot create server web_5: "):
            setup.podman.create_server(booted)
        state = setup.podman.inspect(booted.id)
        assert state is not None
        assert state.running


def _process_of(setup: ServerSetup, spec: ContainerSpec, command: str) -> int:
    """The number that a process of a server has on this machine."""
    state = setup.podman.inspect(spec.id)
    assert state is not None
    namespace = Path(f"/proc/{state.pid}/ns/pid").readlink()
    for _ in Deadline(10.0).poll(f"a process {command!r}", first_s=0.05, ceiling_s=0.1):
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                line = (process / "cmdline").read_text().replace("\0", " ").strip()
                if line == command and (process / "ns/pid").readlink() == namespace:
                    return int(process.name)
    raise AssertionError


@pytest.mark.cloud
def test_server_is_stopped_started_and_rebooted(
    setup: ServerSetup, capabilities: Capabilities
) -> None:
    spec = setup.spec(6)
    setup.podman.create_server(spec)
    setup.wait_for(spec.id, "Reached target cloud-init.target")
    setup.run(spec, "touch", "/root/kept")
    host_key = setup.run(spec, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    setup.podman.resize(spec.id, cpus=1, memory_mb=300)
    # A login's processes must not hold up the shutdown.
    session = wait_for_login(setup.server(spec), private_key=setup.key, deadline=Deadline(20.0))

    setup.podman.stop(spec.id)
    session.close()
    stopped = setup.podman.inspect(spec.id)
    assert stopped is not None
    assert not stopped.running
    assert not stopped.wants_reboot
    assert stopped.exit_code != 137, "it had to be killed"

    setup.podman.start(spec.id)
    setup.run(spec, "ls", "/root/kept")
    assert _memory_mb(setup, spec, capabilities) == 300
    setup.podman.reboot(spec.id)
    setup.podman.reboot(spec.id, hard=True)
    assert _memory_mb(setup, spec, capabilities) == 300
    assert setup.run(spec, "cat", "/etc/ssh/ssh_host_ed25519_key.pub") == host_key


@pytest.mark.cloud
def test_reboot_from_inside_is_known_from_a_halt(setup: ServerSetup) -> None:
    spec = setup.spec(10)
    setup.podman.create_server(spec)
    for boot, verb, wants_reboot in ((1, "reboot", True), (2, "poweroff", False)):
        setup.wait_for(spec.id, "Reached target cloud-init.target", times=boot)
        setup.podman.exec(spec.id, ["systemctl", "--no-block", verb], timeout_s=5)
        state = setup.podman.inspect(spec.id)
        for _ in Deadline(20.0).poll(verb):
            state = setup.podman.inspect(spec.id)
            if state is None or not state.running:
                break
        assert state is not None
        assert state.wants_reboot is wants_reboot
        setup.podman.start(spec.id)


@pytest.mark.cloud
def test_several_servers_are_created_at_once(setup: ServerSetup) -> None:
    specs = [setup.spec(number) for number in (11, 12, 13)]
    with ThreadPoolExecutor(3) as pool:
        inits = list(pool.map(setup.podman.create_server, specs))
    for spec, init in zip(specs, inits, strict=True):
        server = setup.server(spec)
        wait_for_login(server, private_key=setup.key, deadline=Deadline(30.0)).close()
        assert "init" in Path(f"/proc/{init}/cmdline").read_text()  # by now it has become that
        setup.podman.remove(spec.id)


@pytest.mark.cloud
def test_a_console_does_not_fill_the_disk(setup: ServerSetup) -> None:
    spec = setup.spec(31)
    setup.podman.create_server(spec)
    setup.wait_for(spec.id, " finished at ")
    flood = "yes a line of a console that never ends | head -c 40000000; echo last line"
    setup.run(spec, "sh", "-c", f"({flood}) > /dev/console")
    setup.wait_for(spec.id, "last line")
    state = setup.podman.inspect(spec.id)
    assert state is not None
    console = Path(state.labels[LABEL_FOLDER]) / "console.log"
    assert console.stat().st_size < 20_000_000
    setup.podman.remove(spec.id)


@pytest.mark.cloud
def test_removal_leaves_nothing_and_can_be_repeated(setup: ServerSetup, tmp_path: Path) -> None:
    podman = Podman(probe(), tmp_path)
    spec = setup.spec(7)
    podman.create_server(spec)
    assert [path.name for path in tmp_path.iterdir()] == [spec.id]
    assert (tmp_path / spec.id).stat().st_mode & 0o077 == 0
    # Who knows another folder finds the server's by its label.
    Podman(probe(), tmp_path / "elsewhere").remove(spec.id)
    assert podman.inspect(spec.id) is None
    assert podman.logs(spec.id) == ""
    assert list(tmp_path.iterdir()) == []
    assert list(Path("/sys/fs/cgroup").rglob(f"{spec.id}*")) == []
    podman.remove(spec.id)


@pytest.mark.cloud
def test_server_that_cannot_start_says_why_and_leaves_nothing(setup: ServerSetup) -> None:
    broken = setup.spec(8, netns=Path("/run/netns/infraci-s-none"))
    with pytest.raises(CloudError, match="cannot create server web_8: "):
        setup.podman.create_server(broken)
    assert setup.podman.inspect(broken.id) is None
    assert list(Path("/sys/fs/cgroup").rglob(f"{broken.id}*")) == []
    unknown = setup.spec(9, image="localhost/infraci/none:1")
    with pytest.raises(CloudError, match=r"cannot create server web_9: .*none:1"):
        setup.podman.create_server(unknown)


@pytest.mark.cloud
def test_what_is_not_there(setup: ServerSetup) -> None:
    nobody = str(uuid.uuid4())
    assert setup.podman.inspect(nobody) is None
    assert setup.podman.logs(nobody) == ""
    with pytest.raises(CloudError, match=f"cannot start server {nobody}: .*{container_name('')}"):
        setup.podman.start(nobody)
    with pytest.raises(CloudError, match="cannot run true in"):
        setup.podman.exec(nobody, ["true"], timeout_s=5)
    assert list(Path("/sys/fs/cgroup").rglob(f"{nobody}*")) == []


def _memory_mb(setup: ServerSetup, spec: ContainerSpec, capabilities: Capabilities) -> int:
    v1 = capabilities.cgroups is not Cgroups.V2
    file = "memory/memory.limit_in_bytes" if v1 else "memory.max"
    return int(setup.run(spec, "cat", f"/sys/fs/cgroup/{file}")) >> 20
