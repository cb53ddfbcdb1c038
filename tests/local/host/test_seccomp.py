"""The filter of servers' system calls differs from podman's in two calls only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infraci.local.host.seccomp import DEFAULT, server_filter


def test_a_filter_that_is_not_understood_is_left_as_it_is(tmp_path: Path) -> None:
    profile = tmp_path / "seccomp.json"
    assert server_filter(profile) is None
    for text in ("", "[]", "{}", json.dumps({"syscalls": []})):
        profile.write_text(text)
        assert server_filter(profile) is None


@pytest.mark.cloud
def test_all_other_calls_are_filtered_as_before() -> None:
    before, after = json.loads(DEFAULT.read_text()), json.loads(server_filter() or "")
    added = after["syscalls"][len(before["syscalls"]) :]
    assert {name for rule in added for name in rule["names"]} == {"ioctl"}
    for rule in before["syscalls"]:
        if "ioctl" in rule["names"]:
            rule["names"].remove("ioctl")
    assert after["syscalls"][: len(before["syscalls"])] == before["syscalls"]
    done = [rule["args"][0]["value"] for rule in added if rule["action"] == "SCMP_ACT_ERRNO"]
    assert done == [0x125F, 0x1269]
    passed = {rule["args"][0]["value"] for rule in added if rule["action"] == "SCMP_ACT_ALLOW"}
    assert passed == {0x125F, 0x1269, *range(0x1260, 0x1269)}
