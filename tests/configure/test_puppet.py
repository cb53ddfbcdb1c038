"""What Puppet reports; that it runs for real is shown in tests/app/test_wiring.py."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from infraci.configure import StepError, StepFailedError
from infraci.configure.puppet_report import read_puppet_report
from infraci.configure.step import StepOutsideError
from infraci.errors import ExitCode, InfraciError
from infraci.model.configure_steps import PuppetStep
from infraci.model.run import Outcome
from tests.configure.conftest import StepRunner
from tests.configure.test_script import fake_program

#: As Puppet 7.23 of Debian 12 writes it, shortened.
REPORT = """\
--- !ruby/object:Puppet::Transaction::Report
host: web-0
report_format: 12
status: failed
logs:
- !ruby/object:Puppet::Util::Log
  level: !ruby/sym notice
  message: 'E: no such thing'
  source: "/Stage[main]/Main/Exec[bad thing]/returns"
- level: err
  message: Shell /bin/zzz must exist
  source: Puppet
resource_statuses:
  Schedule[daily]: !ruby/object:Puppet::Resource::Status
    changed: false
    failed: false
  File[/etc/motd]: !ruby/object:Puppet::Resource::Status
    resource: File[/etc/motd]
    changed: true
    failed: false
    events:
    - !ruby/object:Puppet::Transaction::Event
      property: ensure
      status: success
  Package[nginx]: !ruby/object:Puppet::Resource::Status
    file: "/tmp/infraci.a1b2/tree/puppet/site.pp"
    line: 3
    changed: false
    failed: true
    events:
    - property: ensure
      message: |-
        change from 'purged' to 'present' failed: Execution of '/usr/bin/apt-get install nginx' returned 100: Reading package lists...
        Building dependency tree...
        %(apt)s
      status: failure
  Exec[bad thing]:
    file: "/tmp/infraci.a1b2/tree/puppet/modules/a/manifests/init.pp"
    line: 7
    failed: %(exec_fails)s
    events:
    - message: "change from 'notrun' to ['0'] failed: '/bin/sh' returned 3 instead of one of [0]"
      status: failure
  Service[nginx]: !ruby/object:Puppet::Resource::Status
    changed: false
    failed: false
    skipped: true
