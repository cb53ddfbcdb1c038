"""The rooms that do the work of a run, put together."""

from __future__ import annotations

import secrets
import time
from functools import partial
from pathlib import Path

from infraci.app.cloud_opening import Load, own_part
from infraci.app.image_preparation import image_maker
from infraci.configure import configure_servers
from infraci.evidence import collect
from infraci.heat import LOCAL, Cloud
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import Pipeline
from infraci.pipeline import Drivers
from infraci.plan import PipelinePlan, examine, plan_pipeline
from infraci.progress import Progress
from infraci.report.junit import write_junit
from infraci.sandbox.confine import check_confinement
from infraci.ssh import log_in
from infraci.verify import open_specs
from infraci.verify.serverspec import run_serverspec


def make_drivers(cloud: Cloud, ledger: Ledger, progress: Progress) -> Drivers:
    """The real ones. Raises NoSandboxError where an untrusted commit cannot be run."""
    check_confinement()
    return Drivers(
        cloud=cloud,
        ledger=ledger,
        progress=progress,
        log_in=log_in,
        configure=configure_servers,
        specs=open_specs,
        serverspec=run_serverspec,
        collect=collect,
        write_junit=write_junit,
        prepare=image_maker(cloud, progress) if cloud.name == LOCAL else lambda _: None,
        # The servers' own session collects the specs, in the time that Heat takes anyway.
        examine=partial(examine, collect=False),
        plan=partial(_plan, cloud),
        clock=time.time,
    )


def _plan(cloud: Cloud, pipeline: Pipeline, root: Path, load: Load) -> PipelinePlan:
    """What `infraci plan` finds."""
    return plan_pipeline(
        pipeline,
        root=root,
        cloud=cloud,
        load=load,
        name=f"infraci-plan-{secrets.token_hex(4)}",
        own_part=own_part(root, cloud.name),
        examine=examine,
    )
