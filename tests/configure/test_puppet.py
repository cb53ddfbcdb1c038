"""What Puppet reports; that it runs for real is shown in tests/commands/test_drivers.py."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from infraci.configure import StepFailedError
from infraci.configure.puppet import Report, read_report
from infraci.model.configure import PuppetStep
from tests.configure.conftest import Site
from tests.configure.test_script import stand_in

REPORT = """\
--- !ruby/object:Puppet::Transaction::Report
host: web-0
report_format: 12
status: changed
logs:
- !ruby/object:Puppet::Util::Log
  level: !ruby/sym notice
  message: defined content
resource_statuses:
  File[/etc/motd]: !ruby/object:Puppet::Resource::Status
    resource: File[/etc/motd]
    changed: true
    failed: false
    events:
    - !ruby/object:Puppet::Transaction::Event
      property: ensure
  Package[nginx]: !ruby/object:Puppet::Resource::Status
    changed: false
    failed: true
  Service[ssh]: !ruby/object:Puppet::Resource::Status
    changed: false
    failed: false
"""


def test_a_report() -> None:
    assert read_report(REPORT) == Report(
        total=3, changed=("File[/etc/motd]",), failed=("Package[nginx]",)
    )


@pytest.mark.parametrize("text", ["", "--- []", "a: [", "resource_statuses: 3"])
def test_no_report(text: str) -> None:
    assert read_report(text) == Report(total=0, changed=(), failed=())


def _step(**options: Any) -> PuppetStep:
    return PuppetStep(manifest=PurePosixPath("puppet/site.pp"), **options)


SHOW = """\
env | grep -E '^(FACTER_INFRACI_ROLE|FACTER_infraci_role|INFRACI_OUTPUT_LB_URL|A)=' | sort
for a; do case $a in --lastrun*) :;; *) echo "$a" | sed "s,$(pwd),TREE,g";; esac; done
find . -type f | sort
"""


def test_what_puppet_gets(site: Site) -> None:
    """A stand-in shows its arguments and files."""
    for name in ("puppet/site.pp", "puppet/modules/a/manifests/init.pp", "puppet/hiera.yaml"):
        site.script(name, "")
    site.script("puppet/data/common.yaml", "")
    with stand_in(site, "puppet", SHOW):
        site.configure(
            _step(
                modules=(PurePosixPath("puppet/modules"),),
                hiera=PurePosixPath("puppet/hiera.yaml"),
                files=(PurePosixPath("puppet/data"),),
                environment={"A": "b"},
            )
        )
    assert site.log() == [
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
exit %d
"""


def test_resources_that_fail_are_named(site: Site) -> None:
    site.script("puppet/site.pp", "")
    with (
        stand_in(site, "puppet", REPORTING % (REPORT, 6)),
        pytest.raises(StepFailedError) as caught,
    ):
        site.configure(_step())
    assert caught.value.message == (
        "cannot configure web-0: in puppet/site.pp, Package[nginx] failed:"
        " /Stage[main]/Main/Package[nginx]/ensure: no such package"
    )


def test_a_manifest_that_cannot_be_compiled(site: Site) -> None:
    site.script("puppet/site.pp", "")
    say = (
        'echo "Error: Could not parse: Syntax error (file: $(pwd)/puppet/site.pp, line: 3)"; exit 1'
    )
    with stand_in(site, "puppet", say), pytest.raises(StepFailedError) as caught:
        site.configure(_step())
    assert caught.value.message == (
        "cannot configure web-0: in puppet/site.pp, puppet ended with exit status 1: "
        "Could not parse: Syntax error (file: puppet/site.pp, line: 3)"
    )


def test_there_is_no_puppet(site: Site) -> None:
    site.script("puppet/site.pp", "")
    with pytest.raises(StepFailedError, match="puppet is not installed there") as caught:
        site.configure(_step(install=False))
    assert "install: true" in (caught.value.hint or "")
