"""What people have, unmodified, on a real stack: Ansible, Puppet from Debian, Serverspec."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from infraci.errors import ExitCode
from tests.app.workspace import Workspace

pytestmark = pytest.mark.cloud

EXAMPLE = Path(__file__).parents[2] / "examples" / "drivers"
#: A task that is never done.
RESTLESS = """\

- name: Restart everything
  ansible.builtin.command: "true"
"""


@pytest.fixture
def shop(workspace: Workspace) -> Workspace:
    """The repository of examples/drivers."""
    files = {
        str(path.relative_to(EXAMPLE)): path.read_text()
        for path in EXAMPLE.rglob("*")
        if path.is_file()
    }
    (workspace.folder / "pipelines" / "tiny.yaml").unlink()
    workspace.write(files, "Bring what there is")
    return workspace


def test_a_stack_of_several_drivers(shop: Workspace) -> None:
    for verb in (("provision", "shop"), ("configure",), ("verify",)):
        done = shop.infraci(*verb)
        assert done.returncode == ExitCode.PASSED, done.stderr
    (run,) = (shop.folder / ".infraci" / "runs").glob("shop-*")
    cases = list(ElementTree.parse(run / "junit.xml").iter("testcase"))
    assert {(case.get("classname"), case.get("name")) for case in cases} >= {
        ("serverspec.spec.web.page_spec", 'File "/srv/www/index.html" is expected to be file'),
        ("serverspec.spec.db.ledger_spec", 'User "ledger" is expected to exist'),
        ("specs.db.test_ledger", "test_the_ledger_knows_its_server[db]"),
    }
    web, db = ((run / "logs" / f"{name}.log").read_text() for name in ("web", "db"))
    assert "changed: page : Write the page (ansible/roles/page/tasks/main.yml:7)" in web
    assert "ok: page : Write the page" in web.partition("(again)")[2]
    assert "==> puppet puppet/site.pp: done, 3 changed" in db
    assert "puppet" not in web
    assert "is expected to be file" in (run / "logs/web.serverspec.log").read_text()

    tasks = "ansible/roles/page/tasks/main.yml"
    (shop.folder / tasks).write_text((EXAMPLE / tasks).read_text() + RESTLESS)
    done = shop.infraci("configure", "--working-tree")
    assert done.returncode == ExitCode.FAILED, done.stderr
    assert "it still changes something: ansible ansible/site.yml (on web: page : Restart every" in (
        done.stderr
    )


def test_bad_playbooks_end_before_there_is_a_stack(shop: Workspace) -> None:
    shop.write({"ansible/site.yml": "- hosts: web\n  roles: [pages]\n"})
    done = shop.infraci("run", "shop")
    assert done.returncode == ExitCode.INVALID
    assert "ansible/site.yml:2:11: Ansible cannot read it: the role 'pages' was not found" in (
        done.stderr
    )


def test_a_secret_that_is_not_there_ends_before_there_is_a_stack(workspace: Workspace) -> None:
    pipeline = (workspace.folder / "pipelines/tiny.yaml").read_text()
    step = "script: {path: setup.sh, environment: {TOKEN: {from: NO_SUCH_TOKEN}}}"
    workspace.write({"pipelines/tiny.yaml": pipeline.replace("script: setup.sh", step)})
    done = workspace.infraci("run", "tiny")
    assert done.returncode == ExitCode.UNTESTABLE
    assert "the environment variable NO_SUCH_TOKEN is not set" in done.stderr
