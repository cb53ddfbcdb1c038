"""What every configure driver must do. A new driver joins by a line in SAMPLES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from infraci.configure import DRIVERS, Step, StepContext, StepError
from infraci.deadline import Deadline
from infraci.errors import PhaseTimeoutError, UnreachableError
from infraci.model.configure import (
    AnsibleStep,
    ChefStep,
    CloudInitStep,
    ConfigureStep,
    PuppetStep,
    ScriptStep,
    secrets_of,
)
from infraci.model.secret import Secret
from infraci.model.steps import STEP_KINDS
from tests.configure.conftest import Site
from tests.sshd import Sshd, running_sshd

#: Options of each driver, with what it needs in the tree.
SAMPLES: Mapping[type, tuple[ConfigureStep, Mapping[str, str]]] = {
    CloudInitStep: (CloudInitStep(timeout_s=20), {}),
    ScriptStep: (
        ScriptStep(path=PurePosixPath("app.sh"), timeout_s=20, roles=("web",)),
        {"app.sh": "#!/bin/sh\nsleep 600\n"},
    ),
    AnsibleStep: (
        AnsibleStep(playbook=PurePosixPath("site.yml"), timeout_s=20, sudo=False),
        {"site.yml": "- hosts: all\n  tasks: [{ansible.builtin.command: sleep 600}]\n"},
    ),
    PuppetStep: (
        PuppetStep(manifest=PurePosixPath("site.pp"), timeout_s=20, install=False),
        {"site.pp": "exec { '/bin/sleep 600': }\n"},
    ),
    ChefStep: (
        ChefStep(
            run_list=("recipe[web]",), cookbook_path=(PurePosixPath("cookbooks"),), timeout_s=20
        ),
        {"cookbooks/web/recipes/default.rb": "execute 'sleep 600'\n"},
    ),
}

Prepare = Callable[[Site, float], tuple[Step, StepContext]]


def test_every_driver_is_here() -> None:
    assert set(SAMPLES) == set(DRIVERS)


@pytest.fixture(params=SAMPLES.values(), ids=[options.__name__ for options in SAMPLES])
def prepare(request: pytest.FixtureRequest) -> Prepare:
    """Make the driver, and what it is told in a phase of this many seconds."""
    options, files = request.param

    def make(site: Site, seconds: float) -> tuple[Step, StepContext]:
        for name, text in files.items():
            site.script(name, text)
        context = StepContext(
            root=site.tree,
            outputs={},
            run_id="run-1",
            commit="abc",
            deadline=Deadline(seconds),
            log=lambda line: None,
            servers=(site.sshd.server,),
            ssh_config=site.ssh_config([site.sshd.server]),
        )
        return DRIVERS[type(options)](options), context

    return make


def test_it_has_a_name_and_knows_its_roles(site: Site, prepare: Prepare) -> None:
    step, _ = prepare(site, 60)
    assert step.name
    assert isinstance(step.roles, tuple)


@pytest.mark.parametrize("kind", SAMPLES, ids=[kind.__name__ for kind in SAMPLES])
def test_its_title_begins_with_its_kind_and_its_secrets_are_known(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, _ = SAMPLES[kind]
    assert options.title.partition(" ")[0] in STEP_KINDS
    if kind is not CloudInitStep:
        monkeypatch.setenv("TOKEN", "sesame")
        environment: Any = {"A": Secret(variable="TOKEN"), "B": "b"}
        assert secrets_of(replace(options, environment=environment)) == ["sesame"]


def test_a_server_that_is_gone_is_unreachable(
    site_of: Callable[[Sshd], Site], tmp_path: Path, prepare: Prepare
) -> None:
    with running_sshd(tmp_path / "own") as own:
        site = site_of(own)
        step, context = prepare(site, 60)
        session = site.session_of(own.server)
        own.kill()
        with pytest.raises(UnreachableError) as caught:
            step.apply(session, own.server, context)
    assert "web-0" in caught.value.message


@pytest.mark.parametrize("seconds", [0, 1])
def test_it_ends_with_the_phase_and_says_so(site: Site, prepare: Prepare, seconds: float) -> None:
    """Its own timeout is longer; that its program is not installed there may be said instead."""
    step, context = prepare(site, seconds)
    server = site.sshd.server
    with pytest.raises((StepError, PhaseTimeoutError)) as caught:
        step.apply(site.session_of(server), server, context)
    assert caught.value.message.startswith("web-0: ")
    assert caught.value.hint
