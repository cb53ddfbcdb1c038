"""Asks a Jenkins controller for the folder's jobs, configurations, queue, builds and artifacts."""

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
from infraci.jenkins.requester import RETRY_S, RetryingRequester, check_response, literal
from infraci.jenkins.settings import Settings

#: For one answer.
TIMEOUT_S = 20.0
_BUILD = (
    "number,url,building,result,description,queueId,timestamp,duration,"
    "artifacts[relativePath],actions[parameters[name,value]]"
)
_CREDENTIALS = "credentials/store/system/domain/_"


class Controller:
    """The folder of a controller that holds the repository's jobs."""

    def __init__(self, settings: Settings, *, retry_s: float = RETRY_S) -> None:
        self.folder = settings.folder
        self._base = settings.url
        requester = RetryingRequester(
            settings.user,
            settings.token,
            baseurl=settings.url,
            timeout=TIMEOUT_S,
            max_retries=None,
            retry_s=retry_s,
        )
        self._requester = requester
        self._jenkins = Jenkins(settings.url, requester=requester, lazy=True, timeout=TIMEOUT_S)

    def url(self, job: str = "") -> str:
        """The URL of a job of the folder, or of the folder itself."""
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
        check_response(response, f"read the configuration of {job or self.folder}")
        return str(response.text)

    def create(self, xml: str, job: str = "") -> None:
        """Make a job, or the folder."""
        parent, _, name = f"{self.url(job)}".rpartition("/job/")
        self._send_xml(f"{parent}/createItem?name={name}", xml, f"create {job or self.folder}")

    def configure(self, xml: str, job: str = "") -> None:
        """Replace a job's configuration, or the folder's."""
        self._send_xml(f"{self.url(job)}/config.xml", xml, f"configure {job or self.folder}")

    def delete(self, job: str) -> None:
        """Delete a job; a missing one is no error."""
        response = self._requester.post_url(
            f"{self.url(job)}/doDelete", data="delete", allow_redirects=False
        )
        check_response(response, f"delete {job}", accepted=(200, 302, 404))

    def validate(self, jenkinsfile: str) -> str | None:
        """The errors that Jenkins finds in a Jenkinsfile; None if it finds none or cannot."""
        response = self._requester.post_url(
            f"{self._base}/pipeline-model-converter/validate",
            data={"jenkinsfile": jenkinsfile},
        )
        if response.status_code == 404:
            return None
        check_response(response, "validate the Jenkinsfile")
        text = str(response.text).strip()
        return text if text.startswith("Errors encountered") else None

    def missing_credentials(self, names: Sequence[str]) -> tuple[str, ...]:
        """The credentials that the controller lacks; none if the user may not list them."""
        response = self._requester.get_url(
            f"{self._base}/{_CREDENTIALS}/api/python", {"tree": "credentials[id]"}
        )
        if response.status_code != 200:
            return ()
        known = {credential["id"] for credential in literal(response)["credentials"]}
        return tuple(name for name in names if name not in known)

    def trigger(self, job: str, parameters: Mapping[str, str]) -> Queued:
        """Queue a build of a job.

        It fetches the job each time, since a job may have parameters only since its first run.
        """
        fetched = self._job(job)
        if not fetched.has_params():
            raise JenkinsError(
                f"cannot build {job}: the job has no parameters",
                hint="`infraci jenkins setup` gives it some",
            )
        if not fetched._data.get("buildable", True):
            raise JenkinsError(
                f"cannot build {job}: the job is disabled", hint=f"enable it: {self.url(job)}"
            )
        try:
            item = fetched.invoke(build_params=dict(parameters))
        except JenkinsAPIException as error:  # its text has the parameters, and a page
            raise JenkinsError(f"cannot build {job}: Jenkins refuses it") from error
        except requests.HTTPError as error:  # the item has left the queue already
            number = _response(error).url.partition("/queue/item/")[2].partition("/")[0]
            return Queued(job=job, id=int(number))
        except ValueError as error:
            raise JenkinsError(
                f"cannot build {job}: Jenkins is configured with another URL than {self._base}",
                hint="use that URL, or correct it in Manage Jenkins, System, Jenkins URL; the "
                "build is in the queue",
            ) from error
        return Queued(job=job, id=int(item.queue_id))

    def build_in_queue(self, queued: Queued) -> int | None:
        """The number of the build of a queue item; None while it waits.

        Jenkins forgets an item some minutes after it has left the queue; then the builds are
        searched. Raises NoSuchJobError if the item was cancelled.
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
        """The current state of a build."""
        what = f"look at build {number} of {job}"
        return build_of(job, self._get(f"{self.url(job)}/{number}/api/python", what, tree=_BUILD))

    def builds(self, job: str) -> Iterator[Build]:
        """The builds of a job, the newest first."""
        for begin in range(0, 1_000_000, _PAGE):
            tree = f"allBuilds[{_BUILD}]{{{begin},{begin + _PAGE}}}"
            page = self._get(f"{self.url(job)}/api/python", f"list the builds of {job}", tree=tree)
            for data in page["allBuilds"]:
                yield build_of(job, data)
            if len(page["allBuilds"]) < _PAGE:
                return

    def stages(self, job: str, number: int) -> tuple[Stage, ...]:
        """The stages of a build so far; none if the plugin for them is missing."""
        response = self._requester.get_url(f"{self.url(job)}/{number}/wfapi/describe")
        if response.status_code != 200:
            return ()
        return tuple(stage_of(data) for data in response.json().get("stages", ()))

    def artifact(self, build: Build, path: str) -> bytes:
        """The content of an archived file."""
        url = f"{self.url(build.job)}/{build.number}/artifact/{quote(path)}"
        response = self._requester.get_url(url)
        check_response(response, f"read {path} of build {build.number}")
        return bytes(response.content)

    def stop(self, job: str, number: int) -> None:
        """Abort a build."""
        response = self._requester.post_url(
            f"{self.url(job)}/{number}/stop", data="stop", allow_redirects=False
        )
        check_response(response, f"abort build {number}", accepted=(200, 302))

    def cancel(self, queued: Queued) -> None:
        """Remove a build from the queue; a missing one is no error."""
        response = self._requester.post_url(
            f"{self._base}/queue/cancelItem",
            {"id": queued.id},
            data="cancel",
            allow_redirects=False,
        )
        check_response(response, "cancel a build in the queue", accepted=(200, 204, 302, 404))

    def _job(self, job: str) -> Job:
        try:
            return self._jenkins.get_job_by_url(self.url(job), job)
        except requests.HTTPError as error:
            check_response(_response(error), f"find the job {self.folder}/{job}")
            raise

    def _get(self, url: str, what: str, *, tree: str) -> Any:
        response = self._requester.get_url(url, {"tree": tree})
        check_response(response, what)
        return literal(response)

    def _send_xml(self, url: str, xml: str, what: str) -> None:
        response = self._requester.post_url(
            url, data=xml.encode(), headers={"Content-Type": "text/xml; charset=utf-8"}
        )
        check_response(response, what)


_PAGE = 100


def _response(error: requests.HTTPError) -> requests.Response:
    """The response in an error of jenkinsapi's."""
    if error.response is None:
        raise JenkinsError("cannot read Jenkins' answer: there is none") from error
    return error.response
