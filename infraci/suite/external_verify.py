"""The verify phase of a run whose specs the user's pytest runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from infraci.base.interrupts import Interruption, error_of
from infraci.base.json_lines import JsonLines
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
        server: Server | None,
        paths: Sequence[PurePosixPath],
        *,
        run_folder: RunFolder,
        timeout_s: float,
        root: Path,
        log: Path | None,
        environment: Mapping[str, str],
    ) -> tuple[Testcase, ...]:
        """Not called: pytest runs the specs."""
        raise AssertionError("the user's pytest runs the specs of this run")


class PytestProgress(PlainProgress):
    """Progress of a run whose checks pytest shows."""

    def checked(self, server: str, testcases: Sequence[Testcase]) -> None:
        """Show nothing: pytest has shown the testcases."""


class ExternalVerify:
    """Receives the checks of the user's pytest, which runs at the run's servers."""

    def __init__(self, connection: JsonLines, plan: Plan) -> None:
        self._connection = connection
        self._plan = plan
        self._checks: list[Mapping[str, Any]] = []
        self._pytest_ended = threading.Event()

    def start_listening(self) -> None:
        """Receive pytest's messages from now on, in a thread."""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while (message := self._connection.receive()) is not None:
            key, value = message
            if key == protocol.CHECKED:
                self._checks.append(value)
            elif key == protocol.DONE:
                self._pytest_ended.set()
                return
        os.kill(os.getpid(), signal.SIGINT)

    def verify(self, run: Run) -> None:
        """The verify phase: until pytest has ended."""
        with run.state.phase(Phase.VERIFY, run.state.pipeline.timeouts.verify_s) as deadline:
            stack = Stack.read(run.folder)
            self._connection.send(protocol.READY, str(run.folder.path))
            try:
                if not self._pytest_ended.wait(deadline.remaining_s):
                    raise deadline.expired("pytest to end")
            except (InfraciError, Interruption) as raised:
                error = error_of(raised)
                self._connection.send(protocol.OVER, protocol.error_to_json(error))
                raise
            finally:
                testcases = [self._testcase(check, stack) for check in self._checks]
                run.state.add_testcases(
                    [kept(case, run.state.masker, root=run.state.tree) for case in testcases]
                )

    def _testcase(self, check: Mapping[str, Any], stack: Stack) -> Testcase:
        """A check as a testcase, with its server's own name, which the plan may not have known."""
        fields = {name: value for name, value in check.items() if name != "stack"}
        planned = next((s for s in self._plan.servers if s.name == check["server"]), None)
        if planned is not None:
            fields["server"] = name = find_server(stack, planned).name
            for text in ("name", "nodeid"):
                head, bracket, parameters = fields[text].partition("[")
                fields[text] = head + bracket + parameters.replace(planned.name, name, 1)
        kind = fields.get("kind")
        fields["outcome"] = Outcome(fields["outcome"])
        fields["kind"] = None if kind is None else ErrorKind(kind)
        fields["file"] = PurePosixPath(fields["file"])
        return Testcase(**fields)
