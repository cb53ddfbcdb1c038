"""The stack process: carries out a run whose specs the user's pytest runs.

Started as ``python -m infraci.suite.stack_server FD OPTIONS`` with one end of a socket pair. It
plans, and waits for the message GO. From then on it is an ordinary run, whose verify phase lasts
until pytest sends DONE. Where the connection ends without that message, pytest was interrupted or
has died, and the run is interrupted as by Ctrl-C.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from infraci import git
from infraci.app.checkout import Checkout, open_checkout
from infraci.app.cloud_opening import open_cloud
from infraci.app.execute_run import RunSubject, execute_run, make_drivers
from infraci.app.lookup import find_pipeline, find_run
from infraci.app.record_history import HistoryOptions
from infraci.base.interrupts import Interrupts
from infraci.base.invocation import invocation
from infraci.base.json_lines import JsonLines
from infraci.base.trust import is_untrusted
from infraci.errors import InfraciError, UsageError
from infraci.heat import LOCAL, Cloud
from infraci.ledger.ledger import Ledger
from infraci.model.fields import EVERY_SERVER, THE_STACK
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.problem import FileError
from infraci.model.run import Overrides, Phase, RunRecord
from infraci.model.server_names import distinct_names
from infraci.pipeline import RUN_PHASES
from infraci.plan import examine, plan_pipeline
from infraci.report.suites import properties
from infraci.suite import protocol
from infraci.suite.external_verify import ExternalVerify, NoSpecs, PytestProgress
from infraci.suite.stack_process import Ending, StackOptions
from infraci.templates import host_key_placeholder, load_request
from infraci.verify.stack_view import Plan, PlannedServer, Stack


def main() -> None:
    """Carry out a run for pytest, or show it one that stands."""
    # A shell that starts pytest in the background has SIGINT ignored; here SIGINT ends a run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end = socket.socket(fileno=int(sys.argv[1]))
    end.set_inheritable(False)
    connection = JsonLines(end)
    options = StackOptions.from_json(sys.argv[2])
    try:
        ending = (
            _show_existing(options, connection) if options.run else _execute(options, connection)
        )
        if ending is not None:
            connection.send(protocol.ENDED, asdict(ending))
    except InfraciError as error:
        connection.send(protocol.REFUSED, protocol.error_to_json(error))
    except KeyboardInterrupt:
        pass  # before anything was made
    finally:
        connection.close()


def _execute(options: StackOptions, connection: JsonLines) -> Ending | None:
    """Execute a run of its own; None if no test needed it."""
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        checkout = stack.enter_context(open_checkout(working_tree=True, quiet=True, preload=()))
        pipeline, name = _choose(checkout, options)
        with open_cloud(name) as cloud:
            plan = _plan(pipeline, checkout, cloud)
            connection.send(protocol.PLANNED, plan.to_json())
            if not _is_needed(connection):
                return None
            progress = PytestProgress(
                lambda text: connection.send(protocol.SHOW, text), verbosity=options.verbosity
            )
            ledger = Ledger(checkout.root)
            external = ExternalVerify(connection, plan)
            record = execute_run(
                RunSubject(
                    pipeline=pipeline, checkout=checkout, overrides=Overrides(), with_base=False
                ),
                phases=RUN_PHASES,
                destroy_policy=DestroyPolicy.NEVER if options.keep else pipeline.destroy,
                cloud=cloud,
                drivers=replace(
                    make_drivers(cloud, ledger, progress),
                    specs=lambda tree: nullcontext(NoSpecs()),
                ),
                interrupts=interrupts,
                on_created=lambda run_id: external.start_listening(),
                verify=external.verify,
                history=HistoryOptions(write=_writes_history(), partial=True),
            )
            return _ending(record, connection, ledger.folder(record.id).path)


def _writes_history() -> bool:
    return os.environ.get("INFRACI_HISTORY", "1") not in ("0", "false", "no")


def _is_needed(connection: JsonLines) -> bool:
    """Wait for pytest's message GO: whether a test needs the stack."""
    message = connection.receive()
    return message is not None and message[0] == protocol.GO


