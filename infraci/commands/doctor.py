"""``infraci doctor``: what this machine lacks."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from infraci.commands.options import json_option
from infraci.errors import ExitCode


@click.command("doctor", short_help="Say what this machine lacks, and what mends it.")
@json_option
def command(as_json: bool) -> int:
    """Say what this machine lacks for the embedded cloud, and the command that mends it.

    Exit status 2 if anything is missing.
    """
    from infraci.local import capabilities

    found = capabilities.probe()
    missing = found.missing()
    if as_json:
        data = {"missing": [asdict(lack) for lack in missing], "runtime": found.runtime,
                "cgroups": found.cgroups, "podman": found.podman,
                "memory_limits": found.memory_limits, "cpu_limits": found.cpu_limits}  # fmt: skip
        click.echo(json.dumps(data, indent=2))
    elif missing:
        for lack in missing:
            click.echo(f"missing: {lack.what}\n  {lack.remedy}")
        together = capabilities.install_command(missing)
        if together:
            click.echo(f"all packages at once:\n  {together}")
    else:
        click.echo(
            f"the embedded cloud can run here: podman {found.podman}, {found.runtime}, "
            f"{found.cgroups} control groups"
        )
        for name, has in (("memory", found.memory_limits), ("cpu", found.cpu_limits)):
            if not has:
                click.echo(f"note: {name} limits of flavors cannot be enforced on this machine")
    return ExitCode.INVALID if missing else ExitCode.PASSED
