"""The verify phase: each server judged by the specs of its role, all servers at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from infraci.base.mask import Masker
from infraci.base.parallel import in_parallel
from infraci.base.shorten import shortened
from infraci.diagnosis.phase_testcase import phase_testcase
from infraci.errors import DefinitionError
from infraci.model.run import Outcome, Phase, Round, Server, Testcase
from infraci.model.secret import reveal_all
from infraci.pipeline.work import Work
from infraci.plan.roles import is_judged, serverspec_for, specs_for
from infraci.ssh import write_ssh_config

#: Of what a testcase says, so many characters are kept.
_LONGEST_MESSAGE = 1_000
_LONGEST_TEXT = 250_000


def verify(work: Work) -> None:
    """Run the specs; their outcomes are data, only trouble on the way to them is raised."""
    with work.phase(Phase.VERIFY, work.pipeline.timeouts.verify_s) as deadline:
        specs = work.warm_specs()
        logs = work.logs
        environment = reveal_all(work.pipeline.environment)
        write_ssh_config(work.folder, work.record.servers)

        done: dict[str, tuple[Testcase, ...]] = {}

        def judge(server: Server) -> None:
            testcases: tuple[Testcase, ...] = ()
            if paths := specs_for(server.role, work.pipeline):
                work.drivers.progress.server(server.name, "specs")
                testcases = specs.run(
                    server,
                    paths,
                    run_folder=work.folder,
                    timeout_s=deadline.remaining_s,
                    root=work.tree,
                    log=logs / f"{server.word}.specs.log",
                    environment=environment,
                )
            if paths := serverspec_for(server.role, work.pipeline):
                work.drivers.progress.server(server.name, "serverspec")
                testcases += work.drivers.serverspec(
                    server,
                    paths,
                    run_folder=work.folder,
                    root=work.tree,
                    deadline=deadline,
                    log=logs / f"{server.word}.serverspec.log",
                    masker=work.masker,
                    environment=environment,
                )
            testcases = tuple(kept(case, work.masker, root=work.tree) for case in testcases)
            if not deadline.is_cancelled:  # else they tell of the interruption, not of the server
                done[server.name] = testcases
                work.drivers.progress.checked(server.name, testcases)

        judged = [s for s in work.record.servers if is_judged(s.role, work.pipeline)]
        try:
            for result in in_parallel(judge, judged):
                if isinstance(result, Exception):
                    raise result
        finally:
            found = tuple(case for server in judged for case in done.get(server.name, ()))
            work.add_testcases(found)
        if not found:
            raise DefinitionError(
                f"cannot verify pipeline {work.pipeline.name}: its specs hold no test",
                hint="pytest collects functions whose names begin with test_",
            )


def tell_not_run(work: Work) -> None:
    """Add a skipped testcase for each server whose specs an earlier phase has kept from running."""
    failed = [result for result in work.record.phases if result.trouble is not None]
    if not failed or failed[-1].phase is Phase.VERIFY or failed[-1].round is not Round.HEAD:
        return
    why = f"not run: {failed[-1].label} failed"
    work.add_testcases(
        [
            phase_testcase(
                Phase.VERIFY, "specs", server=s, outcome=Outcome.SKIPPED, message=why, text=why
            )
            for s in work.record.servers
            if is_judged(s.role, work.pipeline)
        ]
    )


def kept(case: Testcase, masker: Masker, *, root: Path) -> Testcase:
    """The testcase as it is kept: without secrets, paths those of the repository, not too long.

    ``root`` is where the commit's files are now. The whole of a long text is in the logs.
    """

    def fit(text: str, most: int) -> str:
        return shortened(masker.mask(text).replace(f"{root}/", ""), most)

    return replace(
        case,
        message=fit(case.message, _LONGEST_MESSAGE),
        text=fit(case.text, _LONGEST_TEXT),
        stdout=fit(case.stdout, _LONGEST_TEXT),
        stderr=fit(case.stderr, _LONGEST_TEXT),
    )
