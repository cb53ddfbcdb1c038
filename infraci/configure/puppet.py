"""The ``puppet`` step: applies a manifest of the commit on the server."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from infraci.configure.puppet_report import PuppetResource, read_puppet_report
from infraci.configure.remote_folder import Ended, Program, archive, run_pushed, run_variables
from infraci.configure.step import (
    Applied,
    Part,
    Step,
    StepError,
    StepOutsideError,
    StepRun,
)
from infraci.configure.step_failure import (
    failed_part,
    first_failed,
    step_cause,
    step_error,
    without_folder,
)
from infraci.model.configure_steps import PuppetStep
from infraci.model.run import Outcome, Server
from infraci.model.secret import reveal_all
from infraci.ssh import Session

_ABSENT, _NOT_INSTALLED = 97, 98
#: With --detailed-exitcodes: nothing changed, something changed; 4 and 6 tell of failures.
_WELL = (0, 2)
_INSTALL = f"""\
command -v puppet >/dev/null || {{
  command -v apt-get >/dev/null || exit {_ABSENT}
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update && apt-get -qy -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \\
    install --no-install-recommends puppet-agent || exit {_NOT_INSTALLED}
}}"""
_LOOK = f"command -v puppet >/dev/null || exit {_ABSENT}"
_REPORT = "report.yaml"
#: "change from 'absent' to 'file' failed: "
_CHANGE = re.compile(r"^(?:Error: )?(?:/Stage\[main\]\S*: )?(?:change from .*? to .*? failed: )?")
#: "(file: /tmp/infraci.x/tree/site.pp, line: 3, column: 1)", and what is said of the node.
_LOCATION = re.compile(r" ?\(file: ([^,)]+)(?:, line: (\d+))?(?:, column: \d+)?\)")
_NODE = re.compile(r" (?:on node \S+$|for environment \w+(?=:))")


class Puppet(Step):
    """Pushes a manifest with its modules, and applies it as root."""

    def __init__(self, options: PuppetStep) -> None:
        self._options = options
        self.name = options.title
        self.roles = options.roles

    def apply(self, session: Session, server: Server, run: StepRun) -> Applied:
        """Apply it; what it changes are resources."""
        options = self._options
        hiera = [options.hiera] if options.hiera else []
        paths = [options.manifest, *options.modules, *hiera, *options.files]
        tree = archive(run.root, paths, server)
        known = run_variables(server, run)
        facts = {f"FACTER_{name.lower()}": value for name, value in known.items()}
        program = Program(
            what=self.name,
            files=lambda folder: {"tree.tar.gz": tree},
            lines=self._lines,
            environment={**known, **facts, **reveal_all(options.environment)},
            timeout_s=options.timeout_s,
        )
        with run_pushed(program, session, server, run) as ended:
            resources = read_puppet_report(ended.read(_REPORT))
            parts = tuple(self._part(resource, server, run) for resource in resources)
            if ended.exit_status not in _WELL:
                raise self._failed(ended, resources, parts, server, run)
        changed = tuple(resource.name for resource in resources if resource.is_changed)
        run.log(f"{len(changed)} of {len(resources)} resources changed")
        return Applied(changes=changed, parts=parts)

    def _lines(self, folder: str) -> Iterator[str]:
        """What the shell does: get Puppet, unpack the files, apply the manifest."""
        yield "PATH=$PATH:/opt/puppetlabs/bin"
        yield _INSTALL if self._options.install else _LOOK
        yield f"mkdir {folder}/tree && cd {folder}/tree && tar -xzf ../tree.tar.gz || exit"
        modules = [f"{folder}/tree/{path}" for path in self._options.modules]
        command = [
            *("puppet", "apply", "--detailed-exitcodes", "--color=false"),
            f"--modulepath={':'.join([*modules, '$basemodulepath'])}",
            f"--lastrunreport={folder}/{_REPORT}",
            f"--lastrunfile={folder}/summary.yaml",
        ]
        if self._options.hiera:
            command.append(f"--hiera_config={folder}/tree/{self._options.hiera}")
        yield f"exec {shlex.join([*command, str(self._options.manifest)])}"

    def _part(self, resource: PuppetResource, server: Server, run: StepRun) -> Part:
        if not resource.is_failed:
            outcome = Outcome.SKIPPED if resource.is_skipped else Outcome.PASSED
            return Part(name=resource.name, outcome=outcome)
        text = "\n".join(_CHANGE.sub("", line) for line in resource.text.splitlines())
        cause = step_cause(text, own_hosts=run.own_hosts)
        return failed_part(
            server,
            str(self._options.manifest),
            resource.name,
            replace(cause, text=_tidy(cause.text)),
            location=f"{resource.file}:{resource.line}" if resource.file else "",
            text=resource.text,
        )

    def _failed(
        self,
        ended: Ended,
        resources: Sequence[PuppetResource],
        parts: Sequence[Part],
        server: Server,
        run: StepRun,
    ) -> StepError | StepOutsideError:
        status, manifest = ended.exit_status, self._options.manifest
        cause = step_cause(ended.text, own_hosts=run.own_hosts)
        hint = None
        if status == _ABSENT:
            message = f"{server.name}: {manifest} cannot be applied: puppet is not installed there"
            hint = "use an image with Puppet, or let it be installed (install: true) on Debian"
        elif status == _NOT_INSTALLED:
            message = (
                f"{server.name}: puppet-agent cannot be installed for {manifest}: {cause.text}"
            )
            hint = "can the server reach a Debian mirror? an image with Puppet needs none"
        elif failed := first_failed(parts):
            number = sum(resource.is_failed for resource in resources)
            more = f" (and {number - 1} more)" if number > 1 else ""
            message = f"{failed.message}{more}"
        else:
            reason = _tidy(cause.text) + _location(cause.text)
            reason = reason if cause.is_sure else f"{ended.how}: {reason}"
            message = f"{server.name}: {manifest} failed: {reason}"
        return step_error(
            message,
            is_outside=cause.is_outside,
            hint=hint,
            details=without_folder(ended.last),
            parts=parts,
        )


def _tidy(reason: str) -> str:
    """A reason without the resource, the node and the location that it is about."""
    return _NODE.sub("", _LOCATION.sub("", _NODE.sub("", _CHANGE.sub("", reason))))


def _location(reason: str) -> str:
    """The location that a reason is about, as " (FILE:LINE)"; empty if it names none."""
    match = _LOCATION.search(reason)
    return f" ({match[1]}{f':{match[2]}' if match[2] else ''})" if match else ""
