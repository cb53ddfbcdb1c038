"""Real sudo on a real server, when it refuses or talks: what its users are told of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest

from infraci.base.deadline import Deadline
from infraci.base.mask import Masker
from infraci.configure.registry import driver_of
from infraci.configure.step import Applied, StepError, StepRun
from infraci.diagnosis.outside import outside_cause
from infraci.diagnosis.reason import find_reason, plain_lines
from infraci.diagnosis.sudo import find_refusal, refusal_of, remarks_of
from infraci.evidence import collect
from infraci.ledger.run_folder import RunFolder
from infraci.model.configure_steps import AnsibleStep, ConfigureStep, ScriptStep
from infraci.model.run import Outcome, Server, Testcase
from infraci.ssh import Key, Session, generate_key
from infraci.verify import SpecSession
from infraci.verify.serverspec import run_serverspec
from tests.containers import booted, inside, wait_for_login
from tests.sshd import make_run_folder

ALL = "debian ALL=(ALL) NOPASSWD: ALL"
#: By what sudo makes of it: the rules of a server, and what its users are told.
REFUSALS: Mapping[str, tuple[str, str]] = {
    "a password": ("debian ALL=(ALL) ALL", "sudo asks debian for a password"),
    "no rule": ("", "sudo asks debian for a password"),
    "no rule, no password": (
        "Defaults:debian !authenticate",
        "debian is not in the sudoers file",
    ),
    "other commands": (
        "debian ALL=(ALL) NOPASSWD: /usr/bin/true\nDefaults:debian !authenticate",
        "sudo does not allow debian this command",
    ),
    "a terminal": (
        f"{ALL}\nDefaults requiretty",
        "sudo wants a terminal (requiretty), and infraci's logins have none",
    ),
    "a lecture": (
        "debian ALL=(ALL) ALL\nDefaults lecture=always",
        "sudo asks debian for a password",
    ),
    "a syntax error": (
        "debian ALL=(ALL NOPASSWD: ALL",
        "sudo asks debian for a password; it cannot read its rules:"
        " /etc/sudoers.d/test:1:17: syntax error",
    ),
}


@dataclass
class Ruled:
    """A server whose sudoers a test writes."""

    server: Server
    key: Key
    session: Session
    tree: Path
    lines: list[str] = field(default_factory=list)  # of the configure log

    def inside(self, command: str) -> str:
        """Run a shell command as root, around SSH and sudo."""
        return inside(self.server, "sh", "-c", command)

    def rules(self, text: str) -> None:
        """Have these rules besides Debian's own, of which none is for the user who logs in."""
        file = self.tree / "rules"
        file.write_text(f"{text}\n")
        quoted = file.read_text().replace("'", "'\\''")
        self.inside(
            f"rm -f /etc/sudoers.d/*; printf %s '{quoted}' >/etc/sudoers.d/test;"
            " chmod 440 /etc/sudoers.d/test"
        )

    def run_specs(self, specs: SpecSession, text: str, *, addopts: str = "") -> dict[str, Testcase]:
        """Run one file of specs; returns the testcases by name."""
        folder = self.tree / "specs"
        folder.mkdir(exist_ok=True)
        (folder / "test_it.py").write_text(textwrap.dedent(text))
        (self.tree / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\n")
        testcases = specs.run(
            self.server,
            ("specs",),
            run_folder=make_run_folder(self.tree, [self.server], self.key),
            timeout_s=90,
            log=self.log,
            root=self.tree,
        )
        return {case.name.partition("[")[0]: case for case in testcases}

    def serverspec(self, text: str) -> Testcase:
        """Run a file of Serverspec's with one example."""
        folder = self.tree / "spec"
        folder.mkdir()
        (folder / "it_spec.rb").write_text(f"require 'serverspec'\nset :backend, :exec\n{text}")
        (testcase,) = run_serverspec(
            self.server,
            [PurePosixPath("spec")],
            run_folder=make_run_folder(self.tree, [self.server], self.key),
            root=self.tree,
            deadline=Deadline(90),
            log=self.log,
            masker=Masker(),
        )
        return testcase

    @property
    def log(self) -> Path:
        return self.tree / "specs.log"

    def apply(self, step: ConfigureStep) -> Applied:
        """Take the server through a step."""
        self.lines.clear()
        run = StepRun(
            root=self.tree,
            outputs={},
            run_id="run-1",
            commit="abc",
            deadline=Deadline(90),
            log=self.lines.append,
            run_folder=make_run_folder(self.tree, [self.server], self.key),
        )
        driver = driver_of(step)
        return driver.apply(self.session, self.server, run)

    def script(self, text: str, *, sudo: bool = True, changed_when: str = "") -> Applied:
        (self.tree / "app.sh").write_text(f"#!/bin/sh\n{text}\n")
        path = PurePosixPath("app.sh")
        return self.apply(ScriptStep(path=path, sudo=sudo, changed_when=changed_when))

    def playbook(
        self,
        *,
        sudo: bool = True,
        method: str = "sudo",
        variables: Mapping[str, object] | None = None,
    ) -> Applied:
        (self.tree / "site.yml").write_text(
            "- hosts: all\n  gather_facts: false\n"
            f"  vars: {{ansible_become_method: {method}}}\n"
            "  tasks: [{name: look, command: id -un}]\n"
        )
        path = PurePosixPath("site.yml")
        return self.apply(AnsibleStep(playbook=path, sudo=sudo, variables=variables or {}))


@pytest.fixture(scope="module")
def booted_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Key]]:
    folder = tmp_path_factory.mktemp("server")
    key = generate_key(folder, "test")
    with booted(folder, key) as server:
        wait_for_login(server, private_key=key.private_path, deadline=Deadline(90)).close()
        inside(server, "gpasswd", "--delete", "debian", "sudo")
        inside(server, "cp", "/etc/hosts", "/etc/hosts.before")
        inside(server, "cp", "/etc/resolv.conf", "/etc/resolv.conf.before")
        yield server, key


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpecSession]:
    with SpecSession.start(tmp_path_factory.mktemp("nothing")) as session:
        yield session


