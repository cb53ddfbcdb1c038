"""A run at work: its state, kept on disk with every step, and what is open for it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infraci.base.deadline import Deadline
from infraci.base.display import with_relative_paths
from infraci.base.interrupts import Interrupts, error_of
from infraci.base.invocation import invocation
from infraci.base.mask import Masker, process_masker
from infraci.diagnosis.phase_testcase import blames
from infraci.errors import InfraciError, of_machine
from infraci.ledger.ownership import read_ownership
from infraci.model.configure_steps import secrets_of_step
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
    Testcase,
    label,
)
from infraci.model.secret import secrets_among
from infraci.pipeline.drivers import Drivers, Specs
from infraci.ssh import Key, SessionPool, generate_key
from infraci.templates import StackRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A commit's pipeline, its files on disk, and what Heat will be sent of them."""

    commit: Commit
    pipeline: Pipeline
    tree: Path
    load: Callable[[], StackRequest]


#: Finds the commit that an upgrade begins from, and has its files for as long as they are needed.
OpenBase = Callable[[], AbstractContextManager[Version]]


class RunState:
    """A run's record, and which of its commits the phases work on now.

    With ``open_base`` the run is an upgrade: it works on two commits, one after the other.
    """

    def __init__(
        self,
        record: RunRecord,
        *,
        version: Version,
        drivers: Drivers,
        open_base: OpenBase | None = None,
    ) -> None:
        self.record = record
        #: What the phases work on now; see :meth:`at`.
        self.version = version
        self.round = Round.HEAD
        self.masker = process_masker()
        self.outputs: Mapping[str, object] | None = None  # unmasked, unlike the record's
        self._drivers = drivers
        self._earlier_calls = drivers.cloud.api_calls  # of other runs of this process
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

    @property
    def site(self) -> CloudDefinition:
        """What the tree's project file says of the run's cloud."""
        return load_project(self.tree).cloud(self.record.cloud)

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
            self.save(replace(self.record, base=self._base.commit))
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

    def hide(self, secrets: Iterable[str]) -> None:
        """Keep these out of all that is written from now on."""
        self.masker.hide(secrets)

    def hide_secrets_of_pipeline(self) -> None:
        """Hide secrets that steps and specs take from this machine; raises MissingSecretError."""
        self.hide(secrets_among(self.pipeline.environment.values()))
        self.hide(secret for step in self.pipeline.configure for secret in secrets_of_step(step))

    def save(self, record: RunRecord) -> None:
        """Replace the record, in memory and on disk."""
        self.record = record
        self._drivers.ledger.update(record)

    def add_testcases(self, testcases: Sequence[Testcase]) -> None:
        """Add what has been checked to the record, each round's by itself."""
        added = (
            replace(
                case,
                message=with_relative_paths(case.message, self.tree),
                text=with_relative_paths(case.text, self.tree),
            )
            for case in testcases
        )
        checked = (*self.record.checked(self.round), *added)
        if self.round is Round.HEAD:
            self.save(replace(self.record, testcases=checked))
        elif self.round is Round.BASE:
            self.save(replace(self.record, base_testcases=checked))
        else:
            self.save(replace(self.record, rollback_testcases=checked))

    @contextmanager
    def phase(self, phase: Phase, timeout_s: float) -> Iterator[Deadline]:
        """A phase: how long it took and what went wrong is recorded, and raised on."""
        drivers = self._drivers
        started = drivers.clock()
        deadline = Deadline(timeout_s, phase=f"the {label(phase, self.round)} phase")
        drivers.progress.phase(self.record.id, phase, self.round)
        failure: Failure | None = None
        try:
            with drivers.cloud.within(deadline):
                yield deadline
        except BaseException as raised:
            error = error_of(raised)
            deadline.cancel()  # ends the waits of other threads
            failure = _failure_of(error, self.masker, root=self.tree)
            if self.round is not Round.HEAD:  # only the commit under test can be blamed
                failure = replace(failure, blames=False)
            if error is not raised:
                raise error from None
            raise
        finally:
            result = PhaseResult(
                phase=phase,
                started=started,
                duration_s=drivers.clock() - started,
                failure=failure,
                round=self.round,
            )
            before = tuple(r for r in self.record.phases if r.label != result.label)
            calls = drivers.cloud.api_calls - self._earlier_calls
            self.record = replace(self.record, phases=(*before, result), api_calls=dict(calls))
            drivers.progress.phase_done(self.record.id, result)
            try:
                drivers.ledger.update(self.record)
            except InfraciError:
                if failure is None:  # otherwise what ended the phase tells more
                    raise

    def close(self) -> None:
        """Remove the files of an upgrade's base."""
        self._open.close()


class Run:
    """A run at work: its state, its folder, its sessions, and the drivers that do its work."""

    def __init__(self, state: RunState, *, drivers: Drivers, interrupts: Interrupts) -> None:
        self.state = state
        self.drivers = drivers
        self.interrupts = interrupts
        self.folder = drivers.ledger.folder(state.record.id)
        self.sessions = SessionPool(self.folder.login_key)
        self._specs: Specs | None = None
        self._open = ExitStack()

    @property
    def cleanup(self) -> str:
        """The command that removes all that the run has made."""
        return invocation("destroy", self.state.record.id, cloud=self.state.record.cloud)

    @property
    def logs(self) -> Path:
        """The folder of what the steps and specs of this round print; made when asked for."""
        folder = self.folder.logs(self.state.round)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def key(self, private: Path) -> Key:
        """The key pair with that private half; made when first asked for, kept by a resumed run."""
        public = private.with_suffix(".pub")
        if private.exists() and public.exists():
            return Key(private_path=private, public=public.read_text().strip())
        owner = read_ownership(self.state.record.tags)
        comment = owner.comment() if owner else self.state.record.id
        return generate_key(private.parent, comment, name=private.name)

    def warm_specs(self) -> Specs:
        """The interpreter for the specs; started when first asked for, closed with the run."""
        if self._specs is None:
            self._specs = self._open.enter_context(self.drivers.specs(self.state.tree))
        return self._specs

    def close(self) -> None:
        """Close the sessions and the interpreter, and remove the files of an upgrade's base."""
        self.sessions.close()
        self._specs = None
        self._open.close()
        self.state.close()


def _failure_of(error: BaseException, masker: Masker, *, root: Path) -> Failure:
    """An error as the record has it: without secrets, and with the repository's paths.

    ``root`` is where the commit's files are now.
    """

    def fit(text: object) -> str:
        return with_relative_paths(masker.mask(str(text)), root)

    error = of_machine(error) or error
    if isinstance(error, InfraciError):
        return Failure(
            kind=type(error).__name__,
            message=fit(error.message),
            hint=fit(error.hint) if error.hint else None,
            details=fit(error.details),
            category=error.category,
            blames=blames(error),
        )
    return Failure(
        kind=type(error).__name__,
        message=fit(f"cannot go on: {type(error).__name__}: {error}"),
        hint="this is a bug in infraci",
        details=fit("".join(traceback.format_exception(error))),
    )
