"""The ``cloud-init`` step: waits until cloud-init has ended, and reads its result.

The verdict is read from the files in ``/run/cloud-init``, which are the same in every release
since 2014, rather than from exit codes: 22.4 (Debian 12) knows 0 and 1, newer ones also 2 for
warnings that did no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from infraci.base.deadline import duration
from infraci.base.json_reader import read_json
from infraci.base.lines import first_line, last_lines
from infraci.configure.step import Applied, Step, StepError, StepOutsideError, StepRun
from infraci.configure.step_failure import StepCause, step_cause, step_error
from infraci.errors import InfraciError
from infraci.model.configure_steps import CloudInitStep
from infraci.model.run import Server
from infraci.ssh import CommandTimeoutError, Session

_ABSENT = 97
_MARK = "----8<---- infraci"
_ROOT = "----8<---- read by root"
# At first without cloud-init's own waiting, which starts a Python on a server that is busy
# with its boot.
_WAIT = f"""\
command -v cloud-init >/dev/null 2>&1 || exit {_ABSENT}
cd /run/cloud-init 2>/dev/null; n=0
until [ -e result.json ] || [ -e disabled ] || [ $n -ge 50 ]; do sleep 0.1; n=$((n+1)); done
[ -e result.json ] || cloud-init status --wait >/dev/null 2>&1
"""
#: How much of cloud-init's output is read, and how much of that is shown.
_OUTPUT_LINES = 300
_LAST_LINES = 40
_LOOK = f"""\
cat /run/cloud-init/status.json 2>/dev/null
echo; echo '{_MARK}'
cat /run/cloud-init/result.json 2>/dev/null
echo; echo '{_MARK}'
[ -e /run/cloud-init/result.json ] || cloud-init status --long 2>&1
echo; echo '{_MARK}'
logs="tail -n {_OUTPUT_LINES} /var/log/cloud-init-output.log
echo; echo '{_MARK}'
grep WARNING /var/log/cloud-init.log
echo; echo '{_MARK}'"
printed=$(sudo -n sh -c "echo '{_ROOT}'; $logs" 2>/dev/null)
case $printed in
    '{_ROOT}'*) echo "$printed" | sed 1d ;;
    *)
        sh -c "$logs" 2>/dev/null
        [ ! -e /var/log/cloud-init.log ] || [ -r /var/log/cloud-init.log ] || echo unreadable ;;