@pytest.fixture
def ruled(booted_server: tuple[Server, Key], tmp_path: Path) -> Iterator[Ruled]:
    server, key = booted_server
    with Session.open(server, private_key=key.private_path, timeout_s=30) as session:
        ruled = Ruled(server=server, key=key, session=session, tree=tmp_path)
        ruled.rules(ALL)
        yield ruled
        ruled.inside(
            "cat /etc/hosts.before >/etc/hosts; cat /etc/resolv.conf.before >/etc/resolv.conf;"
            " [ ! -e /usr/bin/sudo.away ] || mv /usr/bin/sudo.away /usr/bin/sudo"
        )


def _forget_name(ruled: Ruled) -> None:
    """Let the server's own name be in no file and no name server."""
    ruled.inside("echo '127.0.0.1 localhost' >/etc/hosts")


# -- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("sudo: no tty present and no askpass program specified", "asks debian for a password"),
        ("sudo: interactive authentication is required", "asks debian for a password"),
        ("sudo: I'm sorry debian. I'm afraid I can't do that", "does not allow debian"),
        ("Sorry, user debian may not run sudo on web-0.", "not in the sudoers file"),
        ("Missing sudo password", "asks debian for a password"),
        ("su: must be run from a terminal", "su wants a terminal"),
        ("Password: su: Authentication failure", "su asks for a password"),
        ("/tmp/a.sh: 3: sudo: not found", "not installed"),
    ],
)
def test_words_of_other_releases_and_programs(output: str, reason: str) -> None:
    refusal = find_refusal(f"hello\n{output}\n", "debian")
    assert refusal is not None
    assert reason in refusal.reason


@pytest.mark.parametrize(
    "output", ["", "sudo: unable to resolve host web-0: No\n", "no sudo here", "sudo: x: not found"]
)
def test_what_is_no_refusal(output: str) -> None:
    assert find_refusal(output, "debian") is None


def test_a_refusal_in_another_language_is_shown_as_it_is() -> None:
    output = "sudo: unable to resolve host web-0: Nein\nsudo: Ein Passwort ist notwendig\n"
    assert (
        refusal_of(output, "debian").reason
        == "sudo refuses debian: sudo: Ein Passwort ist notwendig"
    )


