"""Removing a run: what it made is written down first, and what is left is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infraci.base.interrupts import Interrupts
from infraci.errors import ExitCode, PhaseTimeoutError, UsageError
from infraci.heat import Leftover
from infraci.heat.leftovers import PORT
from infraci.model.pipeline import DestroyPolicy
from infraci.model.run import ResourceReference, Verdict
from infraci.pipeline import run_phases
from infraci.pipeline.destroy_phase import RemainsError, remove_run
from infraci.pipeline.run_phases import RUN_PHASES
from tests.pipeline.fakes import FakeDrivers

LEFT = Leftover(kind=PORT, id="p1", name="x", cloud="far")


def test_a_leak_fails_a_run_that_passed(tmp_path: Path) -> None:
    fakes = FakeDrivers(tmp_path)
    fakes.cloud.left = (LEFT,)
    with Interrupts() as interrupts:
        record = run_phases(fakes.make_run(interrupts), RUN_PHASES)
    assert record.verdict is Verdict.ERROR
    assert record.verdict.exit_code is ExitCode.UNTESTABLE
    assert record.leaks == ("port x (p1)",)
    assert not record.destroyed
    failure = record.phases[-1].failure
    assert failure is not None
    assert failure.category == "leak"
    assert failure.hint == "remove what is left by:\n  openstack --os-cloud far port delete p1"
    assert "remove_leftovers" not in fakes.calls


def test_what_is_in_the_way_is_told_with_both_commands(tmp_path: Path) -> None:
    fakes = FakeDrivers(tmp_path)
    fakes.cloud.name = "far"
    fakes.cloud.left = (replace(LEFT, foreign=True),)
    with Interrupts() as interrupts:
        record = run_phases(fakes.make_run(interrupts), RUN_PHASES)
    failure = record.phases[-1].failure
    assert failure is not None
    assert failure.hint == (
        "in the way is port x (p1), which the run did not make: remove it by this, then "
        f"`infraci destroy --cloud far {record.id}` removes the rest:\n"
        "  openstack --os-cloud far port delete p1"
    )


def test_destroying_removes_what_was_left(tmp_path: Path) -> None:
    fakes = FakeDrivers(tmp_path)
    fakes.cloud.left = (LEFT,)
    with Interrupts() as interrupts:
        record = run_phases(fakes.make_run(interrupts), RUN_PHASES)
    remove_run(record, cloud=fakes.cloud, ledger=fakes.ledger, progress=fakes.progress)
    assert "remove_leftovers" in fakes.calls
    after = fakes.ledger.load(record.id)
    assert (after.destroyed, after.leaks) == (True, ())


def test_what_the_stack_made_is_known_after_it_is_gone(tmp_path: Path) -> None:
    fakes = FakeDrivers(tmp_path)
    with Interrupts() as interrupts:
        record = run_phases(fakes.make_run(interrupts), RUN_PHASES)
    server = ResourceReference(kind="OS::Nova::Server", id="1")
    assert record.resources == (server,)
    lost = replace(record, resources=(*record.resources, replace(server, id="2")))
    remove_run(lost, cloud=fakes.cloud, ledger=fakes.ledger, progress=fakes.progress)
    assert fakes.ledger.load(record.id).resources == lost.resources


def test_a_tear_down_that_does_not_end_says_what_is_left(tmp_path: Path) -> None:
    fakes = FakeDrivers(tmp_path, delete_stack=PhaseTimeoutError("cannot finish: still waiting"))
    fakes.cloud.left = (LEFT,)
    with Interrupts() as interrupts:
        run = fakes.make_run(interrupts, policy=DestroyPolicy.ALWAYS)
        record = run_phases(run, RUN_PHASES)
    assert record.leaks == ("port x (p1)",)
    failure = record.phases[-1].failure
    assert failure is not None
    assert (failure.category, failure.kind) == ("delete", RemainsError.__name__)
    assert failure.message == "cannot finish: still waiting"


def test_api_calls_are_the_runs_own(tmp_path: Path) -> None:
    fakes = FakeDrivers(tmp_path)
    fakes.faults.calls += ["of another run"] * 7
    with Interrupts() as interrupts:
        record = run_phases(fakes.make_run(interrupts), RUN_PHASES)
    assert record.api_calls["fake CALL"] == len(fakes.calls) - 7 - 1  # the report comes after all


def test_what_another_cloud_of_that_name_does_not_know_is_not_gone(tmp_path: Path) -> None:
    fakes = FakeDrivers(tmp_path)
    with Interrupts() as interrupts:
        record = run_phases(fakes.make_run(interrupts, policy=DestroyPolicy.NEVER), RUN_PHASES)
    assert record.cloud_at == fakes.cloud.where
    stacks, fakes.cloud.stacks = fakes.cloud.stacks, {}
    fakes.cloud.where = "/elsewhere"
    with pytest.raises(UsageError, match=r"was at /state, .* is at /elsewhere") as caught:
        remove_run(record, cloud=fakes.cloud, ledger=fakes.ledger, progress=fakes.progress)
    assert caught.value.hint == f"INFRACI_STATE_DIR=/state infraci destroy {record.id}"
    assert not fakes.ledger.load(record.id).destroyed
    fakes.cloud.stacks = stacks  # the same one by another address
    remove_run(record, cloud=fakes.cloud, ledger=fakes.ledger, progress=fakes.progress)
    assert fakes.ledger.load(record.id).destroyed
