"""Wraps a command so that the user's login shell neither interprets it nor adds to its output.

sshd passes every command to the login shell, which may be fish or csh, and may print text of its
own before it runs anything. So the login shell only executes ``/bin/sh``, by a line that every
shell reads alike; the command itself is in escapes of ``printf %b``. Random marks stand before and
after its output.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

#: What no shell gives a meaning to, nor within single quotes to a backslash and digits.
_UNSAFE = re.compile(rb"[^A-Za-z0-9_./:,=@%+ -]")
#: What ends the exit status after a mark, and how long both are at most.
_STATUS_ENDS = b"."
_STATUS_BYTES = 4
#: Of what comes before a command's output an error shows the end.
_NOISE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands before and after the output of one command, on both streams.

    After the one on stdout comes the exit status, with a dot behind it. Neither shows in the line
    that the login shell gets, which some shells print.
    """

    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def begin(self) -> bytes:
        """The mark before."""
        return f"<{self.token}[".encode()

    @property
    def end(self) -> bytes:
        """The mark after."""
        return f"<{self.token}]".encode()

    @property
    def print_begin(self) -> bytes:
        """The shell's commands that print the first mark, to stdout and 3, the stderr proper."""
        return b"printf %%s '%b'; printf %%s '%b' >&3" % (self.begin, self.begin)

    @property
    def print_end(self) -> bytes:
        """Shell code that prints the end mark and ``$infraci``, the exit status of the command."""
        return b'printf %%s "%b$infraci."; printf %%s "%b" >&3' % (self.end, self.end)


#: A shell says on stderr which of its children a signal has ended; that is no part of an answer.
_MUTE = b"exec 3>&2 2>/dev/null"
_UNMUTE = b"exec 2>&3 3>&-"
#: Go on with the program that is ``$1`` in bash, where that is the login shell: its users write
#: its language into their specs. A second bash would read ~/.bashrc again, did SHLVL not tell it
#: that it is not the first.
_AS_BASH = (
    b'case $SHELL in */bash) SHLVL=1; export SHLVL; exec "$SHELL" -c "$1" bash;; esac'
)  # fmt: skip


def once(command: bytes, marks: Marks) -> bytes:
    """What sshd is asked to execute for one command: a shell of its own, which has stdin too."""
    run = b'%b; set -- "${1%%.}"; %b; exec /bin/sh -c "$1" sh' % (_UNMUTE, _AS_BASH)
    return _execute(
        b'set -- "$(printf %%b. "$2")"; %b; %b; (%b); infraci=$?; %b'
        % (_MUTE, marks.print_begin, run, marks.print_end),
        command,
    )


def loop(marks: Marks) -> bytes:
    """What sshd is asked to execute for a shell that is sent one :func:`line` a command.

    It prints the first mark when it is ready.
    """
    read = b'while IFS= read -r infraci; do eval "$infraci"; done'
    program = _quoted(b"%b; %b; %b" % (_MUTE, marks.print_begin, read))
    return _execute(b'set -- %b; %b; infraci=$1; set --; eval "$infraci"' % (program, _AS_BASH))


def line(command: bytes, marks: Marks) -> bytes:
    """What such a shell is sent: the command, in a subshell whose input is empty."""
    text = _quoted(command)
    if b"\n" in command:
        text = b"\"$(printf %%b '%b')\"" % _escaped(command)
    run = b"(%b; unset infraci; eval %b) </dev/null; infraci=$?" % (_UNMUTE, text)
    return b"%b; %b; %b\n" % (marks.print_begin, run, marks.print_end)


def _execute(script: bytes, argument: bytes = b"") -> bytes:
    """The line for the login shell: it becomes ``/bin/sh``, which runs the script.

    ``$2`` is the argument, in escapes of ``printf %b``.
    """
    return b"exec /bin/sh -c 'eval \"$(printf %%b \"$1\")\"' sh '%b' '%b'" % (
        _escaped(script),
        _escaped(argument),
    )


