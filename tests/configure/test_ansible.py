"""Playbooks run by a real Ansible, over a real SSH."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from infraci.base.deadline import Deadline
from infraci.base.mask import Masker
from infraci.configure import NotIdempotentError, StepFailedError, configure_servers
from infraci.configure.playbook import PlaybookRun, check_playbook, inventory
from infraci.errors import ConfigureError, ExitCode, UnreachableError
from infraci.ledger.run_folder import RunFolder
from infraci.model.configure_steps import AnsibleStep
from infraci.model.run import Bastion, ErrorKind, Outcome, Server, Testcase
from infraci.model.secret import Secret
from infraci.ssh import generate_key
from tests.configure.conftest import StepRunner
from tests.containers import booted, inside, wait_for_login
from tests.limits import growing_limits
from tests.sshd import Sshd, make_run_folder, running_sshd


def _step(playbook: str = "site.yml", **options: Any) -> AnsibleStep:
    return AnsibleStep(playbook=PurePosixPath(playbook), sudo=False, **options)


def _play(*tasks: str, hosts: str = "all", facts: str = "false", more: str = "") -> str:
    lines = "\n".join(f"    - {task}" for task in tasks)
    return f"- hosts: {hosts}\n  gather_facts: {facts}\n{more}  tasks:\n{lines}\n"


SHOW = "debug: {msg: '%s'}"


def test_what_a_playbook_gets(runner: StepRunner) -> None:
    """Groups by role, who each server is, the stack's outputs as they are, its own variables."""
    runner.script(
        "plays/site.yml",
        _play(
            "{name: Show it, debug: {msg: '{{ infraci_server }} of {{ groups.web | length }}'}}",
            SHOW % "{{ infraci_outputs.url }} {{ infraci_run }} {{ number + 1 }} {{ site }}",
            SHOW % '{{ lookup("env", "TOKEN") }} {{ playbook_dir | basename }}',
            SHOW % "{{ groups.db | first }} {{ infraci_outputs.nets[1].cidr }}",
            hosts="web",
        ),
    )
    servers = [
        runner.sshd.named("web/0"),
        runner.sshd.named("web-1"),
        runner.sshd.named("db-0", "db"),
    ]
    runner.configure(
        _step(
            "plays/site.yml",
            roles=("web",),
            variables={"number": 79, "site": "{{ infraci_outputs.url }}!"},
            environment={"TOKEN": "t"},
        ),
        servers=servers,
        outputs={"url": "http://{{ x }}", "nets": ["", {"cidr": "{{ 10 }}"}]},
    )
    assert runner.log(servers[0].word)[:3] == [
        "==> ansible plays/site.yml",
        "ok: Show it (plays/site.yml:4)",
        "    web/0 of 2",
    ]
    assert runner.log("web-1")[2:] == [
        "    web-1 of 2",
        "ok: debug (plays/site.yml:5)",
        "    http://{{ x }} run-1 80 http://{{ x }}!",
        "ok: debug (plays/site.yml:6)",
        "    t plays",
        "ok: debug (plays/site.yml:7)",
        "    db-0 {{ 10 }}",
        "==> ansible plays/site.yml: done",
    ]
    assert runner.begun == [("ansible plays/site.yml", ("web/0", "web-1"))]  # nothing was changed
    assert runner.shown == [
        (f"ansible plays/site.yml: {task}", (name,))
        for task in ("Show it", "debug", "debug", "debug")
        for name in ("web/0", "web-1")
    ] + [("ready", ("web/0", "web-1"))]


def test_a_task_that_does_something_is_a_line_where_it_does(runner: StepRunner) -> None:
    tasks = [
        {"name": "Write", "ansible.builtin.command": "true", "when": "inventory_hostname == 'b'"},
        {"name": "Fail", "ansible.builtin.command": "false", "ignore_errors": True},
    ]
    play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
    runner.script("site.yml", json.dumps([play]))
    runner.configure(_step(), servers=[runner.sshd.named("a"), runner.sshd.named("b")])
    lines = [(line.partition(" (")[0], name) for line, (name, *_) in runner.begun[1:]]
    assert sorted(lines) == [
        ("ansible site.yml: changed: Write", "b"),
        ("ansible site.yml: ignored: Fail", "a"),
        ("ansible site.yml: ignored: Fail", "b"),
    ]


