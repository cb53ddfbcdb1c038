"""The sandbox, by programs in it that try to get out. Real ones: bubblewrap and the kernel."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from pathlib import Path

import pytest

from infraci.base.program import ProgramOutputError, ProgramTimeoutError
from infraci.sandbox.bubblewrap import (
    PACKAGE,
    Limits,
    NoSandboxError,
    in_sandbox,
    no_sandbox_reason,
    run_sandboxed,
)

LIMITS = Limits(processes=16, memory_mb=512, scratch_mb=8, cpu_s=20)


def run(
    code: str,
    *read: Path,
    timeout_s: float = 60,
    output_mb: int = 1,
    limits: Limits = LIMITS,
    **environment: str,
) -> tuple[int, str]:
    """What a Python program in the sandbox ends with, and prints."""
    lines: list[str] = []
    status = run_sandboxed(
        [sys.executable, "-c", code],
        cwd=Path("/"),
        read=read,
        environment=environment,
        timeout_s=timeout_s,
        output_mb=output_mb,
        limits=limits,
        on_line=lines.append,
    )
    return status, "\n".join(lines)


def test_this_machine_has_one() -> None:
    assert no_sandbox_reason() is None


def test_setup_installs_it() -> None:
    setup = (Path(__file__).parents[2] / "bin" / "setup").read_text()
    assert f"bwrap {PACKAGE}" in setup.splitlines()


def test_it_is_told_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    no_sandbox_reason.cache_clear()
    try:
        with pytest.raises(NoSandboxError, match="bubblewrap is not installed") as caught:
            run("print('executed')")
        assert caught.value.hint == "apt-get install bubblewrap"
    finally:
        no_sandbox_reason.cache_clear()


def test_it_has_no_rights() -> None:
    status, text = run("print(open('/proc/self/status').read())")
    assert status == 0
    words = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert int(words["CapEff"], 16) == int(words["CapPrm"], 16) == int(words["CapAmb"], 16) == 0
    assert words["NoNewPrivs"] == "1"
    assert "0" not in {*words["Uid"].split(), *words["Gid"].split()}
    assert words["Groups"].strip() == ""


def test_it_sees_few_files(tmp_path: Path) -> None:
    """Not the home folder, no settings of services, no sockets, nothing that was not named."""
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    shown = tmp_path / "shown"
    shown.mkdir(mode=0o700)
    (shown / "file").write_text("seen")
    (shown / "file").chmod(0o600)
    (shown / "link").symlink_to(secret)
    status, text = run(
        f"""
import os, pathlib
print(pathlib.Path({str(shown / "file")!r}).read_text())
for path in [{str(secret)!r}, {str(shown / "link")!r}, '/etc/shadow', '/run', '/sys', '/root/.ssh',
             os.path.expanduser('~root/.config'), '/etc/openstack', '/etc/ssh', '/var/lib']:
    print(os.path.exists(path), path)
print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[:1])
print(len([p for p in os.listdir('/proc') if p.isdigit()]) < 5)
""",
        shown,
    )
    assert status == 0, text
    seen, *others, first, few = text.splitlines()
    assert seen == "seen"
    assert [line for line in others if line.startswith("True")] == []
    assert (first, few) == ("[1]", "True")


def test_it_writes_nothing_but_its_own_scratch(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("as it was")
    (tmp_path / "file").chmod(0o666)
    tmp_path.chmod(0o777)
    status, text = run(
        f"""
import pathlib
for path in [{str(tmp_path / "file")!r}, {str(tmp_path / "new")!r}, '/usr/lib/new', '/new',
             '/etc/new', '/dev/new', '/proc/sys/kernel/core_pattern', '/tmp/new']:
    try:
        pathlib.Path(path).write_text('changed')
    except OSError:
        continue
    print('wrote', path)
""",
        tmp_path,
    )
    assert (status, text) == (0, "wrote /tmp/new")
    assert (tmp_path / "file").read_text() == "as it was"
    assert not (tmp_path / "new").exists()
    assert not Path("/tmp/new").exists()


def test_it_has_no_network() -> None:
    name = f"\0infraci-{secrets.token_hex(8)}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(name)
        unix.listen()
        _, text = run(f"""
import os, socket
for family, address in [(socket.AF_INET, ('127.0.0.1', {server.getsockname()[1]})),
                        (socket.AF_INET, ('169.254.169.254', 80)),
                        (socket.AF_UNIX, {name!r})]:
    try:
        socket.socket(family).connect(address)
    except OSError:
        continue
    print('connected to', address)
print(socket.if_nameindex())
""")
    assert text.endswith("[(1, 'lo')]")
    assert "connected" not in text


def test_it_inherits_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "hidden-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-2")
    monkeypatch.setenv("https_proxy", "http://user:hidden-3@proxy.example.org")
    _, text = run(
        "import os; print(dict(os.environ)); print(open('/proc/1/environ').read())", NAMED="yes"
    )
    assert "'NAMED': 'yes'" in text
    assert "hidden-" not in text


def test_what_makes_it_gets_no_variables_of_the_commit() -> None:
    """Else LD_PRELOAD would be obeyed outside of it, by root's programs."""
    with in_sandbox(["true"], cwd=Path("/"), environment={"LD_PRELOAD": "evil.so"}) as call:
        assert "LD_PRELOAD" not in call.environment
        assert "evil.so" not in " ".join(call.command)
    _, text = run("import os; print(os.environ['LD_PRELOAD'])", LD_PRELOAD="evil.so")
    assert text.splitlines()[-1] == "evil.so"
    assert text.count("cannot be preloaded") == 1  # by the program alone


def test_a_fork_bomb_meets_a_limit() -> None:
    _, text = run("""
import os, signal
count = 0
while count < 1000:
    try:
        if os.fork() == 0:
            signal.pause()
    except OSError as error:
        print('stopped', count < 16, error.strerror)
        break
    count += 1
""")
    assert text == "stopped True Resource temporarily unavailable"


def test_memory_meets_a_limit() -> None:
    _, text = run("""
try:
    bytearray(1 << 30)
except MemoryError:
    print('refused')
""")
    assert text == "refused"


def test_files_meet_a_limit() -> None:
    _, text = run("""
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
written = 0
for number in range(100):
    for place in ('/tmp', '/dev/shm'):
        try:
            with open(f'{place}/{number}', 'wb') as file:
                written += file.write(bytes(1 << 20))
        except OSError:
            pass
print(written <= 2 * 8 << 20, 'written')
""")
    assert text == "True written"


def test_output_meets_a_limit() -> None:
    with pytest.raises(ProgramOutputError, match="killed after 1 MiB of output"):
        run("while True: print('x' * 1000)")
    with pytest.raises(ProgramOutputError):
        run("import sys\nwhile True: sys.stdout.write('x' * 1000)")


def test_what_sleeps_for_ever_is_ended_with_all_that_it_has_started() -> None:
    mark = f"infraci-sleeper-{secrets.token_hex(8)}"
    with pytest.raises(ProgramTimeoutError):
        run(
            f"""
import os, signal, subprocess, sys
os.setsid() if os.getpid() != os.getpgrp() else None
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {mark!r}],
                 start_new_session=True)
signal.pause()
""",
            timeout_s=1,
        )
    ends = time.monotonic() + 30
    while _runs(mark) and time.monotonic() < ends:
        os.sched_yield()
    assert not _runs(mark)


def _runs(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False
