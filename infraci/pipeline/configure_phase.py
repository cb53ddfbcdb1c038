"""The configure phase: the pipeline's steps on the run's servers."""

from __future__ import annotations

from collections.abc import Sequence

from infraci.model.run import Phase, Server
from infraci.pipeline.provision_phase import read_outputs
from infraci.pipeline.work import Work


def configure(work: Work) -> None:
    """Take the servers through the steps, in order."""

    def tell(step: str, servers: Sequence[Server], *, is_detail: bool = False) -> None:
        for server in servers:
            work.drivers.progress.server(server.name, step, is_detail=is_detail)

    with work.phase(Phase.CONFIGURE, work.pipeline.timeouts.configure_s) as deadline:
        work.hide_secrets_of_pipeline()
        work.drivers.configure(
            work.pipeline.configure,
            work.record.servers,
            session_of=work.session_of,
            run_folder=work.folder,
            root=work.tree,
            outputs=read_outputs(work),
            run_id=work.record.id,
            commit=work.version.commit.sha,
            logs=work.logs,
            deadline=deadline,
            idempotence=work.pipeline.idempotence,
            masker=work.masker,
            on_step=tell,
            on_testcases=work.add_testcases,
        )