def test_a_name_that_does_not_resolve_is_no_cause_and_hides_none() -> None:
    aside = "sudo: unable to resolve host web-0: Temporary failure in name resolution"
    reason = find_reason(plain_lines(f"{aside}\nmkdir: cannot create directory 'x'\n{aside}\n"))
    assert reason is not None
    assert reason.text == "mkdir: cannot create directory 'x'"
    failed = (
        "E: Failed to fetch http://deb.debian.org/x  Temporary failure resolving 'deb.debian.org'"
    )
    assert outside_cause(f"{failed}\n{aside}\n") == failed
    assert outside_cause(f"{aside}\nmkdir: cannot create directory 'x'\n") is None


def test_remarks_are_sentences() -> None:
    first, second, third = remarks_of(
        "\nWe trust you have received the usual lecture from the local System\n"
        "Administrator. It usually boils down to these three things:\n\n"
        "    #1) Respect the privacy of others.\n"
        "sudo: unable to resolve host web-0: Name or service not known\n"
        "sudo: unable to resolve host web-0: Name or service not known\n"
        '/etc/sudoers.d/t:2:21: unknown defaults entry "nosuchthing"\n',
        "web-0",
    )
    assert "prints its lecture" in first
    assert "cannot resolve the server's own name web-0: Name or service not known" in second
    assert third.endswith('says: /etc/sudoers.d/t:2:21: unknown defaults entry "nosuchthing"')


# -- configure -------------------------------------------------------------------------------


