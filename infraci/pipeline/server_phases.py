"""The phases on servers that can be logged in to: configure, then verify."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from infraci.base.display import with_relative_paths
from infraci.base.mask import Masker
from infraci.base.parallel import in_parallel
from infraci.base.shorten import shortened
from infraci.base.trust import is_untrusted
from infraci.diagnosis.phase_testcase import phase_testcase
from infraci.errors import DefinitionError
from infraci.model.fields import THE_STACK
from infraci.model.pipeline import Pipeline
from infraci.model.run import Outcome, Phase, Round, Server, Testcase
from infraci.model.secret import reveal_all
from infraci.pipeline.provision_phase import read_outputs
from infraci.pipeline.run import Run
from infraci.plan.roles import is_verified, serverspec_for, specs_for, stack_specs
from infraci.ssh import write_ssh_config

#: Of what a testcase says, so many characters are kept.
_LONGEST_MESSAGE = 1_000
_LONGEST_TEXT = 250_000


def configure(run: Run) -> None:
    """Take the servers through the steps, in order."""

    def show_step(step: str, servers: Sequence[Server], *, is_detail: bool = False) -> None:
        for server in servers:
            run.drivers.progress.server(server.name, step, is_detail=is_detail)

    with run.state.phase(Phase.CONFIGURE, run.state.pipeline.timeouts.configure_s) as deadline:
        run.state.hide_secrets_of_pipeline()
        run.drivers.configure(
            run.state.pipeline.configure,
            run.state.record.servers,
            session_of=run.sessions.session,
            run_folder=run.folder,
            root=run.state.tree,
            outputs=read_outputs(run),
            run_id=run.state.record.id,
            commit=run.state.version.commit.sha,
            logs=run.logs,
            deadline=deadline,
            idempotence=run.state.pipeline.idempotence,
            masker=run.state.masker,
            on_step=show_step,
            on_testcases=run.state.add_testcases,
        )


def verify(run: Run) -> None:
    """Run the specs. Failing specs are testcases; only what keeps specs from running is raised."""
    with run.state.phase(Phase.VERIFY, run.state.pipeline.timeouts.verify_s) as deadline:
        specs = run.warm_specs()
        logs = run.logs
        environment = reveal_all(run.state.pipeline.environment)
        write_ssh_config(run.folder, run.state.record.servers)

        done: dict[Server | None, tuple[Testcase, ...]] = {}

        def check(subject: Server | None) -> None:
            name = subject.name if subject else THE_STACK
            testcases: tuple[Testcase, ...] = ()
            if paths := _specs_of(subject, run.state.pipeline):
                run.drivers.progress.server(name, "specs")
                testcases = specs.run(
                    subject,
                    paths,
                    run_folder=run.folder,
                    timeout_s=deadline.remaining_s,
                    root=run.state.tree,
                    log=logs / (f"{subject.word}.specs.log" if subject else "specs.log"),
                    environment=environment if subject else _for_the_stack(run, environment),
                )
            if subject and (paths := serverspec_for(subject.role, run.state.pipeline)):
                run.drivers.progress.server(name, "serverspec")
                testcases += run.drivers.serverspec(
                    subject,
                    paths,
                    run_folder=run.folder,
                    root=run.state.tree,
                    deadline=deadline,
                    log=logs / f"{subject.word}.serverspec.log",
                    masker=run.state.masker,
                    environment=environment,
                )
            testcases = tuple(
                kept(case, run.state.masker, root=run.state.tree) for case in testcases
            )
            if not deadline.is_cancelled:  # else they show the interruption, not the server
                done[subject] = testcases
                run.drivers.progress.checked(name, testcases)

        subjects = _subjects(run)
        try:
            for result in in_parallel(check, subjects):
                if isinstance(result, Exception):
                    raise result
        finally:
            all_testcases = tuple(case for subject in subjects for case in done.get(subject, ()))
            run.state.add_testcases(all_testcases)
        if subjects and not all_testcases:
            raise DefinitionError(
                f"cannot verify pipeline {run.state.pipeline.name}: its specs hold no test",
                hint="pytest collects functions whose names begin with test_",
            )


def _subjects(run: Run) -> tuple[Server | None, ...]:
    """What the pipeline's specs test: servers, and the stack itself as None."""
    pipeline = run.state.pipeline
    servers = [s for s in run.state.record.servers if is_verified(s.role, pipeline)]
    return (*servers, *([None] if stack_specs(pipeline) else ()))


def _for_the_stack(run: Run, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment of the stack's specs, which may ask the cloud, as `openstack` does."""
    if is_untrusted():
        return environment
    cloud = {"OS_CLOUD": run.state.record.cloud}
    if run.drivers.cloud.clouds_yaml:
        cloud["OS_CLIENT_CONFIG_FILE"] = run.drivers.cloud.clouds_yaml
    variables = {name: value for name, value in os.environ.items() if name.startswith("OS_")}
    return {**variables, **cloud, **environment}


def _specs_of(subject: Server | None, pipeline: Pipeline) -> Sequence[PurePosixPath]:
    return specs_for(subject.role, pipeline) if subject else stack_specs(pipeline)


def tell_not_run(run: Run) -> None:
    """Add a skipped testcase for what the specs did not test as an earlier phase failed."""
    failed = [result for result in run.state.record.phases if result.failure is not None]
    if not failed or failed[-1].phase is Phase.VERIFY or failed[-1].round is not Round.HEAD:
        return
    why = f"not run: {failed[-1].label} failed"
    run.state.add_testcases(
        [
            phase_testcase(
                Phase.VERIFY, "specs", server=s, outcome=Outcome.SKIPPED, message=why, text=why
            )
            for s in _subjects(run)
        ]
    )


def kept(case: Testcase, masker: Masker, *, root: Path) -> Testcase:
    """The testcase as the record has it: without secrets, with the repository's paths, shortened.

    ``root`` is where the commit's files are now. The whole of a long text is in the logs.
    """

    def fit(text: str, most: int) -> str:
        return shortened(with_relative_paths(masker.mask(text), root), most)

    return replace(
        case,
        message=fit(case.message, _LONGEST_MESSAGE),
        text=fit(case.text, _LONGEST_TEXT),
        stdout=fit(case.stdout, _LONGEST_TEXT),
        stderr=fit(case.stderr, _LONGEST_TEXT),
    )
