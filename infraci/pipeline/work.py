"""A run at work: its record, kept on disk with every step, and what is open for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infraci.base.deadline import Deadline
from infraci.base.invocation import invocation
from infraci.base.mask import process_masker
from infraci.errors import InfraciError, UnreachableError
from infraci.model.configure_steps import secrets_of
from infraci.model.decode import load_project
from infraci.model.pipeline import Pipeline
from infraci.model.project import CloudDefinition
from infraci.model.run import (
    Commit,
    Failure,
    Phase,
    PhaseResult,
    Round,
    RunRecord,
    Server,
    Testcase,
    label,
)
from infraci.model.secret import secrets_among
from infraci.pipeline.drivers import Drivers, Specs
from infraci.pipeline.interrupt import Interrupts
from infraci.pipeline.verdict import trouble_of
from infraci.ssh import Session, close_jumps
from infraci.templates import StackRequest

_LOGIN_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A commit's pipeline, its files on disk, and what Heat will be sent of them."""

    commit: Commit
    pipeline: Pipeline
    tree: Path
    load: Callable[[], StackRequest]


#: Finds the commit that an upgrade begins from, and has its files for as long as they are needed.
OpenBase = Callable[[], AbstractContextManager[Version]]

#: Where the record keeps what a round has checked.
_TESTCASES = {
    Round.HEAD: "testcases",
    Round.BASE: "base_testcases",
    Round.ROLLBACK: "rollback_testcases",
}


