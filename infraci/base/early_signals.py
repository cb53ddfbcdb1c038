"""Handles SIGINT, SIGTERM and SIGHUP until a run does: prints a sentence, exits with 130.

The command line imports this before anything else, so it may import nothing that takes time.
"""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    """The first signal, and whether it raises an exception."""

    def __init__(self) -> None:
        self.number: int | None = None  # the first signal
        self.raises = False


_state = _State()


def catch() -> None:
    """Handle the signals from now on: until :func:`begin`, end the process at once.

    An ignored signal stays ignored: a process that nohup starts shall outlive the terminal.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)
    sys.unraisablehook = _report_unraisable


def begin() -> None:
    """From now on, have the first signal raise KeyboardInterrupt, so that a run can tidy up."""
    _state.raises = True


def end() -> None:
    """Let no signal change the exit status any more."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def check() -> None:
    """Raise KeyboardInterrupt if a signal has come and a library has swallowed the exception."""
    if _state.number is not None:
        raise KeyboardInterrupt


def sentence() -> str:
    """The sentence that tells the user of an interruption."""
    if _state.number is None:
        return "interrupted"
    name = "Ctrl-C" if _state.number == signal.SIGINT else signal.Signals(_state.number).name
    return f"interrupted by {name}"


def _handle(number: int, frame: object) -> None:
    is_first = _state.number is None
    if is_first:
        _state.number = number
    if _state.raises and is_first:
        raise KeyboardInterrupt
    try:
        os.write(2, f"error: {sentence()}\n".encode())
    finally:
        os._exit(INTERRUPTED)


def _report_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Call Python's own hook, but not for a signal in a callback: :func:`check` raises it later."""
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)
