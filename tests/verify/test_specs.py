"""No check gets lost, whatever becomes of the server, the specs or the interpreter."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.base.deadline import Deadline
from infraci.model.run import ErrorKind, Outcome, Testcase
from infraci.ssh import generate_key
from infraci.verify import SpecSession
from tests.limits import growing_limits
from tests.sshd import Sshd
from tests.verify.conftest import Bench

THREE = """\
    import os, signal, subprocess, sys, time
    import pytest

    def test_first(host):
        assert host.check_output("echo there") == "there"

    def test_second(host):
        {second}

    def test_third(host):
        assert host.check_output("echo there") == "there"
"""


def _three(bench: Bench, second: str, *, timeout_s: float = 60) -> tuple[Testcase, ...]:
    """Run three checks; returns them in order."""
    bench.put("specs/test_three.py", THREE.format(second=second))
    found = bench.run(timeout_s=timeout_s)
    assert bench.heard == list(found.values())
    return tuple(found[f"test_{which}[web-0]"] for which in ("first", "second", "third"))


def _assert_lost(cases: tuple[Testcase, ...], kind: ErrorKind) -> None:
    """The first passed, the second has the story, the third says that it was not checked."""
    first, second, third = cases
    assert first.outcome is Outcome.PASSED
    for case in (second, third):
        assert (case.outcome, case.kind) == (Outcome.ERROR, kind), case
    expected = "cannot reach web-0" if kind is ErrorKind.INFRASTRUCTURE else "not checked"
    assert third.message.startswith(expected)
    assert second.text.startswith(second.message) or second.text


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("os._exit(0)", "ended their interpreter, with exit status 0"),
        ("os._exit(4)", "specs/test_three.py"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("import ctypes; ctypes.string_at(0)", "ended by SIGSEGV"),
        ("pytest.exit('enough')", "the specs stopped themselves: enough"),
    ],
)
def test_specs_that_end_their_interpreter(bench: Bench, second: str, message: str) -> None:
    cases = _three(bench, second)
    _assert_lost(cases, ErrorKind.CRASH)
    if "_exit(4)" not in second:
        assert message in cases[1].message
    if "string_at" in second:
        assert "test_three.py" in cases[1].text, "no traceback"


def test_specs_that_hang_are_killed_with_all_they_started(bench: Bench) -> None:
    """What they started has the tree as its working directory, by which it is found."""
    for limit_s in growing_limits(2.0):
        bench.heard.clear()
        cases = _three(bench, "subprocess.run(['sleep', '600'])", timeout_s=limit_s)
        if cases[0].outcome is Outcome.PASSED:
            break
    _assert_lost(cases, ErrorKind.TIMEOUT)
    assert cases[1].message == f"the specs of web-0 did not end in {limit_s:g} s"
    assert "in test_second" in cases[1].text, "no traceback of where it hung"
    _assert_empty(bench.tree)


def test_what_specs_leave_behind_is_killed(bench: Bench) -> None:
    cases = _three(bench, "subprocess.Popen(['sleep', '600'])")
    assert [case.outcome for case in cases] == [Outcome.PASSED] * 3
    _assert_empty(bench.tree)


def test_a_folder_that_is_called_like_an_option(bench: Bench) -> None:
    bench.put("--version/test_it.py", "def test_it(host): pass\n")
    (case,) = bench.run("--version").values()
    assert (case.nodeid, case.outcome) == ("--version/test_it.py::test_it[web-0]", Outcome.PASSED)


def test_a_collection_that_hangs(bench: Bench) -> None:
    bench.write(specs__test_it="import time\ntime.sleep(600)\n")
    (case,) = bench.run(timeout_s=1).values()
    assert (case.outcome, case.kind) == (Outcome.ERROR, ErrorKind.TIMEOUT)
    assert case.name == "specs"


def test_the_server_is_gone_from_the_start(bench: Bench, own_sshd: Sshd) -> None:
    own_sshd.kill()
    bench.sshd = own_sshd
    first, second, third = _three(bench, "pass")
    assert {case.kind for case in (first, second, third)} == {ErrorKind.INFRASTRUCTURE}
    assert first.message.startswith("cannot reach web-0")
    assert "Connection refused" in first.message
    assert first.text == first.message
    assert second.message.startswith("not checked, since the server was lost: cannot reach web-0")


def test_another_server_answers(bench: Bench, tmp_path: Path) -> None:
    other = " ".join(generate_key(tmp_path, "other").public.split()[:2])
    bench.write(specs__test_it="def test_it(host): pass\n")
    (case,) = bench.run(server=replace(bench.sshd.server, host_keys=(other,))).values()
    assert (case.outcome, case.kind) == (Outcome.ERROR, ErrorKind.INFRASTRUCTURE)
    assert "cannot trust web-0" in case.message
    assert "another machine answers" in case.text


def test_the_server_dies_in_a_check(bench: Bench, own_sshd: Sshd) -> None:
    bench.sshd = own_sshd
    listener = own_sshd.process.pid
    die = f"host.run('kill -9 {listener} $PPID; sleep 600')"
    cases = _three(bench, die)
    _assert_lost(cases, ErrorKind.INFRASTRUCTURE)
    assert "connection was lost in kill -9" in cases[1].message
    assert "test_three.py" in cases[1].text


def test_the_server_dies_between_two_checks(bench: Bench, own_sshd: Sshd) -> None:
    bench.sshd = own_sshd
    pids = f"{own_sshd.process.pid}, int(host.check_output('echo $PPID'))"
    cases = _three(bench, f"[os.kill(pid, 9) for pid in ({pids})]")
    assert [case.outcome for case in cases[:2]] == [Outcome.PASSED] * 2
    assert (cases[2].outcome, cases[2].kind) == (Outcome.ERROR, ErrorKind.INFRASTRUCTURE)
    assert "cannot reach web-0" in cases[2].message


def test_the_server_stops_answering(bench: Bench, own_sshd: Sshd) -> None:
    bench.sshd = own_sshd
    bench.write(
        specs__conftest="""\
            from infraci.ssh import Session
            Session.silence_s = Session.answer_s = 0.3
            """
    )
    listener = own_sshd.process.pid
    cases = _three(bench, f"host.run('kill -STOP {listener} $PPID; sleep 600')", timeout_s=40)
    _assert_lost(cases, ErrorKind.INFRASTRUCTURE)
    assert "no longer answers" in cases[1].message


def test_a_lost_connection_is_made_anew_for_the_next_check(bench: Bench, own_sshd: Sshd) -> None:
    """As after a check that restarts something."""
    bench.sshd = own_sshd
    first, second, third = _three(bench, "host.run('kill -9 $PPID; sleep 600')")
    assert (second.outcome, second.kind) == (Outcome.ERROR, ErrorKind.INFRASTRUCTURE)
    assert (first.outcome, third.outcome) == (Outcome.PASSED, Outcome.PASSED)


def test_a_swallowed_loss_does_not_pass_for_an_answer(bench: Bench, own_sshd: Sshd) -> None:
    bench.sshd = own_sshd
    bench.write(
        specs__test_it="""\
            def test_it(host):
                try:
                    host.run("kill -9 $PPID; sleep 600")
                except Exception:
                    pass
                assert not host.file("/etc/no-such-file").exists
            """
    )
    (case,) = bench.run().values()
    assert (case.outcome, case.kind) == (Outcome.ERROR, ErrorKind.INFRASTRUCTURE)


def test_a_refused_connection_of_the_specs_own_is_a_failure(bench: Bench) -> None:
    """An HTTP check from here that finds nobody is what specs are for."""
    connect = "import socket; socket.create_connection(('127.0.0.1', 1), timeout=5)"
    _, second, third = _three(bench, connect)
    assert (second.outcome, second.kind) == (Outcome.FAILURE, None)
    assert third.outcome is Outcome.PASSED


def test_the_warm_interpreter_dies(bench: Bench, tmp_path: Path) -> None:
    bench.write(
        specs__test_it="""\
            import os, time
            def test_it(host):
                os.kill(os.getppid(), 9)
                time.sleep(600)
            """
    )
    with SpecSession.start(tmp_path) as own:
        bench.specs = own
        for _ in range(2):  # in a run, and before one
            (case,) = bench.run(timeout_s=20).values()
            assert (case.outcome, case.kind) == (Outcome.ERROR, ErrorKind.CRASH), case
    for pid in _processes_in(bench.tree):
        os.kill(pid, signal.SIGKILL)


def test_closing_ends_runs_under_way(bench: Bench, tmp_path: Path) -> None:
    bench.write(
        specs__test_it="""\
            import time
            def test_begun(host): pass
            def test_hangs(host): time.sleep(600)
            """
    )
    own = SpecSession.start(tmp_path)
    bench.specs = own

    def close(testcase: Testcase) -> None:
        threading.Thread(target=own.close).start()

    found = bench.run(on_testcase=close)
    assert found["test_begun[web-0]"].outcome is Outcome.PASSED
    assert found["test_hangs[web-0]"].kind is ErrorKind.CRASH
    own.close()
    _assert_empty(bench.tree)


def test_servers_side_by_side(bench: Bench) -> None:
    """The checks wait for each other, so that they pass only when they run at once."""
    bench.write(
        specs__test_it="""\
            import os, pathlib, time
            def test_it(host):
                name = host.backend.get_hostname()
                others = {"web-0", "web-1", "db-0"} - {name}
                meeting = pathlib.Path("../meeting")
                meeting.mkdir(exist_ok=True)
                (meeting / name).touch()
                while not all((meeting / other).exists() for other in others):
                    time.sleep(0.01)
            """
    )
    results: dict[str, list[str]] = {}

    def run(name: str) -> None:
        own = Bench(specs=bench.specs, sshd=bench.sshd, folder=bench.folder, heard=[])
        results[name] = list(own.run(server=replace(bench.sshd.named(name), id=name)))

    names = ("web-0", "web-1", "db-0")
    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {name: [f"test_it[{name}]"] for name in names}


def test_odd_server_names(bench: Bench) -> None:
    bench.write(specs__test_it="def test_it(host): assert host.check_output('echo x') == 'x'\n")
    server = bench.sshd.named("web,0 @ höm:1")
    (case,) = bench.run(server=server).values()
    assert case.outcome is Outcome.PASSED
    assert case.server == server.name


def _assert_empty(folder: Path) -> None:
    """Nobody is in ``folder`` any more; what was killed may take a moment to go."""
    for _ in Deadline(10).poll("killed processes to go", first_s=0.01):
        if not _processes_in(folder):
            return


def _processes_in(folder: Path) -> list[int]:
    """The processes whose working directory is ``folder``."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if (process / "cwd").resolve(strict=True) == folder.resolve():
                    found.append(int(process.name))
            except OSError:
                continue
    return found


