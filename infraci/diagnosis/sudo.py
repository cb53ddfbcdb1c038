"""What sudo and su print when they refuse a user, and the remarks of a sudo that does not.

The words are English, of sudo 1.8 and 1.9, sudo-rs and util-linux's su. Where a caller knows by
other means that sudo has refused, a line that is unknown here is shown as it is, in any language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from infraci.diagnosis.reason import clipped, plain_lines
from infraci.errors import CommitError


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why sudo or su does not let a user become another."""

    reason: str  # "sudo asks debian for a password"
    remedy: str  # what to do about it on the server


class SudoRefusedError(CommitError):
    """Sudo on a server did not begin a command that a spec runs as another user."""

    def __init__(self, server: str, refusal: Refusal) -> None:
        super().__init__(
            f"cannot use sudo on {server}: {refusal.reason}",
            hint=f"{refusal.remedy}; or log in as another user (servers: user)",
        )
        self.add_note(f"hint: {self.hint}")


class _Signature(NamedTuple):
    pattern: re.Pattern[str]
    reason: str
    remedy: str


_RULE = (
    "give {user} password-less sudo, in the image or in user_data"
    ' (users: sudo: "ALL=(ALL) NOPASSWD:ALL")'
)
_TTY = "take `Defaults requiretty` out of sudoers, in the image or in user_data"
_NO_SU = "use sudo in place of su, which has no other way than a password"
#: The first that matches an output is the reason; the more exact ones come first.
_SIGNATURES = (
    _Signature(
        re.compile(r"sudo: sorry, you must have a tty"),
        "sudo wants a terminal (requiretty), and infraci's logins have none",
        _TTY,
    ),
    _Signature(
        re.compile(r"\bsu: must be run from a terminal"),
        "su wants a terminal, and infraci's logins have none",
        _NO_SU,
    ),
    _Signature(
        re.compile(r"Timeout \(\d+s\) waiting for privilege escalation prompt"),
        "sudo or su does not answer {user} in time",
        "name the server in its /etc/hosts (user_data: manage_etc_hosts: true), or mend its"
        " resolver; or let Ansible wait longer (timeout in ansible.cfg)",
    ),
    _Signature(
        re.compile(r"Incorrect (?:sudo|su) password"),
        "sudo or su refuses the password that Ansible has for {user}",
        "mend ansible_become_password, or give {user} password-less sudo",
    ),
    _Signature(
        re.compile(r"\bsudo: (?:command )?not found$|\bsudo: No such file", re.MULTILINE),
        "sudo is not installed there",
        "install sudo, in the image or in user_data (packages: [sudo])",
    ),
    _Signature(
        re.compile(r"is not in the sudoers file|may not run sudo on|not allowed to run sudo on"),
        "{user} is not in the sudoers file",
        _RULE,
    ),
    _Signature(
        re.compile(r"is not allowed to execute|I'm afraid I can't do that"),
        "sudo does not allow {user} this command",
        _RULE,
    ),
    _Signature(
        re.compile(r"must be owned by uid 0 and have the setuid bit set|effective uid is not 0"),
        "the sudo there cannot become root: it has lost its owner or its setuid bit",
        "mend /usr/bin/sudo in the image (root, mode 4755), and mount its disk without nosuid",
    ),
    _Signature(
        re.compile(r"sudo: .*(?:account validation failure|account or password is expired)"),
        "the account of {user} is locked or has expired there",
        "look at `chage -l {user}`, in the image or in user_data",
    ),
    _Signature(
        re.compile(
            r"sudo: (?:a password is required|a terminal is required|no tty present"
            r"|interactive authentication is required|\d+ incorrect password)"
            r"|Sorry, a password is required to run sudo|Missing sudo password"
        ),
        "sudo asks {user} for a password",
        _RULE,
    ),
    _Signature(
        re.compile(r"\bsu: (?:Authentication failure|Permission denied)|Missing su password"),
        "su asks for a password",
        _NO_SU,
    ),
)
#: What is wrong with sudo's own rules: "/etc/sudoers.d/app:3:17: syntax error".
_BAD_RULES = re.compile(
    r"(/\S*sudoers\S*(?::\d+:\d+: .*| is (?:world|group) writable| is owned by .*))"
)
_UNRESOLVED = re.compile(r"^sudo: unable to resolve host (\S+?)(?:: (.+))?$")
_LECTURE = re.compile(
    r"^(?:We trust you have received the usual lecture|Administrator\. It usually boils down"
    r"|#[123]\) |For security reasons, the password you type)"
)


def find_refusal(output: str, user: str) -> Refusal | None:
    """Why sudo or su refuses ``user``; None if the output tells of no refusal."""
    for signature in _SIGNATURES:
        if signature.pattern.search(output):
            rules = _BAD_RULES.search(output)
            more = f"; it cannot read its rules: {clipped(rules[1])}" if rules else ""
            return Refusal(
                reason=signature.reason.format(user=user) + more,
                remedy=f"mend {rules[1].split(':')[0].split()[0]}: sudo cannot read it"
                if rules
                else signature.remedy.format(user=user),
            )
    return None


def refusal_of(output: str, user: str) -> Refusal:
    """Why sudo has refused ``user``, for callers that know it has; ``output`` is all it printed."""
    if refusal := find_refusal(output, user):
        return refusal
    lines = [line for line in plain_lines(output) if not _is_remark(line)]
    last = clipped(lines[-1]) if lines else "it does not say why"
    return Refusal(reason=f"sudo refuses {user}: {last}", remedy=_RULE.format(user=user))


def remarks_of(output: str, server: str) -> tuple[str, ...]:
    """The remarks of a sudo that let the user pass; each once."""
    remarks: dict[str, None] = {}  # in order
    for line in plain_lines(output):
        if match := _UNRESOLVED.match(line):
            why = f": {match[2]}" if match[2] else ""
            remark = (
                f"sudo on {server} cannot resolve the server's own name {match[1]}{why}; this slows"
                " each command with sudo: name it in /etc/hosts (user_data: manage_etc_hosts: true)"
            )
        elif _LECTURE.match(line):
            remark = f"sudo on {server} prints its lecture (lecture in sudoers)"
        else:
            remark = f"sudo on {server} says: {clipped(line.removeprefix('sudo: '))}"
        remarks[remark] = None
    return tuple(remarks)


def _is_remark(line: str) -> bool:
    return bool(_UNRESOLVED.match(line) or _LECTURE.match(line))
