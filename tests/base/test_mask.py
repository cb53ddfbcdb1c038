"""Masker: what must never be read in a log."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import subprocess
import urllib.parse
import xml.sax.saxutils
from collections.abc import Callable

import pytest
import yaml

from infraci.base.mask import MASK, Masker, hidden, mask, process_masker
from infraci.base.shorten import shortened


def test_every_occurrence_goes() -> None:
    assert Masker(["hunter22"]).mask("pw=hunter22; echo hunter22") == f"pw={MASK}; echo {MASK}"


def test_the_longer_secret_is_masked_whole() -> None:
    assert Masker(["abcd", "abcdefgh"]).mask("abcdefgh") == MASK


def _shell_trace(text: str) -> str:
    """As ``set -x`` and ``printf %q`` of a real bash have it."""
    command = ["bash", "-c", 'printf %q "$1"', "-", text]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout


@pytest.mark.parametrize(
    "form",
    [
        str,
        shlex.quote,
        _shell_trace,
        json.dumps,
        lambda text: json.dumps(json.dumps({"key": text})),
        lambda text: json.dumps(text).replace("/", "\\/"),
        repr,
        ascii,
        lambda text: repr(text.encode()),
        lambda text: yaml.safe_dump({"key": text}, default_style='"'),
        lambda text: yaml.safe_dump({"key": text}, default_style="'"),
        html.escape,
        xml.sax.saxutils.escape,
        xml.sax.saxutils.quoteattr,
        urllib.parse.quote,
        urllib.parse.quote_plus,
        lambda text: urllib.parse.quote(text, safe=""),
        lambda text: urllib.parse.urlencode({"key": text}),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"u:{text}".encode()).decode(),
        lambda text: base64.b64encode(f"me:{text}\n".encode()).decode(),
    ],
)
@pytest.mark.parametrize("secret", ["hunter22", 'it\'s "so" <secret> & $ecre/t\\é?', "~~??>>ÿÿþþ"])
def test_a_secret_is_masked_in_any_form(form: Callable[[str], str], secret: str) -> None:
    shown = form(secret)
    masked = Masker([secret]).mask(f"value: {shown} end")
    # Base64 mixes a secret's first and last bits with those of its neighbours.
    assert len(masked.replace(MASK, "")) <= len(f"value: {form('')} end") + 6


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("PASSWORD=correct-horse", f"PASSWORD={MASK}"),
        ("PASSWORD=correct-ho\nnext", f"PASSWORD={MASK}\nnext"),
        ("'correct-ho...attery' == 1", f"'{MASK}...{MASK}' == 1"),
        ("correct-ho…", f"{MASK}…"),
        ("se-battery and more", f"{MASK} and more"),
        ("…se-battery and more", f"…{MASK} and more"),
        ("echo 'correct-hor'\nnext", f"echo '{MASK}'\nnext"),
        ("[\"se-battery'] and", f"[\"{MASK}'] and"),
        ("correct horse", "correct horse"),
        ("corre\nnext", "corre\nnext"),
        (shortened("correct-horse-battery" * 9, 40), f"{MASK} [… 149 characters …] {MASK}"),
    ],
)
def test_what_is_left_of_a_secret_that_was_cut_goes_too(text: str, masked: str) -> None:
    assert Masker(["correct-horse-battery"]).mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "a c\norrect-horse-b\nattery b",
        "E   a cor\nE       rect-horse-battery b",
        "c\x1b[31morrect-horse\x1b[0m-battery",
    ],
)
def test_a_secret_that_is_wrapped_or_coloured_goes_too(text: str) -> None:
    masked = Masker(["correct-horse-battery"]).mask(text)
    assert not {"rrect", "horse", "attery"} & set(re.findall("rrect|horse|attery", masked))
    assert masked.count("\n") == text.count("\n")


def test_a_secret_in_base64_of_many_lines_goes_too() -> None:
    secret = "".join(chr(33 + number % 90) for number in range(300))
    wrapped = base64.encodebytes(b"head" + secret.encode()).decode()
    kept = "".join(Masker([secret]).mask(wrapped).replace(MASK, "").split())
    assert len(kept) < 12


def test_masking_takes_time_in_proportion_to_the_text() -> None:
    """Each needle is looked for once, however often a secret's begin is in the text."""
    masker = Masker(["hunter22xyz", "aaaaaaaaaaaaaaaaaaaaaaaa"])
    assert masker.mask("hunter" * 100_000) == "hunter" * 99_999 + MASK
    assert masker.mask("a" * 240_000) == MASK
    assert len(masker.mask("hunter\n" * 100_000)) == len(f"{MASK}\n") * 100_000


def test_short_secrets_do_not_turn_a_log_into_stars() -> None:
    masker = Masker(["a", "on", "web", " x ", ""])
    assert masker.mask("a web server is on") == "a web server is on"
    assert masker.too_short == 4


def test_what_is_hidden_is_masked_in_the_whole_process() -> None:
    masker = process_masker()
    assert hidden("hunter22") == "hunter22"
    assert mask("pw hunter22") == f"pw {MASK}"
    assert masker.mask_value({"key": ["x", 1, ("hunter22",)]}) == {"key": ["x", 1, [MASK]]}


def test_a_secret_of_many_lines_is_masked_line_by_line() -> None:
    masker = Masker(["-----BEGIN-----\nAAAABBBB\n}\n-----END-----\n"])
    assert masker.mask("key AAAABBBB read") == f"key {MASK} read"
    assert masker.mask("a } stays") == "a } stays"


def test_nothing_to_hide() -> None:
    assert Masker().mask("text") == "text"
    assert Masker(["", "1", "on"]).mask("run 1 on web-0") == "run 1 on web-0"
