"""The ``ansible`` step: runs a playbook of the commit once for all its servers."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from infraci.base.program import ProgramTimeoutError, run_program
from infraci.configure.playbook import PlaybookRun, calling
from infraci.configure.playbook_results import PlaybookResults
from infraci.configure.step import Applied, Step, StepRun, Target, log_end
from infraci.model.configure_steps import AnsibleStep
from infraci.model.run import Server
from infraci.ssh import Session


class Ansible(Step):
    """Runs a playbook on this machine; its tasks reach the servers by the run's ssh_config."""

    def __init__(self, options: AnsibleStep) -> None:
        self._options = options
        self.name = options.title
        self.roles = options.roles

    def apply(self, session: Session, server: Server, run: StepRun) -> Applied:
        """Run it for one server only."""
        target = Target(server=server, open=lambda: session, run=run)
        (result,) = self.apply_to_all([target])
        if isinstance(result, Exception):
            raise result
        return result

    def apply_to_all(self, targets: Sequence[Target]) -> Sequence[Applied | Exception]:
        """Run it for all of them; what it changes are tasks."""
        results = self._run(targets)
        for target, result in zip(targets, results, strict=True):
            log_end(self, target, result)
        return results

    def _run(self, targets: Sequence[Target]) -> Sequence[Applied | Exception]:
        run = targets[0].run
        limit = [target.server for target in targets]
        mark = f"{secrets.token_hex(8)} "
        playbook_run = PlaybookRun(
            servers=run.servers or limit,
            limit=limit,
            run_folder=run.run_folder,
            outputs=run.outputs,
            run_id=run.run_id,
            commit=run.commit,
            mark=mark,
        )
        results = PlaybookResults(targets, self._options.playbook, run.root, mark)
        limit_s = run.deadline.within(self._options.timeout_s)
        try:
            with calling(self._options, run.root, playbook_run) as call:
                status = run_program(
                    call.command,
                    cwd=run.root,
                    environment=call.environment,
                    timeout_s=limit_s,
                    deadline=run.deadline,
                    on_line=results.take_line,
                    pass_fds=call.pass_fds,
                )
        except ProgramTimeoutError:
            return [results.stopped(server, limit_s) for server in limit]
        return [results.result(server, status) for server in limit]
