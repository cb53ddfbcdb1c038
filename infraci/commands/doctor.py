"""``infraci doctor``: what this machine lacks, or what a cloud does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from infraci.app.options import json_option, source_options, stack_options
from infraci.base.invocation import invocation
from infraci.base.terminal import say, say_json
from infraci.errors import ExitCode, UsageError
from infraci.model.run import Overrides


@click.command("doctor", short_help="Say what this machine or a cloud lacks, and how to fix it.")
@click.argument("pipelines", metavar="[PIPELINE]...", nargs=-1)
@click.option(
    "--cloud",
    metavar="NAME",
    help="Look at a cloud of clouds.yaml, and at what the pipelines ask of it.",
)
@source_options
@stack_options
@json_option
@click.pass_obj
def command(
    verbosity: int,
    pipelines: Sequence[str],
    cloud: str | None,
    commit: str | None,
    working_tree: bool,
    parameters: Mapping[str, str],
    environments: Sequence[Path],
    as_json: bool,
) -> int:
    """Say what this machine lacks for the embedded cloud, and the command that mends it.

    With --cloud, say what a run needs of that cloud: a token, roles, Heat, quotas, and for the
    pipelines that are named, all that their templates name and how much of the quotas they take.
    Nothing is made there.

    Exit status 2 if anything is missing.
    """
    if cloud is None:
        if pipelines:
            raise UsageError(
                "cannot look at pipelines without a cloud",
                hint=invocation("doctor", *pipelines, cloud="NAME"),
            )
        return _machine(as_json)
    from infraci.app.checkout import open_checkout
    from infraci.app.cloud_opening import open_cloud
    from infraci.app.planning import plans_of
    from infraci.doctor import examine

    with open_cloud(cloud) as opened:
        if pipelines:
            quiet = verbosity < 0
            overrides = Overrides(parameters=parameters, environments=environments)
            with open_checkout(commit=commit, working_tree=working_tree, quiet=quiet) as checkout:
                plans = plans_of(checkout, pipelines, opened, overrides)
                findings = list(examine(opened.capacity, plans))
        else:
            findings = list(examine(opened.capacity, []))
    if as_json:
        say_json({"cloud": cloud, "findings": [asdict(f) for f in findings]})
    else:
        for finding in findings:
            say(str(finding))
    return ExitCode.PASSED if all(finding.well for finding in findings) else ExitCode.INVALID


def _machine(as_json: bool) -> int:
    """What this machine lacks for the embedded cloud."""
    from infraci.local.host import capabilities
    from infraci.sandbox.bubblewrap import PACKAGE, no_sandbox_reason

    host = capabilities.probe()
    missing = host.missing()
    if as_json:
        data = {"missing": [asdict(lack) for lack in missing], "runtime": host.runtime,
                "cgroups": host.cgroups, "podman": host.podman,
                "memory_limits": host.memory_limits, "cpu_limits": host.cpu_limits,
                "security_groups": host.filters_packets, "volumes": host.loop_devices,
                "file_systems": host.file_systems,
                "load_balancers": capabilities.missing_haproxy() is None,
                "users_alike": list(capabilities.users_alike().values()),
                "sandbox": no_sandbox_reason() is None}  # fmt: skip
        say_json(data)
    elif missing:
        for lack in missing:
            say(f"missing: {lack.what}\n  {lack.remedy}")
        together = capabilities.install_command(missing)
        if together:
            say(f"all packages at once:\n  {together}")
    else:
        say(
            f"the embedded cloud can run here: podman {host.podman}, {host.runtime}, "
            f"{host.cgroups} control groups"
        )
        for name, has in (("memory", host.memory_limits), ("cpu", host.cpu_limits)):
            if not has:
                say(f"note: {name} limits of flavors cannot be enforced on this machine")
        if not host.filters_packets:
            say(
                "note: security groups cannot be enforced on this machine: its kernel does not"
                " filter bridged packets\n  modprobe --all br_netfilter nf_conntrack"
            )
        if reason := capabilities.no_volumes_reason():
            say(f"note: {reason}")
        if haproxy := capabilities.missing_haproxy():
            say(f"note: no load balancer can be made: haproxy is missing\n  {haproxy.remedy}")
        if host.cgroups is not capabilities.Cgroups.V2:
            say(
                "note: root in a server can read the names of this machine's units in its"
                f" {host.cgroups} control groups, and change its own; of v2 it sees its own only"
            )
        if users := capabilities.users_alike():
            named = ", ".join(f"{name} ({number})" for number, name in users.items())
            say(
                f"note: servers have users with the numbers of this machine's {named}: who is one"
                " here can do as that user in a server; docs/security.md says what follows"
            )
    unsafe = no_sandbox_reason()
    if unsafe and not as_json:
        say(
            f"note: there is no sandbox for programs of commits: {unsafe}. Playbooks and specs are"
            f" not checked before a run, and untrusted commits are not run\n"
            f"  apt-get install --yes --no-install-recommends {PACKAGE}"
        )
    return ExitCode.INVALID if missing else ExitCode.PASSED
