"""The ledger: records that are never half there, locks that end with their process."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from infraci.base.mask import MASK, hide
from infraci.errors import InfraciError, UsageError
from infraci.ledger.ledger import DamagedRunError, Ledger, UnknownRunError
from infraci.model.run import (
    Commit,
    Failure,
    Outcome,
    Phase,
    PhaseResult,
    ResourceReference,
    RunRecord,
    Server,
    Testcase,
    Verdict,
)

COMMIT = Commit(
    sha="0123456789abcdef0123456789abcdef01234567",
    author="Åsa",
    email="asa@example.org",
    date="2026-01-02T03:04:05+01:00",
    subject="Open the port",
)

_HOLD = """
import sys, pathlib
from infraci.ledger.ledger import Ledger
lock = Ledger(pathlib.Path(sys.argv[1])).lock(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def record(run_id: str, **changes: object) -> RunRecord:
    plain = RunRecord(
        id=run_id,
        pipeline="web",
        voting=True,
        commit=COMMIT,
        cloud="local",
        stack_name=f"infraci-{run_id}",
        created=1000.0,
        expires=2000.0,
        destroy="always",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


FULL = record(
    "web-01234567-abcdef",
    stack_id="42",
    tags=("infraci", "run=x"),
    pid=7,
    servers=(
        Server(
            name="web-0", id="1", role="web", user="debian", address="10.0.0.1", host_keys=("k",)
        ),
    ),
    phases=(
        PhaseResult(
            phase=Phase.PROVISION,
            started=1.5,
            duration_s=2.5,
            failure=Failure(kind="CloudError", message="m", hint="h", details="d"),
        ),
    ),
    testcases=(
        Testcase(
            server="web-0",
            role="web",
            classname="specs.web.test_http",
            name="test_answers[web-0]",
            nodeid="specs/web/test_http.py::test_answers[web-0]",
            outcome=Outcome.FAILURE,
            file=PurePosixPath("specs/web/test_http.py"),
            line=3,
            stdout="\x00\x1b[31m é 😀",
        ),
    ),
    evidence=("web-0/console.log",),
    verdict=Verdict.FAILED,
    outputs={"url": "http://10.0.0.1/"},
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def hold(root: Path, run_id: str) -> subprocess.Popen[str]:
    """Another process that is at work on a run, once this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(root), run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str], *, how: signal.Signals = signal.SIGKILL) -> None:
    process.send_signal(how)
    process.communicate()


def test_a_record_comes_back_as_it_was(ledger: Ledger) -> None:
    ledger.create(FULL).release()
    assert ledger.load(FULL.id) == FULL


def test_a_record_of_an_earlier_version_is_read(ledger: Ledger) -> None:
    reference = ResourceReference(kind="OS::Nova::Server", id="1")
    known = replace(FULL, overrides=("-P image",), resources=(reference,))
    ledger.create(known).release()
    path = ledger.folder(FULL.id).record
    stored = json.loads(path.read_text())
    stored["given"], stored["possessions"] = stored.pop("overrides"), stored.pop("resources")
    for phase in stored["phases"]:
        phase["trouble"] = phase.pop("failure")
    path.write_text(json.dumps(stored))
    assert ledger.load(FULL.id) == known
    assert known.phases[0].failure is not None


def test_an_update_replaces_the_record(ledger: Ledger) -> None:
    ledger.create(record("web-01234567-abcdef")).release()
    ledger.update(FULL)
    assert ledger.load(FULL.id) == FULL


def test_an_update_brings_back_a_record_that_was_deleted(ledger: Ledger) -> None:
    ledger.update(FULL)
    assert ledger.load(FULL.id) == FULL


def test_text_that_is_no_unicode_does_not_lose_the_record(ledger: Ledger) -> None:
    ledger.create(record("web-01234567-abcdef", outputs={"a": "b\udcff"})).release()
    assert ledger.load("web-01234567-abcdef").outputs == {"a": "b?"}


def test_git_ignores_the_ledger_by_a_file_of_its_own(ledger: Ledger, tmp_path: Path) -> None:
    ledger.create(FULL).release()
    assert (tmp_path / ".infraci/.gitignore").read_text() == "*\n"
    assert not (tmp_path / ".gitignore").exists()


def test_a_runs_folder_is_private(ledger: Ledger) -> None:
    ledger.create(FULL).release()
    assert ledger.folder(FULL.id).path.stat().st_mode & 0o777 == 0o700


def test_nothing_temporary_is_left(ledger: Ledger) -> None:
    ledger.create(FULL).release()
    ledger.update(FULL)
    assert sorted(path.name for path in ledger.folder(FULL.id).path.iterdir()) == [
        "lock",
        "run.json",
    ]


@pytest.mark.parametrize(
    ("pipeline", "start"),
    [
        ("web", "web-01234567-"),
        ("Three_Tier.yaml", "three-tier-yaml-01234567-"),
        ("3-tier", "p-3-tier-01234567-"),
        ("--", "p-01234567-"),
        ("ünicode", "nicode-01234567-"),
        ("a" * 80, "a" * 32 + "-01234567-"),
    ],
)
def test_run_ids_are_host_names_and_parts_of_stack_names(
    ledger: Ledger, pipeline: str, start: str
) -> None:
    run_id = ledger.new_run_id(pipeline, COMMIT)
    assert re.fullmatch(re.escape(start) + "[a-z2-7]{6}", run_id)
    assert len(run_id) <= 63
    ledger.folder(run_id)  # accepted


def test_run_ids_differ(ledger: Ledger) -> None:
    assert len({ledger.new_run_id("web", COMMIT) for _ in range(100)}) == 100


@pytest.mark.parametrize("run_id", ["", "..", "../x", "a/b", "A", ".hidden", "x" * 64, "a\n"])
def test_what_is_no_id_is_refused(ledger: Ledger, run_id: str) -> None:
    with pytest.raises(UsageError, match="that is not a run's id"):
        ledger.load(run_id)


def test_creating_a_run_twice_keeps_the_first(ledger: Ledger) -> None:
    with ledger.create(FULL), pytest.raises(InfraciError, match="File exists"):
        ledger.create(record(FULL.id))
    assert ledger.load(FULL.id) == FULL


def test_many_runs_created_at_once(ledger: Ledger) -> None:
    def create(_: int) -> str:
        run_id = ledger.new_run_id("web", COMMIT)
        ledger.create(record(run_id)).release()
        return run_id

    with ThreadPoolExecutor(8) as pool:
        ids = sorted(pool.map(create, range(40)))
    assert [run.id for run in ledger.list()] == ids


def test_list_is_in_order_of_creation(ledger: Ledger) -> None:
    ledger.create(record("b-0-a", created=1)).release()
    ledger.create(record("a-0-a", created=2)).release()
    assert [run.id for run in ledger.list()] == ["b-0-a", "a-0-a"]


def test_no_ledger_is_an_empty_list(ledger: Ledger) -> None:
    assert ledger.list() == ()
    assert ledger.ids() == ()


def test_keys_of_a_newer_version_are_ignored(ledger: Ledger) -> None:
    ledger.create(FULL).release()
    path = ledger.folder(FULL.id).record
    data = json.loads(path.read_text())
    data["quota"] = {"cores": 4}
    data["servers"][0]["zone"] = "nova"
    path.write_text(json.dumps(data))
    assert ledger.load(FULL.id) == FULL


def test_a_record_from_before_servers_had_aliases(ledger: Ledger) -> None:
    (server, *_) = FULL.servers
    ledger.create(replace(FULL, servers=(replace(server, name="web/1"),))).release()
    path = ledger.folder(FULL.id).record
    data = json.loads(path.read_text())
    del data["servers"][0]["alias"]
    path.write_text(json.dumps(data))
    (server,) = ledger.load(FULL.id).servers
    assert re.fullmatch("web-1-[0-9a-f]+", server.word)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (
            b'{"id": "web-01234567-abcdef",\n "pipe',
            "not JSON from line 2, column 2 on: Unterminated string",
        ),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "it is nested deeper than 100 levels"),
        (b'{"id": NaN}', "not JSON: it holds NaN"),
        (b"[]", "the record: input should be a dictionary"),
        (b'{"id": "web-01234567-abcdef"}', "pipeline: field required"),
        (json.dumps({"id": 3}).encode(), "id: input should be a valid string"),
    ],
)
def test_a_damaged_record_is_one_clear_error(ledger: Ledger, content: bytes, reason: str) -> None:
    ledger.create(FULL).release()
    ledger.create(record("good-0-a")).release()
    ledger.folder(FULL.id).record.write_bytes(content)
    with pytest.raises(DamagedRunError) as caught:
        ledger.load(FULL.id)
    assert caught.value.message.startswith(f"cannot read run {FULL.id}: ")
    assert reason in caught.value.message
    assert "\n" not in caught.value.message
    damaged: list[DamagedRunError] = []
    assert [run.id for run in ledger.list(on_damaged=damaged.append)] == ["good-0-a"]
    assert [error.run_id for error in damaged] == [FULL.id]
    assert FULL.id in ledger.ids()


def test_the_record_of_another_run_is_damage(ledger: Ledger) -> None:
    ledger.create(FULL).release()
    ledger.folder(FULL.id).record.rename(ledger.folder(FULL.id).path / "x")
    ledger.update(record("other-0-a"))
    ledger.folder("other-0-a").record.replace(ledger.folder(FULL.id).record)
    with pytest.raises(DamagedRunError, match="it is the record of run other-0-a"):
        ledger.load(FULL.id)


def test_runs_are_found_by_the_beginning_of_their_id(ledger: Ledger) -> None:
    for run_id in ("web-0-aa", "web-0-aab", "db-0-cc"):
        ledger.create(record(run_id)).release()
    assert ledger.find("db") == "db-0-cc"
    assert ledger.find("web-0-aa") == "web-0-aa"
    with pytest.raises(UsageError, match=r"2 runs begin so\n  web-0-aa\n  web-0-aab") as caught:
        ledger.find("web-")
    assert caught.value.hint == "give more of the id"


@pytest.mark.parametrize(
    ("prefix", "hint"),
    [("wbe-0-aa", 'did you mean "web-0-aa"?'), ("", "`infraci list` shows the runs")],
)
def test_an_unknown_run(ledger: Ledger, prefix: str, hint: str) -> None:
    ledger.create(record("web-0-aa")).release()
    with pytest.raises(UsageError, match="cannot find run") as caught:
        ledger.find(prefix)
    assert caught.value.hint == hint


def test_loading_an_unknown_run(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="cannot find run web-0-aa"):
        ledger.load("web-0-aa")


def test_removing_forgets_and_again_is_no_error(ledger: Ledger) -> None:
    ledger.create(FULL).release()
    ledger.remove(FULL.id)
    ledger.remove(FULL.id)
    assert ledger.ids() == ()
    assert not ledger.folder(FULL.id).path.exists()


def test_a_run_is_alive_while_this_process_works_on_it(ledger: Ledger) -> None:
    with ledger.create(FULL):
        assert ledger.is_alive(FULL.id)
        assert ledger.is_alive(FULL.id)  # looking does not let go
    assert not ledger.is_alive(FULL.id)
    assert not ledger.is_alive("unknown-0-a")


def test_a_run_is_alive_while_another_process_works_on_it(ledger: Ledger, tmp_path: Path) -> None:
    ledger.create(FULL).release()
    process = hold(tmp_path, FULL.id)
    try:
        assert ledger.is_alive(FULL.id)
        with pytest.raises(UsageError) as caught:
            ledger.lock(FULL.id)
        assert caught.value.message == (
            f"cannot lock run {FULL.id}: process {process.pid} is at work on it"
        )
    finally:
        end(process)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_the_process_however_it_comes_lets_go(
    ledger: Ledger, tmp_path: Path, how: signal.Signals
) -> None:
    ledger.create(FULL).release()
    end(hold(tmp_path, FULL.id), how=how)
    assert not ledger.is_alive(FULL.id)
    ledger.lock(FULL.id).release()


def test_programs_that_the_process_starts_do_not_hold_its_lock(ledger: Ledger) -> None:
    lock = ledger.create(FULL)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        assert not ledger.is_alive(FULL.id)
        child.communicate()


def test_looking_never_keeps_anybody_from_locking(ledger: Ledger, tmp_path: Path) -> None:
    ledger.create(FULL).release()
    look = (
        "import sys, pathlib\nfrom infraci.ledger.ledger import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]))\nprint('looking', flush=True)\n"
        "while True: ledger.is_alive(sys.argv[2])"
    )
    watchers = [
        subprocess.Popen(
            [sys.executable, "-c", look, str(tmp_path), FULL.id], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        for watcher in watchers:
            assert watcher.stdout is not None
            assert watcher.stdout.readline() == "looking\n"
        for _ in range(300):
            ledger.lock(FULL.id).release()
    finally:
        for watcher in watchers:
            end(watcher)


def test_locking_an_unknown_run(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="cannot find run web-0-aa"):
        ledger.lock("web-0-aa")


def test_a_process_killed_while_it_writes_leaves_the_old_record(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.create(FULL).release()
    program = (
        "import sys, pathlib\nfrom dataclasses import replace\n"
        "from infraci.ledger.ledger import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]))\nrecord = ledger.load(sys.argv[2])\n"
        "print('writing', flush=True)\n"
        "while True: ledger.update(record)"
    )
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), FULL.id],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        for _ in range(20):
            assert ledger.load(FULL.id) == FULL
        end(writer)
        assert ledger.load(FULL.id) == FULL


def test_a_file_where_the_ledger_belongs(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / ".infraci").write_text("")
    with pytest.raises(InfraciError, match="cannot write the record of run"):
        ledger.create(FULL)
    assert ledger.list() == ()


def test_a_full_disk(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one error no temporary directory can make; the system's own answer stands in for it."""
    ledger.create(FULL).release()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InfraciError) as caught:
        ledger.update(record(FULL.id))
    assert caught.value.message == (
        f"cannot write the record of run {FULL.id}: No space left on device"
    )
    with pytest.raises(InfraciError, match="No space left on device"):
        ledger.create(record("new-0-a"))
    monkeypatch.undo()
    assert ledger.load(FULL.id) == FULL
    assert ledger.ids() == (FULL.id,)
    assert not ledger.folder("new-0-a").path.exists()


def test_runs_that_stand_are_found_before_destroyed_ones(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number, destroyed in enumerate((False, False, True)):
        run = record(f"web-{number}", created=1000.0 + number, destroyed=destroyed)
        ledger.create(run).release()
    assert ledger.find("web") == "web-1"  # the pipeline's latest that stands
    assert ledger.find("web-2") == "web-2"
    with pytest.raises(UsageError, match="2 runs begin so"):
        ledger.find("we")
    ledger.update(record("web-0", destroyed=True))
    assert ledger.find("we") == "web-1"
    ledger.update(record("web-1", created=1001.0, destroyed=True))
    assert ledger.find("web") == "web-2"
    with pytest.raises(UnknownRunError):
        ledger.find("db")


def test_no_secret_gets_into_a_record(ledger: Ledger) -> None:
    hide("hunter22", "shop", "0123abcd")
    secret_text = "pw=hunter22"
    case = replace(
        FULL.testcases[0],
        name=f"test[{secret_text}]",
        nodeid=f"a.py::test[{secret_text}]",
        message=secret_text,
        text=secret_text,
        stdout=secret_text,
        stderr=secret_text,
    )
    failure = Failure(
        kind="CommitError", message=secret_text, hint=secret_text, details=secret_text
    )
    known = replace(
        record("shop-0123abcd-abcdef"),
        testcases=(case,),
        phases=(PhaseResult(phase=Phase.VERIFY, started=1, duration_s=1, failure=failure),),
        outputs={"a": secret_text},
        leaks=(secret_text,),
        blame={secret_text: secret_text},
        verdict=Verdict.FAILED,
    )
    with ledger.create(known):
        pass
    text = ledger.folder(known.id).record.read_text()
    assert "hunter22" not in text
    assert text.count(f"pw={MASK}") == 13
    kept = ledger.load(known.id)
    # What it is found by stays, whatever a secret may be.
    assert (kept.id, kept.commit.sha, kept.pipeline) == (known.id, known.commit.sha, known.pipeline)


@pytest.mark.parametrize("name", ["a\nb", 'a"b', "a\x1b[2Jb"])
def test_a_folder_that_ssh_cannot_be_told_of(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="cannot make a run in") as raised:
        Ledger(tmp_path / name).create(FULL)
    assert raised.value.message.isprintable()
    assert list((tmp_path / name).iterdir()) == []


def test_a_full_disk_keeps_no_run_from_being_destroyed(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        ledger, run = Ledger(disk), record("web-1")
        ledger.create(run).release()
        with (disk / "filling").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"\0" * 4096):
                pass
        with ledger.lock(run.id):
            with pytest.raises(InfraciError, match="No space left on device"):
                ledger.update(replace(run, leaks=("port x",)))
            ledger.update(replace(run, destroyed=True))
        assert ledger.load(run.id).destroyed
    finally:
        subprocess.run(["umount", disk], check=True)