def test_servers_that_are_nearly_called_alike_are_all_configured(runner: StepRunner) -> None:
    """None is taken for another."""
    runner.script("site.yml", _play(SHOW % "{{ infraci_server }}"))
    names = ("web/1", "web-1", "localhost", "データ", "ウェブ")
    servers = [runner.sshd.named(name) for name in names]
    runner.configure(_step(roles=("web",)), servers=[*servers, runner.sshd.named("other", "db")])
    assert {server.name: runner.log(server.word)[2] for server in servers} == {
        name: f"    {name}" for name in names
    }
    assert runner.log("other") == []


def test_the_inventory_does_not_let_outputs_be_templates() -> None:
    server = Server(name="web-0", id="1", role="web", user="debian", address="192.0.2.1")
    playbook_run = PlaybookRun(
        servers=[server, replace(server, name="lone", role="")],
        limit=[server],
        run_folder=RunFolder(Path()),
        outputs={"a": "{{ 1 + 1 }}", "b": [{"c": "{{ d }}", "e": 1}]},
        run_id="run-1",
        commit="abc",
        mark="",
    )
    text = inventory(playbook_run)
    assert 'a: !unsafe "{{ 1 + 1 }}"' in text
    assert 'c: !unsafe "{{ d }}"' in text
    groups = yaml.safe_load(text.replace("!unsafe ", ""))["all"]
    assert groups["children"] == {"web": {"hosts": {"web-0": None}}}
    assert groups["hosts"]["lone"]["ansible_user"] == "debian"