esac
exit 0
"""
#: Warnings after which a server is not what its user data says: releases before 23.3 call that a
#: success.
_IGNORED = re.compile(
    r"(Unhandled (?:non-multipart|unknown content-type) \(.*"
    r"|Failed loading yaml blob.*"
    r"|Failed at merging in cloud config.*"
    r"|Invalid cloud-config provided.*)"
)
#: ('scripts_user', RuntimeError('Runparts: 1 failures (part-001) in 1 attempted commands'))
_FAILED_MODULE = re.compile(r"""^\(['"]([\w-]+)['"], \s*\w*\((.*)\)\)$""", re.DOTALL)
#: What cloud-init itself writes among the output of its modules.
_ITS_OWN = re.compile(
    r"^(?:\d{4}-\d\d-\d\d [\d:,]+ - \S+\[[A-Z]+\]: |Cloud-init v\. |ci-info: "
    r"|(?:Command|Exit code|Reason|Stdout|Stderr): |Unexpected error while running command)"
)


class CloudInit(Step):
    """Waits for cloud-init; modules and user scripts that failed are errors, by name."""

    def __init__(self, options: CloudInitStep) -> None:
        self._options = options
        self.name = options.title

    def apply(self, session: Session, server: Server, run: StepRun) -> Applied:
        """Wait for the step's timeout at most; warnings are logged, errors raised."""
        timeout_s = run.deadline.within(self._options.timeout_s)
        try:
            done = session.run(_WAIT + _LOOK, timeout_s=timeout_s)
        except CommandTimeoutError as error:
            raise _too_slow(session, server, timeout_s, run) from error
        if done.exit_status == _ABSENT:
            raise StepError(
                f"{server.name}: cloud-init is not installed there",
                hint="use an image with cloud-init, or leave the cloud-init step out",
            )
        status, result, text, output, warnings, access = _parts(done.stdout)
        if not result:
            raise StepError(
                f"{server.name}: cloud-init did not run"
                f" ({first_line(text) or 'it left no result'})",
                hint="is it disabled in this image, or did it find no data source?",
                details=text,
            )
        for line in _warnings(status):
            run.log(f"cloud-init: warning: {line}")
        errors = [*_errors(result), *(e for stage in _stages(status) for e in _errors(stage))]
        if errors:
            raise _failed(server, list(dict.fromkeys(errors)), output, run)
        if ignored := _IGNORED.search(warnings):
            raise StepError(
                f"{server.name}: cloud-init ignored its user data, or some of it: {ignored[1]}",
                hint="`sudo cloud-init schema --system` on the server checks the user data; a"
                ' cloud-config begins with "#cloud-config", a script with "#!"',
                details=warnings,
            )
        if access:
            run.note(
                f"{server.user} may not read cloud-init's logs on {server.name}, and sudo refuses"
                " it: user data that cloud-init has ignored is not found"
            )
        run.log(f"cloud-init: done, from {result.get('datasource', 'an unknown source')}")
        return Applied()


def _failed(
    server: Server, errors: list[str], output: str, run: StepRun
) -> StepError | StepOutsideError:
    """The error for modules that failed; the first that is the commit's doing is named."""
    causes = [(error, _cause(error, output, run)) for error in errors]
    error, cause = next((each for each in causes if not each[1].is_outside), causes[0])
    match = _FAILED_MODULE.match(error)
    who = f"cloud-init's module {_module(match)}" if match else "cloud-init"
    return step_error(
        f"{server.name}: {who} failed: {cause.text}",
        is_outside=cause.is_outside,
        hint="the end of /var/log/cloud-init-output.log on the server shows what happened",
        details="\n".join([*errors, "", _shown(output)]),
    )


def _cause(error: str, output: str, run: StepRun) -> StepCause:
    """Why a module failed, by its output, which tells more than its exception."""
    match = _FAILED_MODULE.match(error)
    cause = step_cause(_output_of(_module(match) if match else "", output), own_hosts=run.own_hosts)
    if cause.is_sure:
        return cause
    return StepCause(text=match[2].strip("'\"") if match else error)


def _module(match: re.Match[str]) -> str:
    """A module's name; releases differ in whether it has dashes or underscores."""
    return match[1].replace("-", "_")


def _output_of(module: str, output: str) -> str:
    """What was printed until a module failed, without cloud-init's own lines."""
    lines = []
    for line in output.splitlines():
        if module and f"Running module {module} " in line.replace("-", "_"):
            break
        if not _ITS_OWN.match(line):
            lines.append(line)
    return "\n".join(lines)


def _shown(output: str) -> str:
    """The end of cloud-init's output, for an error's details."""
    return f"/var/log/cloud-init-output.log:\n{last_lines(output, _LAST_LINES)}"


def _too_slow(
    session: Session, server: Server, timeout_s: float, run: StepRun
) -> StepError | StepOutsideError:
    stage, output = "", ""
    with suppress(InfraciError):
        status, _, _, output, *_ = _parts(session.run(_LOOK, timeout_s=20).stdout)
        stage = str(status.get("stage") or "")
    cause = step_cause(_output_of("", output), own_hosts=run.own_hosts)
    return step_error(
        f"{server.name}: cloud-init did not end in {duration(timeout_s)}"
        + (f", it is still in {stage}" if stage else ""),
        is_outside=cause.is_outside,
        hint="the last lines of its output show what it waits for",
        details=_shown(output) if output else "",
    )


def _parts(output: str) -> tuple[Mapping[str, object], Mapping[str, object], str, str, str, str]:
    """Take apart what ``_LOOK`` prints: status.json, result.json, status, log's end, warnings.

    At last "unreadable" if the logs could not be read.
    """
    status, result, *texts = (*output.split(_MARK), "", "", "", "", "", "")[:6]
    text, tail, warnings, access = (text.strip() for text in texts)
    return _v1(status), _v1(result), text, tail, warnings, access


def _v1(text: str) -> Mapping[str, object]:
    try:
        values = read_json(text)["v1"]
    except (ValueError, KeyError, TypeError):
        return {}
    return values if isinstance(values, dict) else {}


def _stages(status: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    yield from (stage for stage in status.values() if isinstance(stage, dict))


def _errors(stage: Mapping[str, object]) -> list[str]:
    errors = stage.get("errors")
    return [str(error) for error in errors] if isinstance(errors, list) else []


def _warnings(status: Mapping[str, object]) -> Iterator[str]:
    """The recoverable errors of newer releases, which stop nothing."""
    for stage in _stages(status):
        recoverable = stage.get("recoverable_errors")
        for lines in recoverable.values() if isinstance(recoverable, dict) else ():
            yield from (str(line) for line in (lines if isinstance(lines, list) else [lines]))
