"""Pipelines and project files as they come from a tree."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from infraci.errors import ExitCode, UsageError
from infraci.model.configure_steps import (
    AnsibleStep,
    ChefStep,
    CloudInitStep,
    PuppetStep,
    ScriptStep,
)
from infraci.model.decode import load_pipeline, load_pipelines, load_project, parse_pipeline
from infraci.model.pipeline import (
    DestroyPolicy,
    Pipeline,
    RoleDefinition,
    ServersDefinition,
    StackDefinition,
    Timeouts,
    UpgradeDefinition,
)
from infraci.model.problem import PipelineFileError, ProjectFileError
from infraci.model.project import CloudDefinition
from infraci.model.secret import Secret
from tests.model.trees import FULL, MINIMAL, make_tree, write

SETUP = PurePosixPath("scripts/setup.sh")
COMMON = PurePosixPath("specs/common")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path)


DRIVERS = """\
stack: {template: stacks/web.yaml}
idempotence: true
configure:
  - ansible: scripts/setup.sh
  - ansible:
      playbook: scripts/setup.sh
      variables: {port: 8080, tls: true, names: [a, b]}
      environment: {TOKEN: {from: APP_TOKEN}, RATE: 1.10}
      vault_password: {file: ~/vault}
  - puppet: scripts/setup.sh
  - puppet: {manifest: scripts/setup.sh, modules: [scripts], files: [specs, scripts/setup.sh]}
  - chef:
      run_list: recipe[web]
      cookbook_path: [scripts]
      attributes: {web: {port: 80}}
