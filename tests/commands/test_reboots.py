"""Real servers that reboot, by user data and in steps, or get other host keys."""

from __future__ import annotations

import json

import pytest

from tests.app.workspace import STACK, Workspace

pytestmark = pytest.mark.cloud

DATA = "      user_data_format: RAW\n      user_data: {get_file: data.yaml}\noutputs:"
PIPELINE = """\
stack: {template: stack.yaml}
configure:
  - cloud-init
  - script: at_once.sh
  - script: in_a_while.sh
  - script: setup.sh
specs: {web: [specs]}
"""
#: The number of boots is counted where it outlives them.
COUNT = "#!/bin/sh\necho boot >> /var/boots\n"
SPEC = """\
def test_setup(host):
    assert host.file("/setup").exists


def test_boots(host):
    assert host.check_output("wc -l < /var/boots") == "4"
"""


def test_reboots_are_waited_for(workspace: Workspace) -> None:
    """Of cloud-init, in the midst of a script, and by what a script left in the background."""
    later = "nohup sh -c 'sleep 3; reboot' >/dev/null 2>&1 </dev/null &\n"
    workspace.write(
        {
            "stack.yaml": STACK.replace("outputs:", DATA),
            "data.yaml": "#cloud-config\n"
            "write_files:\n"
            "  - {path: /var/lib/cloud/scripts/per-boot/count, permissions: '0755',"
            f" content: {json.dumps(COUNT)}}}\n"
            "power_state: {mode: reboot, delay: now}\n",
            "pipelines/tiny.yaml": PIPELINE,
            "at_once.sh": "#!/bin/sh\nsystemctl reboot\nsleep 600\n",
            "in_a_while.sh": f"#!/bin/sh\n{later}",
            "specs/test_web.py": SPEC,
        }
    )
    done = workspace.infraci("-v", "run")
    assert done.returncode == 0, done.stderr
    # The first one was over when the server was said to be ready.
    assert done.stderr.count("it has rebooted") == 2
    assert workspace.leftovers() == []


def test_other_host_keys_are_told_of_the_step_that_made_them(workspace: Workspace) -> None:
    keys = "rm /etc/ssh/ssh_host_*\nssh-keygen -A\nsystemctl restart ssh\n"
    workspace.write({"setup.sh": f"#!/bin/sh\nset -e\n{keys}"})
    done = workspace.infraci("run")
    assert done.returncode == 1, done.stderr
    assert "cannot trust web after script setup.sh: its host key is ssh-ed25519" in done.stderr
    assert workspace.leftovers() == []
