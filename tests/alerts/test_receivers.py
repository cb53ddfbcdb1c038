"""Alerts reach people: by a real SMTP server, and a real web server."""

from __future__ import annotations

import json
import socket
import threading
from asyncio import AbstractServer
from collections.abc import Awaitable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from infraci.alerts import mail, webhook
from infraci.alerts.alert import Alert, AlertKind
from infraci.app.jenkins_alerts import Receivers, receivers
from infraci.errors import InfraciError, UsageError
from infraci.model.run import Verdict
from tests.alerts.alerts import pipeline, sha_of


def alert(kind: AlertKind = AlertKind.FAILURE, email: str = "ada@example.org") -> Alert:
    verdict = Verdict.FAILED if kind is AlertKind.FAILURE else Verdict.PASSED
    return Alert(
        kind=kind,
        branch="main",
        sha=sha_of(7),
        result=pipeline(7, verdict, email=email),
        suspects=(sha_of(7),),
        broken_by=sha_of(5) if kind is AlertKind.RECOVERY else "",
    )


class Box:
    """A mailbox behind an SMTP server."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append((list(envelope.rcpt_tos), message))
        return "250 OK"


class BoundController(Controller):
    """aiosmtpd on a socket that is bound already: it cannot choose a free port itself."""

    def __init__(self, box: Box, listener: socket.socket) -> None:
        host, port = listener.getsockname()
        super().__init__(box, hostname=host, port=port)
        self._listener = listener

    def _create_server(self) -> Awaitable[AbstractServer]:
        made: Awaitable[AbstractServer] = self.loop.create_server(
            self._factory_invoker, sock=self._listener
        )
        return made


@pytest.fixture
def box() -> Iterator[tuple[Box, str]]:
    """A mailbox, and the server's URL."""
    made = Box()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        controller = BoundController(made, listener)
        controller.start()
        try:
            yield made, f"smtp://127.0.0.1:{controller.port}"
        finally:
            controller.stop()


def told_by(smtp: str, *, with_author: bool = True) -> Receivers:
    return receivers(
        smtp=smtp,
        sender="ci@example.org",
        addresses=["team@example.org"],
        with_author=with_author,
        webhooks_file=None,
    )


def test_mail_to_author_and_list(box: tuple[Box, str]) -> None:
    mailbox, smtp = box
    told_by(smtp).tell([alert(), alert(AlertKind.RECOVERY)])
    (to, failure), (_, recovery) = mailbox.mails
    assert to == ["ada@example.org", "team@example.org"]
    assert failure["Subject"].startswith("[infraci] web on main failed: 0000000000 Change <b>&[x]")
    assert failure["Bcc"] is None
    assert failure["X-Infraci-Commit"] == sha_of(7)
    assert failure.get_content_type() == "text/plain"
    assert "infraci run --commit 0000000000 web" in failure.get_content()
    assert "has recovered" in recovery["Subject"]
    assert f"failed since: {sha_of(5)}" in recovery.get_content()


@pytest.mark.parametrize("email", ["", "nobody", "a@b\nBcc: x@y.z", "<x@y.z>", "a@b, c@d", "a b@c"])
def test_an_author_may_call_himself_anything(box: tuple[Box, str], email: str) -> None:
    mailbox, smtp = box
    told_by(smtp).tell([alert(email=email)])
    assert [to for to, _ in mailbox.mails] == [["team@example.org"]]


def test_a_mail_server_that_is_away() -> None:
    with pytest.raises(InfraciError, match=r"cannot send mail by 127\.0\.0\.1:9: Connection"):
        told_by("smtp://127.0.0.1:9").tell([alert()])


@pytest.mark.parametrize(
    "url", ["example.org", "smtp://", "smtp://a:b@c", "http://a", "smtp://a:x"]
)
def test_a_wrong_server(url: str) -> None:
    with pytest.raises(UsageError, match="the server has to be"):
        mail.parse_server(url)


def test_a_password_is_not_shown() -> None:
    server = mail.parse_server("smtps://ci%40x@mail.example.org", password="hidden")
    assert (server.user, server.port, server.is_tls) == ("ci@x", 465, True)
    assert "hidden" not in repr(server)


class _Hook(BaseHTTPRequestHandler):
    server: _Hooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, json.loads(body)))
        self.send_response(404 if "gone" in self.path else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class _Hooks(HTTPServer):
    posts: list[tuple[str, Any]]


@pytest.fixture
def hooks() -> Iterator[_Hooks]:
    """A web server that keeps what is posted."""
    server = _Hooks(("127.0.0.1", 0), _Hook)
    server.posts = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def url(hooks: _Hooks, path: str) -> str:
    return f"http://127.0.0.1:{hooks.server_port}/{path}"


def test_webhooks_of_all_formats(hooks: _Hooks, tmp_path: Path) -> None:
    file = tmp_path / "webhooks"
    kinds = list(webhook.FORMATS)
    lines = [f"{kind}  {url(hooks, kind)}" for kind in kinds]
    file.write_text("# receivers\n\n" + "\n".join(lines))
    all_receivers = receivers(
        smtp=None, sender="a@b", addresses=[], with_author=False, webhooks_file=file
    )
    all_receivers.tell([alert()])
    assert [path for path, _ in hooks.posts] == ["/json", "/slack", "/teams"]
    data, slack, teams = (body for _, body in hooks.posts)
    assert (data["kind"], data["commit"], data["verdict"]) == ("failure", sha_of(7), "failed")
    assert data["failures"][0]["name"] == "test_port[web]"
    assert data["again"] == "infraci run --commit 0000000000 web"
    assert "&lt;b&gt;&amp;" in slack["text"]
    assert {block["text"]["type"] for block in slack["blocks"]} == {"plain_text"}
    card = teams["attachments"][0]["content"]
    assert r"\[x\]\(http://evil\)" in card["body"][0]["text"]
    assert card["actions"][0]["url"] == "https://ci.example.org/job/shop/job/commit/7/"


def test_a_webhook_that_is_gone_is_not_named(hooks: _Hooks) -> None:
    with pytest.raises(InfraciError, match="it answers 404") as caught:
        webhook.send(webhook.Webhook(kind="json", url=url(hooks, "gone/secret")), alert())
    assert "secret" not in str(caught.value)
    with pytest.raises(InfraciError, match="ConnectionError") as caught:
        webhook.send(webhook.Webhook(kind="json", url="http://127.0.0.1:9/secret"), alert())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("line", ["slack", "irc https://x.y", "json ftp://x", "https://x.y"])
def test_a_wrong_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "webhooks"
    file.write_text(f"{line}\n")
    with pytest.raises(UsageError, match="line 1 is no") as caught:
        webhook.read_webhooks(file)
    assert line not in str(caught.value) or line == "slack"


def test_mail_wants_a_server() -> None:
    with pytest.raises(UsageError, match="by which server is not known"):
        receivers(smtp=None, sender="a@b", addresses=["c@d"], with_author=False, webhooks_file=None)
