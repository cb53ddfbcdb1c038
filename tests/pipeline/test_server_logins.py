"""Waiting for servers: what is waited for, what is shown, and what ends it at once."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from infraci.base.interrupts import Interrupts
from infraci.errors import CloudError, UnreachableError
from infraci.heat import GoneError, NovaServer, TransientCloudError
from infraci.heat.security_groups import Admission
from infraci.model.run import Bastion, Server, Verdict, verdict_of_error
from infraci.pipeline.run import Run
from infraci.pipeline.server_health import GuestError, LockedOutError
from infraci.pipeline.server_logins import log_in_to_all
from infraci.ssh import HostKeyError, LoginRefusedError, Session, close_jumps, generate_key, log_in
from tests.pipeline.fakes import FakeDrivers
from tests.sshd import Sshd, running_sshd

BLOCK = "-----BEGIN SSH HOST KEY KEYS-----\n{}\n-----END SSH HOST KEY KEYS-----\n"
FINISHED = "[ 9.1] cloud-init[104]: Cloud-init v. 22.4.2 finished at Fri, 27 Nov 2026 23:57:27\n"
KEYLESS = "ci-info: no authorized SSH keys fingerprints found for user deploy.\n"


class Boot:
    """A clock whose sleep lets the guest get on with its boot."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.now = 0.0
        self.steps = list(steps)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.steps:
            self.steps.pop(0)()

    def deadline(self, seconds: float = 60) -> Deadline:
        return Deadline(seconds, lambda: self.now, self.sleep, phase="provision")


class Scene:
    """A run on one real sshd, whose cloud is not real."""

    def __init__(self, run: Run, fakes: FakeDrivers, sshd: Sshd) -> None:
        self.run = run
        self.fakes = fakes
        self.sshd = sshd
        self.server = replace(sshd.server, id="1", host_keys=(), address_kind="floating")
        self.shown: list[str] = []
        fakes.progress.server = self.hear  # type: ignore[method-assign]
        fakes.cloud.poll_interval_s = (0.5, 3.0)  # each try is a real one
        sshd.authorize(generate_key(run.folder.path, "run").public)
        self.print_keys()

    def hear(self, name: str, text: str, *, is_detail: bool = False) -> None:
        self.shown.append(text)

    def print_keys(self, *keys: str) -> None:
        self.fakes.cloud.console_text = BLOCK.format("\n".join(keys or self.sshd.server.host_keys))

    def finish(self, before: str = "") -> None:
        """Let cloud-init end, after it has said something more."""
        self.fakes.cloud.console_text += before + FINISHED

    def nova_says(self, **changes: Any) -> None:
        (one,) = self.fakes.cloud.nova_servers
        self.fakes.cloud.nova_servers = (replace(one, **changes),)

    def say(self, host_keys: str) -> None:
        text = f"clouds: {{local: {{host_keys: {host_keys}}}}}\n"
        (self.run.state.tree / "infraci.yaml").write_text(text)

    def take_for_the_run(self) -> None:
        """Make the sshd's host key the one that the run injects."""
        folder, (public,) = self.run.folder, self.sshd.server.host_keys
        folder.host_key.write_bytes((self.sshd.folder / "host_key").read_bytes())
        folder.host_key.with_suffix(".pub").write_text(f"{public} ours\n")

    def log_in(self, boot: Boot | None = None, seconds: float = 60) -> Server:
        (server,) = log_in_to_all(self.run, [self.server], (boot or Boot()).deadline(seconds))
        return server


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    fakes = FakeDrivers(tmp_path / "tree")

    def really(server: Server, *, private_key: Path, timeout_s: float) -> Session:
        return log_in(server, private_key=private_key, timeout_s=timeout_s)

    fakes._log_in = really  # type: ignore[method-assign]
    with running_sshd(tmp_path / "sshd") as sshd, Interrupts() as interrupts:
        run = fakes.make_run(interrupts)
        yield Scene(run, fakes, sshd)
        run.close()


def _nothing() -> None:
    pass


def test_a_server_that_is_ready(scene: Scene) -> None:
    assert scene.log_in().host_keys == scene.sshd.server.host_keys
    assert scene.shown[0] == "waiting for it at 127.0.0.1 (floating)"
    assert scene.shown[-1] == "ready"
    assert scene.run.state.record.host_keys == "console"


