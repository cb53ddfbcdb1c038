"""Sends alerts to webhooks, as plain JSON, or in the formats of Slack and Teams."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from infraci.alerts.alert import Alert, AlertKind
from infraci.base.mask import hidden
from infraci.errors import InfraciError, UsageError

_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook and its format; the URL is a secret."""

    kind: str
    url: str = field(repr=False)


def as_json(alert: Alert) -> dict[str, Any]:
    """Format an alert for programs."""
    result = alert.result
    return {
        "kind": str(alert.kind),
        "branch": alert.branch,
        "pipeline": result.pipeline,
        "verdict": str(result.verdict),
        "commit": alert.sha,
        "author": result.author,
        "email": result.email,
        "subject": result.subject,
        "suspects": list(alert.suspects),
        "broken_by": alert.broken_by,
        "failures": [
            {"classname": f.classname, "name": f.name, "message": f.message, "error": f.is_error}
            for f in result.failures
        ],
        "build": result.build.url,
        "again": result.reproduce,
    }


def as_slack(alert: Alert) -> dict[str, Any]:
    """Format an alert for Slack's incoming webhooks (Block Kit), in plain text."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(alert.title[:150])},
        {"type": "section", "text": _plain(_lines(f"{n}: {v}" for n, v in alert.facts))},
    ]
    if alert.testcases:
        blocks.append({"type": "section", "text": _plain(_lines(alert.testcases))})
    return {"text": _escape_slack(alert.title), "blocks": blocks}


def as_teams(alert: Alert) -> dict[str, Any]:
    """Format an alert for Teams' workflows: an adaptive card, whose texts are Markdown."""
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": _escape_markdown(alert.title),
            "weight": "bolder",
            "wrap": True,
            "color": "attention" if alert.kind is AlertKind.FAILURE else "good",
        },
        {
            "type": "FactSet",
            "facts": [{"title": n, "value": _escape_markdown(v)} for n, v in alert.facts],
        },
        *(
            {"type": "TextBlock", "text": _escape_markdown(line), "wrap": True}
            for line in alert.testcases
        ),
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [
            {"type": "Action.OpenUrl", "title": "Build", "url": alert.result.build.url},
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


#: The formats, by their names in a file of webhooks.
FORMATS: Mapping[str, Callable[[Alert], dict[str, Any]]] = {
    "json": as_json,
    "slack": as_slack,
    "teams": as_teams,
}


def read_webhooks(path: Path) -> tuple[Webhook, ...]:
    """Read webhooks from a file: lines ``json|slack|teams URL``; ``#`` begins a comment."""
    try:
        lines = path.expanduser().read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"cannot read the webhooks in {path}: {reason}") from error
    webhooks = []
    for number, line in enumerate(lines, 1):
        kind, _, url = line.strip().partition(" ")
        if not kind or kind.startswith("#"):
            continue
        if kind not in FORMATS or not url.strip().startswith(("https://", "http://")):
            raise UsageError(
                f'cannot read the webhooks in {path}: line {number} is no "FORMAT URL"',
                hint=f"formats are {', '.join(FORMATS)}",
            )
        webhooks.append(Webhook(kind=kind, url=hidden(url.strip())))
    return tuple(webhooks)


def send(webhook: Webhook, alert: Alert) -> None:
    """Post an alert; errors name only the host."""
    host = re.sub(r"^(https?://[^/?#]*).*", r"\1", webhook.url, flags=re.DOTALL).rpartition("@")[2]
    try:
        response = requests.post(
            webhook.url,
            json=FORMATS[webhook.kind](alert),
            timeout=_TIMEOUT_S,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise InfraciError(
            f"cannot send the alert to {host}: {type(error).__name__}",
            hint="it will be sent the next time",
        ) from None
    if not response.ok:
        raise InfraciError(
            f"cannot send the alert to {host}: it answers {response.status_code}",
            hint="check whether the webhook still exists",
        )


def _plain(text: str) -> dict[str, str | bool]:
    return {"type": "plain_text", "text": text[:3000], "emoji": False}


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _escape_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~])", r"\\\1", text)
