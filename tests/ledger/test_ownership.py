"""A run's owner is written as tags, and read from them again."""

from __future__ import annotations

import os

import pytest

from infraci.base.process import this_host, this_process
from infraci.ledger.ownership import Ownership, read_key_comment, read_ownership

OURS = Ownership(run_id="web-0123-abc", expires=2000.0, host="abc", process="12.34", user=1000)
KEPT = Ownership(run_id="web-1", expires=2000.0, host="abc", user=0, ledger="0123456789abcdef")


@pytest.mark.parametrize("owner", [OURS, KEPT])
def test_tags_there_and_back(owner: Ownership) -> None:
    assert read_ownership(owner.tags()) == owner
    assert read_key_comment(f"ssh-ed25519 AAAA {owner.comment()}") == owner


def test_tags_fit_heat() -> None:
    owner = Ownership(run_id="p" * 50, expires=1e10, host=this_host(), process=f"{2**22}.{2**40}")
    assert all(len(tag) <= 80 and "," not in tag for tag in owner.tags())


@pytest.mark.parametrize(
    "tags",
    [
        (),
        ("infraci",),
        ("infraci", "infraci-run=a", "infraci-host=b"),
        ("infraci", "infraci-run=a", "infraci-host=b", "infraci-expires=soon"),
        ("infraci", "infraci-run=a", "infraci-host=b", "infraci-expires=inf"),
        ("infraci", "infraci-run=../*", "infraci-host=b", "infraci-expires=1"),
        ("other", "run=a", "expires=1", "host=b"),
    ],
)
def test_half_a_tag_is_none_of_ours(tags: tuple[str, ...]) -> None:
    assert read_ownership(tags) is None


@pytest.mark.parametrize("key", ["", "ssh-ed25519 AAAA", "ssh-ed25519 AAAA me@home infra"])
def test_other_peoples_keys(key: str) -> None:
    assert read_key_comment(key) is None


def test_orphans_are_of_this_machine_and_name_a_dead_process() -> None:
    dead, host = f"{os.getpid()}.1", this_host()
    assert Ownership(run_id="r", expires=0, host=host, process=dead).is_orphan()
    assert not Ownership(run_id="r", expires=0, host="elsewhere", process=dead).is_orphan()
    assert not Ownership(run_id="r", expires=0, host=host, process=this_process()).is_orphan()
    assert not Ownership(run_id="r", expires=0, host=host).is_orphan()


def test_expiry() -> None:
    assert OURS.is_expired(2000)
    assert not OURS.is_expired(1999)
