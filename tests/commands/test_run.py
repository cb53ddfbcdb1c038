"""Real runs: every kind of commit ends with its verdict, its report, and nothing left."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.app.workspace import FILES, PIPELINE, STACK, Workspace

pytestmark = pytest.mark.cloud


def outcomes(report: Path) -> list[str]:
    """What went wrong according to a report: ``suite: kind``."""
    root = ET.parse(report).getroot()
    return [
        f"{suite.get('name')}: {child.tag}"
        for suite in root.iter("testsuite")
        for case in suite.iter("testcase")
        for child in case
        if child.tag in ("failure", "error")
    ]


STACK_SPEC = """\
def test_stack(infraci_stack, infraci_cloud):
    network = infraci_cloud.network.get_network(infraci_stack.resources["net"].physical_id)
    assert network.is_admin_state_up
"""


def test_a_good_commit(workspace: Workspace) -> None:
    with_stack = PIPELINE.replace("{web: [specs]}", "{web: [specs], stack: [stack_specs]}")
    files = {"pipelines/tiny.yaml": with_stack, "stack_specs/test_stack.py": STACK_SPEC}
    workspace.write(files, "Test the stack")
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == 0, done.stderr
    assert outcomes(workspace.folder / "out" / "tiny.xml") == []
    first = done.stderr.partition("plan done")[0]
    assert "clean up by: infraci destroy tiny-" in first
    assert "web: 2 passed" in done.stderr
    assert "stack: 1 passed" in done.stderr
    assert workspace.leftovers() == []


NO_IMAGE = {"stack.yaml": STACK.replace("default: debian-12", "default: debian-99")}
NO_PROPERTY = {"stack.yaml": STACK.replace("flavor:", "flavour:")}
NO_YAML = {"stack.yaml": STACK + "resources: [\n"}
NO_PIPELINE = {"pipelines/tiny.yaml": PIPELINE.replace("specs:", "spcs:")}
NO_ROLE = {"pipelines/tiny.yaml": PIPELINE.replace("web:", "wbe:")}
NO_SYNTAX = {"specs/test_web.py": "def test_it(host)\n"}
NO_IMPORT = {"specs/test_web.py": "import no_such_module\n"}
NO_FILE = {"specs/test_web.py": "def test_it(host):\n    assert host.file('/nope').exists\n"}
NO_SUCCESS = {"setup.sh": "#!/bin/sh\necho no luck >&2\nexit 7\n"}
BY_DATA = "      user_data_format: RAW\n      user_data: {get_file: data.yaml}\noutputs:"
NO_USER = {
    "stack.yaml": STACK.replace("outputs:", BY_DATA),
    "data.yaml": "#cloud-config\nusers: [{name: deploy}]\n",
}
NO_SSHD = {**NO_USER, "data.yaml": "#cloud-config\nruncmd: [systemctl disable --now ssh]\n"}
NO_PACKAGE = {"setup.sh": "#!/bin/sh\nexec apt-get install --yes no-such-package\n"}


@pytest.mark.parametrize(
    ("change", "status", "wrong", "output"),
    [
        (NO_IMAGE, 1, ["infraci.tiny.provision: failure"], "stack.yaml:4:3: parameters.image"),
        (NO_PROPERTY, 1, ["infraci.tiny.provision: failure"], "Unknown Property flavour"),
        (NO_YAML, 2, ["infraci.tiny.plan: failure"], "stack.yaml:"),
        (NO_PIPELINE, 2, ["infraci.tiny.plan: failure"], 'did you mean "specs"?'),
        (NO_ROLE, 2, ["infraci.tiny.provision: failure"], 'no server has the role "wbe"'),
        (NO_SYNTAX, 2, ["infraci.tiny.plan: failure"], "specs/test_web.py:1"),
        (NO_IMPORT, 2, ["infraci.tiny.web: failure"], "No module named 'no_such_module'"),
        (NO_FILE, 1, ["infraci.tiny.web: failure"], "test_it[web]"),
        (NO_SUCCESS, 1, ["infraci.tiny.web: failure"], "no luck"),
        (NO_PACKAGE, 1, ["infraci.tiny.web: failure"], "no-such-package"),
        (NO_USER, 1, ["infraci.tiny.web: failure"], "cloud-init has made deploy, without"),
        (NO_SSHD, 1, ["infraci.tiny.web: failure"], "Connection refused, though its boot"),
    ],
)
def test_a_bad_commit(
    workspace: Workspace, change: Mapping[str, str], status: int, wrong: list[str], output: str
) -> None:
    workspace.write(change, "Break it")
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == status, done.stderr
    assert outcomes(workspace.folder / "out" / "tiny.xml") == wrong
    assert output in done.stderr
    assert workspace.leftovers() == []


#: Three mistakes, which Heat finds one by one.
NOTHING_RIGHT = {
    "stack.yaml": STACK.replace("flavor:", "flavour:")
    .replace("debian-12", "debian-99")
    .replace("OS::Neutron::Net}", "OS::Neutron::Net, properties: {shard: true}}"),
}
#: The same where the request itself does not fit the template.
AND_A_PARAMETER = {
    **NOTHING_RIGHT,
    "pipelines/tiny.yaml": PIPELINE.replace("yaml}", "yaml, parameters: {imge: x}}"),
}


@pytest.mark.parametrize("change", [NOTHING_RIGHT, AND_A_PARAMETER])
def test_a_run_tells_all_that_a_plan_tells(workspace: Workspace, change: Mapping[str, str]) -> None:
    workspace.write(change, "Break it")
    planned = workspace.infraci("plan")
    lines = [line for line in planned.stdout.splitlines() if line.startswith("  problem: ")]
    assert len(lines) > 2
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == planned.returncode == 1
    for line in lines:
        assert line.removeprefix("  problem: ") in done.stderr
    assert workspace.leftovers() == []


def test_each_resource_that_heat_refuses_is_a_testcase(workspace: Workspace) -> None:
    workspace.write(NOTHING_RIGHT, "Break it")
    workspace.infraci("run", "--report", "out")
    root = ET.parse(workspace.folder / "out" / "tiny.xml").getroot()
    failed = {case.get("name"): case.find("failure") for case in root.iter("testcase")}
    for name in ("resource net", "resource web", "stack"):
        assert failed[name] is not None


def test_a_server_that_nobody_could_log_in_to_is_told_early(workspace: Workspace) -> None:
    workspace.write(NO_USER, "Break it")
    planned = workspace.infraci("plan").stdout
    assert "note: infraci cannot log in to web as debian: its user_data has `users:`" in planned
    before = workspace.infraci("run").stderr.partition("plan done")[0]
    assert "infraci cannot log in to web as debian: its user_data has `users:`" in before


def test_evidence_of_a_failure(workspace: Workspace) -> None:
    workspace.write(NO_SUCCESS, "Break it")
    workspace.infraci("run")
    files = workspace.infraci("logs", "--files").stdout.split()
    names = {Path(file).name for file in files if Path(file).exists()}
    assert {"console.log", "cloud-init.log", "journal.txt", "stack-events.txt", "web.log"} <= names
    story = workspace.infraci("logs").stdout
    assert "setup.sh failed: no luck (line 2, exit status 7)" in story
    assert "no luck" in story


def test_uncommitted_changes_are_not_tested_unless_asked(workspace: Workspace) -> None:
    (workspace.folder / "specs" / "test_web.py").write_text(NO_FILE["specs/test_web.py"])
    done = workspace.infraci("run")
    assert done.returncode == 0, done.stderr
    assert "uncommitted changes are not tested" in done.stderr
    done = workspace.infraci("run", "--working-tree")
    assert done.returncode == 1, done.stderr
    assert "+dirty" in done.stderr


def test_a_commit_of_long_ago(workspace: Workspace) -> None:
    workspace.write(NO_FILE, "Break it")
    assert workspace.infraci("run", "--commit", "HEAD~1").returncode == 0
    assert workspace.infraci("run", "--commit", "HEAD").returncode == 1
    assert workspace.infraci("run", "--commit", "nope").returncode == 2


def test_several_pipelines_and_a_table(workspace: Workspace) -> None:
    workspace.write(
        {
            "pipelines/shaky.yaml": PIPELINE.replace("[specs]", "[shaky]") + "voting: false\n",
            "shaky/test_it.py": NO_FILE["specs/test_web.py"],
        }
    )
    done = workspace.infraci("run", "--all")
    assert done.returncode == 0, done.stderr
    shaky, tiny = (line.split() for line in done.stdout.splitlines())
    assert shaky[:3] == ["shaky", "non-voting", "FAILED"]
    assert tiny[:3] == ["tiny", "voting", "PASSED"]
    assert workspace.leftovers() == []


def test_two_at_once(workspace: Workspace) -> None:
    both = [workspace.start("run", "tiny") for _ in range(2)]
    output = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], output
    assert workspace.leftovers() == []


def test_parameters_of_the_command_line(workspace: Workspace) -> None:
    done = workspace.infraci("run", "-P", "image=debian-99")
    assert done.returncode == 2
    assert "debian-99" in done.stderr
    done = workspace.infraci("run", "-P", "imge=debian-12")
    assert done.returncode == 2
    assert 'did you mean "image"?' in done.stderr


def test_one_verb_at_a_time(workspace: Workspace) -> None:
    made = workspace.infraci("provision", "tiny")
    assert made.returncode == 0, made.stderr
    run = made.stdout.strip()
    assert workspace.infraci("gc").stdout == "nothing to remove\n"
    (listed,) = json.loads(workspace.infraci("list", "--json").stdout)
    assert (listed["id"], listed["state"], listed["verdict"]) == (run, "kept", None)
    assert workspace.infraci("verify", run[:6]).returncode == 1  # it is not configured yet
    assert workspace.infraci("configure").returncode == 0
    assert workspace.infraci("verify").returncode == 0
    spec = FILES["specs/test_web.py"].replace("/setup", "/other")
    (workspace.folder / "specs" / "test_web.py").write_text(spec)
    assert workspace.infraci("verify", "--working-tree").returncode == 1
    output = workspace.infraci("exec", run, "web", "--", "sh", "-c", 'echo "a  b"; exit 5')
    assert (output.stdout, output.returncode) == ("a  b\n", 5)
    assert workspace.infraci("exec", run, "wbe", "--", "true").returncode == 2
    for _ in range(2):
        gone = workspace.infraci("destroy", run)
        assert gone.returncode == 0, gone.stderr
    assert workspace.leftovers() == []
    assert "its stack is destroyed" in workspace.infraci("verify", run).stderr


def test_what_is_kept_is_taken_up_again(workspace: Workspace) -> None:
    workspace.write(NO_SUCCESS, "Break it")
    done = workspace.infraci("run", "--destroy", "passing")
    assert done.returncode == 1
    (run,) = json.loads(workspace.infraci("list", "--json").stdout)
    assert run["state"] == "kept"
    assert workspace.infraci("gc").stdout == "nothing to remove\n"
    again = workspace.infraci("run", "--resume", run["id"])
    assert again.returncode == 1
    assert "provision" not in again.stderr.replace(run["id"], "")
    assert workspace.leftovers() != []  # it is still kept
    again = workspace.infraci("run", "--resume", run["id"], "--destroy", "always")
    assert again.returncode == 1
    assert workspace.leftovers() == []


def test_plan_makes_nothing(workspace: Workspace) -> None:
    done = workspace.infraci("plan", "--json")
    assert done.returncode == 0, done.stderr
    (plan,) = json.loads(done.stdout)["pipelines"]
    (server,) = plan["servers"]
    assert (server["name"], server["role"], server["networks"]) == ("web", "web", ["net"])
    assert plan["problems"] == []
    assert workspace.leftovers() == []
    assert workspace.infraci("list").stderr == "no runs\n"


def test_plan_tells_everything_at_once(workspace: Workspace) -> None:
    workspace.write({**NO_IMAGE, **NO_SYNTAX, "setup.sh": "no interpreter\n"}, "Break it")
    done = workspace.infraci("plan")
    assert done.returncode == 1
    for position in ("stack.yaml:4:3", "specs/test_web.py:1", "setup.sh:1"):
        assert f"problem: {position}" in done.stdout
