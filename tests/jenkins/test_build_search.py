"""Commits that a search has built on a controller's agents."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.base.deadline import Deadline
from infraci.base.interrupts import Interrupts
from infraci.errors import InterruptedRunError
from infraci.history import History, dump
from infraci.jenkins.build_search import Builds
from infraci.jenkins.controller import Controller
from infraci.model.run import Verdict
from tests.history.repository import KNOWN, Repository
from tests.jenkins.conftest import Connect
from tests.jenkins.fake_jenkins import FakeJenkins
from tests.jenkins.projects import FOLDER, project

PARAMETERS = ("COMMIT", "PIPELINES", "CLOUD", "DESTROY")
INVALID = """\
<testsuites><testsuite name="web plan" tests="1"><properties>
<property name="infraci.commit" value="$COMMIT"/>
<property name="infraci.verdict" value="invalid"/>
</properties></testsuite></testsuites>
"""


@pytest.fixture
def controller(connect: Connect) -> Controller:
    made = connect()
    made.create(FOLDER)
    return made


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(folder=tmp_path / "shop")
    made.folder.mkdir()
    made.git("init", "--quiet")
    return made


def builds(controller: Controller, repository: Repository, messages: list[str]) -> Builds:
    return Builds(
        root=repository.folder,
        controller=controller,
        pipeline="web",
        cloud="moon",
        tell=messages.append,
    )


def test_what_builds_found_comes_back_in_order(
    controller: Controller, repository: Repository, tmp_path: Path
) -> None:
    good, bad, silent = (repository.commit() for _ in range(3))
    for sha, verdict in ((good, Verdict.PASSED), (bad, Verdict.FAILED)):
        (tmp_path / sha).write_text(dump(replace(KNOWN, run=sha[:8], verdict=verdict)))
    controller.create(
        project(
            f'echo "$PIPELINES $CLOUD $DESTROY" >> {tmp_path}/built\n'
            f"rm -rf out; mkdir -p out/web; cp {tmp_path}/$COMMIT out/web/result.json",
            parameters=PARAMETERS,
        ),
        "commit",
    )
    messages: list[str] = []
    results = builds(controller, repository, messages)([bad, good, silent])
    assert [result and (result.run, result.verdict, result.of_search) for result in results] == [
        (bad[:8], Verdict.FAILED, True),
        (good[:8], Verdict.PASSED, True),
        None,
    ]
    assert (tmp_path / "built").read_text().splitlines() == ["web moon always"] * 3
    known = History(repository.folder).results([good, bad, silent])
    assert {sha: [r.run for r in results] for sha, results in known.items()} == {
        good: [good[:8]],
        bad: [bad[:8]],
    }
    assert any(line.startswith(f"{silent[:10]}: no result (http") for line in messages)


def test_a_commit_whose_files_are_wrong_is_invalid(
    controller: Controller, repository: Repository
) -> None:
    wrong = project(f"cat > web.xml <<END\n{INVALID}END\nexit 2", parameters=PARAMETERS)
    controller.create(wrong.replace("out/**", "*.xml"), "commit")
    (result,) = builds(controller, repository, [])([repository.commit()])
    assert result is not None
    assert (result.verdict, result.pipeline, result.cloud) == (Verdict.INVALID, "web", "moon")


def test_an_interruption_aborts_the_builds(
    controller: Controller, repository: Repository, jenkins: FakeJenkins, tmp_path: Path
) -> None:
    controller.create(project("sleep 600", parameters=PARAMETERS), "commit")
    shas = [repository.commit(), repository.commit()]
    (job,) = jenkins.state.jobs()

    def interrupt() -> None:
        for _ in Deadline(60, phase="the test").poll("one to be built, one to be queued"):
            if job.builds and len(jenkins.state.queue) == 2:
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=interrupt)

    def search_interrupted() -> None:
        with Interrupts():
            thread.start()
            builds(controller, repository, [])(shas)

    with pytest.raises(InterruptedRunError):
        search_interrupted()
    thread.join()
    assert job.builds[0].is_stopped.is_set()
    assert [entry.cancelled for entry in jenkins.state.queue.values() if not entry.number] == [True]
