"""What workers ask the controller, and who may."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from infraci.base.json_lines import Message
from infraci.suite.xdist_broker import Broker, ask

NOBODY = 65534


class Echo(Broker):
    """Answers with the question."""

    def _answer(self, key: str, value: Any) -> Message:
        return f"answer to {key}", value


@pytest.fixture
def broker() -> Iterator[Broker]:
    echo = Echo(config=None, controller_of=lambda config: None)
    yield echo
    echo.pytest_unconfigure()


def test_a_question_is_answered(broker: Broker) -> None:
    assert ask(broker.name, "plan", "shop") == ("answer to plan", "shop")


def test_nobody_else_is_heard(broker: Broker) -> None:
    # Only root can be somebody else, and as root all tests run.
    asking = f"""
import os
from infraci.base.json_lines import Message
from infraci.suite.xdist_broker import ask

os.setuid({NOBODY})
try:
    print(ask({broker.name!r}, "plan", None))
except OSError:
    print("refused")
"""
    answer = subprocess.run(
        [sys.executable, "-c", asking], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "refused\n"


def test_who_has_ended_is_not_there(broker: Broker) -> None:
    broker.pytest_unconfigure()
    with pytest.raises(OSError, match="refused"):
        ask(broker.name, "plan", None)