class Work:
    """A run at work on one pipeline of one tree. Close it when all is done.

    With ``open_base`` it is an upgrade: it works on two commits, one after the other.
    """

    def __init__(
        self,
        record: RunRecord,
        *,
        pipeline: Pipeline,
        tree: Path,
        load: Callable[[], StackRequest],
        drivers: Drivers,
        interrupts: Interrupts,
        open_base: OpenBase | None = None,
    ) -> None:
        self.record = record
        #: What the phases work with now; see :meth:`at`.
        self.version = Version(commit=record.commit, pipeline=pipeline, tree=tree, load=load)
        self.round = Round.HEAD
        self.drivers = drivers
        self.interrupts = interrupts
        self.folder = drivers.ledger.folder(record.id)
        self._calls = drivers.cloud.api_calls  # of others' runs, before this one
        self.masker = process_masker()
        self.outputs: Mapping[str, object] | None = None  # unmasked, unlike the record's
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._specs: Specs | None = None
        self._open_base = open_base
        self._base: Version | None = None
        self._open = ExitStack()

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that is worked on."""
        return self.version.pipeline

    @property
    def tree(self) -> Path:
        """The files of the commit that is worked on."""
        return self.version.tree

    def load(self) -> StackRequest:
        """What Heat will be sent of the commit that is worked on."""
        return self.version.load()

    @property
    def is_upgrade(self) -> bool:
        """Whether the stack is stood up at another commit first."""
        return self._open_base is not None

    @property
    def base(self) -> Version:
        """What an upgrade begins from; found when first asked for. Raises what finding raises."""
        if self._base is None:
            if self._open_base is None:
                raise AssertionError("only an upgrade has a base")
            self._base = self._open.enter_context(self._open_base())
            self.update(base=self._base.commit)
        return self._base

    @contextmanager
    def at(self, round_: Round) -> Iterator[None]:
        """While in here, the phases are the base's: its pipeline, its files, its specs."""
        before = self.version, self.round
        self.version, self.round = self.base, round_
        try:
            yield
        finally:
            self.version, self.round = before

    @property
    def private_key(self) -> Path:
        """The private half of the run's key pair."""
        return self.folder.login_key

    @property
    def site(self) -> CloudDefinition:
        """What the tree's project file says of the run's cloud."""
        return load_project(self.tree).cloud(self.record.cloud)

    @property
    def logs(self) -> Path:
        """What the steps and specs of this round say; made when first asked for."""
        folder = self.folder.logs(self.round)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def junit(self) -> Path:
        """The run's report."""
        return self.folder.junit

    @property
    def cleanup(self) -> str:
        """The command that removes all that the run has made."""
        return invocation("destroy", self.record.id, cloud=self.record.cloud)

    def hide(self, secrets: Iterable[str]) -> None:
        """Keep these out of whatever is written down from now on."""
        self.masker.hide(secrets)

    def hide_secrets_of_pipeline(self) -> None:
        """The same for what steps and specs take from this machine. Raises MissingSecretError."""
        self.hide(secrets_among(self.pipeline.environment.values()))
        self.hide(secret for step in self.pipeline.configure for secret in secrets_of(step))

    def update(self, **changes: Any) -> None:
        """Change the record, in memory and on disk."""
        self.record = replace(self.record, **changes)
        self.drivers.ledger.update(self.record)

    def add_testcases(self, testcases: Sequence[Testcase]) -> None:
        """Write down what has been checked, each round's by itself."""
        name = _TESTCASES[self.round]
        self.update(**{name: (*self.record.checked(self.round), *testcases)})

    @contextmanager
    def phase(self, phase: Phase, timeout_s: float) -> Iterator[Deadline]:
        """A phase: how long it took and what went wrong is recorded, and raised on."""
        started = self.drivers.clock()
        deadline = Deadline(timeout_s, phase=f"the {label(phase, self.round)} phase")
        self.drivers.progress.phase(self.record.id, phase, self.round)
        trouble: Failure | None = None
        try:
            with self.drivers.cloud.within(deadline):
                yield deadline
        except BaseException as error:
            deadline.cancel()  # whatever other threads still wait for
            trouble = trouble_of(error, self.masker)
            if self.round is not Round.HEAD:  # only the commit under test can be blamed
                trouble = replace(trouble, blames=False)
            raise
        finally:
            duration_s = self.drivers.clock() - started
            result = PhaseResult(
                phase=phase,
                started=started,
                duration_s=duration_s,
                trouble=trouble,
                round=self.round,
            )
            before = tuple(r for r in self.record.phases if r.label != result.label)
            calls = self.drivers.cloud.api_calls - self._calls
            self.record = replace(self.record, phases=(*before, result), api_calls=dict(calls))
            self.drivers.progress.phase_done(self.record.id, result)
            try:
                self.drivers.ledger.update(self.record)
            except InfraciError:
                if trouble is None:  # otherwise what ended the phase tells more
                    raise

    # What is open

    def warm_specs(self) -> Specs:
        """The interpreter for the specs; started when first asked for, closed with the work."""
        if self._specs is None:
            self._specs = self._open.enter_context(self.drivers.specs(self.tree))
        return self._specs

    def keep(self, server: Server, session: Session) -> None:
        """Keep a session for whoever needs one next."""
        with self._lock:
            self._sessions[server.name] = session

    def session_of(self, server: Server) -> Session:
        """The session with a server; opened again if it is no longer alive."""
        with self._lock:
            session = self._sessions.get(server.name)
        if session is not None and session.is_alive:
            return session
        if not self.private_key.exists():
            raise UnreachableError(
                f"cannot log in to {server.name}: the run's key {self.private_key} is gone"
            )
        session = Session.open(server, private_key=self.private_key, timeout_s=_LOGIN_S)
        self.keep(server, session)
        return session

    def has_session(self, server: Server) -> bool:
        """Whether there is a session with a server of that name that is alive."""
        with self._lock:
            session = self._sessions.get(server.name)
        return session is not None and session.is_alive

    def forget(self, server: Server) -> None:
        """Close the session with a server that is no more, or no longer the same."""
        with self._lock:
            session = self._sessions.pop(server.name, None)
        if session is not None:
            with suppress(Exception):
                session.close()

    def close(self) -> None:
        """Close the sessions and the interpreter."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            with suppress(Exception):
                session.close()
        close_jumps(self.private_key)
        self._specs = None
        self._open.close()
