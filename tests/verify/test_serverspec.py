"""A real Serverspec, over a real SSH: its trees run unmodified."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from textwrap import dedent

import pytest

from infraci.base.deadline import Deadline
from infraci.base.mask import Masker
from infraci.model.run import Bastion, ErrorKind, Outcome, Server, Testcase
from infraci.verify.serverspec import MissingServerspecError, _seconds, run_serverspec
from tests.sshd import Sshd, dropping, make_run_folder

#: As `serverspec-init` writes it.
HELPER = """\
require 'serverspec'
require 'net/ssh'

set :backend, :ssh

if ENV['ASK_SUDO_PASSWORD']
  require 'highline/import'
  set :sudo_password, ask("Enter sudo password: ") { |q| q.echo = false }
else
  set :sudo_password, ENV['SUDO_PASSWORD']
end

host = ENV['TARGET_HOST']

options = Net::SSH::Config.for(host)

options[:user] ||= Etc.getlogin

set :host,        options[:host_name] || host
set :ssh_options, options
"""
SPEC = """\
require 'spec_helper'

describe file('/etc/hostname') do
  it { should be_file }
end

describe command('echo "$SSH_CONNECTION"') do
  its(:stdout) { should match(/127\\.0\\.0\\.1/) }
end
"""


class Tree:
    """A repository with a tree of Serverspec's in a folder."""

    def __init__(self, folder: Path, sshd: Sshd) -> None:
        self.root = folder / "tree"
        self.folder = folder
        self.sshd = sshd
        self.write("sv/spec/spec_helper.rb", HELPER)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))

    def run(
        self,
        *paths: str,
        server: Server | None = None,
        seconds: float = 60,
        secrets: Sequence[str] = (),
    ) -> Mapping[str, Testcase]:
        server = server or self.sshd.server
        results = run_serverspec(
            server,
            [PurePosixPath(path) for path in paths or ("sv/spec/web",)],
            run_folder=make_run_folder(self.folder, [server], self.sshd.key),
            root=self.root,
            deadline=Deadline(seconds),
            log=self.log,
            masker=Masker(secrets),
        )
        return {testcase.name: testcase for testcase in results}

    @property
    def log(self) -> Path:
        return self.folder / "web-0.serverspec.log"


@pytest.fixture
def tree(tmp_path: Path, sshd: Sshd) -> Tree:
    return Tree(tmp_path, sshd)


def test_a_tree_as_serverspec_init_makes_it(tree: Tree) -> None:
    tree.write("sv/spec/web/page_spec.rb", SPEC)
    results = tree.run()
    assert list(results) == [
        'File "/etc/hostname" is expected to be file',
        'Command "echo "$SSH_CONNECTION"" stdout is expected to match /127\\.0\\.0\\.1/',
    ]
    first = next(iter(results.values()))
    assert first == Testcase(
        server="web-0",
        role="web",
        classname="sv.spec.web.page_spec",
        name='File "/etc/hostname" is expected to be file',
        nodeid='sv/spec/web/page_spec.rb::File "/etc/hostname" is expected to be file',
        outcome=Outcome.PASSED,
        duration_s=first.duration_s,
        file=PurePosixPath("sv/spec/web/page_spec.rb"),
    )
    assert "is expected to be file" in tree.log.read_text()


def test_what_fails_and_what_is_skipped(tree: Tree) -> None:
    tree.write(
        "sv/spec/web/page_spec.rb",
        """\
        require 'spec_helper'
        describe file('/no/such') do
          it { should exist }
          xit { should be_file }
        end
        describe 'the spec' do
          it('raises') { nothing_like_this }
          it('reads') { File.read('/no/such') }
        end
        """,
    )
    failed, skipped, raised, read = tree.run().values()
    assert (failed.outcome, failed.kind) == (Outcome.FAILURE, None)
    assert failed.message == 'expected File "/no/such" to exist'
    assert "Failure/Error: it { should exist }" in failed.text
    assert skipped.outcome is Outcome.SKIPPED
    assert (raised.outcome, read.outcome) == (Outcome.FAILURE, Outcome.FAILURE)
    assert raised.message.startswith("undefined local variable or method `nothing_like_this'")


def test_specs_of_several_folders_and_of_single_files(tree: Tree) -> None:
    tree.write("sv/spec/web/page_spec.rb", "describe('a') { it('x') {} }\n")
    tree.write("sv/spec/db/disk_spec.rb", "describe('b') { it('x') {} }\n")
    tree.write("other/.rspec", "--require ./helper\n")
    tree.write("other/helper.rb", "KNOWN = 1\n")
    tree.write("other/checks/c_spec.rb", "describe(\"c#{KNOWN}\") { it('x') {} }\n")
    tree.write("alone_spec.rb", "describe('d') { it('x') {} }\n")
    results = tree.run("sv/spec/web", "other/checks", "sv/spec/db/disk_spec.rb", "alone_spec.rb")
    assert {name: case.classname for name, case in results.items()} == {
        "a x": "sv.spec.web.page_spec",
        "b x": "sv.spec.db.disk_spec",
        "c1 x": "other.checks.c_spec",
        "d x": "alone_spec",
    }


def test_specs_for_the_machine_they_run_on_look_at_the_server(tree: Tree) -> None:
    tree.write("sv/spec/spec_helper.rb", "require 'serverspec'\nset :backend, :exec\n")
    tree.write("sv/spec/web/page_spec.rb", SPEC)
    assert {case.outcome for case in tree.run().values()} == {Outcome.PASSED}


