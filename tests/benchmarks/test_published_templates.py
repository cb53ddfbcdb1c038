"""The command that measures published templates, on a small collection and a cloud of its own."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from benchmarks.published_templates.exclusions import Reason
from benchmarks.published_templates.results import Standing, read
from benchmarks.published_templates.stand_up import cause_of
from tests.benchmarks.published import collection, template
from tests.clouds import embedded_cloud
from tests.processes import start_python

_TIMEOUT_S = 300
_REPOSITORY = Path(__file__).parents[2]
_SERVER = (
    "a: {type: 'OS::Nova::Server', properties: {image: fedora-20, flavor: {get_param: f}, "
    "key_name: {get_param: key}, networks: [{network: {get_param: net}}], security_groups: [all]}}"
)
_PARAMETERS = "f: {type: string}\nkey: {type: string}\nnet: {type: string}"


@pytest.mark.cloud
def test_what_becomes_of_a_collection(tmp_path: Path) -> None:
    collection(
        tmp_path / "collections",
        server_yaml=template(_SERVER, _PARAMETERS),
        part_yaml=template("a: {type: 'OS::Heat::None'}"),
        whole_yaml=template("a: {type: part.yaml}"),
        queue_yaml=template("a: {type: 'OS::Zaqar::Queue', properties: {name: q}}"),
        plugin_yaml=template("a: {type: 'Rackspace::Cloud::Server'}"),
        wrong_yaml=template("a: {type: 'OS::Neutron::Net', properties: {colour: red}}"),
        volume_yaml=template(
            "a: {type: 'OS::Cinder::Volume', properties: {snapshot_id: {get_param: s}}}",
            "s: {type: string}",
        ),
    )
    path = tmp_path / "results.json"
    with embedded_cloud(tmp_path / "state") as cloud:
        measuring = start_python(
            "-m", "benchmarks.published_templates", str(tmp_path / "collections"),
            "--up", "--most", "0", "--json", str(path), cwd=_REPOSITORY, env=cloud.environment,
        )  # fmt: skip
        output, errors = measuring.communicate(timeout=_TIMEOUT_S)
        assert measuring.returncode == 0, output + errors
    results = {PurePosixPath(file).stem: result for (_, file), result in read(path).items()}
    standings = {name: results[name].standing for name in ("server", "whole", "volume")}
    assert standings == dict.fromkeys(standings, Standing.STOOD_UP), output
    assert results["part"].part_of == "whole.yaml uses it"
    excluded = {name: result.excluded for name, result in results.items() if result.excluded}
    assert excluded == {"plugin": Reason.TYPE, "wrong": Reason.REFUSED}
    assert results["queue"].is_usable
    assert "OS::Zaqar::" in results["queue"].problems[0]


def test_a_stack_that_takes_no_key_lets_no_run_log_in(tmp_path: Path) -> None:
    own = collection(
        tmp_path,
        made_yaml=template("a: {type: 'OS::Nova::KeyPair', properties: {name: k}}"),
        named_yaml=template("a: {type: 'OS::Nova::Server', properties: {key_name: k}}"),
        none_yaml=template("a: {type: 'OS::Nova::Server', properties: {}}"),
        given_yaml=template(
            "a: {type: 'OS::Nova::Server', properties: {key_name: {get_param: k}}}",
            "k: {type: string}",
        ),
    )
    standings = {
        path.stem: cause_of(own, document, "cannot log in: key refused")[0]
        for path, document in own.templates.items()
    }
    refusing = dict.fromkeys(("made", "named", "none"), Standing.NO_LOGIN)
    assert standings == {**refusing, "given": Standing.FAILED}


@pytest.mark.parametrize(
    ("script", "standing"),
    [
        ("yum -y install httpd", Standing.NO_IMAGE),
        ("apt-get -y install nginx", Standing.NO_INTERNET),
        ("touch /srv/x", Standing.FAILED),
        ("mountpoint: /srv/data", Standing.FAILED),
    ],
)
def test_why_a_stack_does_not_stand_up(tmp_path: Path, script: str, standing: Standing) -> None:
    own = collection(
        tmp_path,
        web_yaml=template("a: {type: part.yaml}"),
        part_yaml=template(
            "a: {type: 'OS::Heat::SoftwareConfig', properties: {config: {get_file: x.sh}}}"
        ),
    )
    (own.root / "x.sh").write_text(script)
    web = own.templates[PurePosixPath("web.yaml")]
    assert cause_of(own, web, "timed out")[0] is standing


@pytest.mark.parametrize(
    ("place", "standing"), [("/srv/data", Standing.WRONG), ("/dev/vdb", Standing.FAILED)]
)
def test_a_volume_at_what_is_no_device(tmp_path: Path, place: str, standing: Standing) -> None:
    text = template("a: {type: 'OS::Heat::None'}", more=f"# mountpoint: {place}\n")
    own = collection(tmp_path, web_yaml=text)
    story = "Failed to attach volume v to server s"
    assert cause_of(own, own.templates[PurePosixPath("web.yaml")], story)[0] is standing
