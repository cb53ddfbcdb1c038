"""Sends the alerts that are due, and remembers which were sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infraci import git
from infraci.alerts import mail, webhook
from infraci.alerts.alert import Alert
from infraci.alerts.alert_state import Memory, go_through, load, save
from infraci.base.locks import locked
from infraci.base.mask import hidden
from infraci.errors import UsageError
from infraci.jenkins.results import CommitResult

#: Of a branch that is looked at for the first time, so many commits.
_FIRST_LOOK = 50
#: Another process may be sending alerts, of which each is waited for a while.
_LOCK_S = 600.0

Results = Callable[[Sequence[str]], Mapping[str, CommitResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """The receivers of alerts, by mail and webhook."""

    server: mail.MailServer | None
    sender: str
    addresses: tuple[str, ...]
    with_author: bool
    webhooks: tuple[webhook.Webhook, ...]

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Send alerts to all of them."""
        messages = []
        for alert in alerts:
            author = [alert.result.email] if self.with_author else []
            to = [a for a in dict.fromkeys([*author, *self.addresses]) if mail.is_address(a)]
            if to:
                messages.append(mail.compose(alert, sender=self.sender, to=to))
        if messages and self.server is not None:
            mail.send(self.server, messages)
        for alert in alerts:
            for receiver in self.webhooks:
                webhook.send(receiver, alert)


def receivers(
    *,
    smtp: str | None,
    sender: str,
    addresses: Sequence[str],
    with_author: bool,
    webhooks_file: Path | None,
) -> Receivers:
    """The receivers that the command line names; the SMTP password is from the environment."""
    if (addresses or with_author) and smtp is None:
        raise UsageError("cannot send mail: by which server is not known", hint="say --smtp URL")
    for address in (sender, *addresses):
        if not mail.is_address(address):
            raise UsageError(f'cannot send mail: "{address}" is no address')
    password = hidden(os.environ.get("INFRACI_SMTP_PASSWORD", ""))
    return Receivers(
        server=mail.parse_server(smtp, password=password) if smtp else None,
        sender=sender,
        addresses=tuple(addresses),
        with_author=with_author,
        webhooks=webhook.read_webhooks(webhooks_file) if webhooks_file else (),
    )


def alert_all(
    git_dir: Path,
    branches: Sequence[str],
    results: Results,
    tell: Callable[[Sequence[Alert]], None],
) -> None:
    """Send what is due of some branches, at least once: alerts are sent first, then remembered."""
    path = git_dir / "infraci" / "alerts.json"
    with _alone(path.with_suffix(".lock")):
        memories = load(path)
        for branch in branches:
            memory = memories.setdefault(branch, Memory())
            shas = _commits(git_dir, branch, memory.handled)
            for _, alerts in go_through(branch, shas, results(shas), memory):
                if alerts:
                    tell(alerts)
                save(path, memories)


def preview(
    git_dir: Path,
    branches: Sequence[str],
    results: Results,
    tell: Callable[[Sequence[Alert]], None],
) -> None:
    """Show what is due, and remember nothing."""
    memories = load(git_dir / "infraci" / "alerts.json")
    for branch in branches:
        memory = memories.get(branch, Memory())
        shas = _commits(git_dir, branch, memory.handled)
        for _, alerts in go_through(branch, shas, results(shas), memory):
            tell(alerts)


def _commits(git_dir: Path, branch: str, handled: str) -> list[str]:
    """A branch's commits since the one that was handled last, the oldest first."""
    revisions = [f"refs/heads/{branch}", f"^{handled}"] if handled else [f"refs/heads/{branch}"]
    most = [] if handled else [f"--max-count={_FIRST_LOOK}"]
    try:
        listed = git.run_in_git_dir(git_dir, "rev-list", "--first-parent", *most, *revisions, "--")
    except git.GitError as error:
        if handled:  # it is gone, after a force push
            return _commits(git_dir, branch, "")
        raise UsageError(
            f'cannot look at branch "{branch}": there is no such branch here'
        ) from error
    return listed.split()[::-1]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Lock alerting: two processes would send every alert twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path, timeout_s=_LOCK_S, purpose="send alerts"):
        yield
