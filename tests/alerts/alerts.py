"""Results of commits, made by hand."""

from __future__ import annotations

from infraci.jenkins.builds import Build
from infraci.jenkins.results import CommitResult, FailedTestcase, PipelineResult
from infraci.model.run import Verdict

HOSTILE = "<b>&[x](http://evil)\r\nBcc: all@example.org\x1b[2J"


def sha_of(number: int) -> str:
    """The sha of the commit of that number."""
    return f"{number:040x}"


def build(number: int, *, is_building: bool = False) -> Build:
    """A build of that commit."""
    return Build(
        job="commit",
        number=number,
        url=f"https://ci.example.org/job/shop/job/commit/{number}/",
        commit=sha_of(number),
        is_building=is_building,
        result=None if is_building else "SUCCESS",
        queue_id=number,
        began=float(number),
        duration_s=1.0,
        artifacts=(),
    )


def pipeline(
    number: int,
    verdict: Verdict,
    *,
    name: str = "web",
    voting: bool = True,
    email: str = "ada@example.org",
) -> PipelineResult:
    """What a pipeline says of that commit, whose subject is hostile."""
    failure = FailedTestcase(
        name="test_port[web]", classname="specs.web", message=f"no {HOSTILE}", is_error=False
    )
    return PipelineResult(
        pipeline=name,
        voting=voting,
        verdict=verdict,
        cause=f"web: specs/web failed: no {HOSTILE}" if verdict is Verdict.FAILED else "",
        author=f"Ada {HOSTILE}",
        email=email,
        subject=f"Change {HOSTILE}",
        tests=3,
        failures=(failure,) if verdict is Verdict.FAILED else (),
        build=build(number),
    )


def commit(number: int, *pipelines: PipelineResult, is_building: bool = False) -> CommitResult:
    """What is known of that commit."""
    return CommitResult(
        sha=sha_of(number),
        pipelines=pipelines,
        builds=(build(number, is_building=is_building),) if pipelines or is_building else (),
        doubts=(),
    )
