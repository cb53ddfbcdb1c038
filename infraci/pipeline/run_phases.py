"""Takes one run through its phases, and in any case records it, reports it and tears it down."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from infraci.base.process import this_host, this_process
from infraci.base.trust import is_untrusted
from infraci.errors import InfraciError, InterruptedRunError, of_machine
from infraci.ledger.ledger import Ledger
from infraci.ledger.ownership import PREFIX, Ownership, register
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.run import (
    Commit,
    Phase,
    Round,
    RunRecord,
    Verdict,
    verdict_of_error,
    verdict_of_testcases,
    worst_verdict,
)
from infraci.pipeline.destroy_phase import destroy, save_evidence
from infraci.pipeline.provision_phase import plan, provision
from infraci.pipeline.run import Run
from infraci.pipeline.server_phases import configure, tell_not_run, verify
from infraci.pipeline.upgrade import plan_base, stand_up_base, update
from infraci.templates import secrets_of

#: The phases of `infraci run`, in order.
RUN_PHASES = (Phase.PLAN, Phase.PROVISION, Phase.CONFIGURE, Phase.VERIFY)
#: The same for an upgrade: provision takes its base through all phases before the update.
UPGRADE_PHASES = (Phase.PLAN, Phase.PROVISION, Phase.UPDATE, Phase.CONFIGURE, Phase.VERIFY)


def phases_of(pipeline: Pipeline) -> tuple[Phase, ...]:
    """The phases of `infraci run` for a pipeline, in order."""
    return UPGRADE_PHASES if pipeline.upgrade else RUN_PHASES


#: Once there is a verdict, these errors no longer change it.
_STOPS = (InterruptedRunError, KeyboardInterrupt)
#: Loading files takes no longer than this, or the disk is broken.
_PLAN_S = 120.0


def new_record(
    pipeline: Pipeline,
    commit: Commit,
    *,
    cloud: str,
    ledger: Ledger,
    destroy_policy: DestroyPolicy,
    now: float,
    overrides: Sequence[str] = (),
) -> RunRecord:
    """The record of a run that is about to begin; ``given`` names what the command line changes."""
    run_id = ledger.new_run_id(pipeline.name, commit)
    expires = now + pipeline.expires_s
    dies_with_us = destroy_policy is DestroyPolicy.ALWAYS
    owner = Ownership(
        run_id=run_id,
        expires=expires,
        host=this_host(),
        user=os.geteuid(),
        process=this_process() if dies_with_us else "",
        ledger=register(ledger),
    )
    return RunRecord(
        id=run_id,
        pipeline=pipeline.name,
        voting=pipeline.voting,
        commit=commit,
        cloud=cloud,
        stack_name=f"{PREFIX}{run_id}",
        tags=owner.tags(),
        created=now,
        expires=expires,
        destroy=str(destroy_policy),
        pid=os.getpid(),
        overrides=tuple(overrides),
        untrusted=is_untrusted(),
    )


#: The verify phase: runs the specs of a run.
Verify = Callable[[Run], None]


def run_phases(run: Run, phases: Sequence[Phase], *, verify: Verify = verify) -> RunRecord:
    """Take a run through the phases, then report and tear down as its policy says.

    ``verify`` is the phase of that name; the suite's has the user's pytest run the specs. Errors
    are in the record that is returned, and not raised. A bug is raised after the tear-down.
    """
    run.state.record = _begun_again(run.state.record, phases[0])
    guard = run.interrupts.until_interrupted

    def begin() -> None:
        run.drivers.progress.begin(run.state.record, cleanup=run.cleanup)
        _carry_out(run, phases, verify)

    errors = [guard(begin)]
    # The verdict is of these phases alone, also where an earlier one failed.
    testcases = [case for case in run.state.record.testcases if case.phase in phases]
    verdict = worst_verdict([*_verdicts(errors), verdict_of_testcases(testcases)])
    if Phase.VERIFY in phases and verdict is not Verdict.INTERRUPTED:
        with suppress(InfraciError):  # a full disk does not keep us from tearing down
            tell_not_run(run)
    for ending in (_save, _report, _tear_down, _report):
        _decide(run, phases, verdict)
        error = guard(partial(ending, run, phases))
        errors.append(error)
        if error is not None and (verdict is Verdict.PASSED or not isinstance(error, _STOPS)):
            verdict = worst_verdict([verdict, verdict_of_error(error)])
        if isinstance(error, InfraciError) and ending is not _tear_down:
            run.drivers.progress.note(error.message)
    _decide(run, phases, verdict)
    run.close()
    run.drivers.progress.end(run.state.record)
    bugs = [e for e in errors if e and not isinstance(e, InfraciError) and not of_machine(e)]
    if bugs:
        raise bugs[0]
    return run.state.record


def _begun_again(record: RunRecord, first: Phase) -> RunRecord:
    """The record without the earlier results of the phases that come now."""
    before = UPGRADE_PHASES[: UPGRADE_PHASES.index(first)]
    stays = {Round.HEAD: before, Round.BASE: RUN_PHASES if Phase.UPDATE in before else ()}
    kept = tuple(r for r in record.phases if r.phase in stays.get(r.round, ()))
    record = replace(record, phases=kept, rollback_testcases=(), evidence=(), verdict=None)
    testcases = tuple(case for case in record.testcases if case.phase in before)
    if Phase.UPDATE in before:
        return replace(record, testcases=testcases)
    return replace(record, testcases=testcases, base_testcases=(), changes=())


def _decide(run: Run, phases: Sequence[Phase], verdict: Verdict) -> None:
    """Write the verdict; there is none yet when all phases succeeded without a verify phase."""
    is_final = Phase.VERIFY in phases or verdict is not Verdict.PASSED
    with suppress(InfraciError):  # as above
        run.state.save(replace(run.state.record, verdict=verdict if is_final else None))


def _verdicts(errors: Sequence[BaseException | None]) -> list[Verdict]:
    return [verdict_of_error(error) for error in errors if error is not None]


def _carry_out(run: Run, phases: Sequence[Phase], verify: Verify) -> None:
    if Phase.PLAN in phases or Phase.PROVISION in phases:
        with run.state.phase(Phase.PLAN, _PLAN_S):
            request = plan(run)
            if run.state.is_upgrade:
                plan_base(run)
    else:
        with suppress(InfraciError):  # only to know what has to be hidden
            run.state.hide(secrets_of(run.state.version.load()))
            run.state.hide_secrets_of_pipeline()
    if Phase.PROVISION in phases:
        run.interrupts.check()
        if run.state.is_upgrade:
            stand_up_base(run)
        else:
            provision(run, request)
    if Phase.UPDATE in phases:
        run.interrupts.check()
        update(run, request)
    if Phase.CONFIGURE in phases:
        run.interrupts.check()
        configure(run)
    if Phase.VERIFY in phases:
        run.interrupts.check()
        verify(run)


def _save(run: Run, phases: Sequence[Phase]) -> None:
    """Save evidence of a failure; a user who interrupts a run does not wait for it."""
    if run.state.record.verdict not in (None, Verdict.PASSED, Verdict.INTERRUPTED):
        save_evidence(run)


def _report(run: Run, phases: Sequence[Phase]) -> None:
    try:
        run.drivers.write_junit(run.folder.junit, run.state.record)
    except OSError as error:
        raise InfraciError(
            f"cannot write the report {run.folder.junit}: {error.strerror or error}"
        ) from error


def _tear_down(run: Run, phases: Sequence[Phase]) -> None:
    if not any(result.phase is Phase.PROVISION for result in run.state.record.phases):
        run.state.save(replace(run.state.record, destroyed=True))  # nothing was made
    elif wants_destroy(run.state.record, phases):
        destroy(run)
    elif not run.state.record.destroyed:
        run.drivers.progress.note(f"the stack is kept; remove it by: {run.cleanup}")


def wants_destroy(record: RunRecord, phases: Sequence[Phase]) -> bool:
    """Whether the run's policy has the stack destroyed now."""
    if record.destroyed or record.destroy == DestroyPolicy.NEVER:
        return False
    if record.destroy == DestroyPolicy.ALWAYS:
        return True
    # A stack that was interrupted before anything failed shows nothing.
    passed = record.verdict is Verdict.PASSED and Phase.VERIFY in phases
    return passed or (
        record.verdict is Verdict.INTERRUPTED
        and verdict_of_testcases(record.testcases) is Verdict.PASSED
    )
