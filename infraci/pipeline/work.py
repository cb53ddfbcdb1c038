"""A run at work: its record, kept on disk with every step, and what is open for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from infraci.deadline import Deadline
from infraci.errors import UnreachableError
from infraci.mask import Masker
from infraci.model.decode import load_project
from infraci.model.pipeline import Pipeline
from infraci.model.project import CloudDefinition
from infraci.model.run import Phase, PhaseResult, RunRecord, Server, Trouble
from infraci.pipeline.drivers import Drivers, Specs
from infraci.pipeline.interrupt import Interrupts
from infraci.pipeline.verdict import trouble_of
from infraci.ssh import Session, close_jumps
from infraci.templates import StackRequest

_LOGIN_S = 20.0


class Work:
    """A run at work on one pipeline of one tree. Close it when all is done."""

    def __init__(
        self,
        record: RunRecord,
        *,
        pipeline: Pipeline,
        tree: Path,
        load: Callable[[], StackRequest],
        drivers: Drivers,
        interrupts: Interrupts,
    ) -> None:
        self.record = record
        self.pipeline = pipeline
        self.tree = tree
        self.load = load
        self.drivers = drivers
        self.interrupts = interrupts
        self.folder = drivers.ledger.folder(record.id)
        self.masker = Masker()
        self.outputs: Mapping[str, str] | None = None  # unmasked, unlike the record's
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._specs: Specs | None = None
        self._open = ExitStack()

    @property
    def private_key(self) -> Path:
        """The private half of the run's key pair."""
        return self.folder / "id_ed25519"

    @property
    def site(self) -> CloudDefinition:
        """What the tree's project file says of the run's cloud."""
        return load_project(self.tree).cloud(self.record.cloud)

    @property
    def ssh_config(self) -> Path:
        """With which anybody can log in to the run's servers."""
        return self.folder / "ssh_config"

    @property
    def junit(self) -> Path:
        """The run's report."""
        return self.folder / "junit.xml"

    @property
    def cleanup(self) -> str:
        """The command that removes all that the run has made."""
        return f"infraci destroy {self.record.id}"

    def update(self, **changes: Any) -> None:
        """Change the record, in memory and on disk."""
        self.record = replace(self.record, **changes)
        self.drivers.ledger.update(self.record)

    @contextmanager
    def phase(self, phase: Phase, timeout_s: float) -> Iterator[Deadline]:
        """A phase: how long it took and what went wrong is recorded, and raised on."""
        started = self.drivers.clock()
        deadline = Deadline(timeout_s, phase=f"the {phase} phase")
        self.drivers.progress.phase(self.record.id, phase)
        trouble: Trouble | None = None
        try:
            yield deadline
        except BaseException as error:
            deadline.cancel()  # whatever other threads still wait for
            trouble = trouble_of(error, self.masker)
            raise
        finally:
            duration_s = self.drivers.clock() - started
            result = PhaseResult(
                phase=phase, started=started, duration_s=duration_s, trouble=trouble
            )
            before = tuple(r for r in self.record.phases if r.phase is not phase)
            self.record = replace(self.record, phases=(*before, result))
            self.drivers.progress.phase_done(self.record.id, result)
            self.drivers.ledger.update(self.record)

    # What is open

    def has_session(self, server: Server) -> bool:
        """Whether there is a session with a server of that name that is alive."""
        with self._lock:
            session = self._sessions.get(server.name)
        return session is not None and session.is_alive

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