def test_roles_collections_settings_and_vaults_of_the_tree(
    runner: StepRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of whoever runs infraci have no say."""
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "/no/such/file")
    monkeypatch.setenv("VAULT", "open sesame")
    runner.script(
        "ansible/ansible.cfg", "[defaults]\nroles_path = shared\nhost_key_checking = False\n"
    )
    runner.script("ansible/shared/greet/tasks/main.yml", f"- {SHOW % 'greeted'}\n")
    runner.script(
        "ansible/group_vars/all.yml", "ansible_ssh_common_args: -o UserKnownHostsFile=/x\n"
    )
    secret = tmp_path / "plain.yml"
    secret.write_text("password: hunter22\n")
    (tmp_path / "vault").write_text("open sesame")
    vault = Path(sys.executable).parent / "ansible-vault"
    target = runner.tree / "ansible/secret.yml"
    command = f"{vault} encrypt --vault-password-file {tmp_path}/vault --output {target} {secret}"
    assert os.system(f"LC_ALL=C.UTF-8 ANSIBLE_VAULT_PASSWORD_FILE= {command} 2>&1") == 0
    more = "  roles: [greet]\n  vars_files: [secret.yml]\n"
    runner.script("ansible/site.yml", _play(SHOW % "{{ password }}", more=more))
    runner.configure(
        _step("ansible/site.yml", vault_password=Secret(variable="VAULT")), secrets=["hunter22"]
    )
    assert [line.strip() for line in runner.log() if line.startswith(" ")] == ["greeted", "******"]


COMMAND = "command: 'sh -c \"echo out; echo no nginx >&2; exit 3\"'"
LOOP = "{fail: {msg: 'not {{ item }}'}, loop: [a, b]}"


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (COMMAND, "exit status 3: no nginx"),
        (LOOP, "not a"),
        ("{fail: {msg: false}, become: false}", "it did not say why"),
    ],
)
def test_a_task_that_fails_is_named_with_its_host_and_place(
    runner: StepRunner, task: str, reason: str
) -> None:
    name = "{name: Install it, when: infraci_server == 'web-1', "
    task = name + task.strip("{}") + "}"
    runner.script("site.yml", _play(SHOW % "before", task, SHOW % "after"))
    servers = [runner.sshd.named("web-0"), runner.sshd.named("web-1")]
    with pytest.raises(StepFailedError) as caught:
        runner.configure(_step(), servers=servers)
    (failure,) = caught.value.failures
    assert failure.server.name == "web-1"
    assert caught.value.message.startswith(f"web-1: site.yml: all: Install it failed: {reason}")
    assert caught.value.message.endswith(" (site.yml:5)")
    assert caught.value.category == ""
    assert "failed: Install it" in caught.value.details
    assert "after" not in "".join(runner.log("web-1"))
    assert any("after" in line for line in runner.log("web-0"))


def test_what_is_rescued_ignored_or_skipped_is_no_failure(runner: StepRunner) -> None:
    runner.script(
        "site.yml",
        _play(
            "{fail: {msg: never mind}, ignore_errors: true}",
            "{fail: {msg: unwanted}, when: false}",
            "block:\n      - fail: {msg: oh}\n      rescue:\n      - debug: {msg: mended}",
        ),
    )
    runner.configure(_step())
    log = "\n".join(runner.log())
    assert "ignored: fail" in log
    assert "skipped: fail" in log
    assert "mended" in log


PARTS = """\
- name: "Set up {{ who }}"
  hosts: all
  gather_facts: false
  handlers: [{name: "Tell {{ who }}", command: 'true'}]
  tasks:
    - {name: "Greet {{ who }}", command: 'true', notify: Tell bob}
    - {command: 'true', loop: [a, b, c]}
    - {command: 'true', when: infraci_server == 'web-1'}
    - {include_tasks: more.yml, loop: [a, b]}
    - {name: Tried, fail: {msg: never mind}, ignore_errors: true}
    - block: [{name: Broken, fail: {msg: oh}}]
      rescue: [{name: Mended, debug: {msg: mended}}]
    - {name: Once, command: 'true', run_once: true}
    - {name: Elsewhere, command: 'true', delegate_to: localhost, become: false}
- hosts: localhost
  gather_facts: false
  tasks: [{name: Ask, debug: {msg: hm}}]
"""


def _parts(testcases: Sequence[Testcase], server: str) -> list[str]:
    """What a step did on a server: outcome and name of each part."""
    title = "configure: ansible site.yml: "
    return [
        f"{case.outcome} {case.nodeid.removeprefix(title)}"
        for case in testcases
        if case.server == server and case.nodeid.startswith(title)
    ]


def test_each_task_is_a_part_named_as_it_is_written(runner: StepRunner) -> None:
    runner.script("site.yml", PARTS)
    runner.script("more.yml", "- {name: 'More of {{ item }}', command: 'true'}\n")
    servers = [runner.sshd.named("web-0"), runner.sshd.named("web-1")]
    testcases: list[Testcase] = []
    runner.configure(_step(variables={"who": "bob"}), servers=servers, testcases=testcases)
    play = "Set up {{ who }}"
    assert _parts(testcases, "web-1") == [
        "passed localhost: Ask (localhost)",
        f"passed {play}: Greet {{{{ who }}}}",
        f"passed {play}: command",
        f"passed {play}: command #2",
        f"passed {play}: include_tasks",
        f"passed {play}: More of {{{{ item }}}}",
        f"passed {play}: More of {{{{ item }}}} #2",
        f"passed {play}: Tried",
        f"passed {play}: Broken",
        f"passed {play}: Mended",
        f"passed {play}: Elsewhere",
        f"passed {play}: Tell {{{{ who }}}}",
    ]
    first = _parts(testcases, "web-0")
    assert f"skipped {play}: command #2" in first
    assert f"passed {play}: Once" in first


RESCUES: Mapping[str, tuple[str, list[str]]] = {
    "a rescue that fails": (
        "block: [{name: A, fail: {msg: a}}]\n      rescue: [{name: B, fail: {msg: b}}]",
        ["failure all: A", "failure all: B"],
    ),
    "a rescue around a rescue": (
        "block: [{block: [{name: A, fail: {msg: a}}], rescue: [{name: B, fail: {msg: b}}]}]\n"
        "      rescue: [{name: C, debug: {msg: c}}]",
        ["passed all: A", "passed all: B", "passed all: C", "failure all: Last"],
    ),
    "an always": (
        "block: [{name: A, fail: {msg: a}}]\n      always: [{name: B, debug: {msg: b}}]",
        ["failure all: A", "passed all: B"],
    ),
    "a handler": (
        "{name: A, command: 'true', notify: H}",
        ["passed all: A", "failure all: Last"],
    ),
}


@pytest.mark.parametrize(("task", "parts"), RESCUES.values(), ids=RESCUES)
def test_what_was_not_mended_is_the_failure(
    runner: StepRunner, task: str, parts: list[str]
) -> None:
    handlers = "  handlers: [{name: H, fail: {msg: h}}]\n"
    runner.script("site.yml", _play(task, "{name: Last, fail: {msg: l}}", more=handlers))
    testcases: list[Testcase] = []
    with pytest.raises(StepFailedError):
        runner.configure(_step(), testcases=testcases)
    assert _parts(testcases, "web-0") == parts


MIRROR = "http://deb.example.org/x"
OUTSIDE: Mapping[str, str] = {
    "get_url": f"get_url: {{url: '{MIRROR}', dest: /tmp/x}}",
    "uri": f"uri: {{url: '{MIRROR}'}}",
    "loop": f"{{get_url: {{url: '{MIRROR}', dest: /tmp/x}}, loop: [1, 2]}}",
}


@pytest.mark.parametrize("task", OUTSIDE.values(), ids=OUTSIDE)
def test_a_mirror_that_does_not_answer_is_no_failure(
    runner: StepRunner, busy_proxy: str, task: str
) -> None:
    more = f"  environment: {{http_proxy: '{busy_proxy}'}}\n"
    runner.script("site.yml", _play(SHOW % "before", task, more=more))
    testcases: list[Testcase] = []
    with pytest.raises(StepFailedError) as caught:
        runner.configure(_step(), testcases=testcases)
    assert caught.value.category == "outside"
    assert caught.value.exit_code is ExitCode.UNTESTABLE
    assert [(case.outcome, case.kind) for case in testcases] == [
        (Outcome.PASSED, None),
        (Outcome.ERROR, ErrorKind.OUTSIDE),
    ]
    assert "503" in caught.value.message


def test_a_server_of_the_stack_that_does_not_answer_is_a_failure(
    runner: StepRunner, busy_proxy: str
) -> None:
    runner.script("site.yml", _play(f"{{name: Ask, uri: {{url: '{busy_proxy}/health'}}}}"))
    with pytest.raises(StepFailedError) as caught:
        runner.configure(_step())
    assert caught.value.exit_code is ExitCode.FAILED
    assert caught.value.message == (
        "web-0: site.yml: all: Ask failed: Status code was 503 and not [200]: HTTP Error 503:"
        " Service Unavailable (site.yml:4)"
    )


def test_a_task_that_takes_too_long_is_named(runner: StepRunner) -> None:
    runner.script("site.yml", _play(SHOW % "before", "{name: Wait, command: sleep 600}"))
    for limit_s in growing_limits(8.0):
        testcases: list[Testcase] = []
        with pytest.raises(StepFailedError) as caught:
            runner.configure(_step(timeout_s=limit_s), testcases=testcases)
        if "Wait" in caught.value.message:
            break
    assert caught.value.message == f"web-0: site.yml: all: Wait was stopped after {limit_s:g} s"
    assert _parts(testcases, "web-0") == ["passed all: debug", "failure all: Wait"]


def test_a_server_that_failed_before_the_time_was_over_failed_for_its_own_reason(
    runner: StepRunner,
) -> None:
    fails = "{name: Fail, fail: {msg: too bad}, when: infraci_server == 'web-0'}"
    runner.script("site.yml", _play(fails, "{name: Wait, command: sleep 600}"))
    servers = [runner.sshd.named("web-0"), runner.sshd.named("web-1")]
    for limit_s in growing_limits(8.0):
        with pytest.raises(StepFailedError) as caught:
            runner.configure(_step(timeout_s=limit_s), servers=servers)
        if "Wait" in str(caught.value.failures[-1].error):
            break
    assert [failure.error.message for failure in caught.value.failures] == [
        "web-0: site.yml: all: Fail failed: too bad (site.yml:4)",
        f"web-1: site.yml: all: Wait was stopped after {limit_s:g} s",
    ]


def test_an_unreachable_server_is_nobodys_fault(runner: StepRunner, own: Sshd) -> None:
    """The others' tasks go on; nothing is tried in its place."""
    runner.script("site.yml", _play("command: 'true'"))
    gone = replace(own.named("web-1"), port=own.server.port)
    servers = [runner.sshd.named("web-0"), gone]
    run_folder = make_run_folder(runner.folder, servers, runner.sshd.key)
    own.kill()
    with pytest.raises(StepFailedError) as caught:
        _configure(runner, _step(), servers, run_folder)
    (failure,) = caught.value.failures
    assert isinstance(failure.error, UnreachableError)
    assert failure.error.message.startswith(
        "cannot reach web-1 in site.yml, all: command (site.yml:4): "
    )
    assert caught.value.category == "guest"


def test_another_host_key_is_never_talked_to(runner: StepRunner, own: Sshd) -> None:
    runner.script("ansible.cfg", "[defaults]\nhost_key_checking = False\n")
    runner.script("group_vars/all.yml", "ansible_ssh_extra_args: -o StrictHostKeyChecking=no\n")
    runner.script("site.yml", _play("command: touch ran", hosts="all"))
    other = replace(runner.sshd.named("web-0"), host_keys=own.server.host_keys)
    with pytest.raises(StepFailedError, match="Host key verification failed") as caught:
        runner.configure(_step(), servers=[other])
    assert caught.value.category == "guest"


def test_through_a_bastion(runner: StepRunner) -> None:
    sshd = runner.sshd.server
    bastion = Bastion(
        name="gate",
        user=sshd.user,
        address=sshd.address,
        port=sshd.port,
        host_keys=sshd.host_keys,
    )
    runner.script("site.yml", _play("command: id -un"))
    runner.configure(_step(), servers=[replace(sshd, bastion=bastion)])
    assert "changed: command (site.yml:4)" in runner.log()


@pytest.fixture
def own(tmp_path: Path) -> Any:
    with running_sshd(tmp_path / "own") as running:
        yield running


def test_a_task_on_the_controller_that_fails(runner: StepRunner) -> None:
    task = "{name: Ask the API, delegate_to: localhost, fail: {msg: no API}}"
    runner.script("site.yml", _play(task, hosts="localhost") + _play(SHOW % "x"))
    with pytest.raises(StepFailedError) as caught:
        runner.configure(_step())
    assert caught.value.message == (
        "web-0: site.yml: localhost: Ask the API (localhost) failed: no API (site.yml:4)"
    )


def test_no_play_for_anybody(runner: StepRunner) -> None:
    runner.script("site.yml", _play(SHOW % "x", hosts="webservers"))
    with pytest.raises(
        StepFailedError, match=r"web-0: site\.yml failed: no play is for it; its group is web"
    ):
        runner.configure(_step())


def test_what_ansible_cannot_read(runner: StepRunner) -> None:
    runner.script("site.yml", "- hosts: all\n  roles: [nginx]\n")
    with pytest.raises(
        StepFailedError,
        match=r"^web-0: site\.yml failed: the role 'nginx' was not found .*\(site\.yml:2\)$",
    ):
        runner.configure(_step())


def test_idempotence_names_tasks(runner: StepRunner) -> None:
    runner.script(
        "site.yml",
        _play(
            f"copy: {{dest: {runner.folder}/made, content: x}}",
            "{name: Restart it, command: 'true', notify: Tell them}",
            more="  handlers: [{name: Tell them, command: 'true'}]\n",
        ),
    )
    with pytest.raises(NotIdempotentError) as caught:
        runner.configure(_step(), idempotence=True)
    assert caught.value.details.splitlines() == [
        "ansible site.yml on web-0: Restart it (site.yml:6)",
        "ansible site.yml on web-0: Tell them (site.yml:3)",
    ]
    runner.script("site.yml", _play(f"copy: {{dest: {runner.folder}/made, content: x}}"))
    runner.configure(_step(), idempotence=True)


EXAMINED: Mapping[str, tuple[str, str]] = {
    "module": (
        "- hosts: all\n  tasks:\n    - name: x\n      comand: echo\n",
        "site.yml:3:7: Ansible cannot read it: couldn't resolve module/action 'comand'",
    ),
    "role": (
        "- hosts: all\n  roles: [nginx]\n",
        "site.yml:2:11: Ansible cannot read it: the role 'nginx' was not found in roles:",
    ),
    "yaml": (
        "- hosts: all\n  tasks: [\n",
        "site.yml:3:1: Ansible cannot read it: YAML parsing failed",
    ),
    "file": (
        "- import_playbook: missing.yml\n",
        "site.yml:1:1: Ansible cannot read it: Could not find or access 'missing.yml'",
    ),
}


@pytest.mark.parametrize(("text", "message"), EXAMINED.values(), ids=EXAMINED)
def test_bad_playbooks_are_found_before_there_is_a_server(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "site.yml").write_text(text)
    (problem,) = check_playbook(_step(), tmp_path)
    assert str(problem).startswith(message)


def test_a_good_playbook_has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text(_play(SHOW % "{{ infraci_run }}", hosts="web:&nobody"))
    assert check_playbook(_step(), tmp_path) == ()


def test_without_its_secrets_a_playbook_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text("- hosts: all\n  roles: [nginx]\n")
    step = _step(vault_password=Secret(variable="NO_SUCH_PASSWORD"))
    assert check_playbook(step, tmp_path) == ()


def test_there_is_no_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigureError, match="ansible-playbook is not installed") as caught:
        check_playbook(_step(), tmp_path)
    assert caught.value.hint == "pip install 'infraci[ansible]', where infraci runs"


