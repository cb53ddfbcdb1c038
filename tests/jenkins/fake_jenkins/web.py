"""The controller's web interface."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import threading
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.jenkins.fake_jenkins.agent import Agent
from tests.jenkins.fake_jenkins.state import BuildState, Item, Refused, State, as_jenkins_writes
from tests.jenkins.interpreter import Interpreter

USER, PASSWORD, TOKEN = "someone", "pass-word", "11aa22bb33cc44dd55ee66ff77aa88bb99"
VERSION = "2.452.2"


class FakeJenkins:
    """A controller on loopback, and its agents; a context manager."""

    def __init__(
        self,
        home: Path,
        *,
        environment: Mapping[str, str] | None = None,
        interpreter: Interpreter | None = None,
        queue_memory_s: float = 300.0,
        agents: int = 1,
    ) -> None:
        self.state = State(home, queue_memory_s=queue_memory_s)
        self.requests: list[str] = []  # "POST /job/…", in order
        self.secrets_seen: list[str] = []  # URLs and bodies, to look for what should not be there
        self.faults: list[str] = []  # what befalls the next requests: "503", "reset"
        self.credentials = ["infraci-clouds-yaml"]
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.jenkins = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._server.serve_forever, args=(0.05,))]
        for _ in range(agents):
            agent = Agent(
                state=self.state,
                environment=dict(os.environ) if environment is None else environment,
                url=self.url,
                ended=self._ended,
                interpreter=interpreter,
            )
            self._threads.append(threading.Thread(target=agent.work))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        for job in self.state.jobs():
            for build in job.builds:
                build.is_stopped.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    jenkins: FakeJenkins


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    _sessions: dict[str, str] = {}  # noqa: RUF012 - of all requests: session, and its crumb

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        jenkins = self.server.jenkins
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        jenkins.requests.append(f"{method} {self.path}")
        jenkins.secrets_seen += [self.path, body.decode(errors="replace")]
        if jenkins.faults:
            fault = jenkins.faults.pop(0)
            if fault == "reset":
                self.close_connection = True
                self.connection.close()
                return
            self._send(int(fault), b"<html>Please wait</html>")
            return
        try:
            by_token = self._who()
            if method == "POST" and not by_token:
                self._check_crumb()
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
            path = [urllib.parse.unquote(part) for part in url.path.split("/") if part]
            if method == "GET":
                self._get(path, query)
            else:
                self._post(path, query, form, body.decode())
        except Refused as refused:
            self._send(refused.status, b"<html><h2>Oops!</h2></html>")

    def _who(self) -> bool:
        """Whether it was by a token; 401 for a wrong one, 403 for nobody."""
        kind, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            raise Refused(403)
        user, _, secret = base64.b64decode(credentials).decode().partition(":")
        if user != USER or secret not in (PASSWORD, TOKEN):
            raise Refused(401)
        return secret == TOKEN

    def _session(self) -> str:
        session = re.search(r"JSESSIONID=(\w+)", self.headers.get("Cookie", ""))
        return session[1] if session else ""

    def _check_crumb(self) -> None:
        if self._sessions.get(self._session(), "none") != self.headers.get("Jenkins-Crumb"):
            raise Refused(403)

    def _send(
        self,
        status: int,
        content: bytes = b"",
        kind: str = "text/html",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("X-Jenkins", VERSION)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _data(
        self, data: Any, query: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> None:
        """A Python literal of what the tree asks for."""
        shown = prune(data, query["tree"]) if "tree" in query else data
        self._send(200, as_literal(shown).encode(), "text/x-python", headers)

    def _get(self, path: list[str], query: Mapping[str, str]) -> None:
        jenkins = self.server.jenkins
        match path:
            case []:
                self._send(200, b"<html>Jenkins</html>")
            case ["crumbIssuer", "api", "python"]:
                session = self._session() or secrets.token_hex(8)
                crumb = self._sessions.setdefault(session, secrets.token_hex(8))
                data = {"crumb": crumb, "crumbRequestField": "Jenkins-Crumb"}
                self._data(data, query, {"Set-Cookie": f"JSESSIONID={session}; Path=/"})
            case ["credentials", "store", "system", "domain", "_", "api", "python"]:
                self._data({"credentials": [{"id": c} for c in jenkins.credentials]}, query)
            case ["queue", "item", number, "api", "python"]:
                self._data(self._queue_item(int(number)), query)
            case _:
                names, rest = split(path)
                self._get_item(jenkins.state.find(names), rest, query)

    def _get_item(self, item: Item, rest: list[str], query: Mapping[str, str]) -> None:
        match rest:
            case ["api", "python"]:
                self._data(self._item(item), query)
            case ["config.xml"] if item.name:
                self._send(200, item.xml.encode(), "application/xml")
            case [number, *inner] if number.isdigit():
                builds = [b for b in item.builds if b.number == int(number)]
                if not builds:
                    raise Refused(404)
                self._get_build(item, builds[0], inner, query)
            case _:
                raise Refused(404)

    def _get_build(
        self, item: Item, build: BuildState, rest: list[str], query: Mapping[str, str]
    ) -> None:
        match rest:
            case ["api", "python"]:
                self._data(self._build(item, build), query)
            case ["consoleText"]:
                self._send(200, build.console.read_bytes(), "text/plain")
            case ["logText", "progressiveText"]:
                content = build.console.read_bytes()
                start = int(query.get("start", "0"))
                headers = {"X-Text-Size": str(len(content))}
                if build.building:
                    headers["X-More-Data"] = "true"
                self._send(200, content[start:], "text/plain", headers)
            case ["artifact", *path] if "/".join(path) in build.artifacts:
                self._send(200, build.artifacts["/".join(path)].read_bytes(), "application/x")
            case ["testReport", "api", "python"] if build.reports:
                self._data(test_report(build.reports), query)
            case ["wfapi", "describe"] if build.stages:
                content = json.dumps({"stages": build.stages}).encode()
                self._send(200, content, "application/json")
            case _:
                raise Refused(404)

    def _post(
        self, path: list[str], query: Mapping[str, str], form: dict[str, str], body: str
    ) -> None:
        state = self.server.jenkins.state
        if path == ["pipeline-model-converter", "validate"]:
            good = "pipeline {" in form.get("jenkinsfile", "")
            verdict = "Jenkinsfile successfully validated." if good else (
                "Errors encountered validating Jenkinsfile:\nWorkflowScript: 1: no pipeline"
            )  # fmt: skip
            self._send(200, verdict.encode(), "text/plain")
            return
        if path == ["queue", "cancelItem"]:
            entry = state.entry(int(query["id"]))
            entry.cancelled = entry.number is None  # what has left the queue goes on
            self._send(204)
            return
        names, rest = split(path)
        item = state.find(names)
        match rest:
            case ["createItem"]:
                state.create(item, query["name"], body)
                self._send(200)
            case ["config.xml"]:
                item.xml = as_jenkins_writes(body)
                self._send(200)
            case ["doDelete"]:
                del state.find(names[:-1]).items[item.name]
                self._send(302, headers={"Location": self.server.jenkins.url})
            case ["disable" | "enable" as verb]:
                item.disabled = verb == "disable"
                self._send(302, headers={"Location": self.server.jenkins.url})
            case ["build"] if item.parameters:
                raise Refused(400)
            case ["build" | "buildWithParameters" as verb]:
                if verb == "buildWithParameters" and not item.parameters:
                    raise Refused(400)
                entry = state.enqueue(item, form | dict(query))
                location = f"{self.server.jenkins.url}/queue/item/{entry.id}/"
                self._send(201, headers={"Location": location})
            case [number, "stop"]:
                next(b for b in item.builds if b.number == int(number)).is_stopped.set()
                self._send(302, headers={"Location": self.server.jenkins.url})
            case _:
                raise Refused(404)

    def _item_url(self, item: Item) -> str:
        path = "".join(f"job/{urllib.parse.quote(n)}/" for n in item.full_name.split("/") if n)
        return f"{self.server.jenkins.url}/{path}"

    def _item(self, item: Item) -> dict[str, Any]:
        data: dict[str, Any] = {"name": item.name, "url": self._item_url(item)}
        if item.is_folder:
            return data | {"jobs": [self._item(inner) for inner in item.items.values()]}
        newest = [self._build(item, build) for build in reversed(item.builds)]
        parameters = [{"name": n, "type": "StringParameterDefinition"} for n in item.parameters]
        return data | {
            "buildable": not item.disabled,
            "color": "disabled" if item.disabled else "notbuilt",
            "builds": newest[:100],
            "allBuilds": newest,
            "firstBuild": newest[-1] if newest else None,
            "lastBuild": newest[0] if newest else None,
            "inQueue": False,
            "description": item.config.findtext("description"),
            "property": [{"parameterDefinitions": parameters}] if parameters else [],
            "actions": [{"parameterDefinitions": parameters}] if parameters else [],
        }

    def _build(self, item: Item, build: BuildState) -> dict[str, Any]:
        parameters = [{"name": n, "value": v} for n, v in build.parameters.items()]
        return {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
            "actions": [
                {"_class": "hudson.model.ParametersAction", "parameters": parameters},
                {},
                *_test_action(build.reports),
            ],
            "number": build.number,
            "url": f"{self._item_url(item)}{build.number}/",
            "fullDisplayName": f"{item.full_name} #{build.number}",
            "building": build.building,
            "result": None if build.building else build.result,
            "description": build.description,
            "queueId": build.queue_id,
            "timestamp": int(build.began * 1000),
            "duration": int(build.duration_s * 1000),
            "artifacts": [
                {"relativePath": path, "fileName": Path(path).name} for path in build.artifacts
            ],
            "changeSets": [],
            "culprits": [],
        }

    def _queue_item(self, number: int) -> dict[str, Any]:
        entry = self.server.jenkins.state.entry(number)
        url = self._item_url(entry.item)
        data = {
            "id": entry.id,
            "task": {"name": entry.item.name, "url": url},
            "cancelled": entry.cancelled,
            "why": None if entry.number else "Waiting for next available executor",
            "actions": [],
        }
        if entry.number:
            data["executable"] = {"number": entry.number, "url": f"{url}{entry.number}/"}
        return data


def _test_action(reports: list[bytes]) -> list[dict[str, Any]]:
    if not reports:
        return []
    report = test_report(reports)
    counts = {name: report[name] for name in ("failCount", "skipCount")}
    total = sum(len(suite["cases"]) for suite in report["suites"])
    return [{**counts, "totalCount": total, "urlName": "testReport"}]


def split(path: list[str]) -> tuple[list[str], list[str]]:
    """The names in ``job/A/job/B/…``, and the rest."""
    names = []
    while len(path) > 1 and path[0] == "job":
        names.append(path[1])
        path = path[2:]
    return names, path


def as_literal(data: Any) -> str:
    """A Python literal as Jenkins writes it: strings as in JSON, but True, False and None."""
    if isinstance(data, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{as_literal(v)}" for k, v in data.items()) + "}"
    if isinstance(data, list):
        return "[" + ",".join(map(as_literal, data)) + "]"
    return json.dumps(data) if isinstance(data, str) else repr(data)


def prune(data: Any, tree: str) -> Any:
    """What a tree such as ``jobs[name,builds[number]{0,10}]`` leaves of data."""
    fields: dict[str, tuple[str, str]] = {}
    depth, start = 0, 0
    for at, character in enumerate(tree + ","):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            field = re.fullmatch(r"(\w+)(?:\[(.*)\])?(?:\{(.*)\})?", tree[start:at])
            assert field, tree
            fields[field[1]] = (field[2] or "", field[3] or "")
            start = at + 1

    def take(value: Any, inner: str, span: str) -> Any:
        if isinstance(value, list):
            begin, _, end = span.partition(",")
            chosen = value[int(begin or 0) : int(end) if end else None]
            return [take(one, inner, "") for one in chosen]
        return prune(value, inner) if isinstance(value, dict) and inner else value

    return {n: take(data[n], *how) for n, how in fields.items() if n in data}


def test_report(reports: list[bytes]) -> dict[str, Any]:
    """What the junit plugin makes of reports."""
    suites = [s for report in reports for s in ET.fromstring(report).iter("testsuite")]
    shown, counts = [], {"FAILED": 0, "PASSED": 0, "SKIPPED": 0}
    for suite in suites:
        cases = []
        for case in suite.iter("testcase"):
            tags = {child.tag for child in case}
            status = "SKIPPED" if "skipped" in tags else "PASSED"
            status = "FAILED" if tags & {"failure", "error"} else status
            counts[status] += 1
            name = {"name": case.get("name"), "className": case.get("classname")}
            cases.append({**name, "status": status, "duration": float(case.get("time") or 0)})
        shown.append({"name": suite.get("name"), "cases": cases})
    return {
        "failCount": counts["FAILED"],
        "passCount": counts["PASSED"],
        "skipCount": counts["SKIPPED"],
        "suites": shown,
    }


test_report.__test__ = False  # type: ignore[attr-defined]
