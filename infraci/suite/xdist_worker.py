"""The stacks of a worker of pytest-xdist: it asks the controller's broker for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infraci.errors import InfraciError
from infraci.suite import xdist_broker
from infraci.suite.protocol import error_from_json
from infraci.verify.stack_view import Plan


class BrokeredStacks:
    """Asks the broker; see ``infraci.suite.suite_stacks.RemoteStacks``."""

    def __init__(self, config: pytest.Config) -> None:
        worker_input = config.workerinput  # type: ignore[attr-defined]
        self._address: str = worker_input[xdist_broker.ADDRESS]
        self.main = (
            Plan.from_json(json.loads(worker_input[xdist_broker.PLAN]))
            if worker_input[xdist_broker.PLAN]
            else None
        )

    def plan(self, pipeline: str) -> Plan:
        """A pipeline's plan. Raises InfraciError."""
        return Plan.from_json(self._ask(xdist_broker.ASK_PLAN, pipeline))

    def stand_up(self, key: str, pipeline: str) -> Path:
        """The folder of the stack's run; blocks until it stands. Raises InfraciError."""
        return Path(self._ask(xdist_broker.ASK_STACK, [key, pipeline]))

    def _ask(self, key: str, question: object) -> Any:
        try:
            kind, answer = xdist_broker.ask(self._address, key, question)
        except OSError as error:
            raise InfraciError(f"cannot ask pytest's controller for a stack: {error}") from error
        if kind == xdist_broker.ERROR:
            raise error_from_json(answer)
        return answer
