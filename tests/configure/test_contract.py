"""What every configure driver must do. A new driver joins by a line in SAMPLES."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import pytest

from infraci.base.deadline import Deadline
from infraci.configure import Step, StepError, StepRun, driver_of
from infraci.configure.step import StepOutsideError
from infraci.errors import ExitCode, InfraciError, PhaseTimeoutError, UnreachableError
from infraci.model.configure_steps import (
    AnsibleStep,
    ChefStep,
    CloudInitStep,
    ConfigureStep,
    PuppetStep,
    ScriptStep,
    secrets_of_step,
)
from infraci.model.run import Outcome
from infraci.model.secret import Secret
from infraci.model.steps import STEP_KINDS
from tests.configure.conftest import StepRunner
from tests.configure.test_script import fake_program
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


@dataclass(frozen=True, kw_only=True)
class Failing:
    """A step that fails, and what tells so; ``program`` stands in for one that is not here."""

    options: ConfigureStep
    files: Mapping[str, str]
    part: str = ""
    program: tuple[str, str] | None = None


_APT = "apt-get -o Dir::State::Lists=$(mktemp -d) -o Dir::Etc::SourceList={tree}/sources.list -o"
_APT += " Dir::Etc::SourceParts=/dev/null -o Acquire::http::Proxy={proxy} -o APT::Sandbox::User="
_APT += "root -o Acquire::Retries=0 -o Debug::NoLocking=1"
_SOURCES = {"sources.list": "deb [trusted=yes] http://deb.example.org/debian bookworm main\n"}
_PLAY = "- hosts: all\n  gather_facts: false\n  environment: {{http_proxy: '{proxy}'}}\n"
_REPORT = """\
for a; do case $a in --lastrunreport=*) cat >"${{a#*=}}" <<'END'
resource_statuses:
  Package[nginx]: {{failed: true, events: [{{status: failure, message: "%s"}}]}}
END
esac; done; exit 4
"""
_BOX = """\
cat <<'END'
Recipe: web::default
  * apt_package[nginx] action install
    ================================================================================
    Error executing action `install` on resource 'apt_package[nginx]'
    ================================================================================

    Chef::Exceptions::Package
    -------------------------
    %s
