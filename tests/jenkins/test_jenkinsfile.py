"""The Jenkinsfile: its stages, what they call, and how builds end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.jenkins.interpreter import AbortedError, Event, Interpreter, Taken

JENKINSFILE = Path(__file__).parents[2] / "Jenkinsfile"
SHA = "0123456789abcdef0123456789abcdef01234567"
SCM = {
    "branches": [{"name": "main"}],
    "userRemoteConfigs": [{"url": "https://git.example.org/shop"}],
    "extensions": [],
}
ENVIRONMENT = {
    "JOB_NAME": "shop/commit",
    "JOB_BASE_NAME": "commit",
    "BUILD_NUMBER": "7",
    "BUILD_TAG": "t",
}
DEFAULTS = {"COMMIT": "", "PIPELINES": "", "CLOUD": "local", "DESTROY": "always"}
NAMES = ["Plan", "Fan out", "Pipeline", "Provision", "Configure", "Verify", "Report"]

#: What a verb of infraci does: its exit status, or an exception.
Verb = Callable[[], int]


def interrupted() -> int:
    raise AbortedError


class Build(Protocol):
    """Takes the Jenkinsfile; see :func:`take`."""

    def __call__(
        self,
        jenkinsfile: Path = ...,
        listing: str = ...,
        children: Mapping[str, str] | None = ...,
        verbs: Mapping[str, Verb | int] | None = ...,
        **parameters: str,
    ) -> Taken: ...


@pytest.fixture
def build(interpreter: Interpreter) -> Build:
    return partial(take, interpreter)


def take(
    interpreter: Interpreter,
    jenkinsfile: Path = JENKINSFILE,
    listing: str = "web voting\n",
    children: Mapping[str, str] | None = None,
    verbs: Mapping[str, Verb | int] | None = None,
    **parameters: str,
) -> Taken:
    """Take the Jenkinsfile, with verbs that succeed by default."""

    def step(name: str, step: Event) -> Any:
        match name:
            case "sh":
                return shell(step["script"])
            case "checkout":
                return {"GIT_COMMIT": SHA}
            case "build":
                pipeline = {p["name"]: p["value"] for p in step["parameters"]}["PIPELINES"]
                result = (children or {}).get(pipeline, "SUCCESS")
                return {"result": result, "absoluteUrl": "https://ci.example.org/job/shop/8/"}
            case "withCredentials":
                return {c.get("variable") or c["keyFileVariable"]: "/f" for c in step["wanted"]}
            case "junit" | "archiveArtifacts":
                return None
        raise AssertionError(name)

    def shell(script: str) -> Mapping[str, Any]:
        if "infraci jenkins pipelines" in script:
            return {"status": 0, "stdout": listing}
        verb = re.search(r"infraci (\w+)", script)
        does = (verbs or {}).get(verb[1], 0) if verb else 0
        return {"status": does if isinstance(does, int) else does(), "stdout": ""}

    return interpreter.take(
        jenkinsfile, step, parameters=DEFAULTS | parameters, environment=ENVIRONMENT, scm=SCM
    )


def verbs_of(taken: Taken) -> list[str]:
    return [verb[1] for script in taken.scripts() if (verb := re.search(r"infraci (\w+)", script))]


def test_a_good_commit(build: Build) -> None:
    taken = build()
    assert taken.result == "SUCCESS"
    assert taken.stages() == ["Plan", "Pipeline", "Provision", "Configure", "Verify", "Report"]
    assert taken.skipped() == {"Fan out": "when"}
    assert verbs_of(taken) == [
        "plan", "jenkins", "provision", "configure", "verify", "history", "report",
        "destroy", "report",
    ]  # fmt: skip
    assert [e["name"] for e in taken.events_of("stage") if e.get("agent")] == ["Plan", "Pipeline"]
    assert {str(e["agent"]) for e in taken.events_of("stage") if e.get("agent")} == {
        "{'label': 'infraci'}"
    }


def test_what_it_declares(build: Build) -> None:
    (definition,) = build().events_of("definition")
    assert list(definition["parameters"]) == ["COMMIT", "PIPELINES", "CLOUD", "DESTROY"]
    assert definition["agent"] == "none"
    assert set(definition["options"]) == {
        "buildDiscarder", "skipDefaultCheckout", "timeout", "timestamps",
    }  # fmt: skip


def test_it_is_the_commit_that_is_checked_out(build: Build) -> None:
    first, second = build(COMMIT="HEAD~1").steps("checkout")
    assert first["scm"]["branches"] == [{"name": "HEAD~1"}]
    assert second["scm"]["branches"] == [{"name": SHA}]
    assert first["scm"]["userRemoteConfigs"] == SCM["userRemoteConfigs"]
    newest, _ = build().steps("checkout")
    assert newest["scm"]["branches"] == SCM["branches"]


def test_the_build_says_its_commit(build: Build) -> None:
    taken = build()
    assert taken.events_of("description")[0]["text"] == SHA
    assert taken.events_of("name")[0]["text"] == "#7 0123456789"


def test_reports_are_published_and_archived(build: Build) -> None:
    taken = build()
    (junit,) = taken.steps("junit")
    assert junit["testResults"] == ".infraci/reports/7/*.xml"
    assert junit["testDataPublishers"] == [{"$class": "AttachmentPublisher"}]
    assert junit["keepProperties"] is True
    assert junit["skipMarkingBuildUnstable"] is True  # infraci's exit status decides, not JUnit
    (archived,) = taken.steps("archiveArtifacts")
    assert archived["env"]["DIR"] == ".infraci/reports/7"


@pytest.mark.parametrize(
    ("verbs", "result", "stage", "skipped"),
    [
        ({"verify": 1, "report": 1}, "UNSTABLE", "Verify", set()),
        ({"provision": 125, "report": 125}, "FAILURE", "Provision", {"Configure", "Verify"}),
        ({"provision": 2, "report": 2}, "FAILURE", "Provision", {"Configure", "Verify"}),
        ({"configure": 125, "report": 125}, "FAILURE", "Configure", {"Verify"}),
    ],
)
def test_a_bad_commit(
    build: Build, verbs: Mapping[str, int], result: str, stage: str, skipped: set[str]
) -> None:
    taken = build(verbs=verbs)
    assert taken.result == result
    assert taken.stage_results()[stage] == "FAILURE"
    assert set(taken.skipped()) == skipped | {"Fan out"}
    assert verbs_of(taken)[-3:] == ["report", "destroy", "report"]
    assert taken.steps("junit")


@pytest.mark.parametrize("verbs", [{"verify": 1}, {"provision": 125}, {"configure": 125}])
def test_who_does_not_vote_fails_nothing(build: Build, verbs: Mapping[str, int]) -> None:
    taken = build(listing="web non-voting\n", verbs=verbs)  # infraci's report says 0
    assert taken.result == "SUCCESS"
    assert "FAILURE" in taken.stage_results().values()


def test_trouble_with_the_history_fails_nothing(build: Build) -> None:
    taken = build(verbs={"history": 125})
    assert taken.result == "SUCCESS"
    assert taken.stage_results()["Report"] == "UNSTABLE"
    assert verbs_of(taken)[-3:] == ["report", "destroy", "report"]


def test_not_even_by_what_it_leaves(build: Build) -> None:
    verbs = {"destroy": 125, "report": 125}
    assert build(listing="web non-voting\n", verbs=verbs).result == "SUCCESS"
    assert build(listing="web voting\n", verbs=verbs).result == "FAILURE"


def test_a_plan_that_fails(build: Build) -> None:
    taken = build(verbs={"plan": 2})
    assert taken.result == "FAILURE"
    assert verbs_of(taken) == ["plan"]
    assert taken.steps("junit")  # which tells whose files are wrong
    assert set(taken.skipped()) == {"Fan out", "Pipeline"}


@pytest.mark.parametrize("verb", ["provision", "configure", "verify"])
@pytest.mark.parametrize("destroy", ["always", "passing"])
def test_an_abort_tears_down(build: Build, verb: str, destroy: str) -> None:
    taken = build(verbs={verb: interrupted}, DESTROY=destroy)
    assert taken.result == "ABORTED"
    assert verbs_of(taken)[-3:] == [verb, "destroy", "report"]
    assert taken.steps("junit")
    assert taken.steps("archiveArtifacts")


def test_the_tear_down_has_a_time_of_its_own(build: Build) -> None:
    taken = build()
    events = [e.get("event") or e.get("script", "") for e in taken.events]
    destroy = next(n for n, event in enumerate(events) if "infraci destroy" in event)
    assert events[destroy - 1] == "timeout"
    assert taken.events_of("timeout")[-1]["time"] == 30


def test_a_tear_down_is_tried_again(build: Build) -> None:
    left = [125, 125]
    taken = build(verbs={"destroy": lambda: left.pop() if left else 0})
    assert verbs_of(taken).count("destroy") == 3
    assert taken.result == "SUCCESS"


@pytest.mark.parametrize(
    ("destroy", "verify", "is_destroyed"),
    [
        ("always", 1, True),
        ("passing", 0, True),
        ("passing", 1, False),
        ("never", 0, False),
    ],
)
def test_what_is_kept(build: Build, destroy: str, verify: int, is_destroyed: bool) -> None:
    taken = build(DESTROY=destroy, verbs={"verify": verify, "report": verify})
    assert ("destroy" in verbs_of(taken)) is is_destroyed


def test_several_pipelines_get_a_build_each(build: Build) -> None:
    taken = build(listing="web voting\ndb voting\nnew non-voting\n", CLOUD="prod")
    assert taken.stages() == ["Plan", "Fan out"]
    assert taken.events_of("parallel")[0]["branches"] == ["web", "db", "new"]
    parameters = [{p["name"]: p["value"] for p in e["parameters"]} for e in taken.steps("build")]
    assert [e["job"] for e in taken.steps("build")] == ["/shop/commit"] * 3
    assert parameters[0] == {
        "COMMIT": SHA,
        "PIPELINES": "web",
        "CLOUD": "prod",
        "DESTROY": "always",
    }
    assert [p["PIPELINES"] for p in parameters] == ["web", "db", "new"]


@pytest.mark.parametrize(
    ("children", "result"),
    [
        ({"new": "FAILURE"}, "SUCCESS"),
        ({"db": "UNSTABLE"}, "UNSTABLE"),
        ({"db": "UNSTABLE", "web": "FAILURE", "new": "ABORTED"}, "FAILURE"),
    ],
)
def test_their_results_count_if_they_vote(
    build: Build, children: Mapping[str, str], result: str
) -> None:
    listing = "web voting\ndb voting\nnew non-voting\n"
    assert build(listing=listing, children=children).result == result


def test_no_pipeline_at_all(build: Build) -> None:
    taken = build(listing="")
    assert taken.result == "SUCCESS"
    assert taken.stages() == ["Plan"]


def test_a_job_is_called_after_its_schedule(build: Build) -> None:
    (script, *_) = build().steps("sh")
    assert script["env"]["PIPELINES"] == "@commit"
    (script, *_) = build(PIPELINES="web db").steps("sh")
    assert script["env"]["PIPELINES"] == "web db"


def test_credentials_are_asked_for_where_there_is_a_cloud(build: Build) -> None:
    assert build().steps("withCredentials") == []
    taken = build(CLOUD="prod")
    credentials = {c["credentialsId"] for e in taken.steps("withCredentials") for c in e["wanted"]}
    assert credentials == {"infraci-clouds-yaml", "infraci-ssh-key"}
    by_verb = {
        v[1]: e["env"] for e in taken.steps("sh") if (v := re.search(r"infraci (\w+)", e["script"]))
    }
    for verb in ("plan", "provision", "configure", "verify", "destroy"):
        assert by_verb[verb]["OS_CLIENT_CONFIG_FILE"] == "/f", verb
        assert by_verb[verb]["INFRACI_CLOUD"] == "prod", verb
    assert "OS_CLIENT_CONFIG_FILE" not in by_verb["report"]


@pytest.mark.parametrize("parameter", list(DEFAULTS))
def test_no_parameter_is_ever_part_of_a_script(build: Build, parameter: str) -> None:
    hostile = "$(touch /tmp/x)'\"; echo `id`"
    for listing in ("web voting\n", "web voting\ndb voting\n"):
        taken = build(listing=listing, **{parameter: hostile})  # type: ignore[arg-type]
        assert all(
            "touch" not in e["script"] and "`id`" not in e["script"] for e in taken.steps("sh")
        )


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (("agent none", ""), "agent is missing"),
        (("always {", "allways {"), "allways may not stand in post"),
        (("when {", "wen {"), "wen may not stand in stage"),
        (("skipDefaultCheckout()", "skipCheckout()"), "no option skipCheckout"),
        (("junit testResults", "jnuit testResults"), "jnuit is not known to the fake Jenkins"),
        (("when { expression { wellSoFar } }", "echo('')"), "echo may not stand in stage"),
    ],
)
def test_the_stand_in_finds_mistakes(
    build: Build, tmp_path: Path, mistake: tuple[str, str], message: str
) -> None:
    wrong = tmp_path / "Jenkinsfile"
    wrong.write_text(JENKINSFILE.read_text().replace(*mistake, 1))
    taken = build(wrong)
    assert taken.result is None
    assert message in taken.events_of("wrong")[0]["message"]
