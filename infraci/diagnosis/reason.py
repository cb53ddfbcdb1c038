"""Finds the line of a program's output that tells why it failed: rarely the last one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from infraci.base import shorten

#: How far from its end an output is looked at.
_WINDOW = 25
_LONGEST = 300
_LONGEST_LINE = 4_000
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
#: What begins with the name of an error, or is printed by a program that only prints errors.
_CAUSE = re.compile(
    r"""
      ^(?:E|fatal|[Ee]rror|ERROR|FATAL|Fatal|Err|panic)(?:\[[^]]*\])?\s*[:!]
    | ^\[(?:ERROR|FATAL|error|fatal)\]
    | ^dpkg(?:-deb)?:\ (?:error|dependency\ problems)
    | ^curl:\ \(\d+\) | ^wget:\ | ^sudo:\ | is\ not\ in\ the\ sudoers\ file
    | ^npm\ (?:ERR!|error)\ \S
    | ^\S+:\ line\ \d+:\ | ^\S+:\ \d+:\ .*(?:not\ found|[Ee]rror|denied|[Cc]annot|can't|not\ set)
    | ^[\w.]*(?:Error|Exception|Exit|Expired|Interrupt)(?::\ .*)?$
    | \ \[(?:emerg|alert|crit)\]\ | ^(?:nginx|apache2|httpd):\ \[
    | ^Failed\ to\ \w+ | ^Job\ for\ \S+\ failed | ^Unit\ \S+\ (?:could\ )?not\b
    | (?:command\ not\ found|:\ not\ found)$
    | \blevel=(?:fatal|error)\b | syntax\ error | [Ss]egmentation\ fault | \bKilled$
    """,
    re.VERBOSE,
)
#: Words with which programs complain.
_COMPLAINT = re.compile(
    r"\b(?:errors?|fail(?:ed|ure|s)?|cannot|can't|couldn't|could not|unable|denied|not found"
    r"|no such|invalid|refused|tim(?:ed|e) ?out|unknown|unrecognized|missing|already exists"
    r"|not permitted|abort(?:ed|ing)?|expected|no space left|unreachable)\b",
    re.IGNORECASE,
)
#: Lines that follow an error and add nothing to it.
_AFTERMATH = re.compile(
    r"""
      ^E:\ (?:Sub-process\ .*\ returned\ an\ error\ code|Unable\ to\ fetch\ some\ archives)
    | ^[EW]:\ Some\ index\ files\ failed | ^Errors\ were\ encountered\ while\ processing
    | ^(?:Reading\ (?:package\ lists|state)|Building\ dependency\ tree|N:\ |Ign:|Hit:)
    | ^fatal:\ (?:Could\ not\ read\ from\ remote|the\ remote\ end\ hung\ up|early\ EOF
        |clone\ of\ .*\ failed|fetch-pack:|index-pack\ failed)
    | ^(?:Please\ make\ sure\ you\ have\ the\ correct\ access|and\ the\ repository\ exists)
    | ^Failed\ to\ clone\b
    | ^npm\ (?:ERR!|error)(?!\ (?:network\ )?(?:\d{3}\ |(?:Fetch)?Error:|request\ to\ |Could\ not\b
        |[Cc]annot\b|[Mm]issing\b|Invalid\b|No\ matching\b|Unsupported\b|ERESOLVE\ |.*\bfailed\b))
    | ^make(?:\[\d+\])?:\ \*\*\*
    | ^(?:gzip|bzip2|xz|unxz):\ | ^tar:\ (?:Child\ returned|Error\ is\ not\ recoverable|Exiting
        |This\ does\ not\ look|Unexpected\ EOF)
    | ^gpg:\ (?:no\ valid\ OpenPGP\ data|Total\ number\ processed:\ 0)
    | ^(?:Ignoring\ repositories|Skipping\ repository|Could\ not\ refresh\ the\ repositories
        |Please\ check\ if\ the\ URIs|Error:\ Failed\ to\ download\ metadata
        |Repository\ '.*'\ is\ invalid)
    | ^Unable\ to\ establish\ SSL | ^Error\ code:\ | ^Check\ your\ network\ connection
    | ^ERROR!\ -\ you\ can\ use\ --ignore-errors | ^to\ see\ the\ full\ traceback
    | ^(?:hint|note|Note|HINT):\ | ^(?:Traceback\ \(most|During\ handling\ of|The\ above\ exception)
    | ^ERROR:\ No\ matching\ distribution\ found
    """,
    re.VERBOSE,
)
#: Lines that no error causes: programs print them whether or not they fail.
_ASIDE = re.compile(r"^sudo: unable to resolve host ")
#: Several errors that begin so belong together, and the first of them is the cause.
_GROUP = re.compile(r"^(?:E|fatal|[Ee]rror|ERROR|npm ERR!|npm error)(?=\W)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A line that tells why a program failed."""

    text: str
    at: int  # its index among the lines
    is_sure: bool  # whether it speaks of an error at all, and is not just the last one


def plain_lines(text: str) -> list[str]:
    """The lines of an output that are not empty, without colors and indentation.

    Of a line that is too long to be read they have the beginning and the end.
    """
    lines = (line.strip() for line in _COLOR.sub("", text).splitlines())
    return [shorten.shortened(line, _LONGEST_LINE) for line in lines if line]


def is_cause(line: str) -> bool:
    """Whether a line tells of an error by the form in which programs do."""
    return bool(_CAUSE.search(line)) and not is_aftermath(line)


def is_aftermath(line: str) -> bool:
    """Whether a line only follows an error in an earlier line, or is an aside."""
    return bool(_AFTERMATH.search(line)) or is_aside(line)


def is_aside(line: str) -> bool:
    """Whether a line tells of something that stopped no program."""
    return bool(_ASIDE.match(line))


def find_reason(lines: Sequence[str]) -> Reason | None:
    """Find the line that tells the cause; None where there are no lines.

    ``lines`` are those of :func:`plain_lines`. An error named as such comes before a complaint,
    and that before the last line.
    """
    window = range(len(lines) - 1, max(-1, len(lines) - 1 - _WINDOW), -1)
    for is_it in (is_cause, _is_complaint):
        for at in window:
            if is_it(lines[at]):
                return _reason(lines, _first_of_group(lines, at), is_sure=True)
    at = next((at for at in window if not is_aftermath(lines[at])), len(lines) - 1)
    return _reason(lines, at, is_sure=False) if lines else None


def _is_complaint(line: str) -> bool:
    return bool(_COMPLAINT.search(line)) and not is_aftermath(line)


def _first_of_group(lines: Sequence[str], at: int) -> int:
    beginning = _GROUP.match(lines[at])
    if beginning is None:
        return at
    first = at
    while at > 0 and (lines[at - 1].startswith(beginning[0]) or is_aftermath(lines[at - 1])):
        at -= 1
        first = at if is_cause(lines[at]) and lines[at].startswith(beginning[0]) else first
    return first


def _reason(lines: Sequence[str], at: int, *, is_sure: bool) -> Reason:
    text = lines[at]
    if text.endswith(":") and at + 1 < len(lines):
        text = f"{text} {lines[at + 1]}"
    return Reason(text=clipped(text), at=at, is_sure=is_sure)


def clipped(text: str) -> str:
    """A line that is not too long to be read, with an ellipsis where something was cut off."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
