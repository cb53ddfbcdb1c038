"""The drivers of a run, as protocols: cloud, ledger, progress, SSH, configure, specs, reports."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from infraci.base.deadline import Deadline
from infraci.base.mask import Masker
from infraci.configure.step import OnStep
from infraci.heat.events import OnEvent
from infraci.heat.leftovers import Leftover, Mark
from infraci.heat.objects import Event, NovaServer, Resource, Stack
from infraci.heat.security_groups import Admission
from infraci.heat.stacks import Request
from infraci.ledger.ledger import Ledger
from infraci.ledger.run_folder import RunFolder
from infraci.model.configure_steps import ConfigureStep
from infraci.model.pipeline import Pipeline
from infraci.model.run import ResourceReference, RunRecord, Server, Testcase
from infraci.plan.plan_values import PipelinePlan
from infraci.plan.sandboxed_checks import Examination
from infraci.progress import Progress
from infraci.ssh import Session
from infraci.templates import StackRequest

Load = Callable[[], StackRequest]


class Remover(Protocol):
    """The calls to a cloud that remove what runs have made."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def where(self) -> str: ...  # noqa: D102

    def find_stack(self, name_or_id: str) -> Stack | None: ...  # noqa: D102

    def delete_stack(  # noqa: D102
        self, name_or_id: str, *, deadline: Deadline, on_event: OnEvent | None
    ) -> None: ...

    def delete_keypair(self, name: str) -> None: ...  # noqa: D102

    def resource_references(self, name_or_id: str) -> tuple[ResourceReference, ...]: ...  # noqa: D102

    def leftovers(self, mark: Mark, *, deadline: Deadline) -> tuple[Leftover, ...]: ...  # noqa: D102

    def remove_leftovers(  # noqa: D102
        self, mark: Mark, *, deadline: Deadline
    ) -> tuple[Leftover, ...]: ...


class CloudDriver(Remover, Protocol):
    """The calls of a run to a cloud; see :class:`infraci.heat.Cloud`."""

    @property
    def poll_interval_s(self) -> tuple[float, float]: ...  # noqa: D102

    @property
    def api_calls(self) -> Counter[str]: ...  # noqa: D102

    @property
    def clouds_yaml(self) -> str: ...  # noqa: D102

    def within(self, deadline: Deadline) -> AbstractContextManager[None]: ...  # noqa: D102

    def create_stack(  # noqa: D102
        self, request: Request, *, name: str, tags: Iterable[str], timeout_s: float
    ) -> str: ...

    def wait(  # noqa: D102
        self, stack_id: str, status: str = ..., *, deadline: Deadline, on_event: OnEvent | None
    ) -> Stack: ...

    def update_stack(  # noqa: D102
        self,
        stack_id: str,
        request: Request,
        *,
        tags: Iterable[str],
        deadline: Deadline,
        on_event: OnEvent | None,
    ) -> None: ...

    def resources(self, stack_id: str) -> tuple[Resource, ...]: ...  # noqa: D102

    def servers(self, stack_id: str) -> tuple[NovaServer, ...]: ...  # noqa: D102

    def server(self, server_id: str) -> NovaServer: ...  # noqa: D102

    def outputs(self, stack_id: str) -> Mapping[str, object]: ...  # noqa: D102

    def events(self, stack_id: str) -> tuple[Event, ...]: ...  # noqa: D102

    def balancers(self, stack_id: str) -> str: ...  # noqa: D102

    def console(self, server_id: str) -> str: ...  # noqa: D102

    def admission(  # noqa: D102
        self, server_id: str, port: int, *, source: str | None
    ) -> Admission: ...

    def names(self, kind: str) -> Sequence[str]: ...  # noqa: D102

    def updatable(self, resource_type: str) -> Mapping[str, bool]: ...  # noqa: D102

    def create_keypair(self, name: str, public_key: str) -> None: ...  # noqa: D102


class Specs(Protocol):
    """A warm interpreter that runs specs against servers."""

    def run(
        self,
        server: Server | None,
        paths: Sequence[PurePosixPath],
        *,
        run_folder: RunFolder,
        timeout_s: float,
        root: Path,
        log: Path | None,
        environment: Mapping[str, str],
    ) -> tuple[Testcase, ...]:
        """Run the specs on one server, or on the stack itself; each has a thread of its own."""


class Serverspec(Protocol):
    """See :func:`infraci.verify.serverspec.run_serverspec`."""

    def __call__(  # noqa: D102
        self,
        server: Server,
        paths: Sequence[PurePosixPath],
        *,
        run_folder: RunFolder,
        root: Path,
        deadline: Deadline,
        log: Path,
        masker: Masker | None,
        environment: Mapping[str, str],
    ) -> tuple[Testcase, ...]: ...


class Configure(Protocol):
    """See :func:`infraci.configure.configure_servers`."""

    def __call__(  # noqa: D102
        self,
        steps: Sequence[ConfigureStep],
        servers: Sequence[Server],
        *,
        session_of: Callable[[Server], Session],
        run_folder: RunFolder,
        root: Path,
        outputs: Mapping[str, object],
        run_id: str,
        commit: str,
        logs: Path,
        deadline: Deadline,
        idempotence: bool,
        masker: Masker | None,
        on_step: OnStep | None,
        on_testcases: Callable[[Sequence[Testcase]], None] | None,
    ) -> None: ...


class Collect(Protocol):
    """See :func:`infraci.evidence.collect`."""

    def __call__(  # noqa: D102
        self,
        servers: Sequence[Server],
        *,
        open_session: Callable[[Server], Session],
        console: Callable[[Server], str],
        events: Callable[[], str],
        balancers: Callable[[], str],
        folder: RunFolder,
        deadline: Deadline,
        masker: Masker | None,
    ) -> tuple[str, ...]: ...


class LogIn(Protocol):
    """See :func:`infraci.ssh.log_in`."""

    def __call__(self, server: Server, *, private_key: Path, timeout_s: float) -> Session: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """The drivers of a run."""

    cloud: CloudDriver
    ledger: Ledger
    progress: Progress
    log_in: LogIn
    configure: Configure
    specs: Callable[[Path], AbstractContextManager[Specs]]  # of the commit's tree
    serverspec: Serverspec
    collect: Collect
    write_junit: Callable[[Path, RunRecord], object]
    #: Makes what a stack needs beforehand, the embedded cloud's images, and shows progress.
    prepare: Callable[[StackRequest], None] = lambda _: None
    #: Finds what only a sandbox can; see :func:`infraci.plan.sandboxed_checks`.
    examine: Callable[[Pipeline, Path], Examination] = lambda pipeline, root: Examination()
    #: Tells all that is wrong with a pipeline, which takes long: it is asked once something is.
    plan: Callable[[Pipeline, Path, Load], PipelinePlan] = lambda pipeline, root, load: (
        PipelinePlan(name=pipeline.name)
    )
    clock: Callable[[], float] = time.time
