"""Tells which boot a server is in, and whether that boot is about to end."""

from __future__ import annotations

from dataclasses import dataclass

from infraci.ssh.connection import RebootingError
from infraci.ssh.session import Session

_LOOK_S = 30.0
_SUDO_S = 20
#: A reboot that is due later than this is none to wait for.
_SOON_S = 600

#: The first line names the boot: the kernel's, and in a container, which has none of its own, the
#: start of its first process. Each other line says why it is about to end. The reasons are looked
#: for in the order in which one becomes the next, so that none is missed in between:
#: - cloud-init is configured to (power_state in its cloud-config): it asks for it at its end,
#:   once in a server's life, and then leaves config_power_state_change behind;
#: - a program asks for it, or has asked for it at a time that is near;
#: - logind grants some seconds' delay to programs that wish for it;
#: - systemd stops one unit after the other, and no user may log in any more.
#: A shell in the background with such a word in its command line is only a guess.
_LOOK = f"""\
: infraci-look
echo "$(cat /proc/sys/kernel/random/boot_id) $(cut -d ' ' -f 22 /proc/1/stat)"
processes=$(ps axww -o args= 2>/dev/null | grep -v infraci-look)
says() {{ echo "$processes" | grep -qE "$1"; }}
cloud=/var/lib/cloud/instance
if [ -e $cloud ]; then
    # Once, and not for ever: where the server's own name does not resolve, sudo takes its time.
    done=$(timeout {_SUDO_S} sudo -n sh -c "grep -q '^power_state:' $cloud/cloud-config.txt &&
        {{ stat -c %Y $cloud/sem/config_power_state_change || echo not yet; }}" 2>/dev/null)
    case $done in
        '') ;;
        'not yet')
            [ -e /run/cloud-init/result.json ] || echo 'cloud-init is to ask for it (power_state)'
            ;;
        *)
            [ $(($(date +%s) - done)) -gt $(($(ps -o etimes= -p 1))) ] ||
                ! says '/cloud-init(-stages)?( |$)' || echo 'cloud-init asks for it (power_state)'
            ;;
    esac
fi
! says '^([^ ]*/)?(reboot|shutdown)( |$)' || echo 'it has just been asked for'
if [ -r /run/systemd/shutdown/scheduled ]; then
    due=$(sed -n 's/^USEC=\\(.*\\)......$/\\1/p' /run/systemd/shutdown/scheduled)
    left=$((${{due:-0}} - $(date +%s)))
    [ "$left" -gt {_SOON_S} ] || echo 'it is scheduled for soon'
fi
manager="org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager"
case $(busctl get-property $manager PreparingForShutdown 2>/dev/null) in
    *true) echo 'systemd-logind has been asked for it' ;;
esac
systemctl list-jobs --no-legend --plain 2>/dev/null |
    sed -n -E 's/.* (reboot|kexec|soft-reboot|poweroff|halt)\\.target .*/systemd has begun it/p'
! grep -qs 'going down' /run/nologin || echo 'systemd has begun it'
word='(^|[^-_.[:alnum:]])(reboot|shutdown)([^-_.[:alnum:]]|$)'
! says "^([^ ]*/)?(ba|da)?sh .*$word" || echo 'perhaps: something in the background asks for it'
exit 0
"""
_GUESS = "perhaps: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """A server's boot."""

    id: str  # another one after each reboot
    ending: str = ""  # why it is about to end; empty if it is not
    is_guess: bool = False  # whether that may be wrong


def look_at_boot(session: Session) -> Boot:
    """Ask a server. Raises what :meth:`infraci.ssh.Session.run` does."""
    done = session.run(_LOOK, timeout_s=_LOOK_S)
    first, *reasons = done.stdout.splitlines() or [""]
    ending = reasons[0] if reasons else ""
    return Boot(
        id=first.strip(), ending=ending.removeprefix(_GUESS), is_guess=ending.startswith(_GUESS)
    )


def check_boot(session: Session) -> None:
    """Raise RebootingError for a server whose boot is certain to end soon."""
    boot = look_at_boot(session)
    if boot.ending and not boot.is_guess:
        raise rebooting(session, boot)


def rebooting(session: Session, boot: Boot) -> RebootingError:
    """Make the error for a server whose boot is about to end."""
    return RebootingError(
        f"cannot rely on {session.server.name}: it is about to reboot ({boot.ending})"
    )
