"""Masks secrets in all that infraci writes or sends: one masker for the whole process.

What reads a secret calls :func:`hide` with it; what writes a file or sends text calls
:func:`mask`. Neither has to know the other.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from infraci.base.secret_forms import forms_of

#: What stands in a secret's place.
MASK = "******"

#: Masking shorter values would hide half of every log and protect nothing.
SHORTEST = 4
#: So much of a secret is masked where the rest was cut off; less tells too little of it.
_PIECE = 6
#: A secret that is broken over lines is looked for from this length on.
_BROKEN = 8
#: Where text is cut: lines by a column, output by what shortens it, colours by a terminal; what
#: was cut may be in quotes and brackets.
_CUT_AFTER = re.compile(r"""['"`\])}>,;]{0,4}(?:\Z|[\r\n\x1b]|\.\.\.|(?: \[)?…)""")
_CUT_BEFORE = re.compile(r"""(?:[\r\n]|\.\.\.|…(?:\] )?)['"`\[({<]{0,4}\Z""")
#: So far back the latter can begin.
_BEFORE = 7
#: What is put within a text when it is wrapped or coloured; pytest begins lines with ``E``.
_SEAM = re.compile(r"\\?\r?\n(?:E(?=  ))?[ \t]*|\x1b\[[0-9;]*m")

_Span = tuple[int, int]


class Masker:
    """Replaces known secrets in text, in whatever form programs print them; see ``forms_of``.

    A secret is also found where it is broken over lines, and where it was cut and at least six
    characters are left. It takes time in proportion to the text. Threads may share it.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self._needles: tuple[tuple[str, str], ...] = ()  # parts of forms to look for, and these
        self._joints: tuple[str, ...] = ()
        #: How many of the secrets are too short to be masked.
        self.too_short = 0
        self._secrets: frozenset[str] = frozenset()
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these from now on, too."""
        added = {secret for secret in secrets if secret} - self._secrets
        if not added:
            return
        self._secrets |= added
        self.too_short = sum(len(secret.strip()) < SHORTEST for secret in self._secrets)
        # Logs go line by line.
        values = {value for secret in added for value in (secret.strip(), *secret.splitlines())}
        long = (value for value in values if len(value.strip()) >= SHORTEST)
        forms = {*self._forms, *(form for value in long for form in forms_of(value))}
        needles = {(form[:_PIECE], form) for form in forms}
        needles |= {(form[-_PIECE:], form) for form in forms if len(form) > _PIECE}
        self._forms, self._needles = tuple(forms), tuple(needles)
        self._joints = ("", " ") if any(" " in form for form in forms) else ("",)

    def mask(self, text: str) -> str:
        """Return ``text`` without the secrets."""
        if not self._forms or not text:
            return text
        # All that is ever written passes here, so it has to be fast.
        forms = {form for needle, form in self._needles if needle in text}
        spans = [span for form in forms for span in _find(form, text)]
        for joint in self._joints if "\n" in text or "\x1b" in text else ():
            spans += _find_broken(self._forms, text, joint)
        return _without(spans, text) if spans else text

    def mask_value(self, value: object, *, as_text: Callable[[Any], str] = str) -> object:
        """The value without the secrets: text, or lists and mappings that hold text.

        What mappings call their values stays: programs look for it. ``as_text`` shows numbers and
        the like as they are printed.
        """
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Mapping):
            return {n: self.mask_value(inner, as_text=as_text) for n, inner in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, bytes):
            return [self.mask_value(inner, as_text=as_text) for inner in value]
        shown = as_text(value)
        masked = self.mask(shown)
        return value if masked == shown else masked


_PROCESS = Masker()


def process_masker() -> Masker:
    """The masker of this process: it knows each secret that the process has read."""
    return _PROCESS


def hide(*secrets: str) -> None:
    """Keep these out of all that this process writes or sends from now on."""
    process_masker().hide(secrets)


def hidden(secret: str) -> str:
    """Return the secret; from now on this process masks it in all that it writes or sends."""
    hide(secret)
    return secret


def mask(text: str) -> str:
    """Return ``text`` without the secrets that this process has read."""
    return process_masker().mask(text)


def _find(form: str, text: str) -> Iterator[_Span]:
    """Where ``form`` is in ``text``: whole, or what is left of it beside a cut."""
    position = 0
    while (start := text.find(form[:_PIECE], position)) >= 0:
        end = start + _common(form, text, start)
        is_whole = end - start == len(form)
        position = start + 1
        if is_whole or _CUT_AFTER.match(text, end):
            yield start, end
            position = end
    position = 0
    while len(form) > _PIECE and (begin := text.find(form[-_PIECE:], position)) >= 0:
        end = begin + _PIECE
        start = end - _common_end(form, text, end)
        position = end if end - start == len(form) else begin + 1
        if _is_cut_before(text, start):
            yield start, end


def _is_cut_before(text: str, start: int) -> bool:
    before = text[max(0, start - _BEFORE) : start]
    return _CUT_BEFORE.search(before if start > _BEFORE else f"\n{before}") is not None


def _common(form: str, text: str, start: int) -> int:
    """How many characters of ``form`` stand in ``text`` from ``start`` on."""
    if text.startswith(form, start):
        return len(form)
    return bisect.bisect_left(
        range(len(form)), True, key=lambda n: not text.startswith(form[: n + 1], start)
    )


def _common_end(form: str, text: str, end: int) -> int:
    """How many characters of ``form``, from its end, stand in ``text`` before ``end``."""
    return bisect.bisect_left(
        range(len(form)), True, key=lambda n: not text.endswith(form[-n - 1 :], 0, end)
    )


def _find_broken(forms: Iterable[str], text: str, joint: str) -> Iterator[_Span]:
    """Where forms are that are broken over lines, or coloured in part."""
    joined = _SEAM.sub(joint, text)
    places = [
        (match.start(), match.end())
        for form in forms
        if len(form) >= _BROKEN and joint in form and form in joined
        for match in re.finditer(re.escape(form), joined)
    ]
    if not places:
        return
    begins, begins_joined = [0], [0]
    for seam in _SEAM.finditer(text):
        length = seam.start() - begins[-1] + len(joint)
        begins.append(seam.end())
        begins_joined.append(begins_joined[-1] + length)
    ends = [*(seam.start() for seam in _SEAM.finditer(text)), len(text)]
    for start, end in places:
        number = bisect.bisect_right(begins_joined, start) - 1
        while number < len(begins) and begins_joined[number] < end:
            offset = begins[number] - begins_joined[number]
            first = max(start, begins_joined[number]) + offset
            last = min(end + offset, ends[number])
            if first < last:
                yield first, last
            number += 1


def _without(spans: Iterable[_Span], text: str) -> str:
    """The text with one mask for each run of spans that overlap or touch."""
    parts = []
    done, open_from = 0, -1
    for start, end in sorted(spans):
        if start > done or open_from < 0:
            parts += [text[done:start], MASK]
            open_from = start
        done = max(done, end)
    return "".join([*parts, text[done:]])