END
exit 1
"""
_REFUSED = "E: Unable to locate package nginx"
_BUSY = "E: Failed to fetch http://deb.example.org/x  503  Service Unavailable [IP: 192.0.2.1 80]"
#: What the commit's own files make fail.
FAILING: Mapping[type, Failing] = {
    CloudInitStep: Failing(options=CloudInitStep(timeout_s=20), files={}),
    ScriptStep: Failing(
        options=ScriptStep(path=PurePosixPath("app.sh")),
        files={"app.sh": f"#!/bin/sh\necho '{_REFUSED}' >&2; exit 100\n"},
    ),
    AnsibleStep: Failing(
        options=AnsibleStep(playbook=PurePosixPath("site.yml"), sudo=False),
        files={"site.yml": _PLAY + "  tasks: [{{name: Install, command: cat /nothing}}]\n"},
        part="all: Install",
    ),
    PuppetStep: Failing(
        options=PuppetStep(manifest=PurePosixPath("site.pp")),
        files={"site.pp": ""},
        part="Package[nginx]",
        program=("puppet", _REPORT % _REFUSED),
    ),
    ChefStep: Failing(
        options=ChefStep(run_list=("recipe[web]",), cookbook_path=(PurePosixPath("cookbooks"),)),
        files={"cookbooks/web/recipes/default.rb": ""},
        part="web::default: apt_package[nginx] action install",
        program=("chef-client", _BOX % _REFUSED),
    ),
}
#: What a mirror makes fail: 503 is all that it answers. cloud-init is tested on real servers.
OUTSIDE: Mapping[type, Failing] = {
    ScriptStep: replace(
        FAILING[ScriptStep],
        files={
            **_SOURCES,
            "app.sh": f"#!/bin/sh\n{_APT} update && {_APT} --simulate install shop\n",
        },
    ),
    AnsibleStep: replace(
        FAILING[AnsibleStep],
        files={
            "site.yml": _PLAY + "  tasks: [{{name: Install, get_url: {{url:"
            " 'http://deb.example.org/x', dest: /tmp/x}}}}]\n"
        },
    ),
    PuppetStep: replace(FAILING[PuppetStep], program=("puppet", _REPORT % _BUSY)),
    ChefStep: replace(FAILING[ChefStep], program=("chef-client", _BOX % _BUSY)),
}

Prepare = Callable[[StepRunner, float], tuple[Step, StepRun]]


def _kinds() -> Iterator[type]:
    """The classes of the options of all configure steps."""
    union, *_ = get_args(ConfigureStep)
    for kind in get_args(union):
        yield get_args(kind)[0]


def test_every_driver_is_here() -> None:
    assert set(SAMPLES) == set(_kinds())


@pytest.fixture(params=SAMPLES.values(), ids=[options.__name__ for options in SAMPLES])
def prepare(request: pytest.FixtureRequest) -> Prepare:
    """Make the driver, and what it is told in a phase of this many seconds."""
    options, files = request.param

    def make(runner: StepRunner, seconds: float) -> tuple[Step, StepRun]:
        for name, text in files.items():
            runner.script(name, text)
        return driver_of(options), _run(runner, seconds)

    return make


def _run(runner: StepRunner, seconds: float) -> StepRun:
    return StepRun(
        root=runner.tree,
        outputs={},
        run_id="run-1",
        commit="abc",
        deadline=Deadline(seconds),
        log=lambda line: None,
        servers=(runner.sshd.server,),
        run_folder=runner.run_folder([runner.sshd.server]),
    )


def _failure(runner: StepRunner, failing: Failing, proxy: str) -> InfraciError:
    """Have a step fail; its files get to know the proxy."""
    for name, text in failing.files.items():
        runner.script(name, text.format(proxy=proxy, tree=runner.tree) if "{" in text else text)
    server = runner.sshd.server
    driver = driver_of(failing.options)
    with ExitStack() as stack:
        if failing.program:
            name, script = failing.program
            stack.enter_context(fake_program(runner, name, script.format()))
        with pytest.raises(InfraciError) as caught:
            driver.apply(runner.session_of(server), server, _run(runner, 60))
    return caught.value


@pytest.mark.parametrize("kind", FAILING, ids=[kind.__name__ for kind in FAILING])
def test_what_the_commit_makes_fail_is_its_failure_and_is_named(
    runner: StepRunner, busy_proxy: str, kind: type
) -> None:
    failing = FAILING[kind]
    error = _failure(runner, failing, busy_proxy)
    assert isinstance(error, StepError)
    assert error.exit_code is ExitCode.FAILED
    assert error.message.startswith("web-0: ")
    failed = [part for part in error.parts if part.outcome is Outcome.FAILURE]
    assert [part.name for part in failed] == ([failing.part] if failing.part else [])
    assert all(part.message.startswith("web-0: ") for part in failed)
    assert all(f": {part.name} failed: " in part.message for part in failed)
    assert all(part.text for part in failed)


@pytest.mark.parametrize("kind", OUTSIDE, ids=[kind.__name__ for kind in OUTSIDE])
def test_a_mirror_that_does_not_answer_is_no_failure_of_the_commit(
    runner: StepRunner, busy_proxy: str, kind: type
) -> None:
    error = _failure(runner, OUTSIDE[kind], busy_proxy)
    assert isinstance(error, StepOutsideError)
    assert error.category == "outside"
    assert error.message.startswith("web-0: ")
    assert "503" in error.message
    assert not any(part.outcome is Outcome.FAILURE for part in error.parts)


def test_it_has_a_name_and_knows_its_roles(runner: StepRunner, prepare: Prepare) -> None:
    step, _ = prepare(runner, 60)
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
        assert secrets_of_step(replace(options, environment=environment)) == ["sesame"]


def test_a_server_that_is_gone_is_unreachable(
    runner_of: Callable[[Sshd], StepRunner], tmp_path: Path, prepare: Prepare
) -> None:
    with running_sshd(tmp_path / "own") as own:
        runner = runner_of(own)
        step, run = prepare(runner, 60)
        session = runner.session_of(own.server)
        own.kill()
        with pytest.raises(UnreachableError) as caught:
            step.apply(session, own.server, run)
    assert "web-0" in caught.value.message


@pytest.mark.parametrize("seconds", [0, 1])
def test_it_ends_with_the_phase_and_says_so(
    runner: StepRunner, prepare: Prepare, seconds: float
) -> None:
    """Its own timeout is longer; that its program is not installed there may be said instead."""
    step, run = prepare(runner, seconds)
    server = runner.sshd.server
    with pytest.raises((StepError, PhaseTimeoutError)) as caught:
        step.apply(runner.session_of(server), server, run)
    assert caught.value.message.startswith("web-0: ")
    assert caught.value.hint
