"""A run: whatever fails, it is recorded, reported, and cleaned up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.base.interrupts import Interrupts
from infraci.base.trust import VARIABLE
from infraci.configure.step import StepError
from infraci.errors import (
    CloudError,
    CommitError,
    ConfigureError,
    DefinitionError,
    ExitCode,
    InfraciError,
    InterruptedRunError,
    PhaseTimeoutError,
)
from infraci.heat import RefusedError
from infraci.model.decode import parse_pipeline
from infraci.model.pipeline import DestroyPolicy
from infraci.model.problem import Problem
from infraci.model.run import ErrorKind, Outcome, Phase, RunRecord, Testcase, Verdict
from infraci.pipeline import run_phases
from infraci.pipeline.run_phases import RUN_PHASES
from infraci.ssh import HostKeyError
from tests.pipeline.fakes import FakeDrivers, Fault, interrupt

Make = Callable[..., FakeDrivers]


@pytest.fixture(name="make_fakes")
def _make_fakes(tmp_path: Path) -> Make:
    return lambda **faults: FakeDrivers(tmp_path / "repository", **faults)


def run(fakes: FakeDrivers, policy: DestroyPolicy = DestroyPolicy.ALWAYS) -> RunRecord:
    with Interrupts() as interrupts:
        return run_phases(fakes.make_run(interrupts, policy=policy), RUN_PHASES)


def of_phase(record: RunRecord, phase: Phase) -> list[Testcase]:
    return [case for case in record.testcases if case.phase is phase]


def troubled(record: RunRecord) -> list[Phase]:
    return [result.phase for result in record.phases if result.failure is not None]


def test_a_commit_goes_all_the_way(make_fakes: Make) -> None:
    fakes = make_fakes()
    record = run(fakes)
    assert record.verdict is Verdict.PASSED
    assert record.verdict.exit_code is ExitCode.PASSED
    assert [r.phase for r in record.phases] == [*RUN_PHASES, Phase.DESTROY]
    assert not troubled(record)
    assert record.destroyed
    assert not fakes.cloud.stacks
    assert not fakes.cloud.keys
    assert fakes.ledger.load(record.id) == record
    assert fakes.progress.ended == record


def test_the_order_of_things(make_fakes: Make) -> None:
    fakes = make_fakes()
    run(fakes)
    assert fakes.calls == [
        "load",
        "create_keypair",
        "open_specs",
        "prepare",
        "create_stack",
        "wait",
        "outputs",
        "servers",
        "console",
        "log_in",
        "resources",
        "configure",
        "specs",
        "write_junit",
        "close_specs",
        "resource_references",
        "delete_stack",
        "delete_keypair",
        "leftovers",
        "write_junit",
    ]


def test_the_record_is_written_before_anything_is_asked_for(make_fakes: Make) -> None:
    seen: list[RunRecord] = []
    fakes = make_fakes()
    fakes.faults.by_name["create_keypair"] = lambda: seen.extend(fakes.ledger.list())
    run(fakes)
    (record,) = seen
    assert record.stack_name == f"infraci-{record.id}"
    assert record.stack_id is None
    assert f"infraci-run={record.id}" in record.tags
    assert fakes.progress.cleanup == f"infraci destroy {record.id}"


def test_the_stack_carries_its_owner(make_fakes: Make) -> None:
    seen: list[tuple[str, ...]] = []
    fakes = make_fakes()
    fakes.faults.by_name["wait"] = lambda: seen.extend(fakes.cloud.stacks.values())
    record = run(fakes)
    assert seen == [record.tags]
    names = [tag.partition("=")[0] for tag in record.tags]
    assert names == [
        "infraci",
        "infraci-run",
        "infraci-expires",
        "infraci-host",
        "infraci-user",
        "infraci-pid",
    ]
    assert f"infraci-expires={record.expires:.0f}" in record.tags


def test_a_stack_that_may_be_kept_does_not_name_its_process(make_fakes: Make) -> None:
    record = run(make_fakes(), DestroyPolicy.PASSING)
    assert not any(tag.startswith("infraci-pid=") for tag in record.tags)


def test_the_stack_gets_the_runs_own_key(make_fakes: Make) -> None:
    fakes = make_fakes()
    record = run(fakes)
    (request,) = fakes.cloud.requests
    assert request.parameters["key_name"] == record.stack_name


def test_a_server_gets_the_specs_of_all_and_of_its_role(make_fakes: Make) -> None:
    fakes = make_fakes()
    run(fakes)
    assert fakes.specs.paths == {"web-0": ("specs", "specs/test_web.py")}


def test_outputs_reach_the_steps_as_they_are_and_the_record_without_secrets(
    make_fakes: Make,
) -> None:
    fakes = make_fakes()
    record = run(fakes)
    assert fakes.configured["outputs"]["secret"] == "it is top-secret"
    assert record.outputs["secret"] == "it is ******"
    assert record.outputs["ports"] == "[80, 443]"


def test_what_heat_refuses_is_told_with_all_else_that_is_wrong(make_fakes: Make) -> None:
    fakes = make_fakes(create_stack=RefusedError("no", reason="resources.web: no"))
    fakes.problems = (
        Problem(file="stack.yaml", key_path="resources.net", message="Unknown Property shard"),
        Problem(file="pipelines/web.yaml", message="no server has the role"),
    )
    record = run(fakes)
    failed = {case.name: case.message for case in of_phase(record, Phase.PROVISION)}
    assert failed["resource net"] == "net: Unknown Property shard"
    assert failed["resource web"] == "web: no"
    assert failed["stack"] == "pipelines/web.yaml: no server has the role"
    assert fakes.calls.count("plan") == 1


def test_nothing_more_is_asked_while_nothing_is_wrong(make_fakes: Make) -> None:
    fakes = make_fakes()
    run(fakes)
    assert "plan" not in fakes.calls


def test_trouble_in_the_telling_hides_no_refusal(make_fakes: Make) -> None:
    fakes = make_fakes(
        create_stack=RefusedError("no", reason="resources.web: no"), plan=CloudError("it is gone")
    )
    record = run(fakes)
    assert record.verdict is Verdict.FAILED
    assert "resource web" in {case.name for case in record.testcases}


def test_failures_name_files_as_the_repository_does(make_fakes: Make) -> None:
    fakes = make_fakes()
    path = fakes.root / "roles"
    error = StepError(f"no role in {path}", hint=f"see {path}/web", details=f"at {path}:1")
    fakes.faults.by_name["configure"] = error
    (failure,) = [phase.failure for phase in run(fakes).phases if phase.failure]
    assert (failure.message, failure.hint) == ("no role in roles", "see roles/web")
    assert failure.details == "at roles:1"


def test_so_do_testcases_of_any_phase(make_fakes: Make) -> None:
    fakes = make_fakes()
    fakes.faults.by_name["prepare"] = CommitError(f"cannot read {fakes.root}/image.yaml")
    (case,) = of_phase(run(fakes), Phase.PROVISION)
    assert (case.message, case.text) == ("cannot read image.yaml", "cannot read image.yaml")


STEPS: list[tuple[str, Exception, Phase, Verdict]] = [
    ("load", DefinitionError("cannot load"), Phase.PLAN, Verdict.INVALID),
    ("create_keypair", CloudError("cannot create"), Phase.PROVISION, Verdict.ERROR),
    ("open_specs", CloudError("cannot start"), Phase.PROVISION, Verdict.ERROR),
    ("prepare", CloudError("cannot build"), Phase.PROVISION, Verdict.ERROR),
    ("prepare", RefusedError("no", reason="no"), Phase.PROVISION, Verdict.FAILED),
    ("create_stack", CloudError("cannot create"), Phase.PROVISION, Verdict.ERROR),
    ("create_stack", RefusedError("no", reason="no"), Phase.PROVISION, Verdict.FAILED),
    ("wait", CloudError("CREATE_FAILED"), Phase.PROVISION, Verdict.ERROR),
    ("wait", PhaseTimeoutError("too long"), Phase.PROVISION, Verdict.ERROR),
    ("outputs", CloudError("cannot read"), Phase.PROVISION, Verdict.ERROR),
    ("servers", CloudError("cannot read"), Phase.PROVISION, Verdict.ERROR),
    ("console", CloudError("cannot read"), Phase.PROVISION, Verdict.ERROR),
    ("log_in", HostKeyError("cannot trust web-0"), Phase.PROVISION, Verdict.ERROR),
    ("configure", CommitError("exit status 1"), Phase.CONFIGURE, Verdict.FAILED),
    ("configure", ConfigureError("no Ansible"), Phase.CONFIGURE, Verdict.ERROR),
    ("specs", PhaseTimeoutError("too long"), Phase.VERIFY, Verdict.ERROR),
]


@pytest.mark.parametrize(("name", "error", "phase", "verdict"), STEPS)
def test_trouble_anywhere_is_recorded_and_cleaned_up(
    make_fakes: Make, name: str, error: Exception, phase: Phase, verdict: Verdict
) -> None:
    fakes = make_fakes(**{name: error})
    record = run(fakes)
    assert record.verdict is verdict
    assert troubled(record) == [phase]
    assert record.destroyed
    assert not fakes.cloud.stacks
    assert not fakes.cloud.keys
    assert not any(session.is_alive for session in fakes.sessions)
    assert [report.destroyed for report in fakes.reports] == [False, True]
    assert fakes.ledger.load(record.id) == record


@pytest.mark.parametrize(("name", "error", "phase", "verdict"), STEPS[1:])
def test_trouble_in_the_tear_down_masks_nothing(
    make_fakes: Make, name: str, error: Exception, phase: Phase, verdict: Verdict
) -> None:
    fakes = make_fakes(**{name: error}, delete_stack=CloudError("DELETE_FAILED"))
    record = run(fakes)
    assert record.verdict is verdict
    assert troubled(record) == [phase, Phase.DESTROY]
    assert not record.destroyed
    assert fakes.reports[-1].phases == record.phases


def test_a_pass_with_a_failed_tear_down_is_no_pass(make_fakes: Make) -> None:
    record = run(make_fakes(delete_stack=CloudError("DELETE_FAILED")))
    assert record.verdict is Verdict.ERROR
    assert not record.destroyed


def test_a_key_pair_that_stays_is_trouble(make_fakes: Make) -> None:
    record = run(make_fakes(delete_keypair=CloudError("no")))
    assert record.verdict is Verdict.ERROR
    assert not record.destroyed


@pytest.mark.parametrize(
    ("outcomes", "kind", "verdict"),
    [
        ((Outcome.PASSED, Outcome.FAILURE), None, Verdict.FAILED),
        ((Outcome.FAILURE, Outcome.ERROR), ErrorKind.INFRASTRUCTURE, Verdict.FAILED),
        ((Outcome.PASSED, Outcome.ERROR), ErrorKind.INFRASTRUCTURE, Verdict.ERROR),
        ((Outcome.PASSED, Outcome.FAILURE), ErrorKind.SPEC, Verdict.INVALID),
        ((Outcome.PASSED, Outcome.FAILURE), ErrorKind.SETUP, Verdict.FAILED),
        ((Outcome.SKIPPED, Outcome.SKIPPED), None, Verdict.PASSED),
        ((), None, Verdict.INVALID),
    ],
)
def test_what_specs_say_decides(
    make_fakes: Make, outcomes: tuple[Outcome, ...], kind: ErrorKind | None, verdict: Verdict
) -> None:
    fakes = make_fakes()
    fakes.specs.outcomes, fakes.specs.kind = outcomes, kind
    record = run(fakes)
    assert record.verdict is verdict
    assert [case.outcome for case in of_phase(record, Phase.VERIFY)] == list(outcomes)
    assert record.destroyed


def test_a_failure_blames_the_commit_even_if_the_tear_down_fails(make_fakes: Make) -> None:
    fakes = make_fakes(delete_stack=CloudError("DELETE_FAILED"))
    fakes.specs.outcomes = (Outcome.FAILURE,)
    assert run(fakes).verdict is Verdict.FAILED


@pytest.mark.parametrize("failing", [True, False])
def test_evidence_is_saved_before_the_tear_down_of_failures(
    make_fakes: Make, failing: bool
) -> None:
    fakes = make_fakes()
    fakes.specs.outcomes = (Outcome.FAILURE if failing else Outcome.PASSED,)
    record = run(fakes)
    assert ("collect" in fakes.calls) is failing
    if failing:
        assert fakes.calls.index("collect") < fakes.calls.index("delete_stack")
        assert record.evidence == ("evidence/stack-events.txt",)
        assert fakes.reports[0].evidence  # so that the report names it


def test_no_evidence_of_a_stack_that_never_was(make_fakes: Make) -> None:
    fakes = make_fakes(create_stack=CloudError("no"))
    run(fakes)
    assert "collect" not in fakes.calls


def test_a_full_disk_does_not_keep_the_stack_standing(make_fakes: Make) -> None:
    fakes = make_fakes(write_junit=OSError(28, "No space left on device"))
    record = run(fakes)
    assert record.verdict is Verdict.ERROR
    assert record.destroyed
    assert any("No space left" in note for note in fakes.progress.notes)


@pytest.mark.parametrize(
    ("policy", "outcome", "destroyed"),
    [
        (DestroyPolicy.ALWAYS, Outcome.PASSED, True),
        (DestroyPolicy.ALWAYS, Outcome.FAILURE, True),
        (DestroyPolicy.PASSING, Outcome.PASSED, True),
        (DestroyPolicy.PASSING, Outcome.FAILURE, False),
        (DestroyPolicy.NEVER, Outcome.PASSED, False),
        (DestroyPolicy.NEVER, Outcome.FAILURE, False),
    ],
)
def test_the_destroy_policy(
    make_fakes: Make, policy: DestroyPolicy, outcome: Outcome, destroyed: bool
) -> None:
    fakes = make_fakes()
    fakes.specs.outcomes = (outcome,)
    record = run(fakes, policy)
    assert record.destroyed is destroyed
    assert bool(fakes.cloud.stacks) is not destroyed
    kept = [note for note in fakes.progress.notes if "is kept" in note]
    assert bool(kept) is not destroyed


def test_a_bug_is_raised_after_the_tear_down(make_fakes: Make) -> None:
    fakes = make_fakes(configure=ZeroDivisionError("division by zero"))
    with pytest.raises(ZeroDivisionError):
        run(fakes)
    (record,) = fakes.ledger.list()
    assert record.verdict is Verdict.ERROR
    assert record.destroyed
    assert "ZeroDivisionError" in str(record.phases[2].failure)


def test_a_problem_of_the_tree_is_found_before_anything_is_made(make_fakes: Make) -> None:
    fakes = make_fakes()
    (fakes.root / "specs" / "test_web.py").write_text("def test_0(host) pass\n")
    record = run(fakes)
    assert record.verdict is Verdict.INVALID
    assert "test_web.py:1" in str(record.phases[0].failure)
    assert set(fakes.calls) == {"plan", "write_junit"}
    assert record.destroyed


def test_the_stack_and_each_boot_are_testcases(make_fakes: Make) -> None:
    fakes = make_fakes()
    (one,) = fakes.cloud.nova_servers
    fakes.cloud.nova_servers = (one, replace(one, id="2", name="web-1"))
    cases = of_phase(run(fakes), Phase.PROVISION)
    assert [(case.nodeid, case.server, case.outcome) for case in cases] == [
        ("provision: stack", "", Outcome.PASSED),
        ("provision: boot", "web-0", Outcome.PASSED),
        ("provision: boot", "web-1", Outcome.PASSED),
    ]


@pytest.mark.parametrize(
    ("error", "outcome", "verdict"),
    [
        (CommitError("web: its image cannot be found"), Outcome.FAILURE, Verdict.FAILED),
        (CloudError("web: no valid host"), Outcome.ERROR, Verdict.ERROR),
    ],
)
def test_a_stack_that_does_not_stand_is_a_testcase_too(
    make_fakes: Make, error: InfraciError, outcome: Outcome, verdict: Verdict
) -> None:
    record = run(make_fakes(wait=error))
    (case,) = record.testcases
    assert (case.nodeid, case.outcome, case.message) == ("provision: stack", outcome, error.message)
    assert record.verdict is verdict


def test_a_server_that_cannot_be_logged_in_to_is_a_testcase_too(make_fakes: Make) -> None:
    fakes = make_fakes(log_in=HostKeyError("cannot trust web-0"))
    cases = of_phase(run(fakes), Phase.PROVISION)
    assert [(case.nodeid, case.outcome, case.kind) for case in cases] == [
        ("provision: stack", Outcome.PASSED, None),
        ("provision: boot", Outcome.ERROR, ErrorKind.INFRASTRUCTURE),
    ]


def test_progress_that_is_interrupted_as_it_begins_ends_all_the_same(
    make_fakes: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = make_fakes()
    monkeypatch.setattr(fakes.progress, "begin", lambda record, cleanup: interrupt())
    record = run(fakes)
    assert record.verdict is Verdict.INTERRUPTED
    assert fakes.progress.ended == record


def test_an_interrupted_phase_has_no_testcase_of_it(make_fakes: Make) -> None:
    assert run(make_fakes(wait=interrupt)).testcases == ()


def test_a_role_that_no_server_has(make_fakes: Make) -> None:
    fakes = make_fakes()
    text = "stack: {template: stack.yaml}\nspecs: {wbe: [specs]}\n"
    fakes.pipeline = parse_pipeline(text, name="web", root=fakes.root)
    record = run(fakes)
    assert record.verdict is Verdict.INVALID
    assert 'no server has the role "wbe"' in str(record.phases[1].failure)
    assert not fakes.cloud.stacks


def test_a_stack_without_servers_passes_when_it_stands(make_fakes: Make) -> None:
    fakes = make_fakes()
    fakes.cloud.nova_servers = ()
    text = "stack: {template: stack.yaml}\nspecs: {all: [specs]}\n"
    fakes.pipeline = parse_pipeline(text, name="web", root=fakes.root)
    record = run(fakes)
    assert record.verdict is Verdict.PASSED
    assert {case.phase for case in record.testcases} == {Phase.PROVISION}
    assert not fakes.cloud.stacks


def test_specs_of_the_stack_itself(make_fakes: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_REGION_NAME", "North")
    fakes = make_fakes()
    text = "stack: {template: stack.yaml}\nspecs: {all: [specs], stack: [specs/test_web.py]}\n"
    fakes.pipeline = parse_pipeline(text, name="web", root=fakes.root)
    record = run(fakes)
    assert record.verdict is Verdict.PASSED
    assert fakes.specs.paths[""] == ("specs/test_web.py",)
    assert {paths for name, paths in fakes.specs.paths.items() if name} == {("specs",)}
    assert {case.role for case in record.testcases if not case.server} == {"", "stack"}
    of_cloud = {
        "OS_CLOUD": "local",
        "OS_CLIENT_CONFIG_FILE": "/state/clouds.yaml",
        "OS_REGION_NAME": "North",
    }
    assert fakes.specs.environments.pop("").items() >= of_cloud.items()
    assert not any(of_cloud.keys() & each.keys() for each in fakes.specs.environments.values())


def test_specs_of_the_stack_of_an_untrusted_commit_do_not_know_the_cloud(
    make_fakes: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    fakes = make_fakes()
    text = "stack: {template: stack.yaml}\nspecs: {stack: [specs]}\n"
    fakes.pipeline = parse_pipeline(text, name="web", root=fakes.root)
    run(fakes)
    assert not any(name.startswith("OS_") for name in fakes.specs.environments[""])


def test_a_stack_without_the_servers_that_its_specs_are_for(make_fakes: Make) -> None:
    fakes = make_fakes()
    fakes.cloud.nova_servers = ()
    text = "stack: {template: stack.yaml}\nspecs: {web: [specs]}\n"
    fakes.pipeline = parse_pipeline(text, name="web", root=fakes.root)
    record = run(fakes)
    assert record.verdict is Verdict.INVALID
    assert 'no server has the role "web"' in str(record.phases[1].failure)


def test_servers_of_one_name_are_told_apart(make_fakes: Make) -> None:
    fakes = make_fakes()
    (one,) = fakes.cloud.nova_servers
    fakes.cloud.nova_servers = (replace(one, path="a"), replace(one, id="2", path="group.0"))
    record = run(fakes)
    assert [server.name for server in record.servers] == ["web-0-a", "web-0-group.0"]


def test_content_that_this_clone_has_not_got_blames_no_commit(make_fakes: Make) -> None:
    fakes = make_fakes()
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (fakes.root / fakes.pipeline.stack.template).write_text(pointer)
    record = run(fakes)
    failure = record.phases[0].failure
    assert failure is not None
    assert (failure.kind, failure.blames) == ("LfsPointerError", False)
    assert record.verdict is Verdict.ERROR
    assert "create_stack" not in fakes.calls


def test_a_silent_console(make_fakes: Make) -> None:
    fakes = make_fakes()
    fakes.pipeline = replace(
        fakes.pipeline, timeouts=replace(fakes.pipeline.timeouts, provision_s=3.0)
    )
    fakes.cloud.console_text = "boot\nand no more\n"
    record = run(fakes)
    failure = record.phases[1].failure
    assert failure is not None
    assert failure.kind == "GuestError"
    assert "and no more" in failure.details
    assert record.verdict is Verdict.ERROR


INTERRUPTIBLE = ["load", "open_specs", "prepare", "wait", "outputs", "servers", "console", "log_in"]
INTERRUPTIBLE += ["configure", "specs"]


@pytest.mark.parametrize("name", INTERRUPTIBLE)
def test_ctrl_c_tears_down(make_fakes: Make, name: str) -> None:
    fakes = make_fakes(**{name: interrupt})
    record = run(fakes)
    assert record.verdict is Verdict.INTERRUPTED
    assert record.verdict.exit_code is ExitCode.INTERRUPTED
    assert record.destroyed
    assert not fakes.cloud.stacks
    assert not fakes.cloud.keys
    assert "collect" not in fakes.calls


def test_a_library_that_catches_all_errors_does_not_hide_ctrl_c(make_fakes: Make) -> None:
    """As keystoneauth does where it reads a date."""

    def replaced() -> None:
        try:
            interrupt()
        except Exception as error:
            raise ValueError(str(error)) from error

    record = run(make_fakes(servers=replaced))
    assert record.verdict is Verdict.INTERRUPTED
    assert record.destroyed


@pytest.mark.parametrize("name", ["create_keypair", "create_stack"])
def test_ctrl_c_never_comes_between_asking_and_writing_down(make_fakes: Make, name: str) -> None:
    fakes = make_fakes(**{name: interrupt})
    record = run(fakes)
    assert record.verdict is Verdict.INTERRUPTED
    assert (record.stack_id is not None) is (name == "create_stack")
    assert not fakes.cloud.stacks
    assert not fakes.cloud.keys


@pytest.mark.parametrize("name", ["collect", "write_junit"])
def test_ctrl_c_at_the_end_still_tears_down(make_fakes: Make, name: str) -> None:
    fakes = make_fakes(**{name: interrupt})
    fakes.specs.outcomes = (Outcome.FAILURE,)
    record = run(fakes)
    assert record.verdict is Verdict.FAILED  # that much was known
    assert record.destroyed


def test_ctrl_c_during_the_tear_down_is_answered_but_not_obeyed(make_fakes: Make) -> None:
    fakes = make_fakes(delete_stack=interrupt)
    record = run(fakes)
    assert record.verdict is Verdict.PASSED
    assert record.destroyed
    assert any("once more ends the waiting" in note for note in fakes.progress.notes)


@pytest.mark.parametrize("name", ["wait", "configure", "specs"])
def test_a_second_ctrl_c_ends_the_waiting_and_keeps_the_record(make_fakes: Make, name: str) -> None:
    fakes = make_fakes(**{name: interrupt}, delete_stack=interrupt)
    record = run(fakes)
    assert record.verdict is Verdict.INTERRUPTED
    assert not record.destroyed
    failure = record.phases[-1].failure
    assert failure is not None
    assert failure.kind == "AbandonedError"
    assert failure.hint == f"clean up by: infraci destroy {record.id}"
    assert fakes.ledger.load(record.id) == record


def test_twice_in_the_tear_down_ends_the_waiting(make_fakes: Make) -> None:
    def twice() -> None:
        interrupt()
        interrupt()

    record = run(make_fakes(delete_stack=twice))
    assert record.verdict is Verdict.INTERRUPTED
    assert not record.destroyed


def test_many_before_the_tear_down_count_as_one(make_fakes: Make) -> None:
    def thrice() -> None:
        try:
            interrupt()
        finally:
            interrupt()
            interrupt()

    record = run(make_fakes(configure=thrice))
    assert record.verdict is Verdict.INTERRUPTED
    assert record.destroyed


@pytest.mark.parametrize("policy", [DestroyPolicy.PASSING, DestroyPolicy.NEVER])
def test_what_is_interrupted_is_kept_only_if_always_kept(
    make_fakes: Make, policy: DestroyPolicy
) -> None:
    record = run(make_fakes(configure=interrupt), policy)
    assert record.destroyed is (policy is DestroyPolicy.PASSING)


def test_only_some_phases_give_no_verdict(make_fakes: Make) -> None:
    fakes = make_fakes()
    with Interrupts() as interrupts:
        run = fakes.make_run(interrupts, policy=DestroyPolicy.NEVER)
        record = run_phases(run, (Phase.PLAN, Phase.PROVISION))
    assert record.verdict is None
    assert not record.destroyed
    with Interrupts() as interrupts:
        record = run_phases(fakes.make_run(interrupts, record=record), (Phase.VERIFY,))
    assert record.verdict is Verdict.PASSED
    assert [r.phase for r in record.phases] == [Phase.PLAN, Phase.PROVISION, Phase.VERIFY]


def test_a_run_is_taken_up_where_its_stack_stands(make_fakes: Make) -> None:
    fault: Fault = CloudError("it was lost")
    fakes = make_fakes(log_in=fault)
    record = run(fakes, DestroyPolicy.NEVER)
    del fakes.faults.by_name["log_in"]
    key = fakes.ledger.folder(record.id).login_key.read_bytes()
    with Interrupts() as interrupts:
        record = run_phases(fakes.make_run(interrupts, record=record), RUN_PHASES[1:])
    assert record.verdict is Verdict.PASSED
    assert fakes.calls.count("create_stack") == 1
    assert fakes.ledger.folder(record.id).login_key.read_bytes() == key


def test_a_phase_that_comes_again_begins_anew(make_fakes: Make) -> None:
    fakes = make_fakes()
    fakes.specs.outcomes = (Outcome.FAILURE,)
    record = run(fakes, DestroyPolicy.NEVER)
    assert record.evidence
    with Interrupts() as interrupts:
        again = fakes.make_run(interrupts, policy=DestroyPolicy.NEVER, record=record)
        record = run_phases(again, (Phase.CONFIGURE,))
    assert record.verdict is None
    assert {case.phase for case in record.testcases} == {Phase.PROVISION}
    assert record.evidence == ()
    assert [r.phase for r in record.phases] == [*RUN_PHASES[:3]]


def test_an_interruption_in_between_is_not_lost() -> None:
    with Interrupts() as interrupts:
        interrupts.until_interrupted(lambda: None)
        interrupt()
        with pytest.raises(InterruptedRunError):
            interrupts.check()


def test_specs_that_an_earlier_phase_kept_from_running_are_skipped(make_fakes: Make) -> None:
    record = run(make_fakes(configure=CommitError("exit status 1")))
    (case,) = of_phase(record, Phase.VERIFY)
    assert (case.server, case.outcome) == ("web-0", Outcome.SKIPPED)
    assert case.message == "not run: configure failed"


def test_specs_that_an_interruption_kept_from_running_are_no_testcases(make_fakes: Make) -> None:
    record = run(make_fakes(configure=interrupt))
    assert record.verdict is Verdict.INTERRUPTED
    assert of_phase(record, Phase.VERIFY) == []
