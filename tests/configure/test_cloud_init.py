"""cloud-init's verdict, from real servers that run it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from infraci.configure import StepError, StepFailedError, StepRun
from infraci.configure.cloud_init import CloudInit
from infraci.configure.step import StepOutsideError
from infraci.model.configure_steps import CloudInitStep
from infraci.model.run import Server
from infraci.ssh import Session, generate_key
from tests.configure.conftest import StepRunner
from tests.containers import booted, inside, wait_for_login

GOOD = """\
#cloud-config
write_files:
- {path: /srv/written, content: "yes"}
runcmd:
- [sh, -c, "test -e /srv/written && touch /srv/ran"]
"""
BAD = "#!/bin/sh\necho 'E: Unable to locate package nginxx'\nexit 100\n"
ENDLESS = "#cloud-config\nruncmd:\n- [sh, -c, 'echo waiting for godot; sleep 600']\n"

Login = Callable[[str], AbstractContextManager[tuple[Server, Session]]]


@pytest.fixture
def login(tmp_path: Path) -> Login:
    """Boot a server with this user data and log in."""
    key = generate_key(tmp_path, "test")

    @contextmanager
    def boot(user_data: str) -> Any:
        with booted(tmp_path, key, user_data) as server:
            private_key = key.private_path
            with wait_for_login(server, private_key=private_key, deadline=Deadline(60)) as session:
                yield server, session

    return boot


def _apply(server: Server, session: Session, *, timeout_s: float = 120) -> list[str]:
    """Apply the step; returns what it logged."""
    log: list[str] = []
    run = StepRun(
        root=Path(),
        outputs={},
        run_id="run-1",
        commit="abc",
        deadline=Deadline(300),
        log=log.append,
    )
    CloudInit(CloudInitStep(timeout_s=timeout_s)).apply(session, server, run)
    return log


@pytest.mark.cloud
def test_it_waits_until_cloud_init_is_done(login: Login) -> None:
    with login(GOOD) as (server, session):
        (done,) = _apply(server, session)
        assert done.startswith("cloud-init: done, from DataSourceConfigDrive")
        inside(server, "test", "-e", "/srv/ran")

        # What a newer release says of things that did no harm.
        status = json.loads(inside(server, "cat", "/run/cloud-init/status.json"))
        status["v1"]["init"]["recoverable_errors"] = {"WARNING": ["Unknown key 'rumcmd'"]}
        _write(server, "/run/cloud-init/status.json", json.dumps(status))
        assert _apply(server, session)[0] == "cloud-init: warning: Unknown key 'rumcmd'"

        inside(server, "rm", "/run/cloud-init/status.json", "/run/cloud-init/result.json")
        inside(server, "touch", "/run/cloud-init/disabled")
        with pytest.raises(StepError, match=r"cloud-init did not run \(status: ") as caught:
            _apply(server, session)
        assert "disabled" in (caught.value.hint or "")


@pytest.mark.cloud
def test_a_user_script_that_fails_is_named_with_what_it_said(login: Login) -> None:
    with login(BAD) as (server, session), pytest.raises(StepError) as caught:
        _apply(server, session)
    assert caught.value.message == (
        "web-0: cloud-init's module scripts_user failed: E: Unable to locate package nginxx"
    )
    assert "Runparts: 1 failures (part-001)" in caught.value.details
    assert "E: Unable to locate package nginxx" in caught.value.details


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("user_data", "module"),
    [
        (
            "#cloud-config\npackage_update: true\npackages: [nginx]\n",
            "package_update_upgrade_install",
        ),
        ("#!/bin/sh -e\napt-get update\napt-get install -y nginx\n", "scripts_user"),
    ],
)
def test_a_mirror_that_does_not_answer_is_no_failure_of_the_user_data(
    login: Login, user_data: str, module: str
) -> None:
    """The server's network has no way to any name server."""
    with login(user_data) as (server, session), pytest.raises(StepOutsideError) as caught:
        _apply(server, session)
    assert caught.value.message.startswith(f"web-0: cloud-init's module {module} failed: ")
    assert "Temporary failure resolving 'deb.debian.org'" in caught.value.message


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("user_data", "reason"),
    [
        ("apt-get install nginx\n", "Unhandled non-multipart (text/x-not-multipart) userdata"),
        ("#cloud-config\nruncmd: [ls\npackages: [a]\n", "Invalid format at line 2 column 9"),
        ("#cloud-config\n- runcmd\n", "got list instead"),
        ("#cloud-config\npackage_update: maybe\n", "Invalid cloud-config provided"),
    ],
)
def test_user_data_that_was_ignored(login: Login, user_data: str, reason: str) -> None:
    with login(user_data) as (server, session), pytest.raises(StepError) as caught:
        _apply(server, session)
    assert caught.value.message.startswith("web-0: cloud-init ignored its user data")
    assert reason in caught.value.message


@pytest.mark.cloud
def test_logs_that_the_user_may_not_read(login: Login) -> None:
    with login(GOOD) as (server, session):
        inside(server, "sh", "-c", "rm /etc/sudoers.d/*; chmod 600 /var/log/cloud-init*.log")
        note, done = _apply(server, session)
    assert note == (
        "note: debian may not read cloud-init's logs on web-0, and sudo refuses it: user data that"
        " cloud-init has ignored is not found"
    )
    assert done.startswith("cloud-init: done")


@pytest.mark.cloud
def test_it_does_not_wait_for_ever(login: Login) -> None:
    with login(ENDLESS) as (server, session), pytest.raises(StepError) as caught:
        _apply(server, session, timeout_s=8)
    assert caught.value.message.startswith(
        "web-0: cloud-init did not end in 8 s, it is still in modules-final"
    )
    assert "waiting for godot" in caught.value.details


def test_a_server_without_cloud_init(runner: StepRunner) -> None:
    with pytest.raises(StepFailedError, match="web-0: cloud-init is not installed there") as caught:
        runner.configure(CloudInitStep())
    assert "leave the cloud-init step out" in (caught.value.hint or "")


def _write(server: Server, path: str, content: str) -> None:
    inside(server, "sh", "-c", f"cat >{path} <<'END'\n{content}\nEND\n")
