"""What may be removed: dead and expired runs, and nothing that is not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.base.process import this_host, this_process
from infraci.ledger.ledger import Ledger
from infraci.ledger.ownership import Ownership
from infraci.model.pipeline import DestroyPolicy
from infraci.model.run import RunRecord, Verdict
from infraci.pipeline import new_record
from infraci.pipeline.destroy_phase import remove_run
from infraci.pipeline.garbage import find_on_cloud, reason_of
from infraci.progress.plain import Silent
from tests.pipeline.fakes import COMMIT, FakeCloud, FaultInjector, write_tree

NOW = 1_000_000.0
DEAD = f"{os.getpid()}.1"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud(FaultInjector())


def record_of(ledger: Ledger, tmp_path: Path, policy: DestroyPolicy) -> RunRecord:
    return new_record(
        write_tree(tmp_path / "tree"),
        COMMIT,
        cloud="local",
        ledger=ledger,
        destroy_policy=policy,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("policy", "verdict", "later", "reason"),
    [
        (DestroyPolicy.ALWAYS, None, 0, "its process died"),
        (DestroyPolicy.ALWAYS, Verdict.FAILED, 0, "its process died"),
        (DestroyPolicy.PASSING, None, 0, "its process died"),
        (DestroyPolicy.PASSING, Verdict.FAILED, 0, None),
        (DestroyPolicy.NEVER, None, 0, None),
        (DestroyPolicy.NEVER, Verdict.PASSED, 0, None),
        (DestroyPolicy.NEVER, Verdict.PASSED, 14400, "expired"),
        (DestroyPolicy.PASSING, Verdict.FAILED, 14400, "expired"),
    ],
)
def test_dead_and_kept_runs(
    ledger: Ledger,
    tmp_path: Path,
    policy: DestroyPolicy,
    verdict: Verdict | None,
    later: float,
    reason: str | None,
) -> None:
    record = replace(record_of(ledger, tmp_path, policy), verdict=verdict)
    ledger.create(record).release()
    assert reason_of(record, ledger, NOW + later) == reason


def test_runs_at_work_and_destroyed_runs_are_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    record = record_of(ledger, tmp_path, DestroyPolicy.ALWAYS)
    with ledger.create(record):
        assert reason_of(record, ledger, NOW) is None
        assert reason_of(record, ledger, NOW + 1e6) is None
    assert reason_of(replace(record, destroyed=True), ledger, NOW + 1e6) is None


def stack(cloud: FakeCloud, run_id: str, **changes: object) -> str:
    owner = replace(Ownership(run_id=run_id, expires=NOW + 1, host=this_host()), **changes)  # type: ignore[arg-type]
    name = f"infraci-{run_id}"
    cloud.stacks[name] = owner.tags()
    cloud.keys[name] = f"ssh-ed25519 AAAA {owner.comment()}"
    return name


Find = Callable[[float], list[str]]


@pytest.fixture
def find(cloud: FakeCloud, ledger: Ledger) -> Find:
    return lambda now: [
        f"{item.what} {item.name}: {item.why}"
        for item in find_on_cloud(cloud, ledger=ledger, now=now)
    ]


def test_by_tags_when_the_record_is_gone(cloud: FakeCloud, find: Find) -> None:
    name = stack(cloud, "dead", process=DEAD)
    stack(cloud, "alive", process=this_process())
    stack(cloud, "kept")
    stack(cloud, "elsewhere", process=DEAD, host="other")
    assert find(NOW) == [f"stack {name}: its process died"]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The ledger of another repository of this machine."""
    monkeypatch.setenv("INFRACI_STATE_DIR", str(tmp_path / "state"))
    subprocess.run(["git", "init", "--quiet", tmp_path / "elsewhere"], check=True)
    return Ledger(tmp_path / "elsewhere")


def test_a_kept_run_goes_once_its_record_is_lost(
    cloud: FakeCloud, ledger: Ledger, elsewhere: Ledger, tmp_path: Path
) -> None:
    record = record_of(elsewhere, tmp_path, DestroyPolicy.NEVER)
    cloud.stacks[record.stack_name] = record.tags
    notices: list[str] = []

    def find() -> list[str]:
        items = find_on_cloud(cloud, ledger=ledger, now=NOW, tell=notices.append)
        return [f"{item.what} {item.name}: {item.why}" for item in items]

    with elsewhere.create(record):
        assert find() == []
        shutil.rmtree(elsewhere.home)
        assert find() == []  # a process is still at work on it, and writes its record again
    assert find() == [f"stack {record.stack_name}: its record is lost"]
    elsewhere.create(record).release()
    assert find() == []
    assert notices == []