def _choose(checkout: Checkout, options: StackOptions) -> tuple[Pipeline, str]:
    """The pipeline, and the name of its cloud. Raises UsageError for several of either."""
    from infraci.model.decode import load_pipelines

    if is_untrusted():
        raise UsageError(
            "cannot stand a stack up for pytest, which has no sandbox: the commit is not trusted",
            hint=invocation("run", "--untrusted", options.pipeline),
        )
    if options.pipeline.startswith("@"):
        raise UsageError(
            f"cannot test {options.pipeline}: that is a schedule, of several pipelines",
            hint="name one pipeline: pytest --infraci PIPELINE",
        )
    pipeline, *more = load_pipelines(checkout.tree, [options.pipeline])
    if more:
        raise UsageError(
            f"cannot test {options.pipeline}: its matrix has {1 + len(more)} cells, and tests "
            "are of one stack",
            hint=f"name one: pytest --infraci '{pipeline.name}'",
        )
    if options.cloud and pipeline.cloud not in ("", options.cloud):
        raise UsageError(
            f"cannot test {pipeline.name} on cloud {options.cloud}: it is for {pipeline.cloud}",
            hint=f"say --infraci-cloud {pipeline.cloud}, or nothing",
        )
    # Serverspec's specs are not pytest's to run, so that nothing has to be there for them.
    pipeline = replace(pipeline, serverspec={})
    return pipeline, options.cloud or pipeline.cloud or os.environ.get("INFRACI_CLOUD") or LOCAL


def _plan(pipeline: Pipeline, checkout: Checkout, cloud: Cloud) -> Plan:
    """The servers that the stack will have. Raises FileError with all that is wrong."""
    name = f"infraci-plan-{secrets.token_hex(4)}"
    plan = plan_pipeline(
        pipeline,
        root=checkout.tree,
        cloud=cloud,
        load=partial(
            load_request, pipeline, tree=checkout.tree, cloud=cloud, overrides=Overrides()
        ),
        name=name,
        own_part=host_key_placeholder(checkout.tree, cloud.name),
        # This pytest's own session collects the specs.
        examine=partial(examine, collect=False),
    )
    if plan.problems:
        raise FileError(plan.problems)
    # Names that hold the stack's are other ones in each run; tests' should be the same.
    shown = [server.name.replace(name, pipeline.name) for server in plan.servers]
    paths = [server.path for server in plan.servers]
    names = distinct_names(
        [path if name.endswith("…") else name for name, path in zip(shown, paths, strict=True)],
        paths,
    )
    servers = [
        PlannedServer(name=name, path=server.path, role=server.role)
        for name, server in zip(names, plan.servers, strict=True)
    ]
    title = f"pipeline {pipeline.name} on {cloud.name}"
    return _described(pipeline, title, root=checkout.root, servers=servers)


def _described(
    pipeline: Pipeline, title: str, *, root: Path, servers: Sequence[PlannedServer]
) -> Plan:
    specs = pipeline.specs.items()
    return Plan(
        pipeline=pipeline.name,
        title=title,
        root=root,
        servers=tuple(servers),
        roles=tuple(dict.fromkeys((*pipeline.servers.roles, *pipeline.specs.keys() - {THE_STACK}))),
        specs={
            "" if role == EVERY_SERVER else role: tuple(map(str, paths)) for role, paths in specs
        },
        verify_s=pipeline.timeouts.verify_s,
    )


def _ending(record: RunRecord, connection: JsonLines, folder: Path) -> Ending:
    """How the run ended, for pytest."""
    failure = next((r.failure for r in record.phases if r.failure is not None), None)
    if failure is not None:
        error = InfraciError(failure.message, hint=failure.hint)
        connection.send(protocol.OVER, protocol.error_to_json(error))
    destroy_failures = [r.failure for r in record.phases if r.phase is Phase.DESTROY and r.failure]
    return Ending(
        properties=dict(properties(record, folder)),
        failure=destroy_failures[0].message if destroy_failures else "",
        cleanup="" if record.destroyed else invocation("destroy", record.id, cloud=record.cloud),
    )


def _show_existing(options: StackOptions, connection: JsonLines) -> Ending | None:
    """Show a run whose stack stands, and is kept; None if no test needed it."""
    root = git.repository_root(Path.cwd())
    ledger = Ledger(root)
    record = find_run(ledger, options.run)
    if record.destroyed:
        raise UsageError(
            f"cannot test run {record.id}: its stack is destroyed",
            hint=f"stand up a new one: pytest --infraci {record.pipeline}",
        )
    if options.pipeline not in ("", record.pipeline):
        raise UsageError(
            f"cannot test run {record.id} as pipeline {options.pipeline}: it is of "
            f"{record.pipeline}",
            hint="leave --infraci out",
        )
    if ledger.is_alive(record.id):
        raise UsageError(
            f"cannot test run {record.id}: another process is at work on it",
            hint="wait until that has ended",
        )
    folder = ledger.folder(record.id)
    servers = Stack.read(folder).as_planned()
    title = f"run {record.id} on {record.cloud}"
    pipeline = find_pipeline(root, record.pipeline)
    connection.send(
        protocol.PLANNED, _described(pipeline, title, root=root, servers=servers).to_json()
    )
    if not _is_needed(connection):
        return None
    connection.send(protocol.READY, str(folder.path))
    while connection.receive() is not None:
        pass
    return Ending(properties=dict(properties(record, folder.path)))


if __name__ == "__main__":
    main()
