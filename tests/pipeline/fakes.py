"""Fake drivers, which do what a test sets, and remember how they were called."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from infraci.base.interrupts import Interrupts
from infraci.errors import CloudError
from infraci.heat import (
    Event,
    FoundStack,
    Keypair,
    Leftover,
    Mark,
    NovaServer,
    Resource,
    ServerAddress,
    Stack,
)
from infraci.heat.security_groups import Admission
from infraci.ledger.ledger import Ledger
from infraci.ledger.run_folder import RunFolder
from infraci.model.decode import parse_pipeline
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.problem import Problem
from infraci.model.run import Commit, Outcome, ResourceReference, RunRecord, Server, Testcase
from infraci.pipeline import Drivers, OpenBase, Run, RunState, Version, new_record
from infraci.plan import PipelinePlan
from infraci.progress.plain import Silent
from infraci.ssh import Session
from infraci.templates import StackRequest

COMMIT = Commit(
    sha="0123456789abcdef0123456789abcdef01234567",
    author="Åsa",
    email="asa@example.org",
    date="2026-01-02T03:04:05+01:00",
    subject="Open the port",
)
KEYS = (
    "-----BEGIN SSH HOST KEY KEYS-----\n"
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRlc3Q= root@web\n"
    "-----END SSH HOST KEY KEYS-----\n"
)
PIPELINE = """\
stack: {template: stack.yaml, parameters: {password: top-secret}}
configure: [cloud-init]
specs: {all: [specs], web: [specs/test_web.py]}
"""

Fault = BaseException | Callable[[], object]


@dataclass
class FaultInjector:
    """Faults, by the name of the call that each happens in; remembers all calls."""

    by_name: dict[str, Fault] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def inject(self, name: str) -> None:
        self.calls.append(name)
        fault = self.by_name.get(name)
        if isinstance(fault, BaseException):
            raise fault
        if fault is not None:
            fault()


def interrupt(number: int = signal.SIGINT) -> None:
    """What a terminal does on Ctrl-C; the main thread gets it at its next step."""
    os.kill(os.getpid(), number)
    if threading.current_thread() is threading.main_thread():
        time.sleep(0)  # a step


class FakeCloud:
    """A cloud with one web server."""

    name = "local"
    where = "/state"
    clouds_yaml = "/state/clouds.yaml"
    poll_interval_s = (0.01, 0.01)
    left: tuple[Leftover, ...] = ()  # what a tear-down leaves

    @property
    def api_calls(self) -> Counter[str]:
        return Counter({"fake CALL": len(self.faults.calls)})

    @contextmanager
    def within(self, deadline: Any) -> Iterator[None]:
        yield

    def resource_references(self, name_or_id: str) -> tuple[ResourceReference, ...]:
        self.faults.inject("resource_references")
        return (ResourceReference(kind="OS::Nova::Server", id="1"),) * (name_or_id in self.stacks)

    def leftovers(self, mark: Mark, *, deadline: Any) -> tuple[Leftover, ...]:
        self.faults.inject("leftovers")
        return self.left

    def remove_leftovers(self, mark: Mark, *, deadline: Any) -> tuple[Leftover, ...]:
        self.faults.inject("remove_leftovers")
        return ()

    def __init__(self, faults: FaultInjector) -> None:
        self.faults = faults
        self.stacks: dict[str, tuple[str, ...]] = {}
        self.keys: dict[str, str] = {}
        self.requests: list[Any] = []
        self.nova_servers: tuple[NovaServer, ...] = (
            NovaServer(
                id="1",
                name="web-0",
                status="ACTIVE",
                addresses=(ServerAddress(address="192.0.2.1", kind="access"),),
                metadata={"role": "web"},
            ),
        )
        self.console_text = KEYS
        self.admitted: Admission | CloudError = Admission(is_open=True)

    def create_stack(self, request: Any, *, name: str, tags: Any, timeout_s: float) -> str:
        self.requests.append(request)
        self.stacks[name] = tuple(tags)
        try:
            self.faults.inject("create_stack")
        except Exception:
            del self.stacks[name]
            raise
        return name

    def find_stack(self, name_or_id: str) -> Stack | None:
        self.faults.inject("find_stack")
        known = name_or_id in self.stacks
        return Stack(id=name_or_id, name=name_or_id, status="CREATE_COMPLETE") if known else None

    def wait(self, stack_id: str, status: str = "", *, deadline: Any, on_event: Any) -> Stack:
        on_event(Event(id="e", time="t", stack_name="s", resource="web", status="CREATE_COMPLETE"))
        self.faults.inject("wait")
        return Stack(id=stack_id, name=stack_id, status="CREATE_COMPLETE")

    def update_stack(
        self, stack_id: str, request: Any, *, tags: Any, deadline: Any, on_event: Any
    ) -> None:
        self.requests.append(request)
        self.faults.inject("update_stack")

    def resources(self, stack_id: str) -> tuple[Resource, ...]:
        self.faults.inject("resources")
        return tuple(
            Resource(
                path=server.name,
                type="OS::Nova::Server",
                status="CREATE_COMPLETE",
                physical_id=server.id,
            )
            for server in self.nova_servers
        )

    def delete_stack(self, name_or_id: str, *, deadline: Any, on_event: Any) -> None:
        self.faults.inject("delete_stack")
        self.stacks.pop(name_or_id, None)

    def servers(self, stack_id: str) -> tuple[NovaServer, ...]:
        self.faults.inject("servers")
        return self.nova_servers

    def server(self, server_id: str) -> NovaServer:
        self.faults.inject("server")
        return next(server for server in self.nova_servers if server.id == server_id)

    def outputs(self, stack_id: str) -> Mapping[str, object]:
        self.faults.inject("outputs")
        return {"url": "http://192.0.2.1", "secret": "it is top-secret", "ports": [80, 443]}

    def balancers(self, stack_id: str) -> str:
        return ""

    def events(self, stack_id: str) -> tuple[Event, ...]:
        self.faults.inject("events")
        return ()

    def console(self, server_id: str) -> str:
        self.faults.inject("console")
        return self.console_text

    def admission(self, server_id: str, port: int, *, source: str | None) -> Admission:
        if isinstance(self.admitted, Exception):
            raise self.admitted
        return self.admitted

    def names(self, kind: str) -> tuple[str, ...]:
        return ()

    def updatable(self, resource_type: str) -> Mapping[str, bool]:
        return {}

    def create_keypair(self, name: str, public_key: str) -> None:
        self.keys[name] = public_key
        self.faults.inject("create_keypair")

    def delete_keypair(self, name: str) -> None:
        self.faults.inject("delete_keypair")
        self.keys.pop(name, None)

    def keypairs(self) -> tuple[Keypair, ...]:
        return tuple(Keypair(name=name, public_key=key) for name, key in self.keys.items())

    def find_stacks(self, tags: Any) -> tuple[FoundStack, ...]:
        return tuple(
            FoundStack(id=name, name=name, status="CREATE_COMPLETE", tags=stack_tags)
            for name, stack_tags in self.stacks.items()
            if set(tags) <= set(stack_tags)
        )


class FakeSession:
    """A session that is alive until it is closed."""

    def __init__(self) -> None:
        self.is_alive = True

    def close(self) -> None:
        self.is_alive = False


class FakeSpecs:
    """Specs that all end in one way."""

    def __init__(self, faults: FaultInjector) -> None:
        self.faults = faults
        self.outcomes: tuple[Outcome, ...] = (Outcome.PASSED, Outcome.PASSED)
        self.kind: Any = None
        self.paths: dict[str, tuple[str, ...]] = {}
        self.environments: dict[str, Mapping[str, str]] = {}
        self.roots: list[Path] = []

    def run(
        self,
        server: Server | None,
        paths: Any,
        *,
        run_folder: RunFolder,
        timeout_s: float,
        root: Path,
        log: Path | None,
        environment: Mapping[str, str],
    ) -> tuple[Testcase, ...]:
        name, role = (server.name, server.role) if server else ("", "stack")
        self.paths[name] = tuple(map(str, paths))
        self.environments[name] = environment
        self.roots.append(root)
        self.faults.inject("specs")
        return tuple(
            Testcase(
                server=name,
                role=role,
                classname="specs.test_web",
                name=f"test_{number}[{name}]",
                nodeid=f"specs/test_web.py::test_{number}[{name}]",
                outcome=outcome,
                kind=self.kind if outcome in (Outcome.ERROR, Outcome.FAILURE) else None,
            )
            for number, outcome in enumerate(self.outcomes)
        )


class Notes(Silent):
    """Progress that is remembered."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.cleanup = ""
        self.ended: RunRecord | None = None

    def begin(self, record: RunRecord, *, cleanup: str) -> None:
        self.cleanup = cleanup

    def note(self, text: str) -> None:
        self.notes.append(text)

    def end(self, record: RunRecord) -> None:
        self.ended = record


