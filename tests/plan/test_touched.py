"""What a commit touches."""

from __future__ import annotations

from pathlib import Path

import pytest

from infraci.model.decode import load_pipelines
from infraci.plan.touched import choose_touched
from tests.model.trees import write

TEMPLATE = "heat_template_version: 2018-08-31\nresources: {a: {type: lib/node.yaml}}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(tmp_path, "stacks/web.yaml", TEMPLATE)
    write(tmp_path, "stacks/lib/node.yaml", "heat_template_version: 2018-08-31\n")
    write(tmp_path, "stacks/shop.yaml", "heat_template_version: 2018-08-31\n")
    for name in ("web", "shop"):
        write(tmp_path, f"specs/{name}/test_{name}.py", "")
        text = f"stack: {{template: stacks/{name}.yaml}}\nspecs: {{all: [specs/{name}]}}\n"
        write(tmp_path, f"pipelines/{name}.yaml", text)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "reasons"),
    [
        (["README.md"], ["shop: left, nothing that it uses has changed",
                         "web: left, nothing that it uses has changed"]),
        (["stacks/lib/node.yaml"], ["shop: left, nothing that it uses has changed",
                                    "web: run, as it uses stacks/lib/node.yaml"]),
        (["pipelines/shop.yaml", "specs/shop/gone.py"],
         ["shop: run, as it uses pipelines/shop.yaml, specs/shop/gone.py",
          "web: left, nothing that it uses has changed"]),
        (["infraci.yaml"], ["shop: run, as it uses infraci.yaml",
                            "web: run, as it uses infraci.yaml"]),
        ([f"specs/web/test_{n}.py" for n in range(5)],
         ["shop: left, nothing that it uses has changed",
          "web: run, as it uses specs/web/test_0.py, specs/web/test_1.py, specs/web/test_2.py and "
          "2 more"]),
    ],
)  # fmt: skip
def test_why_a_pipeline_is_run_or_left(tree: Path, changed: list[str], reasons: list[str]) -> None:
    choices = choose_touched(load_pipelines(tree), changed, root=tree)
    assert [str(choice) for choice in choices] == reasons