@pytest.mark.cloud
def test_on_a_server_as_root_and_idempotent(tmp_path: Path) -> None:
    key = generate_key(tmp_path, "test")
    (tmp_path / "site.yml").write_text(
        _play(
            "copy: {dest: /etc/motd, content: '{{ ansible_facts.hostname }}', mode: '0644'}",
            "{command: id -un, become: false, register: who, changed_when: false}",
            SHOW % "{{ who.stdout }}",
            facts="true",
            hosts="web",
        )
    )
    with booted(tmp_path, key) as server:
        deadline = Deadline(240)
        wait_for_login(server, private_key=key.private_path, deadline=deadline).close()
        configure_servers(
            [AnsibleStep(playbook=PurePosixPath("site.yml"))],
            [server],
            session_of=_nobody,
            run_folder=make_run_folder(tmp_path, [server], key),
            root=tmp_path,
            outputs={},
            run_id="run-1",
            commit="abc",
            logs=tmp_path / "logs",
            deadline=deadline,
            idempotence=True,
        )
        assert inside(server, "stat", "-c", "%U", "/etc/motd") == "root"
        assert inside(server, "cat", "/etc/motd") == "web-0"
    assert "    debian\n" in (tmp_path / "logs/web-0.log").read_text().replace("Z     ", "Z\n    ")


def _nobody(server: Server) -> Any:
    raise AssertionError("Ansible has connections of its own")


def _configure(
    runner: StepRunner, step: AnsibleStep, servers: list[Server], run_folder: RunFolder
) -> None:
    configure_servers(
        [step],
        servers,
        session_of=runner.session_of,
        run_folder=run_folder,
        root=runner.tree,
        outputs={},
        run_id="run-1",
        commit="abc",
        logs=runner.folder / "logs",
        deadline=Deadline(60),
        masker=Masker(),
        recovery=runner.recovery,
    )


def test_a_login_shell_that_speaks_is_not_heard(
    runner_of: Callable[[Sshd], StepRunner], tmp_path: Path
) -> None:
    """Its last word would be taken for the name of the folder that a file is copied into."""
    with running_sshd(tmp_path / "sshd") as sshd:
        (sshd.folder / ".bashrc").write_text(
            "echo Welcome; echo and more >&2; trap 'echo good bye' EXIT\n"
        )
        runner = runner_of(sshd)
        copy = f"copy: {{dest: {tmp_path}/copied, content: 'it is'}}"
        runner.script("site.yml", _play("command: 'true'", copy))
        runner.configure(_step())
        assert (tmp_path / "copied").read_text() == "it is"
