"""An upgrade: the base all its way, the update, and what is said when either fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infraci.app.existing_run import undone
from infraci.base.interrupts import Interrupts
from infraci.errors import CloudError, ConfigureError, DefinitionError, ExitCode, UsageError
from infraci.heat import NovaServer, RefusedError, Resource, ServerAddress, Stack, StackFailedError
from infraci.heat.objects import Event
from infraci.heat.openstack_connection import Connection
from infraci.heat.update import update_failed
from infraci.model.decode import parse_pipeline
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.run import (
    ChangeKind,
    Commit,
    ErrorKind,
    Outcome,
    Phase,
    RunRecord,
    Testcase,
    Verdict,
)
from infraci.pipeline import OpenBase, Version, run_phases
from infraci.pipeline.run_phases import UPGRADE_PHASES
from infraci.pipeline.update_changes import StackSnapshot, check_changes
from tests.heat.fakes import FakeSdk
from tests.pipeline.fakes import COMMIT, PIPELINE, FakeDrivers, Fault, interrupt, write_tree

BASE = Commit(
    sha="fedcba9876543210fedcba9876543210fedcba98",
    author="Bo",
    email="bo@example.org",
    date="2026-01-01T03:04:05+01:00",
    subject="Begin",
)
UPGRADE = PIPELINE + "upgrade: {no_replace: [web-*]}\n"

Step = Callable[[], object]


class UpgradeFakes(FakeDrivers):
    """The fake drivers of an upgrade, and runs that they work for."""

    def __init__(self, root: Path, **faults: Fault) -> None:
        super().__init__(root / "head", **faults)
        self.pipeline = parse_pipeline(UPGRADE, name="web", root=self.root)
        self.base_root = root / "base"
        self.base_pipeline = write_tree(self.base_root)
        self.base_closed = False

    def run(
        self,
        phases: tuple[Phase, ...] = UPGRADE_PHASES,
        policy: DestroyPolicy = DestroyPolicy.ALWAYS,
        record: RunRecord | None = None,
        open_base: OpenBase | None = None,
    ) -> RunRecord:
        with Interrupts() as interrupts:
            run = self.make_run(
                interrupts, policy=policy, record=record, open_base=open_base or self.open_base
            )
            return run_phases(run, phases)

    @contextmanager
    def open_base(self) -> Iterator[Version]:
        self.faults.inject("open_base")
        yield Version(
            commit=BASE, pipeline=self.base_pipeline, tree=self.base_root, load=self._load
        )
        self.base_closed = True

    def server(self, **changes: Any) -> NovaServer:
        (one,) = self.cloud.nova_servers
        return replace(one, **changes)

    def find(self, *servers: NovaServer) -> None:
        self.cloud.nova_servers = servers


@pytest.fixture(name="make_fakes")
def _make_fakes(tmp_path: Path) -> Callable[..., UpgradeFakes]:
    return lambda **faults: UpgradeFakes(tmp_path, **faults)


Make = Callable[..., UpgradeFakes]


def of_commit(record: RunRecord) -> list[Testcase]:
    """What testcases tell of the commit, but for those that were not run."""
    return [case for case in record.testcases if case.outcome is not Outcome.SKIPPED]


def checks(testcases: Sequence[Testcase]) -> list[Testcase]:
    """Those of the specs."""
    return [case for case in testcases if case.phase is Phase.VERIFY]


def labels(record: RunRecord) -> list[str]:
    return [result.label for result in record.phases]


def nth(number: int, step: Fault) -> Step:
    """Something that happens only the so-many-th time (1 is the first)."""
    count = 0

    def at() -> None:
        nonlocal count
        count += 1
        if count == number:
            if isinstance(step, BaseException):
                raise step
            step()

    return at


#: What a service says to a value that it finds wrong.
BAD_VALUE = "BadRequest: resources.web: no luck (HTTP 400)"


def failure(reason: str = BAD_VALUE, *, rolled_back: bool = True) -> Exception:
    """What the cloud raises when an update failed."""
    status = "ROLLBACK_COMPLETE" if rolled_back else "ROLLBACK_FAILED"
    event = Event(
        id="e", time="t", stack_name="s", resource="web", status="UPDATE_FAILED", reason=reason
    )
    stack = Stack(id="s", name="s", status=status, reason="why")
    nowhere = Connection("far", FakeSdk(lambda *_: (500, None)))
    return update_failed(nowhere, stack, (), [event], types={"web": "OS::Heat::Value"})


def test_an_upgrade_goes_all_the_way(make_fakes: Make) -> None:
    fakes = make_fakes()
    record = fakes.run()
    assert record.verdict is Verdict.PASSED
    assert labels(record) == [
        "plan",
        "provision (base)",
        "configure (base)",
        "verify (base)",
        "update",
        "configure",
        "verify",
        "destroy",
    ]
    assert record.base == BASE
    assert record.commit == COMMIT
    of_base = ["stack", "boot[web-0]", "test_0[web-0]", "test_1[web-0]"]
    assert [case.name for case in record.base_testcases] == of_base
    assert [case.name for case in record.testcases] == [
        "stack",
        "web-0 is kept",
        "boot[web-0]",
        "test_0[web-0]",
        "test_1[web-0]",
    ]
    assert fakes.specs.roots == [fakes.base_root, fakes.root]
    assert fakes.ledger.load(record.id) == record
    assert fakes.base_closed
    assert not fakes.cloud.stacks


def test_the_update_is_sent_the_heads_template_with_the_runs_key(make_fakes: Make) -> None:
    fakes = make_fakes()
    record = fakes.run()
    created, updated = fakes.cloud.requests
    assert created.parameters["key_name"] == updated.parameters["key_name"] == record.stack_name


def test_steps_hear_of_the_commit_that_they_are_of(make_fakes: Make) -> None:
    fakes = make_fakes()
    seen: list[tuple[str, Path, str]] = []

    def see() -> None:
        options = fakes.configured
        seen.append((options["commit"], options["root"], options["logs"].name))

    fakes.faults.by_name["configure"] = see
    fakes.run()
    assert seen == [
        (BASE.sha, fakes.base_root, "base"),
        (COMMIT.sha, fakes.root, "logs"),
    ]


def test_a_server_that_is_kept_keeps_its_session(make_fakes: Make) -> None:
    fakes = make_fakes()
    fakes.run()
    assert fakes.calls.count("log_in") == 1
    assert fakes.calls.count("console") == 1


def test_a_server_that_was_replaced_is_logged_in_to_again(make_fakes: Make) -> None:
    fakes = make_fakes()
    fakes.pipeline = replace(fakes.pipeline, upgrade=replace(_upgrade(fakes), no_replace=()))
    fakes.faults.by_name["update_stack"] = lambda: fakes.find(fakes.server(id="2"))
    record = fakes.run()
    assert record.verdict is Verdict.PASSED
    assert fakes.calls.count("log_in") == 2
    assert fakes.calls.count("console") == 2
    assert [session.is_alive for session in fakes.sessions] == [False, False]
    assert [server.id for server in record.servers] == ["2"]
    (change,) = record.changes
    assert (change.path, change.kind) == ("web-0", ChangeKind.REPLACED)


def test_a_server_at_another_address_keeps_its_host_keys(make_fakes: Make) -> None:
    fakes = make_fakes()
    elsewhere = (ServerAddress(address="192.0.2.9", kind="access"),)
    fakes.faults.by_name["update_stack"] = lambda: fakes.find(fakes.server(addresses=elsewhere))
    record = fakes.run()
    assert record.verdict is Verdict.PASSED
    assert fakes.calls.count("log_in") == 2
    assert fakes.calls.count("console") == 1
    assert record.servers[0].address == "192.0.2.9"


def test_a_new_server_joins(make_fakes: Make) -> None:
    fakes = make_fakes()
    old = fakes.server()
    new = replace(old, id="2", name="web-1")
    fakes.faults.by_name["update_stack"] = lambda: fakes.find(old, new)
    record = fakes.run()
    assert record.verdict is Verdict.PASSED
    assert fakes.calls.count("log_in") == 2
    assert [change.kind for change in record.changes] == [ChangeKind.ADDED]
    assert len(checks(record.testcases)) == 4


def _upgrade(fakes: UpgradeFakes) -> Any:
    assert fakes.pipeline.upgrade is not None
    return fakes.pipeline.upgrade


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"id": "2"}, ChangeKind.REPLACED), ({"image": "other"}, ChangeKind.REBUILT)],
)
def test_what_was_not_to_be_replaced(make_fakes: Make, change: Any, kind: ChangeKind) -> None:
    fakes = make_fakes()
    fakes.faults.by_name["update_stack"] = lambda: fakes.find(fakes.server(**change))
    record = fakes.run()
    assert record.verdict is Verdict.FAILED
    (bad,) = [case for case in record.testcases if case.outcome is Outcome.FAILURE]
    assert bad.name == "web-0 is kept"
    assert f"was {kind}" in bad.message
    assert labels(record)[-2:] == ["verify", "destroy"]  # the rest is looked at all the same
    assert fakes.calls.count("log_in") == 2


def test_a_pattern_that_protects_nothing(make_fakes: Make) -> None:
    fakes = make_fakes()
    fakes.pipeline = replace(
        fakes.pipeline, upgrade=replace(_upgrade(fakes), no_replace=("wbe-*",))
    )
    record = fakes.run()
    assert record.verdict is Verdict.INVALID
    assert 'no resource "wbe-*"' in str(record.phases[4].failure)


# The base is not to blame on anybody


BASE_STEPS: list[tuple[str, Fault]] = [
    ("create_stack", CloudError("no")),
    ("create_stack", RefusedError("no", reason="no")),
    ("wait", CloudError("CREATE_FAILED")),
    ("wait", StackFailedError("no luck", exit_code=ExitCode.FAILED)),
    ("log_in", DefinitionError("no")),
    ("configure", ConfigureError("no")),
    ("specs", CloudError("no")),
    ("load", nth(2, DefinitionError("no"))),  # the first is the head's
]


@pytest.mark.parametrize(("name", "fault"), BASE_STEPS)
def test_trouble_of_the_base_says_nothing_of_the_head(
    make_fakes: Make, name: str, fault: Fault
) -> None:
    record = make_fakes(**{name: fault}).run()
    assert record.verdict is Verdict.ERROR
    assert of_commit(record) == []
    assert not any(result.failure and result.failure.blames for result in record.phases)
    assert Phase.UPDATE not in [result.phase for result in record.phases]
    assert record.destroyed


@pytest.mark.parametrize("outcome", [Outcome.FAILURE, Outcome.ERROR])
def test_failures_of_the_base_say_nothing_of_the_head(make_fakes: Make, outcome: Outcome) -> None:
    fakes = make_fakes()
    fakes.specs.outcomes = (Outcome.PASSED, outcome)
    record = fakes.run()
    assert record.verdict is Verdict.ERROR
    assert of_commit(record) == []
    outcomes = [case.outcome for case in checks(record.base_testcases)]
    assert outcomes == [Outcome.PASSED, outcome]
    assert "update_stack" not in fakes.calls
    assert "collect" in fakes.calls


def test_a_bad_file_of_the_base_is_told_with_the_base(make_fakes: Make) -> None:
    fakes = make_fakes()
    (fakes.base_root / "specs" / "test_web.py").write_text("def test_0(host) pass\n")
    record = fakes.run()
    assert record.verdict is Verdict.ERROR
    (plan,) = record.phases
    assert plan.failure is not None
    assert plan.failure.message.startswith("cannot test the upgrade from fedcba9876: ")
    assert set(fakes.calls) == {"load", "open_base", "plan", "write_junit"}


@pytest.mark.parametrize("error", [DefinitionError("no pipeline"), UsageError("no parent")])
def test_a_base_that_there_is_not(make_fakes: Make, error: Exception) -> None:
    record = make_fakes(open_base=error).run()
    assert record.verdict is Verdict.INVALID
    assert record.base is None
    assert labels(record) == ["plan"]


def test_the_heads_own_files_are_checked_first(make_fakes: Make) -> None:
    record = make_fakes(load=DefinitionError("cannot load")).run()
    assert record.verdict is Verdict.INVALID


# The update fails


def test_a_failed_update_blames_the_commit_and_its_rollback_is_verified(make_fakes: Make) -> None:
    fakes = make_fakes(update_stack=failure())
    record = fakes.run()
    assert record.verdict is Verdict.FAILED
    assert labels(record)[4:] == ["update", "provision (rollback)", "verify (rollback)", "destroy"]
    update_failure = record.phases[4].failure
    assert update_failure is not None
    assert update_failure.blames
    assert "no luck (it was rolled back)" in update_failure.message
    assert "UPDATE_FAILED" in update_failure.details
    (web,) = of_commit(record)
    assert (web.nodeid, web.outcome) == ("update: resource web", Outcome.FAILURE)
    assert web.message == "web (OS::Heat::Value): no luck"
    assert [case.outcome for case in checks(record.rollback_testcases)] == [Outcome.PASSED] * 2
    assert fakes.specs.roots == [fakes.base_root, fakes.base_root]


def test_a_failed_update_that_is_the_clouds_fault(make_fakes: Make) -> None:
    record = make_fakes(update_stack=failure("No valid host was found.")).run()
    assert record.verdict is Verdict.ERROR
    update_failure = record.phases[4].failure
    assert update_failure is not None
    assert not update_failure.blames
    assert update_failure.category == "no valid host"
    (web,) = of_commit(record)
    assert (web.outcome, web.kind) == (Outcome.ERROR, ErrorKind.INFRASTRUCTURE)
    assert record.rollback_testcases


def test_a_rollback_that_fails_is_not_verified(make_fakes: Make) -> None:
    record = make_fakes(update_stack=failure(rolled_back=False)).run()
    assert record.verdict is Verdict.FAILED
    assert labels(record)[4:] == ["update", "destroy"]
    assert record.rollback_testcases == ()


def test_a_base_that_is_broken_after_the_rollback(make_fakes: Make) -> None:
    fakes = make_fakes(update_stack=failure())

    def fail() -> None:
        fakes.specs.outcomes = (Outcome.FAILURE,)

    fakes.faults.by_name["specs"] = nth(2, fail)
    record = fakes.run()
    assert record.verdict is Verdict.FAILED
    assert [case.outcome for case in checks(record.rollback_testcases)] == [Outcome.FAILURE]


def test_trouble_after_the_rollback_is_told_and_hides_nothing(make_fakes: Make) -> None:
    fakes = make_fakes(
        update_stack=failure("No valid host was found."), specs=nth(2, CloudError("gone"))
    )
    record = fakes.run()
    assert record.verdict is Verdict.ERROR
    assert "No valid host" in str(record.phases[4].failure)
    assert any("after the rollback: gone" in note for note in fakes.progress.notes)


def test_a_refused_update_names_the_place(make_fakes: Make) -> None:
    record = make_fakes(update_stack=RefusedError("no", reason="no such thing")).run()
    assert record.verdict is Verdict.FAILED
    assert "stack.yaml" in str(record.phases[4].failure)


@pytest.mark.parametrize("name", ["open_base", "update_stack", "resources"])
def test_ctrl_c_tears_down(make_fakes: Make, name: str) -> None:
    fakes = make_fakes(**{name: interrupt})
    record = fakes.run()
    assert record.verdict is Verdict.INTERRUPTED
    assert record.destroyed
    assert not fakes.cloud.stacks


def test_ctrl_c_after_a_rollback(make_fakes: Make) -> None:
    record = make_fakes(update_stack=failure(), specs=nth(2, interrupt)).run()
    assert record.verdict is Verdict.INTERRUPTED
    assert record.destroyed


# Taken up again


def test_what_failed_after_the_update_goes_on_there(make_fakes: Make) -> None:
    fakes = make_fakes(configure=nth(2, ConfigureError("no")))
    record = fakes.run(policy=DestroyPolicy.NEVER)
    assert record.verdict is Verdict.ERROR
    phases = undone(record, UPGRADE_PHASES)
    assert phases == (Phase.CONFIGURE, Phase.VERIFY)
    again = fakes.run(phases, record=record)
    assert again.verdict is Verdict.PASSED
    assert len(checks(again.base_testcases)) == 2
    assert again.base == BASE
    kept = ["stack", "web-0 is kept", "boot[web-0]"]
    assert [case.name for case in again.testcases] == [*kept, "test_0[web-0]", "test_1[web-0]"]
    assert labels(again) == [*labels(record)[:5], "configure", "verify"]


@pytest.mark.parametrize(
    "faults", [{"update_stack": nth(1, failure())}, {"configure": nth(1, ConfigureError("no"))}]
)
def test_before_that_it_begins_with_the_base(make_fakes: Make, faults: dict[str, Fault]) -> None:
    fakes = make_fakes(**faults)
    record = fakes.run(policy=DestroyPolicy.NEVER)
    phases = undone(record, UPGRADE_PHASES)
    assert phases == UPGRADE_PHASES[1:]
    again = fakes.run(phases, record=record)
    assert again.verdict is Verdict.PASSED
    assert (len(checks(again.base_testcases)), len(again.rollback_testcases)) == (2, 0)
    assert labels(again)[1:4] == ["provision (base)", "configure (base)", "verify (base)"]


def test_single_phases_are_those_of_the_commit_alone(make_fakes: Make) -> None:
    fakes = make_fakes()
    record = fakes.run(policy=DestroyPolicy.NEVER)
    fakes.specs.roots.clear()
    with Interrupts() as interrupts:
        again = run_phases(fakes.make_run(interrupts, record=record), (Phase.VERIFY,))
    assert again.verdict is Verdict.PASSED
    assert fakes.specs.roots == [fakes.root]
    assert len(checks(again.testcases)) == 2
    assert [case.name for case in again.testcases].count("web-0 is kept") == 1


# What an update did


def _snapshot(images: dict[str, str] | None = None, **ids: str) -> StackSnapshot:
    resources = [
        Resource(path=path.replace("__", "."), type="T", status="CREATE_COMPLETE", physical_id=id_)
        for path, id_ in ids.items()
    ]
    servers = [
        NovaServer(id=id_, name=id_, status="ACTIVE", image=image)
        for id_, image in (images or {}).items()
    ]
    return StackSnapshot.of(resources, servers)


def test_changes_are_told_by_path() -> None:
    before = _snapshot({"4": "a"}, old="1", same="2", other="3", group__0="4", group="5")
    after = _snapshot({"4": "b"}, new="6", same="2", other="7", group__0="4", group="5")
    touched = {
        path: replace(resource, status="UPDATE_COMPLETE", updated="later")
        for path, resource in after.resources.items()
        if path == "group"
    }
    after = replace(after, resources={**after.resources, **touched})
    assert {change.path: str(change.kind) for change in before.changes_to(after)} == {
        "new": "added",
        "old": "removed",
        "other": "replaced",
        "group.0": "rebuilt",
        "group": "updated",
    }
    assert before.renewed_by(before.changes_to(after)) == {"4"}


def _no_replace(*patterns: str) -> Pipeline:
    upgrade = f"upgrade: {{no_replace: {list(patterns)}}}"
    return parse_pipeline(f"stack: {{template: a}}\nspecs: {{all: [s]}}\n{upgrade}\n")


@pytest.mark.parametrize("pattern", ["group.2", "group.*"])
def test_one_that_was_removed_is_not_kept(pattern: str) -> None:
    """By its name or by a pattern that others match as well."""
    before = _snapshot(group="1", group__1="2", group__2="3")
    after = _snapshot(group="1", group__1="2", group__3="4")
    checks = check_changes(before.changes_to(after), before, after, _no_replace(pattern))
    (failed,) = (check for check in checks if check.outcome is Outcome.FAILURE)
    assert failed.name == "group.2 is kept"
    assert "group.2 (T) was removed" in failed.message
    assert "before: 3\nafter:  none" in failed.text


def test_a_pattern_of_what_is_there_only_afterwards_is_good() -> None:
    before, after = _snapshot(web="1"), _snapshot(web="1", db="2")
    checks = list(check_changes(before.changes_to(after), before, after, _no_replace("db")))
    assert checks == []


def test_patterns_reach_into_nested_stacks() -> None:
    before = _snapshot(group="1", group__0="2", group__1="3", db="4")
    after = _snapshot(group="1", group__0="9", db="4")
    checks = check_changes(before.changes_to(after), before, after, _no_replace("group.*", "db"))
    assert [(check.name, str(check.outcome)) for check in checks] == [
        ("db is kept", "passed"),
        ("group.0 is kept", "failure"),
        ("group.1 is kept", "failure"),
    ]