def test_a_boot_is_waited_for_and_told(scene: Scene) -> None:
    good = scene.fakes.cloud.console_text
    key = scene.sshd.folder / "authorized_keys"
    allowed = key.read_text()
    scene.fakes.cloud.console_text = "booting"
    key.write_text("")

    def show() -> None:
        scene.fakes.cloud.console_text = good

    boot = Boot(_nothing, show, _nothing, lambda: key.write_text(allowed))
    scene.log_in(boot)
    assert not boot.steps
    assert scene.shown[1:-1] == ["booting"]
    assert scene.fakes.progress.notes == []  # it did not take long


def test_trouble_that_lasts_is_told_to_everybody_once(scene: Scene) -> None:
    scene.sshd.authorize()
    with pytest.raises(GuestError, match=r"key refused \(for 15 s\)") as caught:
        scene.log_in(seconds=15)
    assert caught.value.hint
    assert "the image's user" in caught.value.hint
    assert "BEGIN SSH HOST KEY" in caught.value.details
    assert isinstance(caught.value.__cause__, Exception)
    (note,) = scene.fakes.progress.notes
    assert note.startswith("web-0 still boots: cannot log in to web-0")


def test_only_a_fixed_address(scene: Scene) -> None:
    scene.server = replace(scene.server, address_kind="fixed", port=1)
    with pytest.raises(GuestError, match="Connection refused") as caught:
        scene.log_in(seconds=5)
    assert caught.value.hint
    assert "it has only a fixed address, 127.0.0.1" in caught.value.hint
    assert "name a bastion" in caught.value.hint


@pytest.mark.parametrize(
    ("console", "line"),
    [
        ("[1.0] Kernel panic - not syncing: VFS: no root\n[1.1] ---", "Kernel panic - not syncing"),
        ("ok\nYou are in emergency mode. After logging in\n", "You are in emergency mode"),
        ("ALERT! /dev/vda1 does not exist. Dropping to a shell!\n(initramfs) ", "Dropping to a"),
        ("SeaBIOS\nNo bootable device.\n", "No bootable device"),
        ("grub rescue> ", "grub rescue"),
    ],
)
def test_a_guest_that_died_ends_it_at_once(scene: Scene, console: str, line: str) -> None:
    scene.fakes.cloud.console_text = console
    boot = Boot()
    with pytest.raises(GuestError, match=f"its console says: .*{line}") as caught:
        scene.log_in(boot)
    assert boot.now < 5
    assert caught.value.category == "guest"
    assert console.strip() in caught.value.details


@pytest.mark.parametrize("status", ["ERROR", "SHUTOFF", "DELETED"])
def test_a_server_that_nova_gave_up_ends_it_at_once(scene: Scene, status: str) -> None:
    scene.sshd.kill()
    scene.nova_says(status=status, fault="out of memory")
    boot = Boot()
    with pytest.raises(GuestError, match=f"is in {status}: out of memory"):
        scene.log_in(boot)
    assert boot.now < 5


def test_a_server_that_is_gone_ends_it_at_once(scene: Scene) -> None:
    scene.sshd.kill()

    def gone(server_id: str) -> NovaServer:
        raise GoneError("no such server")

    scene.fakes.cloud.server = gone  # type: ignore[method-assign]
    with pytest.raises(GuestError, match="it is gone"):
        scene.log_in()


def test_another_host_key_than_the_console_printed(scene: Scene, tmp_path: Path) -> None:
    scene.print_keys(" ".join(generate_key(tmp_path, "other").public.split()[:2]))
    with pytest.raises(HostKeyError):
        scene.log_in()


def test_a_server_that_was_rebuilt_prints_its_new_key(scene: Scene, tmp_path: Path) -> None:
    old = " ".join(generate_key(tmp_path, "old").public.split()[:2])
    scene.server = replace(scene.server, host_keys=(old,))
    assert scene.log_in().host_keys == scene.sshd.server.host_keys


def test_an_injected_key_needs_no_console(scene: Scene) -> None:
    scene.say("injected")
    scene.fakes.cloud.console_text = ""
    scene.take_for_the_run()
    assert scene.log_in().host_keys == scene.sshd.server.host_keys
    assert scene.run.state.record.host_keys == "injected"


def test_a_guest_that_did_not_take_the_key_prints_its_own(scene: Scene) -> None:
    scene.say("injected")
    assert scene.log_in().host_keys == scene.sshd.server.host_keys
    assert scene.run.state.record.host_keys == "injected, console for web-0"


def test_whoever_answers_first(scene: Scene) -> None:
    scene.say("unverified")
    scene.fakes.cloud.console_text = ""
    assert scene.log_in().host_keys == scene.sshd.server.host_keys
    assert scene.run.state.record.host_keys == "unverified"