class FakeDrivers:
    """The drivers of a run, a fake each, and runs that they work for."""

    def __init__(self, root: Path, **faults: Fault) -> None:
        self.root = root
        self.faults = FaultInjector(by_name=dict(faults))
        self.cloud = FakeCloud(self.faults)
        self.specs = FakeSpecs(self.faults)
        self.progress = Notes()
        self.ledger = Ledger(root)
        self.reports: list[RunRecord] = []
        self.sessions: list[FakeSession] = []
        self.configured: dict[str, Any] = {}
        self.now = 1_000_000.0
        self.problems: tuple[Problem, ...] = ()  # what a plan finds
        self.pipeline = write_tree(root)

    @property
    def calls(self) -> list[str]:
        """The calls of the drivers, in order."""
        return self.faults.calls

    def drivers(self) -> Drivers:
        return Drivers(
            cloud=self.cloud,
            ledger=self.ledger,
            progress=self.progress,
            log_in=self._log_in,
            configure=self._configure,
            specs=self._open_specs,
            serverspec=self._serverspec,
            collect=self._collect,
            write_junit=self._write_junit,
            prepare=lambda _: self.faults.inject("prepare"),
            plan=self._plan,
            clock=self._clock,
        )

    def _plan(self, pipeline: Pipeline, root: Path, load: Any) -> PipelinePlan:
        self.faults.inject("plan")
        return PipelinePlan(name=pipeline.name, problems=self.problems, is_refused=True)

    def make_run(
        self,
        interrupts: Interrupts,
        *,
        policy: DestroyPolicy = DestroyPolicy.ALWAYS,
        record: RunRecord | None = None,
        open_base: OpenBase | None = None,
    ) -> Run:
        if record is None:
            record = new_record(
                self.pipeline,
                COMMIT,
                cloud="local",
                ledger=self.ledger,
                destroy_policy=policy,
                now=self.now,
            )
            self.ledger.create(record).release()
        drivers = self.drivers()
        version = Version(
            commit=record.commit, pipeline=self.pipeline, tree=self.root, load=self._load
        )
        state = RunState(record, version=version, drivers=drivers, open_base=open_base)
        return Run(state, drivers=drivers, interrupts=interrupts)

    def _load(self) -> StackRequest:
        self.faults.inject("load")
        return StackRequest(
            template={
                "parameters": {"key_name": {"type": "string"}, "password": {"hidden": True}},
                "resources": {},
            },
            parameters={"password": "top-secret"},
        )

    def _clock(self) -> float:
        self.now += 1
        return self.now

    def _log_in(self, server: Server, *, private_key: Path, timeout_s: float) -> Session:
        self.faults.inject("log_in")
        assert server.host_keys
        assert private_key.exists()
        self.sessions.append(FakeSession())
        return cast(Session, self.sessions[-1])

    def _configure(self, steps: Any, servers: Any, **more: Any) -> None:
        self.configured = more
        self.faults.inject("configure")

    def _serverspec(self, server: Server, paths: Any, **more: Any) -> tuple[Testcase, ...]:
        self.faults.inject("serverspec")
        return ()

    @contextmanager
    def _open_specs(self, tree: Path) -> Iterator[FakeSpecs]:
        self.faults.inject("open_specs")
        yield self.specs
        self.faults.inject("close_specs")

    def _collect(self, servers: Any, **more: Any) -> tuple[str, ...]:
        self.faults.inject("collect")
        return ("evidence/stack-events.txt",)

    def _write_junit(self, path: Path, record: RunRecord) -> None:
        self.reports.append(record)
        self.faults.inject("write_junit")


def write_tree(root: Path) -> Pipeline:
    """A repository's files, with one pipeline."""
    (root / "specs").mkdir(parents=True)
    (root / "specs" / "test_web.py").write_text("def test_0(host): pass\n")
    (root / "stack.yaml").write_text("heat_template_version: 2018-08-31\nresources: {}\n")
    return parse_pipeline(PIPELINE, name="web", root=root)