"""  # noqa: E501
NO_PACKAGE = {"apt": "E: Unable to locate package nginx", "exec_fails": "true"}
NO_MIRROR = {
    "apt": "E: Failed to fetch http://deb.debian.org/x  503  Service Unavailable"
    " [IP: 192.0.2.1 80]\n        E: Unable to fetch some archives",
    "exec_fails": "false",
}


def test_a_report() -> None:
    resources = read_puppet_report(REPORT % NO_PACKAGE)
    assert [(r.name, r.is_changed, r.is_failed, r.is_skipped) for r in resources] == [
        ("File[/etc/motd]", True, False, False),
        ("Package[nginx]", False, True, False),
        ("Exec[bad thing]", False, True, False),
        ("Service[nginx]", False, False, True),
    ]
    assert resources[2].text.splitlines()[0] == "E: no such thing"


@pytest.mark.parametrize("text", ["", "--- []", "a: [", "resource_statuses: 3"])
def test_no_report(text: str) -> None:
    assert read_puppet_report(text) == ()


def _step(**options: Any) -> PuppetStep:
    return PuppetStep(manifest=PurePosixPath("puppet/site.pp"), **options)


SHOW = """\
env | grep -E '^(FACTER_INFRACI_ROLE|FACTER_infraci_role|INFRACI_OUTPUT_LB_URL|A)=' | sort
for a; do case $a in --lastrun*) :;; *) echo "$a" | sed "s,$(pwd),TREE,g";; esac; done
find . -type f | sort
"""


def test_what_puppet_gets(runner: StepRunner) -> None:
    """A stand-in shows its arguments and files."""
    for name in ("puppet/site.pp", "puppet/modules/a/manifests/init.pp", "puppet/hiera.yaml"):
        runner.script(name, "")
    runner.script("puppet/data/common.yaml", "")
    with fake_program(runner, "puppet", SHOW):
        runner.configure(
            _step(
                modules=(PurePosixPath("puppet/modules"),),
                hiera=PurePosixPath("puppet/hiera.yaml"),
                files=(PurePosixPath("puppet/data"),),
                environment={"A": "b"},
            )
        )
    assert runner.log() == [
        "==> puppet puppet/site.pp",
        "A=b",
        "FACTER_infraci_role=web",
        "INFRACI_OUTPUT_LB_URL=http://192.0.2.1",
        "apply",
        "--detailed-exitcodes",
        "--color=false",
        "--modulepath=TREE/puppet/modules:$basemodulepath",
        "--hiera_config=TREE/puppet/hiera.yaml",
        "puppet/site.pp",
        "./puppet/data/common.yaml",
        "./puppet/hiera.yaml",
        "./puppet/modules/a/manifests/init.pp",
        "./puppet/site.pp",
        "0 of 0 resources changed",
        "==> puppet puppet/site.pp: done",
    ]


REPORTING = """\
for a; do case $a in --lastrunreport=*) cat >"${a#*=}" <<'END'
%s
END
esac; done
echo "Error: /Stage[main]/Main/Package[nginx]/ensure: no such package"
exit 6
"""


def _fails(runner: StepRunner, puppet: str) -> InfraciError:
    runner.script("puppet/site.pp", "")
    with fake_program(runner, "puppet", puppet), pytest.raises(StepFailedError) as caught:
        runner.configure(_step())
    return caught.value.failures[0].error


def test_resources_that_fail_are_named_with_their_place(runner: StepRunner) -> None:
    error = _fails(runner, REPORTING % (REPORT % NO_PACKAGE))
    assert error.message == (
        "web-0: puppet/site.pp: Package[nginx] failed: E: Unable to locate package nginx"
        " (puppet/site.pp:3) (and 1 more)"
    )
    assert isinstance(error, StepError)
    assert [(part.name, part.outcome, part.message) for part in error.parts] == [
        ("File[/etc/motd]", Outcome.PASSED, ""),
        (
            "Package[nginx]",
            Outcome.FAILURE,
            "web-0: puppet/site.pp: Package[nginx] failed: E: Unable to locate package nginx"
            " (puppet/site.pp:3)",
        ),
        (
            "Exec[bad thing]",
            Outcome.FAILURE,
            "web-0: puppet/site.pp: Exec[bad thing] failed: E: no such thing"
            " (puppet/modules/a/manifests/init.pp:7)",
        ),
        ("Service[nginx]", Outcome.SKIPPED, ""),
    ]


def test_a_mirror_that_does_not_answer_is_no_failure_of_a_manifest(runner: StepRunner) -> None:
    error = _fails(runner, REPORTING % (REPORT % NO_MIRROR))
    assert isinstance(error, StepOutsideError)
    assert "503  Service Unavailable" in error.message
    assert error.parts[1].outcome is Outcome.ERROR


def test_one_resource_that_is_the_commits_doing_decides(runner: StepRunner) -> None:
    error = _fails(runner, REPORTING % (REPORT % {**NO_MIRROR, "exec_fails": "true"}))
    assert isinstance(error, StepError)
    assert error.message.startswith("web-0: puppet/site.pp: Exec[bad thing] failed: ")
    assert [part.outcome for part in error.parts if part.message] == [
        Outcome.ERROR,
        Outcome.FAILURE,
    ]


def test_a_manifest_that_cannot_be_compiled(runner: StepRunner) -> None:
    say = (
        "echo \"Error: Could not parse for environment production: Syntax error at '}'"
        ' (file: $(pwd)/puppet/site.pp, line: 3, column: 1) on node web-0.example"; exit 1'
    )
    assert _fails(runner, say).message == (
        "web-0: puppet/site.pp failed: Could not parse: Syntax error at '}' (puppet/site.pp:3)"
    )


def test_there_is_no_puppet(runner: StepRunner) -> None:
    runner.script("puppet/site.pp", "")
    with pytest.raises(StepFailedError, match="puppet is not installed there") as caught:
        runner.configure(_step(install=False))
    assert "install: true" in (caught.value.hint or "")
    assert caught.value.exit_code is ExitCode.FAILED
