"""Specs: unmodified Testinfra, in a fresh pytest per server.

The pytest processes are forks of one warm interpreter that has everything imported, so a
server costs a fork, not a start of Python. The warm interpreter starts while the stack is
still being made.
"""

from __future__ import annotations

from infraci.verify.specs import SpecSession, open_specs

__all__ = ["SpecSession", "open_specs"]
