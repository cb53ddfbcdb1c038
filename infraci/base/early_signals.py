"""SIGINT, SIGTERM and SIGHUP before a run has its own handling of them: a sentence, and status 130.

The command line imports this before anything else, so it may import nothing that takes time.
"""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    """What has come, and what to do about it."""

    def __init__(self) -> None:
        self.number: int | None = None  # the first signal
        self.raises = False


_state = _State()


def catch() -> None:
    """Handle the signals from now on: until :func:`begin`, end the process at once.

    What is ignored stays so: a process that is started with nohup shall outlive the terminal.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _hear)
    sys.unraisablehook = _tell_unraisable


def begin() -> None:
    """From now on there may be something to tidy: a first signal raises KeyboardInterrupt."""
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
    """What to say of an interruption."""
    if _state.number is None:
        return "interrupted"
    name = "Ctrl-C" if _state.number == signal.SIGINT else signal.Signals(_state.number).name
    return f"interrupted by {name}"


def _hear(number: int, frame: object) -> None:
    is_first = _state.number is None
    if is_first:
        _state.number = number
    if _state.raises and is_first:
        raise KeyboardInterrupt
    try:
        os.write(2, f"error: {sentence()}\n".encode())
    finally:
        os._exit(INTERRUPTED)


def _tell_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Python's own, but for our signals: they may come in a callback, and :func:`check` follows."""
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)
