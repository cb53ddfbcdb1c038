"""What infraci prints: no secrets, and nothing that steers a terminal."""

from __future__ import annotations

import json

import pytest

from infraci.base.mask import MASK, hide
from infraci.base.terminal import say, say_json, say_line


def test_text_of_others_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b]0;title\x07b\x1b[2Kc\rd\n\te\x9b31mf", head="\x1b[1mours:\x1b[0m ")
    # click leaves colours out where there is no terminal
    assert capsys.readouterr().out == "ours: abc d\n\tef\n"


def test_secrets_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    hide("hunter22", "n1234")
    say("pw hunter22", err=True)
    say_json({"key": ["a\n1234", "hunter22", None, 1]})
    out, err = capsys.readouterr()
    assert err == f"pw {MASK}\n"
    assert json.loads(out) == {"key": ["a\n1234", MASK, None, 1]}


def test_a_line_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    say_line("name\nforged: passed\x85x")
    assert capsys.readouterr().out == "name forged: passed x\n"