serverspec: {all: [scripts]}
"""


def test_a_pipeline_of_other_drivers(tree: Path) -> None:
    pipeline = load_pipeline(write(tree, "pipelines/web.yaml", DRIVERS), root=tree)
    assert (pipeline.idempotence, pipeline.specs) == (True, {})
    assert pipeline.serverspec == {"all": (PurePosixPath("scripts"),)}
    assert pipeline.configure == (
        AnsibleStep(playbook=SETUP),
        AnsibleStep(
            playbook=SETUP,
            variables={"port": 8080, "tls": True, "names": ["a", "b"]},
            environment={"TOKEN": Secret(variable="APP_TOKEN"), "RATE": "1.10"},
            vault_password=Secret(file="~/vault"),
        ),
        PuppetStep(manifest=SETUP),
        PuppetStep(
            manifest=SETUP,
            modules=(PurePosixPath("scripts"),),
            files=(PurePosixPath("specs"), SETUP),
        ),
        ChefStep(
            run_list=("recipe[web]",),
            cookbook_path=(PurePosixPath("scripts"),),
            attributes={"web": {"port": 80}},
        ),
    )
    titles = [step.title for step in pipeline.configure]
    assert titles[1:] == [
        "ansible scripts/setup.sh",
        "puppet scripts/setup.sh",
        "puppet scripts/setup.sh",
        "chef recipe[web]",
    ]


def test_a_minimal_pipeline_gets_the_defaults(tree: Path) -> None:
    path = write(tree, "pipelines/web.yaml", MINIMAL)
    assert load_pipeline(path, root=tree) == Pipeline(
        name="web",
        path=PurePosixPath("pipelines/web.yaml"),
        description="",
        voting=True,
        destroy=DestroyPolicy.ALWAYS,
        expires_s=4 * 3600,
        timeouts=Timeouts(provision_s=600, configure_s=600, verify_s=600, destroy_s=300),
        stack=StackDefinition(template=PurePosixPath("stacks/web.yaml"), key_parameter="key_name"),
        servers=ServersDefinition(user="debian", role_metadata="role", roles={}),
        configure=(),
        specs={"all": (COMMON,)},
    )


def test_every_key_of_a_full_pipeline(tree: Path) -> None:
    pipeline = load_pipeline(write(tree, "pipelines/full.yaml", FULL), root=tree)
    assert pipeline.description == "A web server that answers"
    assert pipeline.voting is False
    assert pipeline.destroy is DestroyPolicy.PASSING
    assert pipeline.expires_s == 7200
    assert pipeline.timeouts == Timeouts(
        provision_s=900, configure_s=90, verify_s=90, destroy_s=5400
    )
    assert pipeline.stack == StackDefinition(
        template=PurePosixPath("stacks/web.yaml"),
        environments=(PurePosixPath("stacks/env/small.yaml"),),
        parameters={"image": "debian-12", "version": "1.10", "nodes": ["a", 2], "enabled": "true"},
        files={"motd": SETUP},
        key_parameter="key",
    )
    assert pipeline.servers == ServersDefinition(
        user="debian",
        role_metadata="tier",
        roles={
            "web": RoleDefinition(names=("*-web-*", "web?"), user="admin"),
            "db": RoleDefinition(),
        },
    )
    assert pipeline.configure == (
        CloudInitStep(),
        CloudInitStep(timeout_s=180),
        ScriptStep(path=SETUP),
        ScriptStep(
            path=SETUP,
            roles=("web",),
            environment={
                "DEBUG": "yes",
                "PORT": "0080",
                "RATE": "1.10",
                "FLAG": "true",
                "CLOCK": "1:30",
            },
            arguments=("--port", "80", "on"),
            timeout_s=120,
            sudo=False,
        ),
    )
    assert pipeline.specs == {
        "all": (COMMON,),
        "web": (PurePosixPath("specs/web/test_http.py"), COMMON),
    }
    assert pipeline.upgrade == UpgradeDefinition(from_revision="1.10", no_replace=("db", "web.*"))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ('"90"', 90),
        ("0.5", 0.5),
        ("90s", 90),
        ("1.5s", 1.5),
        ("10m", 600),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1d2h3m4s", 93784),
        ("7d", 604800),
        ("010", 10),
        ("1e2", 100),
    ],
)
def test_durations(written: str, seconds: float) -> None:
    assert parse_pipeline(MINIMAL + f"expires: {written}\n").expires_s == seconds


def test_roles_all_is_every_server() -> None:
    step = parse_pipeline(MINIMAL + "configure: [{script: {path: a, roles: [web, all]}}]")
    assert step.configure == (ScriptStep(path=PurePosixPath("a"), roles=()),)


def test_paths_are_normalised() -> None:
    pipeline = parse_pipeline("stack: {template: ./stacks//x/../web.yaml}\nspecs: {all: [specs/]}")
    assert pipeline.stack.template == PurePosixPath("stacks/web.yaml")
    assert pipeline.specs["all"] == (PurePosixPath("specs"),)


def test_aliases_are_followed() -> None:
    pipeline = parse_pipeline(
        "stack: {template: a.yaml}\nspecs: {web: &common [specs/common], db: *common}"
    )
    assert pipeline.specs["db"] == (COMMON,)


def test_all_problems_of_all_files_at_once(tree: Path) -> None:
    write(tree, "pipelines/one.yaml", MINIMAL + "voting: yes\ndestory: always\n")
    write(tree, "pipelines/two.yaml", MINIMAL + "expires: soon\n")
    write(tree, "pipelines/good.yaml", MINIMAL)
    with pytest.raises(PipelineFileError) as caught:
        load_pipelines(tree)
    assert caught.value.message.splitlines() == [
        "cannot load 2 files: 3 problems",
        '  pipelines/one.yaml:3:9: voting: expected true or false, found "yes"; '
        'did you mean "true"?',
        '  pipelines/one.yaml:4:1: destory: unknown key; did you mean "destroy"?',
        '  pipelines/two.yaml:3:10: expires: expected a duration such as 90, "90s", "10m" or '
        '"1h30m", found "soon"',
    ]
    assert caught.value.exit_code is ExitCode.INVALID
    first = caught.value.problems[0]
    assert (first.file, first.line, first.column) == ("pipelines/one.yaml", 3, 9)
    assert (first.key_path, first.suggestion) == ("voting", "true")
    assert first.expected == "true or false"


def test_pipelines_in_the_order_asked_for_and_by_path(tree: Path) -> None:
    for name in ("a", "b", "c"):
        write(tree, f"pipelines/{name}.yaml", MINIMAL)
    names = [p.name for p in load_pipelines(tree, ["c", "pipelines/a.yaml", "c"])]
    assert names == ["c", "a"]


def test_all_pipelines_without_names_in_order(tree: Path) -> None:
    for name in ("b.yaml", "a.yml", ".hidden.yaml", "README.md"):
        write(tree, f"pipelines/{name}", MINIMAL)
    assert [p.name for p in load_pipelines(tree)] == ["a", "b"]


def test_an_unknown_name_gets_a_suggestion(tree: Path) -> None:
    write(tree, "pipelines/three-tier.yaml", MINIMAL)
    with pytest.raises(UsageError) as caught:
        load_pipelines(tree, ["three_tier"])
    assert caught.value.message == (
        'cannot load pipeline "three_tier": there is no pipelines/three_tier.yaml'
    )
    assert caught.value.hint == 'did you mean "three-tier"?'


def test_an_unknown_name_near_nothing_lists_what_there_is(tree: Path) -> None:
    write(tree, "pipelines/web.yaml", MINIMAL)
    write(tree, "pipelines/db.yaml", MINIMAL)
    with pytest.raises(UsageError) as caught:
        load_pipelines(tree, ["other/place.yaml"])
    assert caught.value.hint == 'there are "db" and "web"'


@pytest.mark.parametrize("name", ["README.md", None])
def test_no_pipelines(tree: Path, name: str | None) -> None:
    if name:
        write(tree, f"pipelines/{name}", "")
    with pytest.raises(UsageError, match="cannot load pipelines") as caught:
        load_pipelines(tree)
    assert caught.value.hint == "write pipelines/NAME.yaml, and commit it"


def test_twins_are_refused(tree: Path) -> None:
    write(tree, "pipelines/web.yaml", MINIMAL)
    write(tree, "pipelines/web.yml", MINIMAL)
    with pytest.raises(PipelineFileError, match=r'web\.yml: "web\.yaml" has the same name'):
        load_pipelines(tree)


def test_the_files_name_must_be_a_name(tree: Path) -> None:
    write(tree, "pipelines/web server.yaml", MINIMAL)
    with pytest.raises(PipelineFileError, match="the file's name, which names the pipeline"):
        load_pipelines(tree)


def test_a_pipeline_that_leads_out_of_the_tree_is_refused(tree: Path, tmp_path: Path) -> None:
    outside = write(tmp_path.parent, f"{tmp_path.name}-outside.yaml", MINIMAL)
    (tree / "pipelines").mkdir()
    (tree / "pipelines/web.yaml").symlink_to(outside)
    with pytest.raises(PipelineFileError, match="leads out of the repository, by a symbolic link"):
        load_pipelines(tree)


def test_a_pipeline_may_be_a_link_within_the_tree(tree: Path) -> None:
    write(tree, "shared/web.yaml", MINIMAL)
    (tree / "pipelines").mkdir()
    (tree / "pipelines/web.yaml").symlink_to("../shared/web.yaml")
    assert load_pipelines(tree)[0].name == "web"


def test_a_tree_reached_through_a_link(tree: Path, tmp_path: Path) -> None:
    write(tree, "pipelines/web.yaml", MINIMAL)
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tree)
    assert str(load_pipelines(link)[0].path) == "pipelines/web.yaml"


def test_no_project_file_is_an_empty_project(tree: Path) -> None:
    assert load_project(tree).cloud("anywhere") == CloudDefinition()


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "clouds: {}\n"])
def test_an_empty_project_file(tree: Path, content: str) -> None:
    write(tree, "infraci.yaml", content)
    assert load_project(tree).clouds == {}


def test_a_project_file(tree: Path) -> None:
    write(
        tree,
        "infraci.yaml",
        "clouds:\n  prod:\n    images: {debian-12: Debian 12, 22.04: 24.10}\n"
        "    flavors: {small: m1.small}\n    networks: {public: ext-net}\n",
    )
    assert load_project(tree).cloud("prod") == CloudDefinition(
        images={"debian-12": "Debian 12", "22.04": "24.10"},
        flavors={"small": "m1.small"},
        networks={"public": "ext-net"},
    )


def test_a_wrong_project_file(tree: Path) -> None:
    write(tree, "infraci.yaml", "clouds:\n  prod:\n    image: {a: b}\n    networks: {x: }\n")
    with pytest.raises(ProjectFileError) as caught:
        load_project(tree)
    assert [str(problem) for problem in caught.value.problems] == [
        'infraci.yaml:3:5: clouds.prod.image: unknown key; did you mean "images"?',
        "infraci.yaml:4:18: clouds.prod.networks.x: expected text, found nothing",
    ]


def test_pipelines_by_their_schedule(tmp_path: Path) -> None:
    make_tree(tmp_path)
    write(tmp_path, "pipelines/long.yaml", f"schedule: [nightly]\n{MINIMAL}")
    write(tmp_path, "pipelines/both.yaml", f"schedule: [commit, hourly]\n{MINIMAL}")

    def names(*schedules: str) -> list[str]:
        return [pipeline.name for pipeline in load_pipelines(tmp_path, schedules)]

    assert "long" not in names("@commit")
    assert "both" in names("@commit")
    assert names("@nightly") == ["long"]
    assert names("@nightly", "@hourly", "long") == ["long", "both"]
    with pytest.raises(UsageError, match='there is no schedule "@weekly"'):
        names("@weekly")


def test_a_schedule_is_a_list_of_known_ones(tmp_path: Path) -> None:
    with pytest.raises(PipelineFileError, match=r'expected a list.*did you mean "\[nightly\]"'):
        parse_pipeline(f"schedule: nightly\n{MINIMAL}")
    with pytest.raises(PipelineFileError, match='did you mean "nightly"'):
        parse_pipeline(f"schedule: [nigthly]\n{MINIMAL}")
