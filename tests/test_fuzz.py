"""A share of the inputs that are wrong: ``python -m tests.fuzz`` reads ten thousand."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.fuzz.mutation import mutate
from tests.fuzz.seeds import TREE
from tests.processes import finish, start_python


def test_inputs_end_as_they_should() -> None:
    process = start_python("-m", "tests.fuzz", "--inputs", "200", cwd=Path(__file__).parents[1])
    done = finish(process, timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "200 inputs, 0 that did not end as they should" in done.stdout


def test_an_input_is_the_same_each_time_and_seldom_unchanged() -> None:
    seed, others = TREE["stack.yaml"], list(TREE.values())
    mutated = [mutate(seed, others, Random(number)) for number in range(200)]
    assert mutated == [mutate(seed, others, Random(number)) for number in range(200)]
    assert sum(content == seed for content in mutated) < 10