@pytest.mark.parametrize(
    "answer",
    [
        "no JSON",
        "[]",
        "7",
        "{}",
        "[" * 100_000,
        '{"testcase": {}}',
        '{"testcase": 7}',
        '{"collected": 7}',
        '{"finished": NaN}',
    ],
)
def test_answers_that_a_spec_makes_up_are_no_end_of_the_run(bench: Bench, answer: str) -> None:
    bench.put(
        "specs/test_answers.py",
        f"""\
        import contextlib, os, stat

        def test_answers(host):
            for number in range(3, 64):
                with contextlib.suppress(OSError):
                    if stat.S_ISSOCK(os.fstat(number).st_mode):
                        os.write(number, {answer!r}.encode() + b"\\n")

        def test_later(host):
            assert host.check_output("echo there") == "there"
        """,
    )
    first, later = bench.run().values()
    assert (first.kind, later.kind) == (ErrorKind.CRASH, ErrorKind.CRASH)
    assert first.message == "the specs have written into infraci's own connection"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('assert host.file("/nope").exists', 'assert host.file("/nope").exists: False'),
        ("assert not str(1)", "assert not str(1): not '1'"),
        ("assert (\n        host is None\n        or []\n    )", "assert ("),
        ("assert False", "assert False"),
        ("assert [] == [1]", "assert [] == [1]"),
        ('assert 0, "it is none"', "it is none"),
    ],
)
def test_a_failure_shows_what_was_asserted(bench: Bench, body: str, message: str) -> None:
    bench.write(specs__test_it=f"def test_it(host):\n    {body}\n")
    (case,) = bench.run().values()
    assert case.outcome is Outcome.FAILURE
    assert case.message.removeprefix("AssertionError: ").startswith(message)
