"""Real pytests on an embedded cloud that all of these tests share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.app.workspace import Workspace, cloud_in
from tests.processes import finish, start_python

#: Two servers, of which one is as small as can be said, in one network that leads nowhere.
STACK = """\
heat_template_version: 2018-08-31
parameters:
  key_name: {type: string}
  secret: {type: string, hidden: true, default: open-sesame}
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.9.7.0/24}
  web:
    type: OS::Nova::Server
    depends_on: subnet
    properties:
      name: web
      image: debian-12
      flavor: m1.tiny
      key_name: {get_param: key_name}
      networks: [{network: {get_resource: net}}]
      metadata: {role: web}
  db:
    type: OS::Nova::Server
    depends_on: subnet
    properties:
      image: debian-12
      flavor: m1.tiny
      key_name: {get_param: key_name}
      networks: [{network: {get_resource: net}}]
      metadata: {role: database}
outputs:
  addresses: {value: [{get_attr: [web, first_address]}, {get_attr: [db, first_address]}]}
  secret: {value: {get_param: secret}}
"""
PAIR = """\
stack: {template: stack.yaml}
servers: {roles: {cache: {names: ["cache-*"]}}}
specs: {web: [specs/web], database: [specs/database], all: [specs/all]}
"""
FILES = {
    "stack.yaml": STACK,
    "pipelines/pair.yaml": PAIR,
    "specs/web/test_web.py": "def test_web(host): assert host.check_output('hostname') == 'web'\n",
    "specs/database/test_db.py": "def test_db(host): assert host.user('root').exists\n",
    "specs/all/test_all.py": "def test_all(host): assert host.file('/etc/passwd').exists\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite(Workspace):
    """A repository whose tests pytest runs."""

    @property
    def environment(self) -> Mapping[str, str]:
        foreign = ("OS_", "INFRACI_", "PYTEST_", "COV_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**kept, "INFRACI_STATE_DIR": str(self.state), "PYTHONDONTWRITEBYTECODE": "1"}

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start pytest; both of its streams are one."""
        return start_python(
            "-m",
            "pytest",
            *arguments,
            cwd=self.folder,
            env=self.environment,
            stderr=subprocess.STDOUT,
        )

    def pytest(self, *arguments: str) -> tuple[int, str]:
        """Run pytest to its end; its exit status, and what it says."""
        done = finish(self.begin(*arguments))
        return done.returncode, done.stdout

    def runs(self) -> list[Path]:
        """The folders of all runs, the oldest first."""
        folders = (path.parent for path in self.folder.glob(".infraci/runs/*/run.json"))
        return sorted(folders, key=lambda folder: folder.stat().st_ctime)


@pytest.fixture(scope="package")
def suite_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of an embedded cloud that all of these tests share."""
    with cloud_in(tmp_path_factory.mktemp("cloud")) as folder:
        yield folder


@pytest.fixture
def suite(tmp_path: Path, suite_state: Path) -> Iterator[Suite]:
    """A repository; whatever its test leaves is removed."""
    made = Suite(folder=tmp_path / "repository", state=suite_state)
    made.create(FILES)
    yield made
    if any('"destroyed": false' in (run / "run.json").read_text() for run in made.runs()):
        made.infraci("destroy", "--all")