def test_what_only_others_know_of_is_left_and_told(
    cloud: FakeCloud, ledger: Ledger, elsewhere: Ledger, tmp_path: Path
) -> None:
    record = record_of(elsewhere, tmp_path, DestroyPolicy.NEVER)
    theirs = [tag for tag in record.tags if not tag.startswith("infraci-host=")]
    cloud.stacks[record.stack_name] = (*theirs, "infraci-host=other")
    cloud.stacks["infraci-older"] = Ownership(
        run_id="older", expires=NOW + 1, host=this_host()
    ).tags()
    notices: list[str] = []
    assert list(find_on_cloud(cloud, ledger=ledger, now=NOW, tell=notices.append)) == []
    assert notices == [
        f"left run {run_id} until it expires ({when} UTC): it was kept on purpose, and nothing "
        f"here tells whether its record is lost; to remove it: infraci destroy {run_id}"
        for run_id, when in ((record.id, "1970-01-12 17:46"), ("older", "1970-01-12 13:46"))
    ]


def test_a_run_that_another_process_has_resumed_in_another_repository(
    cloud: FakeCloud, find: Find, tmp_path: Path
) -> None:
    elsewhere = Ledger(tmp_path / "elsewhere")
    record = record_of(elsewhere, tmp_path, DestroyPolicy.ALWAYS)
    stack(cloud, record.id, process=DEAD)
    with elsewhere.create(record):
        assert find(NOW) == []
    assert len(find(NOW)) == 1


def test_expired_from_any_machine(cloud: FakeCloud, find: Find) -> None:
    name = stack(cloud, "old", host="other", expires=NOW)
    assert find(NOW) == [f"stack {name}: expired"]


def test_what_is_not_ours_is_left_alone(cloud: FakeCloud, find: Find) -> None:
    cloud.stacks["infraci-fake"] = ("infraci",)
    cloud.stacks["somebodys"] = ("production",)
    cloud.keys["infraci-fake"] = "ssh-ed25519 AAAA me@home"
    cloud.keys["mine"] = f"ssh-ed25519 AAAA {Ownership(run_id='x', expires=0, host='h').comment()}"
    assert find(NOW * 2) == []


def test_a_key_pair_of_a_stack_that_stays_stays(cloud: FakeCloud, find: Find) -> None:
    name = stack(cloud, "kept", expires=NOW + 100)
    cloud.keys[name] = (
        f"ssh-ed25519 AAAA {Ownership(run_id='kept', expires=NOW, host='h').comment()}"
    )
    assert find(NOW + 1) == []


def test_a_key_pair_without_a_stack(cloud: FakeCloud, find: Find) -> None:
    name = stack(cloud, "dead", process=DEAD)
    cloud.stacks.clear()
    assert find(NOW) == [f"key pair {name}: its process died"]


def test_a_run_that_somebody_took_up_again_is_at_work(
    cloud: FakeCloud, ledger: Ledger, tmp_path: Path, find: Find
) -> None:
    record = record_of(ledger, tmp_path, DestroyPolicy.ALWAYS)
    stack(cloud, record.id, process=DEAD, expires=NOW)
    with ledger.create(record):
        assert find(NOW) == []
    assert len(find(NOW)) == 1


def test_removing_what_is_found(cloud: FakeCloud, ledger: Ledger) -> None:
    stack(cloud, "dead", process=DEAD)
    for item in list(find_on_cloud(cloud, ledger=ledger, now=NOW)):
        item.remove()
        item.remove()
    assert not cloud.stacks
    assert not cloud.keys


def test_removing_a_run_twice(cloud: FakeCloud, ledger: Ledger, tmp_path: Path) -> None:
    record = record_of(ledger, tmp_path, DestroyPolicy.NEVER)
    ledger.create(record).release()
    cloud.stacks[record.stack_name] = record.tags
    for _ in range(2):
        remove_run(record, cloud=cloud, ledger=ledger, progress=Silent())
    assert not cloud.stacks
    assert ledger.load(record.id).destroyed