def test_a_file_that_cannot_be_loaded(tree: Tree) -> None:
    tree.write("sv/spec/web/a_spec.rb", "require 'spec_helper'\ndescribe fil('/x') do\nend\n")
    tree.write("sv/spec/web/b_spec.rb", "describe 'x' do\n")
    tree.write("sv/spec/web/c_spec.rb", "describe('c') { it('x') {} }\n")
    first, second = tree.run().values()
    assert (first.outcome, first.kind) == (Outcome.FAILURE, ErrorKind.SPEC)
    assert first.message == (
        "cannot load sv/spec/web/a_spec.rb: NoMethodError: undefined method `fil' for main:Object"
    )
    assert second.message.startswith("cannot load sv/spec/web/b_spec.rb: SyntaxError: ")
    assert second.file == PurePosixPath("sv/spec/web/b_spec.rb")


def test_a_tree_without_examples(tree: Tree) -> None:
    tree.write("sv/spec/web/a_spec.rb", "require 'spec_helper'\n")
    (case,) = tree.run().values()
    assert (case.kind, case.message) == (ErrorKind.SPEC, "no examples in sv/spec/web")


def test_another_host_key_is_never_talked_to_and_a_lost_server_costs_one_try(
    tree: Tree, own_sshd: Sshd
) -> None:
    tree.write("sv/spec/web/page_spec.rb", SPEC)
    other = replace(tree.sshd.server, host_keys=own_sshd.server.host_keys)
    results = tree.run(server=other).values()
    assert [(case.outcome, case.kind) for case in results] == [
        (Outcome.ERROR, ErrorKind.INFRASTRUCTURE)
    ] * 2
    assert "fingerprint" in next(iter(results)).message


def test_through_a_bastion(tree: Tree) -> None:
    sshd = tree.sshd.server
    bastion = Bastion(
        name="gate",
        user=sshd.user,
        address=sshd.address,
        port=sshd.port,
        host_keys=sshd.host_keys,
    )
    tree.write("sv/spec/web/page_spec.rb", SPEC)
    results = tree.run(server=replace(sshd, bastion=bastion)).values()
    assert [case.outcome for case in results] == [Outcome.PASSED] * 2


def test_specs_that_do_not_end(tree: Tree) -> None:
    tree.write("sv/spec/web/page_spec.rb", "describe('a') { it('sleeps') { sleep 600 } }\n")
    (case,) = tree.run(seconds=2).values()
    assert (case.outcome, case.kind) == (Outcome.ERROR, ErrorKind.TIMEOUT)
    assert re.fullmatch(r"the specs of web-0 did not end in (2|1\.9\d?) s", case.message)


def test_specs_that_end_ruby(tree: Tree) -> None:
    tree.write("sv/spec/web/page_spec.rb", "describe('a') { it('ends') { exit! 7 } }\n")
    (case,) = tree.run().values()
    assert case.kind is ErrorKind.CRASH
    assert case.message.startswith("rspec ended with exit status 7")


def test_secrets_are_masked_in_its_log(tree: Tree) -> None:
    tree.write("sv/spec/web/page_spec.rb", "describe('sesame99') { it('x') {} }\n")
    tree.run(secrets=["sesame99"])
    assert "sesame99" not in tree.log.read_text()


def test_there_is_no_rspec(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tree.folder))
    with pytest.raises(MissingServerspecError, match="rspec is not installed here") as caught:
        tree.run()
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("apt-get install ruby-serverspec ruby-rspec-junit-form")


def test_a_gem_is_missing(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in: an rspec of a Ruby without Serverspec."""
    program = tree.folder / "bin" / "rspec"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'cannot load such file -- specinfra (LoadError)'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    with pytest.raises(MissingServerspecError, match="specinfra is not installed here"):
        tree.run()


def test_a_login_shell_that_speaks_is_not_heard(tmp_path: Path, own_sshd: Sshd) -> None:
    (own_sshd.folder / ".bashrc").write_text(
        "echo Welcome; echo and more >&2; trap 'echo good bye' EXIT\n"
    )
    tree = Tree(tmp_path, own_sshd)
    tree.write(
        "sv/spec/web/quiet_spec.rb",
        """\
        require 'spec_helper'

        describe command(%q(printf '%s' "it's"; printf '%s\\n' two lines >&2; exit 3)) do
          its(:stdout) { should eq "it's" }
          its(:stderr) { should eq "two\\nlines\\n" }
          its(:exit_status) { should eq 3 }
        end
        """,
    )
    results = tree.run()
    assert [case.outcome for case in results.values()] == [Outcome.PASSED] * 3


def test_a_server_that_drops_connections_is_tried_again(tree: Tree, sshd: Sshd) -> None:
    tree.write("sv/spec/web/page_spec.rb", SPEC)
    with dropping(sshd.server.port, drops=3) as port:
        results = tree.run(server=replace(sshd.server, port=port))
    assert [case.outcome for case in results.values()] == [Outcome.PASSED] * 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0.25", 0.25), ("7", 7.0), ("", 0.0), ("0w2", 0.0), ("nan", 0.0), ("1e999", 0.0)],
)
def test_a_duration_of_a_report_that_specs_can_write(text: str, seconds: float) -> None:
    assert _seconds(text) == seconds
