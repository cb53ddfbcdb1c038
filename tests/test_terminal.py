"""What infraci prints: no secrets, and nothing that steers a terminal."""

from __future__ import annotations

import json

import pytest

from infraci.mask import MASK, hide
from infraci.terminal import say, say_json


def test_text_of_others_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b]0;title\x07b\x1b[2Kc\rd\n\te\x9b31mf", head="\x1b[1mours:\x1b[0m ")
    # click leaves colours out where there is no terminal
    assert capsys.readouterr().out == "ours: abc d\n\tef\n"


def test_secrets_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    hide("hunter22", "n1234")
    say("pw hunter22", err=True)
    say_json({"hunter22": ["a\n1234", None, 1]})
    out, err = capsys.readouterr()
    assert err == f"pw {MASK}\n"
    assert json.loads(out) == {MASK: ["a\n1234", None, 1]}
