"""The far side: the verify phase of a run whose specs somebody else's pytest runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from infraci.errors import InfraciError
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import ErrorKind, Outcome, Phase, Server, Testcase
from infraci.pipeline import Run
from infraci.pipeline.server_phases import kept
from infraci.progress.plain import PlainProgress
from infraci.suite import protocol
from infraci.verify.stack_view import Plan, Stack, find_server


class NoSpecs:
    """No interpreter for specs, as they run elsewhere; see ``infraci.pipeline.Specs``."""

    def run(
        self,
        server: Server,
        paths: Sequence[PurePosixPath],
        *,
        run_folder: RunFolder,
        timeout_s: float,
        root: Path,
        log: Path | None,
        environment: Mapping[str, str],
    ) -> tuple[Testcase, ...]:
        """Nobody asks."""
        raise AssertionError("the specs of this run are run by somebody else's pytest")


class Progress(PlainProgress):
    """Progress of a run whose checks are shown by whoever runs them."""

    def checked(self, server: str, testcases: Sequence[Testcase]) -> None:
        """Nothing to add."""


class ExternalVerify:
    """Somebody else's pytest at the run's servers."""

    def __init__(self, line: protocol.Line, plan: Plan) -> None:
        self._line = line
        self._plan = plan
        self._checks: list[Mapping[str, Any]] = []
        self._over = threading.Event()

    def listen(self) -> None:
        """Hear pytest from now on, in a thread."""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while (heard := self._line.hear()) is not None:
            key, value = heard
            if key == protocol.CHECKED:
                self._checks.append(value)
            elif key == protocol.DONE:
                self._over.set()
                return
        os.kill(os.getpid(), signal.SIGINT)

    def verify(self, run: Run) -> None:
        """The verify phase: until pytest has ended."""
        with run.state.phase(Phase.VERIFY, run.state.pipeline.timeouts.verify_s) as deadline:
            stack = Stack.read(run.folder)
            self._line.send(protocol.READY, str(run.folder.path))
            try:
                if not self._over.wait(deadline.remaining_s):
                    raise deadline.expired("pytest to end")
            except InfraciError as error:
                self._line.send(protocol.OVER, protocol.told(error))
                raise
            finally:
                found = [self._testcase(check, stack) for check in self._checks]
                run.state.add_testcases(
                    [kept(case, run.state.masker, root=run.state.tree) for case in found]
                )

    def _testcase(self, check: Mapping[str, Any], stack: Stack) -> Testcase:
        """A check by its server's own name, which may not have been known when it was planned."""
        said = {name: value for name, value in check.items() if name != "stack"}
        planned = next((s for s in self._plan.servers if s.name == check["server"]), None)
        if planned is not None:
            said["server"] = name = find_server(stack, planned).name
            for text in ("name", "nodeid"):
                head, bracket, parameters = said[text].partition("[")
                said[text] = head + bracket + parameters.replace(planned.name, name, 1)
        kind = said.get("kind")
        said["outcome"] = Outcome(said["outcome"])
        said["kind"] = None if kind is None else ErrorKind(kind)
        said["file"] = PurePosixPath(said["file"])
        return Testcase(**said)