def test_a_bastion_of_the_stack_comes_first(scene: Scene) -> None:
    gate = scene.server
    jump = Bastion(name=gate.name, user=gate.user, address=gate.address, port=gate.port)
    hidden = replace(gate, name="db-0", bastion=jump)
    db, web = log_in_to_all(scene.run, [hidden, gate], Boot().deadline())
    assert (db.name, web.name) == ("db-0", "web-0")
    assert db.bastion == replace(jump, host_keys=scene.sshd.server.host_keys)
    assert scene.shown.index("ready") < scene.shown.index(
        "waiting for it at 127.0.0.1 (floating) through web-0"
    )
    assert "Accepted" in (scene.sshd.folder / "sshd.log").read_text()
    close_jumps(scene.run.folder.login_key)


def test_two_that_fail(scene: Scene) -> None:
    scene.sshd.authorize()
    twin = replace(scene.server, name="web-1")
    with pytest.raises(GuestError) as caught:
        log_in_to_all(scene.run, [scene.server, twin], Boot().deadline(5))
    assert "and:\ncannot log in to web-1" in caught.value.details
    assert not isinstance(caught.value, LoginRefusedError)


def test_a_key_that_is_refused_when_all_has_ended(scene: Scene) -> None:
    scene.sshd.authorize()
    boot = Boot(*[_nothing] * 5, lambda: scene.finish(KEYLESS))
    with pytest.raises(LockedOutError) as caught:
        scene.log_in(boot)
    assert boot.now < 30
    assert caught.value.message == (
        f"cannot log in to web-0 as {scene.server.user}: key refused, though its boot and "
        f"cloud-init have ended: cloud-init has made deploy, without the key, and no "
        f"{scene.server.user}"
    )
    assert "`users:` in user_data has to contain `default`" in str(caught.value.hint)
    assert "no authorized SSH keys" in caught.value.details
    assert verdict_of_error(caught.value) is Verdict.FAILED


def test_a_shell_that_runs_nothing_when_all_has_ended(tmp_path: Path, scene: Scene) -> None:
    with running_sshd(tmp_path / "mute", "ForceCommand echo not available; exit 1\n") as mute:
        mute.authorize(scene.run.folder.login_key.with_suffix(".pub").read_text().strip())
        scene.server = replace(scene.server, port=mute.server.port)
        scene.print_keys(*mute.server.host_keys)
        scene.finish()
        with pytest.raises(LockedOutError, match="on web-0: not available, though its boot"):
            scene.log_in()


@pytest.mark.parametrize("has_keys", [True, False])
def test_a_port_that_is_closed_when_all_has_ended(scene: Scene, has_keys: bool) -> None:
    """Also where the SSH server went before cloud-init could print its keys."""
    scene.sshd.kill()
    if not has_keys:
        scene.fakes.cloud.console_text = ""
    scene.finish()
    boot = Boot()
    with pytest.raises(LockedOutError, match="Connection refused, though its boot") as caught:
        scene.log_in(boot)
    assert boot.now < 30
    assert "move its SSH server" in str(caught.value.hint)


def test_host_keys_that_are_never_printed_blame_nobody(scene: Scene) -> None:
    """The image may be made like that."""
    scene.fakes.cloud.console_text = FINISHED
    with pytest.raises(GuestError, match="shows no SSH host keys, though its boot") as caught:
        scene.log_in()
    assert verdict_of_error(caught.value) is Verdict.ERROR


@pytest.mark.parametrize("more", ["[ 0.0] Linux version 6.1\n", "[  OK  ] Stopped target basic.\n"])
def test_a_boot_after_the_first_is_waited_for(scene: Scene, more: str) -> None:
    scene.sshd.authorize()
    scene.finish()
    scene.fakes.cloud.console_text += more
    with pytest.raises(GuestError) as caught:
        scene.log_in()
    assert not isinstance(caught.value, LockedOutError)


def test_a_console_that_cannot_be_read_blames_nobody(scene: Scene) -> None:
    """The cloud is away, and so may be the way to its servers."""
    scene.say("injected")
    scene.take_for_the_run()
    scene.finish()
    scene.sshd.kill()

    def lose() -> None:
        def console(server_id: str) -> str:
            raise CloudError("cannot read the console: the cloud is away")

        scene.fakes.cloud.console = console  # type: ignore[method-assign]

    with pytest.raises(GuestError) as caught:
        scene.log_in(Boot(*[_nothing] * 3, lose))
    assert not isinstance(caught.value, LockedOutError)


