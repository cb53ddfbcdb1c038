"""Sends alerts by mail."""

from __future__ import annotations

import ipaddress
import re
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from infraci.alerts.alert import Alert
from infraci.errors import InfraciError, UsageError

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}\Z")
_PORTS = {"smtp": 25, "smtps": 465}
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server that sends mail."""

    host: str
    port: int
    is_tls: bool  # from the first byte; otherwise STARTTLS, where the server has it
    user: str = ""
    password: str = field(default="", repr=False)


def parse_server(url: str, *, password: str = "") -> MailServer:
    """Parse ``smtp[s]://[USER@]HOST[:PORT]``; the URL holds no password."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _PORTS or not parts.hostname or port == -1 or parts.password:
        raise UsageError(
            "cannot send mail: the server has to be smtp://[USER@]HOST[:PORT] or smtps://…",
            hint="the password comes from INFRACI_SMTP_PASSWORD",
        )
    return MailServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        is_tls=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=password,
    )


def is_address(text: str) -> bool:
    """Whether a text is a valid address; an author's address may be any text."""
    return bool(_ADDRESS.match(text))


def compose(alert: Alert, *, sender: str, to: Sequence[str]) -> EmailMessage:
    """Compose the mail, in plain text, so that names and subjects cannot add markup."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = f"[infraci] {alert.title}"
    message["X-Infraci-Commit"] = alert.sha
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(alert.text)
    return message


def send(server: MailServer, messages: Sequence[EmailMessage]) -> None:
    """Send mails; a password is sent only over TLS, or to this machine."""
    try:
        with _connect(server) as connection:
            for message in messages:
                connection.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else ""
        raise InfraciError(
            f"cannot send mail by {server.host}:{server.port}: {reason or type(error).__name__}",
            hint="it will be sent the next time",
        ) from error


def _connect(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.is_tls:
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=_TIMEOUT_S, context=context
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
    try:
        connection.ehlo_or_helo_if_needed()
        is_safe = server.is_tls or _is_here(server.host)
        if not server.is_tls and connection.has_extn("starttls"):
            connection.starttls(context=context)
            is_safe = True
        if server.user:
            if not is_safe:
                raise smtplib.SMTPNotSupportedError("no TLS for a password")
            connection.login(server.user, server.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