@pytest.mark.cloud
@pytest.mark.parametrize(("rules", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_a_script_that_sudo_refuses(ruled: Ruled, rules: str, reason: str) -> None:
    ruled.rules(rules)
    with pytest.raises(StepError) as caught:
        ruled.script("echo never")
    assert caught.value.message == f"web-0: app.sh cannot run as root: {reason}"
    assert "sudo: false" in (caught.value.hint or "")
    assert ruled.session.run("ls -d /tmp/infraci.*", timeout_s=10).stdout == ""
    assert ruled.script("echo as $(id -un); cat", sudo=False) == Applied()
    assert ruled.lines == ["as debian"]


@pytest.mark.cloud
def test_a_server_without_sudo(ruled: Ruled) -> None:
    ruled.inside("mv /usr/bin/sudo /usr/bin/sudo.away")
    with pytest.raises(StepError) as caught:
        ruled.script("echo never")
    assert caught.value.message == "web-0: app.sh cannot run as root: sudo is not installed there"


@pytest.mark.cloud
def test_a_script_whose_own_sudo_is_refused(ruled: Ruled) -> None:
    ruled.rules("debian ALL=(ALL) ALL\nDefaults lecture=always")
    with pytest.raises(StepError) as caught:
        ruled.script("set -e\nsudo true\necho never", sudo=False)
    assert caught.value.message == ("web-0: app.sh failed: sudo: a password is required (line 3)")
    assert "password-less sudo" in (caught.value.hint or "")


@pytest.mark.cloud
def test_a_name_that_does_not_resolve_is_noted_and_is_no_output(ruled: Ruled) -> None:
    _forget_name(ruled)
    assert ruled.script("echo done", changed_when="unable to resolve").changes == ()
    aside, note, last = ruled.lines
    assert aside.startswith("sudo: unable to resolve host web-0: ")
    assert note.startswith("note: sudo on web-0 cannot resolve the server's own name web-0: ")
    assert "/etc/hosts" in note
    assert last == "done"
    with pytest.raises(StepError, match=r"^web-0: app\.sh failed: it did not say why \(exit"):
        ruled.script("exit 3")


@pytest.mark.cloud
@pytest.mark.parametrize("case", ["a password", "no rule, no password", "a terminal"])
def test_a_playbook_that_sudo_refuses(ruled: Ruled, case: str) -> None:
    rules, reason = REFUSALS[case]
    ruled.rules(rules)
    with pytest.raises(StepError) as caught:
        ruled.playbook()
    assert caught.value.message.partition(" failed: ")[2] == f"{reason} (site.yml:4)"
    assert caught.value.hint is not None
    assert ruled.playbook(sudo=False).changes


@pytest.mark.cloud
def test_a_playbook_without_sudo(ruled: Ruled) -> None:
    ruled.inside("mv /usr/bin/sudo /usr/bin/sudo.away")
    with pytest.raises(StepError, match=r" failed: sudo is not installed there \(site"):
        ruled.playbook()


@pytest.mark.cloud
def test_a_playbook_whose_su_waits_for_a_password(ruled: Ruled) -> None:
    with pytest.raises(StepError) as caught:
        ruled.playbook(method="su")
    assert (
        caught.value.message
        == "web-0: site.yml: all: look failed: su asks for a password (site.yml:4)"
    )
    assert "use sudo in place of su" in (caught.value.hint or "")


@pytest.mark.cloud
def test_a_playbook_that_has_the_password_of_su(ruled: Ruled) -> None:
    ruled.inside("echo root:sesame | chpasswd")
    assert ruled.playbook(method="su", variables={"ansible_become_password": "sesame"}).changes
    with pytest.raises(StepError, match=r" failed: sudo or su refuses the password that Ansible"):
        ruled.playbook(method="su", variables={"ansible_become_password": "wrong"})


@pytest.mark.cloud
def test_a_script_whose_su_asks_for_a_password(ruled: Ruled) -> None:
    with pytest.raises(StepError) as caught:
        ruled.script("set -e\nsu -c true\necho never", sudo=False)
    assert caught.value.message.endswith("failed: Password: su: Authentication failure")
    assert "use sudo in place of su" in (caught.value.hint or "")


@pytest.mark.cloud
def test_a_playbook_whose_sudo_does_not_answer_in_time(ruled: Ruled) -> None:
    """It is a failure of the commit, although Ansible calls the server unreachable."""
    (ruled.tree / "ansible.cfg").write_text("[defaults]\ntimeout = 1\n")
    ruled.inside(
        "mv /usr/bin/sudo /usr/bin/sudo.away;"
        " printf '#!/bin/sh\\nexec sleep 60\\n' >/usr/bin/sudo; chmod 755 /usr/bin/sudo"
    )
    with pytest.raises(StepError, match=r" failed: sudo or su does not answer debian in time"):
        ruled.playbook()


# -- specs -----------------------------------------------------------------------------------

#: Each of them fails, where sudo refuses.
SPECS = """\
    import pytest

    def test_output(host):
        with host.sudo():
            assert host.check_output("id -un") == "root"

    def test_module(host):
        with host.sudo():
            assert host.file("/etc/shadow").contains("root")

    def test_other_user(host):
        with host.sudo("nobody"):
            assert host.run("id -un").rc == 0

    @pytest.fixture
    def as_root(host):
        with host.sudo():
            return host.check_output("id -un")

    def test_fixture(as_root):
        assert as_root == "root"

    def test_own_sudo(host):
        assert host.run("sudo cat /etc/shadow").succeeded
"""


@pytest.mark.cloud
@pytest.mark.parametrize(("rules", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_specs_that_sudo_refuses(ruled: Ruled, specs: SpecSession, rules: str, reason: str) -> None:
    ruled.rules(rules)
    testcases = ruled.run_specs(specs, SPECS)
    own = testcases.pop("test_own_sudo")
    for case in testcases.values():
        assert case.outcome is Outcome.FAILURE
        assert case.message.removeprefix("infraci.diagnosis.sudo.SudoRefusedError: ") == (
            f"cannot use sudo on web-0: {reason}"
        )
        assert "(servers: user)" in case.text
    assert own.outcome is Outcome.FAILURE
    assert own.message.startswith(f"{reason} on web-0: ")
    assert "assert False" in own.message


@pytest.mark.cloud
def test_specs_without_sudo(ruled: Ruled, specs: SpecSession) -> None:
    ruled.inside("mv /usr/bin/sudo /usr/bin/sudo.away")
    for case in ruled.run_specs(specs, SPECS).values():
        assert "sudo is not installed there" in case.message


@pytest.mark.cloud
def test_specs_with_sudo_for_all_of_them(ruled: Ruled, specs: SpecSession) -> None:
    text = """\
        def test_it(host):
            assert host.check_output("id -un") == "root"
    """
    assert ruled.run_specs(specs, text, addopts="--sudo")["test_it"].outcome is Outcome.PASSED
    ruled.rules("debian ALL=(ALL) ALL")
    failed = ruled.run_specs(specs, text, addopts="--sudo")["test_it"]
    assert failed.message == "cannot use sudo on web-0: sudo asks debian for a password"


@pytest.mark.cloud
def test_specs_with_sudo_see_what_their_commands_print(ruled: Ruled, specs: SpecSession) -> None:
    """And what sudo prints besides is told once, whatever the repository makes of warnings."""
    _forget_name(ruled)
    text = """\
        import pytest

        NASTY = "it's $(false) \\"q\\" %s"

        def test_streams(host):
            with host.sudo():
                done = host.run("echo out; echo err >&2; exit 3")
            assert (done.rc, done.stdout, done.stderr) == (3, "out\\n", "err\\n")

        def test_nested(host):
            with host.sudo():
                with host.sudo("nobody"):
                    done = host.run("id -un; echo %s >&2", NASTY)
            assert (done.rc, done.stdout, done.stderr) == (0, "nobody\\n", f"{NASTY}\\n")
            assert done.command.startswith(b"sudo -n /bin/sh -c 'sudo -n -u nobody /bin/sh -c ")
            assert b"printf" not in done.command

        def test_syntax_error(host):
            with host.sudo():
                done = host.run("if")
            assert done.rc == 2
            assert "yntax" in done.stderr and "sudo" not in done.stderr

        def test_unknown_user(host):
            with host.sudo():
                with host.sudo("nosuch"):
                    host.run("true")

        def test_own_sudo(host):
            done = host.run("sudo id -un")
            assert (done.rc, done.stdout) == (0, "root\\n")
            assert "unable to resolve host" in done.stderr  # as anybody's pytest has it

        def test_own_refusal_that_is_looked_for(host):
            assert host.run("sudo -n -u nobody sudo -n true").rc == 1
    """
    testcases = ruled.run_specs(specs, text, addopts="-W error")
    unknown = testcases.pop("test_unknown_user")
    assert {case.outcome for case in testcases.values()} == {Outcome.PASSED}, testcases
    assert unknown.outcome is Outcome.FAILURE
    assert unknown.message.startswith(
        "cannot use sudo on web-0: sudo refuses the user of the outer sudo: sudo: "
    )
    assert "nosuch" in unknown.text
    remark = "sudo on web-0 cannot resolve the server's own name web-0: "
    assert ruled.log.read_text().count(remark) == 1


# -- evidence --------------------------------------------------------------------------------


def _evidence(ruled: Ruled) -> dict[str, str]:
    files = collect(
        [ruled.server],
        open_session=lambda server: ruled.session,
        console=lambda server: "",
        events=lambda: "",
        balancers=lambda: "",
        folder=RunFolder(ruled.tree),
        deadline=Deadline(60),
    )
    return {Path(file).name: (ruled.tree / file).read_text() for file in files}


@pytest.mark.cloud
def test_evidence_is_collected_without_sudo_too_and_says_why(ruled: Ruled) -> None:
    assert "sudo.txt" not in _evidence(ruled)
    ruled.rules("debian ALL=(ALL) ALL")
    files = _evidence(ruled)
    assert "sudo: a password is required" in files["sudo.txt"]
    assert files["df.txt"].startswith("Filesystem")


# -- Serverspec ------------------------------------------------------------------------------


@pytest.mark.cloud
@pytest.mark.parametrize("kind", ["a password", "no rule, no password", "a terminal"])
def test_serverspec_that_sudo_refuses(ruled: Ruled, kind: str) -> None:
    """Its examples fail with the reason: RSpec neither ends nor waits for a password."""
    rules, reason = REFUSALS[kind]
    ruled.rules(rules)
    testcase = ruled.serverspec("describe file('/etc/hostname') do\n  it { should be_file }\nend\n")
    assert testcase.outcome is Outcome.FAILURE
    assert testcase.message == f"cannot use sudo on web-0: {reason}"


@pytest.mark.cloud
def test_serverspec_of_a_command_that_fails_by_itself(ruled: Ruled) -> None:
    _forget_name(ruled)
    testcase = ruled.serverspec("describe file('/nope') do\n  it { should be_file }\nend\n")
    assert testcase.outcome is Outcome.FAILURE
    assert 'expected `File "/nope".file?` to be truthy' in testcase.message