@pytest.mark.parametrize("host_keys", ["console", "injected"])
@pytest.mark.parametrize("call", ["console", "server"])
def test_a_lost_cloud_is_told_at_once_and_as_that(scene: Scene, call: str, host_keys: str) -> None:
    """The cloud's driver has asked again for as long as is of use when it raises this."""
    scene.say(host_keys)
    scene.take_for_the_run()
    scene.finish()
    scene.sshd.authorize()

    def lose() -> None:
        def ask(server_id: str) -> Any:
            raise TransientCloudError("cannot read it on cloud local: connection refused")

        setattr(scene.fakes.cloud, call, ask)

    boot = Boot(_nothing, lose)
    with pytest.raises(TransientCloudError, match="connection refused"):
        scene.log_in(boot)
    assert boot.now < 15


def test_a_lost_cloud_does_not_hide_why_time_is_over(scene: Scene) -> None:
    scene.say("injected")
    scene.take_for_the_run()
    scene.sshd.authorize()

    def ask(server_id: str) -> Any:
        raise TransientCloudError("cannot show it on cloud local: connection refused")

    scene.fakes.cloud.server = ask  # type: ignore[method-assign]
    with pytest.raises(GuestError, match=r"key refused \(for 1 s\)"):
        scene.log_in(seconds=1)  # before the first look


def test_a_bastion_in_trouble_is_not_the_server(scene: Scene) -> None:
    scene.finish()
    gate = Bastion(name="gate", user="nobody", address="127.0.0.1", port=scene.server.port)
    gate = replace(gate, host_keys=scene.sshd.server.host_keys)
    hidden = replace(scene.server, name="db-0", bastion=gate)
    with pytest.raises(UnreachableError, match="cannot log in to gate") as caught:
        log_in_to_all(scene.run, [hidden], Boot().deadline())
    assert not isinstance(caught.value, LockedOutError)


def test_a_fixed_address_may_only_be_out_of_reach(scene: Scene) -> None:
    scene.finish()
    scene.server = replace(scene.server, address_kind="fixed", port=1)
    with pytest.raises(GuestError, match="Connection refused") as caught:
        scene.log_in()
    assert not isinstance(caught.value, LockedOutError)


def test_the_one_that_blames_the_commit_comes_first(scene: Scene) -> None:
    scene.sshd.authorize()
    scene.finish()
    gone = replace(scene.server, name="gone", id="2", port=1)
    get_server = scene.fakes.cloud.server

    def server(server_id: str) -> NovaServer:
        if server_id == gone.id:
            raise GoneError("no such server")
        return get_server(server_id)

    scene.fakes.cloud.server = server  # type: ignore[method-assign]
    with pytest.raises(LockedOutError) as caught:
        log_in_to_all(scene.run, [gone, scene.server], Boot().deadline())
    assert "and:\ncannot log in to gone: it is gone" in caught.value.details


@contextmanager
def _silent(scene: Scene) -> Iterator[None]:
    """Let the server answer nothing, as behind a packet filter."""
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())  # the next one is not answered any more
        scene.server = replace(scene.server, port=full.getsockname()[1])
        yield


def test_a_server_whose_security_groups_let_no_login_in(scene: Scene) -> None:
    scene.fakes.cloud.admitted = Admission(is_open=False, groups=("firewall", "web"))
    with _silent(scene), pytest.raises(LockedOutError) as caught:
        scene.log_in(seconds=0.6)
    port = scene.server.port
    assert caught.value.message == (
        f"cannot log in to web-0: no security group of web-0 allows tcp/{port} in from 127.0.0.1, "
        "which is this machine"
    )
    assert "its security groups are firewall, web: add a rule" in str(caught.value.hint)


def test_a_server_without_a_security_group(scene: Scene) -> None:
    scene.fakes.cloud.admitted = Admission(is_open=False)
    with _silent(scene), pytest.raises(LockedOutError) as caught:
        scene.log_in(seconds=0.6)
    assert "its port has no security group" in str(caught.value.hint)


@pytest.mark.parametrize("answer", [Admission(is_open=True), CloudError("cannot tell")])
def test_a_silent_server_that_its_security_groups_do_not_explain(
    scene: Scene, answer: Admission | CloudError
) -> None:
    scene.fakes.cloud.admitted = answer
    with _silent(scene), pytest.raises(GuestError) as caught:
        scene.log_in(seconds=0.6)
    assert "no answer in" in caught.value.message
