"""The ``puppet`` step: a manifest of the commit, applied on the server."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from infraci.configure.remote import (
    Ended,
    Program,
    archive,
    needs_sudo,
    run_pushed,
    run_variables,
)
from infraci.configure.step import Applied, Step, StepContext, StepError
from infraci.model.configure import PuppetStep
from infraci.model.run import Server
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What Puppet's own report says of resources, each as ``File[/etc/motd]``."""

    total: int
    changed: tuple[str, ...]
    failed: tuple[str, ...]


class Puppet(Step):
    """Pushes a manifest with its modules, and applies it as root."""

    def __init__(self, options: PuppetStep) -> None:
        self._options = options
        self.name = options.title
        self.roles = options.roles

    def apply(self, session: Session, server: Server, context: StepContext) -> Applied:
        """Apply it; what it changes are resources."""
        options = self._options
        hiera = [options.hiera] if options.hiera else []
        tree = archive(context.root, [options.manifest, *options.modules, *hiera, *options.files])
        known = run_variables(server, context)
        facts = {f"FACTER_{name.lower()}": value for name, value in known.items()}
        program = Program(
            what=self.name,
            files=lambda folder: {"tree.tar.gz": tree},
            lines=self._lines,
            environment={**known, **facts, **reveal_all(options.environment)},
            timeout_s=options.timeout_s,
        )
        with run_pushed(program, session, server, context) as ended:
            report = read_report(ended.read(_REPORT))
            if ended.exit_status not in _WELL:
                raise self._failed(ended, report, server)
        context.log(f"{len(report.changed)} of {report.total} resources changed")
        return Applied(changes=report.changed)

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

    def _failed(self, ended: Ended, report: Report, server: Server) -> StepError:
        status, manifest = ended.exit_status, self._options.manifest
        if status == _ABSENT:
            return StepError(
                f"cannot configure {server.name}: puppet is not installed there",
                hint="use an image with Puppet, or let it be installed (install: true) on Debian",
            )
        if status == _NOT_INSTALLED:
            return StepError(
                f"cannot configure {server.name}: puppet-agent cannot be installed there:"
                f" {_last_line(ended, 'E: ')}",
                hint="can the server reach a Debian mirror? an image with Puppet needs none",
                details=ended.last,
            )
        if report.failed:
            more = f" and {len(report.failed) - 1} more" if len(report.failed) > 1 else ""
            reason = f"{report.failed[0]} failed{more}: {_last_line(ended, 'Error: ')}"
        else:
            how = f"puppet ended with exit status {status}" if status >= 0 else "puppet was killed"
            reason = f"{how}: {_last_line(ended, 'Error: ')}"
        return StepError(
            f"cannot configure {server.name}: in {manifest}, {reason}",
            hint=needs_sudo(server, ended.said),
            details=ended.last,
        )


def read_report(text: str) -> Report:
    """Read a report of Puppet's, formats 4 to 12; an empty one when there is none."""
    try:
        found = yaml.load(text, _Loader)  # noqa: S506  (a safe one)
    except yaml.YAMLError:
        found = None
    statuses = found.get("resource_statuses") if isinstance(found, dict) else None
    resources: Mapping[str, Any] = statuses if isinstance(statuses, dict) else {}

    def which(key: str) -> tuple[str, ...]:
        said = (name for name, status in resources.items() if _is(status, key))
        return tuple(said)

    return Report(total=len(resources), changed=which("changed"), failed=which("failed"))


def _is(status: object, key: str) -> bool:
    return isinstance(status, dict) and status.get(key) is True


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that takes Ruby's objects for what they are made of."""


def _plain(loader: Any, tag: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!ruby/", _plain)


def _last_line(ended: Ended, begin: str) -> str:
    """The last line that begins so, without its place on the server; or the last line."""
    lines = [line.strip() for line in ended.said if line.strip()]
    errors = [line.removeprefix(begin) for line in lines if line.startswith(begin)]
    text = (errors or lines or ["it did not say why"])[-1]
    return re.sub(r"/tmp/infraci\.\w+/tree/", "", text)  # noqa: S108
