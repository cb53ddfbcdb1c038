"""Gives the tests of a process their stacks: from stack processes, or through the broker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from infraci.ledger.run_folder import RunFolder
from infraci.suite import xdist_broker
from infraci.suite.pytest_controller import MAIN, controller_of
from infraci.suite.xdist_worker import BrokeredStacks
from infraci.verify.hosts import register
from infraci.verify.lazy_stack import LazyStack
from infraci.verify.stack_view import Plan


class RemoteStacks(Protocol):
    """The source of plans and stacks: stack processes, or in a worker the controller."""

    @property
    def main(self) -> Plan | None: ...  # noqa: D102

    def plan(self, pipeline: str) -> Plan: ...  # noqa: D102

    def stand_up(self, key: str, pipeline: str) -> Path: ...  # noqa: D102


class SessionStacks:
    """The stacks of this process's tests; see ``infraci.verify.hosts.StackSource``."""

    def __init__(self, source: RemoteStacks) -> None:
        self._source = source
        self._lazy_stacks: dict[str, LazyStack] = {}

    def main(self) -> LazyStack | None:
        """The stack of the command line."""
        plan = self._source.main
        return None if plan is None else self._lazy_stack(MAIN, plan)

    def own(self, pipeline: str, *, scope: str, module: str) -> LazyStack:
        """The stack of a module: for it alone, or shared by all modules of that pipeline."""
        main = self._source.main
        if scope == "session" and main is not None and main.pipeline == pipeline:
            return self._lazy_stack(MAIN, main)
        key = pipeline if scope == "session" else f"{pipeline} {module}"
        if key in self._lazy_stacks:
            return self._lazy_stacks[key]
        return self._lazy_stack(key, self._source.plan(pipeline))

    @property
    def known(self) -> Mapping[str, LazyStack]:
        """The stacks that tests are for, by key."""
        return self._lazy_stacks

    def _lazy_stack(self, key: str, plan: Plan) -> LazyStack:
        if key not in self._lazy_stacks:

            def stand_up() -> RunFolder:
                return RunFolder(self._source.stand_up(key, plan.pipeline))

            self._lazy_stacks[key] = LazyStack(key, plan, stand_up)
        return self._lazy_stacks[key]


def begin(config: pytest.Config) -> None:
    """Have the tests of this process get stacks."""
    if xdist_broker.is_worker(config):
        register(config, SessionStacks(BrokeredStacks(config)), strict=True)
        return
    controller = controller_of(config)
    lazy_stacks = SessionStacks(controller.processes)
    register(config, lazy_stacks, strict=True)
    controller.lazy_stacks = lazy_stacks.known