def _quoted(text: bytes) -> bytes:
    return b"'" + text.replace(b"'", b"'\\''") + b"'"


def _escaped(text: bytes) -> bytes:
    """For ``printf %b``, in letters that need no quoting but single quotes, in any shell."""
    return _UNSAFE.sub(lambda match: b"\\0%03o" % match[0][0], text)


class Payload:
    """One stream of a command; only what is between the marks is passed on."""

    def __init__(self, marks: Marks) -> None:
        self._begin, self._end = marks.begin, marks.end
        self._held = bytearray()  # what may be the beginning of a mark
        self.before = bytearray()  # what came before the first mark: its last bytes
        self._after: bytearray | None = None
        self.is_begun = False

    def feed(self, piece: bytes) -> bytes:
        """Take what has arrived; returns what of it the command itself has printed."""
        if self._after is not None:
            self._after += piece[: _STATUS_BYTES - len(self._after)]
            return b""
        self._held += piece
        if not self.is_begun:
            noise, mark, rest = self._held.partition(self._begin)
            if not mark:
                keep = len(self._begin) - 1
                self.before += self._held[:-keep]
                del self.before[:-_NOISE_BYTES], self._held[:-keep]
                return b""
            self.before += noise
            self.is_begun, self._held = True, rest
        payload, mark, rest = self._held.partition(self._end)
        if mark:
            self._after, self._held = rest[:_STATUS_BYTES], bytearray()
            return bytes(payload)
        held = next(n for n in range(len(self._end) - 1, -1, -1) if self._ends_with(n))
        cut = len(self._held) - held
        payload, self._held = self._held[:cut], self._held[cut:]
        return bytes(payload)

    def _ends_with(self, count: int) -> bool:
        """Whether so much of the last mark may have come."""
        return self._held.endswith(self._end[:count])

    def rest(self) -> bytes:
        """The bytes that might have begun a mark; for the end of the output."""
        held, self._held = bytes(self._held), bytearray()
        if self.is_begun:
            return held
        self.before += held
        return b""

    @property
    def is_over(self) -> bool:
        """Whether the last mark has come."""
        return self._after is not None

    @property
    def exit_status(self) -> int | None:
        """What stdout has after the last mark; None if it has not come."""
        status, dot, _ = (self._after or b"").partition(_STATUS_ENDS)
        return int(status) if dot else None


class CommandStreams:
    """Both streams of a command's, of which its own part goes to ``stdout`` and ``stderr``."""

    def __init__(
        self,
        marks: Marks,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
    ) -> None:
        self._stdout, self._stderr = Payload(marks), Payload(marks)
        self._take_stdout, self._take_stderr = stdout, stderr

    def feed_stdout(self, piece: bytes) -> None:
        """Take what has come on stdout."""
        if payload := self._stdout.feed(piece):
            self._take_stdout(payload)

    def feed_stderr(self, piece: bytes) -> None:
        """Take what has come on stderr."""
        if payload := self._stderr.feed(piece):
            self._take_stderr(payload)

    def finish(self) -> None:
        """Hand on the rest, at the end of the output."""
        if payload := self._stdout.rest():
            self._take_stdout(payload)
        if payload := self._stderr.rest():
            self._take_stderr(payload)

    @property
    def is_begun(self) -> bool:
        """Whether the command has been begun: until then a login shell speaks for itself."""
        return self._stdout.is_begun or self._stderr.is_begun

    @property
    def is_over(self) -> bool:
        """Whether all has come that the command printed, but for what it left in the background."""
        return self.exit_status is not None and self._stderr.is_over

    @property
    def exit_status(self) -> int | None:
        """What the last mark on stdout tells."""
        return self._stdout.exit_status

    @property
    def noise(self) -> str:
        """The last line that came before the command was begun."""
        noise = bytes(self._stderr.before + b"\n" + self._stdout.before)
        lines = [line.strip() for line in noise.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")
