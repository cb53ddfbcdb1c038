"""Sleeping until something changes."""

from __future__ import annotations

import threading
from dataclasses import replace

from infraci.local.domain.change_signal import ChangeSignal
from infraci.local.domain.records import SecurityGroup
from infraci.local.domain.store import Store

_LONG_S = 60.0


def test_what_changed_before_is_not_slept_through() -> None:
    change_signal = ChangeSignal()
    change_signal.notify()
    assert change_signal.wait(0, _LONG_S) == 1


def test_without_a_change_the_wait_ends_by_itself() -> None:
    assert ChangeSignal().wait(0, 0.01) == 0


def test_a_change_wakes_all_who_wait() -> None:
    change_signal = ChangeSignal()
    seen: list[int] = []
    sleepers = [
        threading.Thread(target=lambda: seen.append(change_signal.wait(0, _LONG_S)))
        for _ in range(3)
    ]
    for sleeper in sleepers:
        sleeper.start()
    change_signal.notify()
    for sleeper in sleepers:
        sleeper.join(_LONG_S)
    assert seen == [1, 1, 1]


def test_each_change_of_the_store_is_one() -> None:
    change_signal = ChangeSignal()
    store = Store(change_signal=change_signal)
    group = store.put(SecurityGroup())
    assert change_signal.wait(0, _LONG_S) == 1
    store.change(SecurityGroup, group.id, lambda group: replace(group, name="web"))
    assert change_signal.wait(1, _LONG_S) == 2
    store.drop(group)
    assert change_signal.wait(2, _LONG_S) == 3
