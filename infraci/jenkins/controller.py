"""A controller: its folder with our jobs, their configuration, queue, builds and artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests
from jenkinsapi.custom_exceptions import JenkinsAPIException
from jenkinsapi.jenkins import Jenkins
from jenkinsapi.job import Job
from jenkinsapi.queue import QueueItem

from infraci.jenkins.builds import Build, Queued, Stage, build_of, stage_of
from infraci.jenkins.jenkins_error import JenkinsError, NoSuchJobError
from infraci.jenkins.requester import PATIENCE_S, PatientRequester, judge, literal
from infraci.jenkins.settings import Settings

#: For one answer.
TIMEOUT_S = 20.0
_BUILD = (
    "number,url,building,result,description,queueId,timestamp,duration,"
    "artifacts[relativePath],actions[parameters[name,value]]"
)
_CREDENTIALS = "credentials/store/system/domain/_"


class Controller:
    """The repository's folder of a controller."""

    def __init__(self, settings: Settings, *, patience_s: float = PATIENCE_S) -> None:
        self.folder = settings.folder
        self._base = settings.url
        requester = PatientRequester(
            settings.user,
            settings.token,
            baseurl=settings.url,
            timeout=TIMEOUT_S,
            max_retries=None,
            patience_s=patience_s,
        )
        self._requester = requester
        self._jenkins = Jenkins(settings.url, requester=requester, lazy=True, timeout=TIMEOUT_S)

    def url(self, job: str = "") -> str:
        """Where a job of the folder is, or the folder itself."""
        parts = [part for part in f"{self.folder}/{job}".split("/") if part]
        return self._base + "".join(f"/job/{quote(part, safe='')}" for part in parts)

    def jobs(self) -> tuple[str, ...]:
        """The names of the folder's jobs. Raises NoSuchJobError if there is no folder."""
        data = self._get(f"{self.url()}/api/python", "list the jobs", tree="jobs[name]")
        return tuple(job["name"] for job in data["jobs"])

    def configuration(self, job: str = "") -> str | None:
        """The config.xml of a job, or of the folder; None where there is none."""
        response = self._requester.get_url(f"{self.url(job)}/config.xml")
        if response.status_code == 404:
            return None
        judge(response, f"read the configuration of {job or self.folder}")
        return str(response.text)

    def create(self, xml: str, job: str = "") -> None:
        """Make a job, or the folder."""
        around, _, name = f"{self.url(job)}".rpartition("/job/")
        self._send_xml(f"{around}/createItem?name={name}", xml, f"create {job or self.folder}")

    def configure(self, xml: str, job: str = "") -> None:
        """Replace a job's configuration, or the folder's."""
        self._send_xml(f"{self.url(job)}/config.xml", xml, f"configure {job or self.folder}")

    def delete(self, job: str) -> None:
        """Delete a job; gone already is no error."""
        response = self._requester.post_url(
            f"{self.url(job)}/doDelete", data="delete", allow_redirects=False
        )
        judge(response, f"delete {job}", well=(200, 302, 404))

    def validate(self, jenkinsfile: str) -> str | None:
        """What Jenkins finds wrong with a Jenkinsfile; None if nothing, or if it cannot say."""
        response = self._requester.post_url(
            f"{self._base}/pipeline-model-converter/validate",
            data={"jenkinsfile": jenkinsfile},
        )
        if response.status_code == 404:
            return None
        judge(response, "have the Jenkinsfile validated")
        text = str(response.text).strip()
        return text if text.startswith("Errors encountered") else None

    def missing_credentials(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Those that the controller does not have; none if the user may not see them."""
        response = self._requester.get_url(
            f"{self._base}/{_CREDENTIALS}/api/python", {"tree": "credentials[id]"}
        )
        if response.status_code != 200:
            return ()
        known = {credential["id"] for credential in literal(response)["credentials"]}
        return tuple(name for name in wanted if name not in known)

    def trigger(self, job: str, parameters: Mapping[str, str]) -> Queued:
        """Have a job built; returns its place in the queue.

        The job is fetched anew each time: its parameters may exist since its first run only.
        """
        found = self._job(job)
        if not found.has_params():
            raise JenkinsError(
                f"cannot build {job}: the job has no parameters",
                hint="`infraci jenkins setup` gives it some",
            )
        if not found._data.get("buildable", True):
            raise JenkinsError(
                f"cannot build {job}: the job is disabled", hint=f"enable it: {self.url(job)}"
            )
        try:
            item = found.invoke(build_params=dict(parameters))
        except JenkinsAPIException as error:  # its text holds what was sent, and a page
            raise JenkinsError(f"cannot build {job}: Jenkins refuses it") from error
        except requests.HTTPError as error:  # it has left the queue within a moment
            number = _response(error).url.partition("/queue/item/")[2].partition("/")[0]
            return Queued(job=job, id=int(number))
        except ValueError as error:
            raise JenkinsError(
                f"cannot build {job}: Jenkins calls itself by another URL than {self._base}",
                hint="give that one, or mend it in Manage Jenkins, System, Jenkins URL; the build "
                "has been queued",
            ) from error
        return Queued(job=job, id=int(item.queue_id))

    def build_in_queue(self, queued: Queued) -> int | None:
        """The number of the build that was queued; None while it waits.

        An item vanishes some minutes after it has left the queue: then the builds are asked.
        Raises NoSuchJobError when it was cancelled.
        """
        try:
            item = QueueItem(f"{self._base}/queue/item/{queued.id}", self._jenkins)
        except requests.HTTPError:
            for build in self.builds(queued.job):
                if build.queue_id == queued.id:
                    return build.number
            return None
        if item._data.get("cancelled"):
            raise NoSuchJobError("cannot watch the build: it was cancelled while it was queued")
        executable = item._data.get("executable")
        return int(executable["number"]) if executable else None

    def build(self, job: str, number: int) -> Build:
        """A build as it is now."""
        what = f"look at build {number} of {job}"
        return build_of(job, self._get(f"{self.url(job)}/{number}/api/python", what, tree=_BUILD))

    def builds(self, job: str) -> Iterator[Build]:
        """The builds of a job, the newest first."""
        for begin in range(0, 1_000_000, _PAGE):
            tree = f"allBuilds[{_BUILD}]{{{begin},{begin + _PAGE}}}"
            found = self._get(f"{self.url(job)}/api/python", f"list the builds of {job}", tree=tree)
            for data in found["allBuilds"]:
                yield build_of(job, data)
            if len(found["allBuilds"]) < _PAGE:
                return

    def stages(self, job: str, number: int) -> tuple[Stage, ...]:
        """The stages of a build so far; none if the plugin that knows them is missing."""
        response = self._requester.get_url(f"{self.url(job)}/{number}/wfapi/describe")
        if response.status_code != 200:
            return ()
        return tuple(stage_of(data) for data in response.json().get("stages", ()))

    def artifact(self, build: Build, path: str) -> bytes:
        """The content of an archived file."""
        url = f"{self.url(build.job)}/{build.number}/artifact/{quote(path)}"
        response = self._requester.get_url(url)
        judge(response, f"read {path} of build {build.number}")
        return bytes(response.content)

    def stop(self, job: str, number: int) -> None:
        """Abort a build."""
        response = self._requester.post_url(
            f"{self.url(job)}/{number}/stop", data="stop", allow_redirects=False
        )
        judge(response, f"abort build {number}", well=(200, 302))

    def cancel(self, queued: Queued) -> None:
        """Take a build out of the queue; gone already is no error."""
        response = self._requester.post_url(
            f"{self._base}/queue/cancelItem",
            {"id": queued.id},
            data="cancel",
            allow_redirects=False,
        )
        judge(response, "cancel a build in the queue", well=(200, 204, 302, 404))

    def _job(self, job: str) -> Job:
        try:
            return self._jenkins.get_job_by_url(self.url(job), job)
        except requests.HTTPError as error:
            judge(_response(error), f"find the job {self.folder}/{job}")
            raise

    def _get(self, url: str, what: str, *, tree: str) -> Any:
        response = self._requester.get_url(url, {"tree": tree})
        judge(response, what)
        return literal(response)

    def _send_xml(self, url: str, xml: str, what: str) -> None:
        response = self._requester.post_url(
            url, data=xml.encode(), headers={"Content-Type": "text/xml; charset=utf-8"}
        )
        judge(response, what)


_PAGE = 100


def _response(error: requests.HTTPError) -> requests.Response:
    """The answer that jenkinsapi has raised."""
    if error.response is None:
        raise JenkinsError("cannot understand Jenkins: it gave no answer") from error
    return error.response
