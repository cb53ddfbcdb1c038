"""Many stacks in sequence leave nothing: a small share of ``python -m benchmarks.endurance``."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from openstack.connection import Connection

from benchmarks.endurance import Sample, take
from benchmarks.job import Workspace
from infraci.local import cloud_process
from tests.local.conftest import create, hot, network, resource, until

WARM, MANY = 15, 40
GROUP = {"group": resource("OS::Neutron::SecurityGroup")}


@pytest.mark.cloud
def test_many_stacks_leave_nothing_in_the_process_or_on_the_machine(
    cloud: Connection, state: Path
) -> None:
    def stacks(count: int) -> Sample:
        for number in range(count):
            stack = create(cloud, f"many-{number}", hot({**network(), **GROUP}))
            assert stack.status == "CREATE_COMPLETE", stack.status_reason
            cloud.orchestration.delete_stack(stack)
            until(lambda: not list(cloud.orchestration.stacks()))
        return take(Workspace(clone=state, state=state), count)

    before, after = stacks(WARM), stacks(MANY)
    assert after.descriptors - before.descriptors < MANY / 4
    assert after.threads - before.threads < MANY / 4
    assert (after.namespaces, after.containers) == (0, 0)


@pytest.mark.filterwarnings("ignore:ThreadGroup.max_threads is deprecated:DeprecationWarning")
def test_threads_that_have_ended_are_let_go() -> None:
    from infraci.local import engine  # before anything else of Heat's: see there

    assert engine
    from infraci.local.engine_limits import Threads

    threads = Threads()
    goes_on = threading.Event()
    threads.start("busy", goes_on.wait, 60)
    for stack_id in ("a", "b"):
        threads.start(stack_id, str).join(60)
    threads.start("c", str).join(60)
    assert set(threads.groups) == {"busy", "c"}
    assert [len(group.threads) for group in threads.groups.values()] == [1, 1]
    goes_on.set()


@pytest.mark.cloud
def test_a_stack_whose_thread_has_died_can_be_deleted(cloud: Connection, state: Path) -> None:
    """As when Heat cannot write to its database: the stack stays locked, and in progress."""
    stack = create(cloud, "died", hot(GROUP))
    with closing(sqlite3.connect(state / "heat.sqlite", timeout=30)) as database, database:
        (engine,) = database.execute("SELECT engine_id FROM service WHERE deleted_at IS NULL")
        lock = (stack.id, *engine)
        database.execute("INSERT INTO stack_lock (stack_id, engine_id) VALUES (?, ?)", lock)
        database.execute("UPDATE stack SET status = 'IN_PROGRESS' WHERE id = ?", (stack.id,))
    cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.orchestration.stacks()))


@pytest.mark.cloud
def test_what_heat_knows_of_a_deleted_stack_is_purged_after_a_day(
    cloud: Connection, state: Path
) -> None:
    def known() -> set[str]:
        with closing(sqlite3.connect(state / "heat.sqlite")) as database:
            return {name for (name,) in database.execute("SELECT name FROM stack")}

    for name in ("old", "young"):
        stack = create(cloud, name, hot(GROUP))
        cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.orchestration.stacks()))
    cloud_process.down()
    with closing(sqlite3.connect(state / "heat.sqlite")) as database, database:
        database.execute(
            "UPDATE stack SET deleted_at = datetime('now', '-2 days') WHERE name = 'old'"
        )
    cloud_process.ensure_up()
    until(lambda: "old" not in known())
    assert "young" in known()
