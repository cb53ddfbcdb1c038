"""A TOSCA template from the commit to servers that are gone again, software and all."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.app.workspace import Workspace

pytestmark = pytest.mark.cloud

EXAMPLE = Path(__file__).parents[2] / "examples" / "tosca"


@pytest.fixture
def shop(workspace: Workspace) -> Workspace:
    """The example, in place of what the repository had."""
    (workspace.folder / "pipelines" / "tiny.yaml").unlink()
    files = {
        str(path.relative_to(EXAMPLE)): path.read_text()
        for path in EXAMPLE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    workspace.write(files, "Describe the shop in TOSCA")
    return workspace


def test_the_example_stands_up(shop: Workspace) -> None:
    planned = shop.infraci("plan", "--show-template")
    assert planned.returncode == 0, planned.stdout
    shown = yaml.safe_load(
        planned.stdout.partition("--- # the template of shop")[2].partition("\n")[2]
    )
    assert shown["resources"]["front_server"]["depends_on"] == [
        "default_network_way_out",
        "store_server_deployed",
    ]
    elsewhere = shop.infraci("plan", "--cloud", "nowhere")
    assert elsewhere.returncode == 0, elsewhere.stdout
    assert "front_server  OS::Nova::Server" in elsewhere.stdout
    done = shop.infraci("run")
    assert done.returncode == 0, done.stderr
    (run,) = (shop.folder / ".infraci" / "runs").iterdir()
    assert yaml.safe_load((run / "template.yaml").read_text()) == shown
    assert "create_connection" in (run / "files/stacks/scripts/start_store.sh").read_text()
    assert shop.leftovers() == []


def test_a_script_that_fails_fails_the_stack(shop: Workspace) -> None:
    script = "#!/bin/sh\necho 'out of stock' >&2\nexit 3\n"
    shop.write({"stacks/scripts/create_store.sh": script}, "Sell all")
    done = shop.infraci("run")
    assert done.returncode == 1, done.stderr
    assert "store_create_deploy ended with exit status 3: out of stock" in done.stderr
    assert shop.leftovers() == []


def test_what_the_cloud_has_not_is_said_of_the_node(shop: Workspace) -> None:
    template = (EXAMPLE / "stacks" / "shop.yaml").read_text()
    disk = (
        "    disk:\n      type: tosca.nodes.BlockStorage\n"
        "      properties: {size: 1 GB, snapshot_id: gone}\n"
    )
    text = template.replace("  outputs:\n", disk + "\n  outputs:\n")
    shop.write({"stacks/shop.yaml": text}, "Add a disk")
    done = shop.infraci("plan")
    assert done.returncode == 1, done.stdout
    assert "stacks/shop.yaml:58:5: topology_template.node_templates.disk" in done.stdout
    assert "gone" in done.stdout
