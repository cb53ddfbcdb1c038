"""Programs of an untrusted commit against a real server: they do their work, and no harm."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from textwrap import dedent, indent

import pytest

from infraci.base.deadline import Deadline
from infraci.base.mask import Masker
from infraci.base.trust import VARIABLE
from infraci.configure import configure_servers
from infraci.errors import InfraciError
from infraci.ledger.run_folder import RunFolder
from infraci.model.configure_steps import AnsibleStep
from infraci.model.run import Bastion, Outcome, Server, Testcase
from infraci.model.secret import MissingSecretError, Secret
from infraci.sandbox.bubblewrap import NoSandboxError, no_sandbox_reason
from infraci.ssh import Session, write_ssh_config
from infraci.verify import open_specs
from infraci.verify.serverspec import run_serverspec
from tests.sshd import Sshd, make_run_folder, running_sshd
from tests.verify.test_serverspec import HELPER


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@dataclass
class Stage:
    """A repository with a run in its ledger, and what is around it."""

    root: Path
    sshd: Sshd
    port: int  # of a server on this machine that is none of the run's

    @property
    def tree(self) -> Path:
        return self.root / ".infraci" / "trees" / "abc"

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.root / ".infraci" / "runs" / "run-1")

    @property
    def log(self) -> Path:
        return self.run.path / "server.log"

    def write(self, name: str, text: str) -> None:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))

    def specs(self, timeout_s: float = 60, server: Server | None = None) -> dict[str, Testcase]:
        with open_specs(self.tree) as specs:
            testcases = specs.run(
                server or self.sshd.server,
                [PurePosixPath("specs")],
                run_folder=self.run,
                timeout_s=timeout_s,
                log=self.log,
                environment={"NAMED": "yes"},
            )
        return {testcase.name: testcase for testcase in testcases}

    def serverspec(self) -> dict[str, Testcase]:
        testcases = run_serverspec(
            self.sshd.server,
            [PurePosixPath("ruby/spec/a_spec.rb")],
            run_folder=self.run,
            root=self.tree,
            deadline=Deadline(60),
            log=self.log,
        )
        return {testcase.name: testcase for testcase in testcases}

    def ansible(self, **environment: str) -> str:
        """What Ansible prints of a playbook."""
        server, key = self.sshd.server, self.sshd.key.private_path
        configure_servers(
            [AnsibleStep(playbook=PurePosixPath("site.yml"), sudo=False, environment=environment)],
            [server],
            session_of=lambda server: Session.open(server, private_key=key, timeout_s=30),
            run_folder=self.run,
            root=self.tree,
            outputs={},
            run_id="run-1",
            commit="abc",
            logs=self.run.path,
            deadline=Deadline(120),
            idempotence=False,
            masker=Masker(),
            on_step=None,
            on_testcases=None,
        )
        return (self.run.path / f"{server.word}.log").read_text()

    def attack(self) -> str:
        """Python that tries all it can on this machine, and prints what it has got."""
        return dedent(f"""\
            import os, pathlib, socket
            got = []
            def attempt(name, action):
                try:
                    action()
                except Exception:
                    return
                got.append(name)
            root = pathlib.Path({str(self.root)!r})
            home = pathlib.Path({str(Path.home())!r})
            attempt("password", lambda: os.environ["OS_PASSWORD"])
            attempt("clouds.yaml", lambda: (root / "clouds.yaml").read_text())
            attempt("git", lambda: (root / ".git" / "config").read_text())
            attempt("ledger", lambda: (root / ".infraci/runs/run-2/id_ed25519").read_text())
            attempt("record", lambda: (root / ".infraci/runs/run-1/run.json").read_text())
            attempt("home", lambda: os.listdir(home / ".ssh"))
            attempt("environ", lambda: open("/proc/{{os.getppid()}}/environ").read().index("OS_"))
            unix = socket.socket(socket.AF_UNIX)
            attempt("podman", lambda: unix.connect("/run/podman/podman.sock"))
            attempt("run", lambda: os.listdir("/run"))
            attempt("shadow", lambda: open("/etc/shadow").read())
            attempt("write", lambda: (root / ".infraci/trees/abc/new").write_text("x"))
            attempt("write run", lambda: (root / ".infraci/runs/run-1/new").write_text("x"))
            attempt("write key", lambda: open(root / ".infraci/runs/run-1/ssh_config", "a"))
            attempt("port", lambda: socket.create_connection(("127.0.0.1", {self.port}), 2))
            attempt("metadata", lambda: socket.create_connection(("169.254.169.254", 80), 2))
            attempt("root", lambda: os.setuid(0))
            attempt("kill", lambda: os.kill(1, 9))
            result = f"got {{got}} as root: {{os.geteuid() == 0}}"
            """)


NOTHING = "got [] as root: False"


@pytest.fixture
def stage(tmp_path: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setenv("OS_PASSWORD", "hidden")
    with socket.create_server(("127.0.0.1", 0)) as server:
        stage = Stage(root=tmp_path, sshd=sshd, port=server.getsockname()[1])
        for name in (".git/config", "clouds.yaml", ".infraci/runs/run-2/id_ed25519"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("hidden")
            (tmp_path / name).chmod(0o644)
        stage.tree.mkdir(parents=True)
        stage.run.path.mkdir()
        stage.run.record.write_text("hidden")
        make_run_folder(stage.run.path, [sshd.server], sshd.key)
        yield stage
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # so that none has connected
            server.accept()
    assert stage.run.login_key.stat().st_mode & 0o777 == 0o600  # so that ssh still takes it
    assert not (stage.tree / "new").exists()


def test_specs(stage: Stage) -> None:
    """They log in to the server by Testinfra and by ssh itself, and reach nothing else."""
    stage.write(
        "specs/test_it.py",
        """\
        import os, subprocess

        def test_server(host):
            assert host.file("/etc/hostname").exists
            assert os.environ["NAMED"] == "yes"

        def test_ssh(infraci_server):
            config = os.environ["INFRACI_SSH_CONFIG"]
            subprocess.run(["ssh", "-F", config, infraci_server.word, "true"], check=True)

        """,
    )
    stage.write("specs/test_bad.py", stage.attack() + "def test_bad(host): assert not result\n")
    testcases = stage.specs()
    assert testcases["test_server[web-0]"].outcome is Outcome.PASSED, stage.log.read_text()
    assert testcases["test_bad[web-0]"].outcome is Outcome.FAILURE
    assert NOTHING in testcases["test_bad[web-0]"].text
    ssh = next(case for name, case in testcases.items() if name.startswith("test_ssh"))
    assert ssh.outcome is Outcome.PASSED, ssh.text


def test_specs_through_a_bastion(stage: Stage, tmp_path: Path) -> None:
    """Only the bastion can be connected to; the server is behind it."""
    with running_sshd(tmp_path / "gate") as running:
        running.authorize(stage.sshd.key.public)
        bastion = Bastion(
            name="gate",
            user=running.server.user,
            address=running.server.address,
            port=running.server.port,
            host_keys=running.server.host_keys,
        )
        server = replace(stage.sshd.server, bastion=bastion)
        write_ssh_config(stage.run, [server])
        stage.write(
            "specs/test_it.py",
            f"""\
            import os, socket, subprocess

            def test_it(host, infraci_server):
                assert host.file("/etc/hostname").exists
                config = os.environ["INFRACI_SSH_CONFIG"]
                subprocess.run(["ssh", "-F", config, infraci_server.word, "true"], check=True)
                with socket.socket() as direct:
                    assert direct.connect_ex(("127.0.0.1", {server.port})) != 0
            """,
        )
        (case,) = stage.specs(server=server).values()
        assert case.outcome is Outcome.PASSED, case.text


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos._exit(0)",
        "while True: pass",
        "import os\nwhile True: os.write(1, b'x' * 65536)",
        "import os, signal\nos.kill(-1, signal.SIGKILL)\nsignal.pause()",
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError: pass",
    ],
)
def test_specs_that_take_all_they_can(stage: Stage, code: str) -> None:
    """The verdict is theirs, and all is as before."""
    stage.write("specs/test_it.py", f"def test_it(host):\n{indent(code, '    ')}\n")
    testcases = stage.specs(timeout_s=10)
    assert testcases
    assert all(case.outcome is not Outcome.PASSED for case in testcases.values())


def test_specs_that_write_into_the_answers(stage: Stage) -> None:
    """They can tell what they like of their own server, and of no other."""
    stage.write(
        "specs/test_it.py",
        """\
        import json, os

        def test_forged(host):
            case = {"server": "other", "role": "other", "classname": "c", "name": "forged",
                    "nodeid": "forged", "outcome": "passed", "duration_s": 0, "message": "",
                    "text": "", "stdout": "", "stderr": "", "file": None, "line": None,
                    "kind": None, "phase": "verify"}
            for line in (json.dumps({"testcase": case}), '{"exited": "x"}', "no json", "[]"):
                for number in range(3, 30):
                    try:
                        os.write(number, line.encode() + b"\\n")
                    except OSError:
                        pass
        """,
    )
    testcases = stage.specs()
    assert {case.server for case in testcases.values()} == {stage.sshd.server.name}
    assert any(
        "written into infraci's own connection" in case.message for case in testcases.values()
    )


def test_serverspec(stage: Stage) -> None:
    stage.write("ruby/spec/spec_helper.rb", HELPER)
    stage.write(
        "ruby/spec/a_spec.rb",
        """\
        require 'spec_helper'

        describe file('/etc/hostname') do
          it { should be_file }
        end

        describe 'attack' do
          it('fails') { raise IO.popen(['python3', 'bad.py'], &:read) }
        end
        """,
    )
    stage.write("ruby/bad.py", stage.attack() + "print(result)\n")
    stage.write("ruby/.rspec", "")
    testcases = stage.serverspec()
    assert testcases['File "/etc/hostname" is expected to be file'].outcome is Outcome.PASSED
    (attack,) = (case for name, case in testcases.items() if "attack" in name)
    assert NOTHING in attack.text


def test_serverspec_whose_report_is_something_else(stage: Stage) -> None:
    stage.write("ruby/.rspec", "")
    stage.write(
        "ruby/spec/a_spec.rb",
        """\
        out = ARGV.find { |word| word.end_with?('junit.xml') } ||
              File.read('/proc/self/cmdline').split("\\0").find { |w| w.end_with?('junit.xml') }
        File.unlink(out) if File.exist?(out)
        File.mkfifo(out)
        exit!(0)
        """,
    )
    assert all(case.outcome is not Outcome.PASSED for case in stage.serverspec().values())


def test_ansible(stage: Stage) -> None:
    """Tasks on the server are done, and those on this machine reach nothing."""
    stage.write(
        "site.yml",
        """\
        - hosts: all
          gather_facts: false
          tasks:
            - {name: there, command: cat /etc/hostname}
            - name: here
              delegate_to: localhost
              vars: {ansible_connection: local}
              command: python3 bad.py
              args: {chdir: "{{ playbook_dir }}"}
              register: bad
            - {name: told, debug: {msg: "{{ bad.stdout }}"}}
        """,
    )
    stage.write("bad.py", stage.attack() + "print(result)\n")
    text = stage.ansible()
    assert "there" in text
    assert NOTHING in text


def test_variables_that_programs_obey_as_they_start(stage: Stage) -> None:
    """Those that a commit names are only for its own program, not for what makes the sandbox."""
    mark = stage.root / "mark"
    stage.write("evil/sitecustomize.py", f"open({str(mark)!r}, 'a')\n")
    stage.write("site.yml", "- hosts: all\n  gather_facts: false\n  tasks: [{ping: {}}]\n")
    stage.ansible(PYTHONPATH="evil", PYTHONSTARTUP="evil/sitecustomize.py", BASH_ENV="evil")
    assert not mark.exists()


def test_trusted_commits_inherit_no_credentials_either(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their programs run as infraci does, with the environment that the pipeline names."""
    monkeypatch.delenv(VARIABLE)
    here = "import os; print('have', os.environ.get('OS_PASSWORD'), os.environ.get('NAMED'))\n"
    stage.write("specs/test_it.py", f"def test_it(host):\n    {here}    assert 0\n")
    (case,) = stage.specs().values()
    assert "have None yes" in case.stdout

    stage.write("ruby/.rspec", "")
    ruby = "describe('it') { it('has') { raise ENV.key?('OS_PASSWORD').to_s } }"
    stage.write("ruby/spec/a_spec.rb", ruby)
    (case,) = stage.serverspec().values()
    assert case.message == "false"

    show = "{{ lookup('env', 'OS_PASSWORD') or 'none' }}"
    play = f'- hosts: all\n  gather_facts: false\n  tasks: [{{debug: {{msg: "have {show}"}}}}]\n'
    stage.write("site.yml", play)
    assert "have none" in stage.ansible()


def test_no_secret_is_revealed(stage: Stage) -> None:
    with pytest.raises(MissingSecretError, match="the commit is not trusted"):
        Secret(variable="OS_PASSWORD").reveal()


def test_nothing_runs_without_a_sandbox(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from infraci.sandbox.confine import check_confinement

    monkeypatch.setenv("PATH", "/nowhere")
    no_sandbox_reason.cache_clear()
    try:
        with pytest.raises(NoSandboxError) as caught:
            check_confinement()
    finally:
        no_sandbox_reason.cache_clear()
    assert isinstance(caught.value, InfraciError)
