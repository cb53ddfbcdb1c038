"""The line of an output that tells the cause."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from infraci.diagnosis.reason import find_reason, plain_lines

CAUSES: Mapping[str, tuple[str, str]] = {
    "apt": (
        "Reading package lists...\nE: Unable to locate package nginxx\n",
        "E: Unable to locate package nginxx",
    ),
    "apt's first error": (
        "E: Unable to locate package nginx1.2\nE: Couldn't find any package by glob 'nginx1.2'\n",
        "E: Unable to locate package nginx1.2",
    ),
    "words after it": ("E: no such thing\ndpkg: done\nbye\n", "E: no such thing"),
    "dpkg": (
        "dpkg: error processing package nginx (--configure):\n"
        " installed nginx package post-installation script returned error exit status 1\n"
        "Errors were encountered while processing:\n nginx\n"
        "E: Sub-process /usr/bin/dpkg returned an error code (1)\n",
        "dpkg: error processing package nginx (--configure): installed nginx package"
        " post-installation script returned error exit status 1",
    ),
    "a shell": (
        "hello\n/tmp/infraci.x/app.sh: line 14: foo: command not found\n",
        "/tmp/infraci.x/app.sh: line 14: foo: command not found",
    ),
    "a traceback": (
        'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    f()\n'
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1\n",
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1",
    ),
    "git": (
        "remote: Repository not found.\nfatal: repository 'https://x/y/' not found\n",
        "fatal: repository 'https://x/y/' not found",
    ),
    "curl in a pipe": (
        "curl: (22) The requested URL returned error: 404\n\ngzip: stdin: unexpected end of file\n"
        "tar: Child returned status 1\ntar: Error is not recoverable: exiting now\n",
        "curl: (22) The requested URL returned error: 404",
    ),
    "npm": (
        "npm ERR! code E404\nnpm ERR! 404 Not Found - GET https://registry.npmjs.org/x\n"
        "npm ERR! 404 \nnpm ERR! 404  'x@*' is not in this registry.\n\n"
        "npm ERR! A complete log of this run can be found in:\n"
        "npm ERR!     /root/.npm/_logs/2026-01-01T00_00_00_000Z-debug-0.log\n",
        "npm ERR! 404 Not Found - GET https://registry.npmjs.org/x",
    ),
    "sudo": ("sudo: a password is required\n", "sudo: a password is required"),
    "nginx": (
        'nginx: [emerg] unknown directive "servr" in /etc/nginx/x:3\n'
        "nginx: configuration file /etc/nginx/nginx.conf test failed\n",
        'nginx: [emerg] unknown directive "servr" in /etc/nginx/x:3',
    ),
    "a complaint": ("the port cannot be bound\nbye\n", "the port cannot be bound"),
    "colors": ("\x1b[1;31mError: no\x1b[0m\n", "Error: no"),
}


@pytest.mark.parametrize(("output", "cause"), CAUSES.values(), ids=CAUSES)
def test_the_line_that_tells_the_cause(output: str, cause: str) -> None:
    reason = find_reason(plain_lines(output))
    assert reason is not None
    assert reason.text == cause
    assert reason.is_sure


def test_the_last_line_where_none_tells_a_cause() -> None:
    reason = find_reason(plain_lines("one\ntwo\n\n"))
    assert reason is not None
    assert (reason.text, reason.is_sure) == ("two", False)
    assert find_reason([]) is None


def test_an_error_long_before_the_end_is_none() -> None:
    reason = find_reason(["error: old", *("fine",) * 30])
    assert reason is not None
    assert reason.text == "fine"


def test_a_long_line_is_cut() -> None:
    reason = find_reason([f"error: {'x' * 1000}"])
    assert reason is not None
    assert len(reason.text) == 300


def test_a_line_that_is_too_long_to_be_read_is_its_beginning_and_its_end() -> None:
    (line,) = plain_lines(f"begin{'x' * 70_000}end")
    assert line.startswith("beginx")
    assert line.endswith("xend")
    assert len(line) < 4_100
