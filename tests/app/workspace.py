"""A repository with a tiny pipeline, and an embedded cloud of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infraci.heat import Cloud
from infraci.local.host.fabric import find_all
from infraci.local.state_dir import StateDir
from tests.processes import finish, start_infraci

STACK = """\
heat_template_version: 2018-08-31
parameters:
  key_name: {type: string, constraints: [{custom_constraint: nova.keypair}]}
  image: {type: string, default: debian-12, constraints: [{custom_constraint: glance.image}]}
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.9.8.0/24}
  web:
    type: OS::Nova::Server
    depends_on: subnet
    properties:
      name: web
      image: {get_param: image}
      flavor: m1.tiny
      key_name: {get_param: key_name}
      networks: [{network: {get_resource: net}}]
      metadata: {role: web}
outputs:
  address: {value: {get_attr: [web, first_address]}}
"""
PIPELINE = """\
stack: {template: stack.yaml}
configure: [cloud-init, script: setup.sh]
specs: {web: [specs]}
"""
SPEC = """\
def test_setup(host):
    assert host.file("/setup").exists


def test_name(host):
    assert host.check_output("hostname") == "web"
"""
FILES = {
    "stack.yaml": STACK,
    "pipelines/tiny.yaml": PIPELINE,
    "setup.sh": "#!/bin/sh\ntouch /setup\n",
    "specs/test_web.py": SPEC,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A repository and the state folder of its embedded cloud; runs the command line there."""

    folder: Path
    state: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables of the command line."""
        return {**os.environ, "INFRACI_STATE_DIR": str(self.state)}

    def create(self, files: Mapping[str, str]) -> None:
        """Make the repository, and its first commit."""
        self.folder.mkdir()
        self.git("init", "--quiet")
        self.write(files, "Begin")

    def put(self, name: str, text: str) -> None:
        """Write a file, uncommitted."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def write(self, files: Mapping[str, str], message: str = "Change it") -> None:
        """Commit files."""
        for name, text in files.items():
            self.put(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", f"--message={message}")

    def git(self, *arguments: str) -> None:
        """Run git, with an author of its own."""
        author = ("-c", "user.name=Somebody", "-c", "user.email=s@example.org")
        subprocess.run(["git", *author, *arguments], cwd=self.folder, check=True)

    def commits(self) -> list[str]:
        """The commits, the latest first."""
        log = ["git", "log", "--format=%H"]
        done = subprocess.run(log, cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.split()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line."""
        return start_infraci(*arguments, cwd=self.folder, env=self.environment)

    def infraci(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return finish(self.start(*arguments))

    def stop_at(self, mark: str, signals: list[int], *options: str) -> tuple[int, str]:
        """Run the pipeline, and send the signals when it says the mark; status and stderr."""
        process = self.start("-v", "run", "tiny", *options)
        assert process.stderr is not None
        output = []
        for line in process.stderr:
            output.append(line)
            if signals and mark in line:
                process.send_signal(signals.pop(0))
        process.communicate()
        return process.returncode, "".join(output)

    def leftovers(self) -> list[str]:
        """The names of what this cloud and repository still have."""
        owner = StateDir(folder=self.state).owner
        podman = ["podman", "ps", "--all", "--format={{.Names}}"]
        names = subprocess.run(
            [*podman, f"--filter=label=infraci.cloud={owner}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        names += [n.namespace for n in find_all() if n.labels.get("cloud") == owner]
        names += [str(tree) for tree in (self.folder / ".infraci" / "trees").glob("*")]
        clouds_yaml = self.infraci("cloud", "clouds-yaml").stdout.strip()
        with Cloud.connect("local", local=lambda: Path(clouds_yaml)) as cloud:
            names += [stack.name for stack in cloud.find_stacks(["infraci"])]
            names += [pair.name for pair in cloud.keypairs()]
        return names


@contextmanager
def cloud_in(folder: Path) -> Iterator[Path]:
    """An embedded cloud's state folder; in the end the cloud is stopped, if it was started."""
    yield folder
    Workspace(folder=folder, state=folder).infraci("cloud", "down")
