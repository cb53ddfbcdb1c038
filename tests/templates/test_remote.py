"""Files from the web: refused, unless the pipeline allows them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest

from infraci.model.pipeline import StackDefinition
from infraci.model.problem import TemplateError
from infraci.templates import StackRequest, load_stack
from tests.model.trees import write

HOT = "heat_template_version: 2021-04-16\n"
PAGES = {
    "/lib/node.yaml": HOT + "outputs: {a: {value: {get_file: ../boot.sh}}}\n",
    "/boot.sh": "#!/bin/sh\n",
    "/round.yaml": HOT + "resources: {a: {type: round.yaml}}\n",
}


class Web(BaseHTTPRequestHandler):
    """Answers with the pages."""

    def do_GET(self) -> None:
        page = PAGES.get(self.path)
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, *arguments: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def load(tree: Path, text: str, *, allow_remote: bool = True) -> StackRequest:
    write(tree, "t.yaml", HOT + text)
    stack = StackDefinition(template=PurePosixPath("t.yaml"), allow_remote=allow_remote)
    return load_stack(stack, root=tree)


def test_what_is_allowed_is_fetched_and_followed(tmp_path: Path, web: str) -> None:
    request = load(tmp_path, f"resources: {{a: {{type: {web}/lib/node.yaml}}}}\n")
    assert request.template["resources"]["a"]["type"] == f"{web}/lib/node.yaml"
    assert request.files[f"{web}/boot.sh"] == "#!/bin/sh\n"


@pytest.mark.parametrize(
    ("path", "allow_remote", "message"),
    [
        ("lib/node.yaml", False, "is not a file of the repository (stack: allow_remote: true"),
        ("gone.yaml", True, "/gone.yaml: cannot be fetched: 404 Client Error"),
        ("round.yaml", True, '"round.yaml" contains itself'),
    ],
)
def test_what_is_wrong(
    tmp_path: Path, web: str, path: str, *, allow_remote: bool, message: str
) -> None:
    text = f"resources: {{a: {{type: {web}/{path}}}}}\n"
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, text, allow_remote=allow_remote)
    (problem,) = caught.value.problems
    assert message in str(problem)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="cannot be fetched"):
        load(tmp_path, "outputs: {a: {value: {get_file: 'http://127.0.0.1:1/boot.sh'}}}\n")
