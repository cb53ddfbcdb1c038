"""The options of `infraci run`, and those that several verbs have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from infraci.base.trust import distrust
from infraci.model.run import Overrides

#: Where the context keeps whether `--json` stands before the command.
JSON = "infraci.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of ``infraci run``, but for its commit."""

    pipelines: Sequence[str]  # by name; without one, those that the commit touches
    cloud: str  # of pipelines that name none
    overrides: Overrides
    destroy_policy: str | None  # instead of the pipelines' own
    all_: bool = False  # whether those are run as well that the commit does not touch
    jobs: int | None = None
    fail_fast: bool = False
    report: Path | None = None
    history: bool = True  # whether results go into the history
    search: Path | None = None  # where a search reads them
    run_file: Path | None = None  # where the run's id is written as soon as there is one
    verbosity: int = 0


Function = TypeVar("Function", bound=Callable[..., Any])


def source_options(function: Function) -> Function:
    """--commit, --working-tree and --untrusted."""
    for option in (
        click.option(
            "--untrusted",
            is_flag=True,
            expose_value=False,
            callback=_distrust,
            help="Run the commit's programs in a sandbox, without secrets.",
        ),
        click.option(
            "--working-tree", is_flag=True, help="Test the files as they are, uncommitted too."
        ),
        click.option("--commit", metavar="REV", help="The commit to test; HEAD by default."),
    ):
        function = option(function)
    return function


def cloud_option(function: Function) -> Function:
    """--cloud."""
    return click.option(
        "--cloud",
        metavar="NAME",
        default="local",
        envvar="INFRACI_CLOUD",
        show_default=True,
        help='A cloud of clouds.yaml; "local" is the embedded one.',
    )(function)


def stack_options(function: Function) -> Function:
    """-P and -e."""
    for option in (
        click.option(
            "-e",
            "--environment",
            "environments",
            metavar="FILE",
            multiple=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help="One more Heat environment; wins over the pipeline's. Repeatable.",
        ),
        click.option(
            "-P",
            "--parameter",
            "parameters",
            metavar="NAME=VALUE",
            multiple=True,
            callback=_pairs,
            help="A value for one of the template's parameters. Repeatable.",
        ),
    ):
        function = option(function)
    return function


def destroy_option(function: Function) -> Function:
    """--destroy."""
    return click.option(
        "--destroy",
        "destroy_policy",
        type=click.Choice(["always", "passing", "never"]),
        help="When to destroy the stack at the end; by default as the pipeline says.",
    )(function)


def json_option(function: Function) -> Function:
    """--json."""
    return click.option(
        "--json", "as_json", is_flag=True, default=_is_json_asked_for, help="Print data, as JSON."
    )(function)


def _is_json_asked_for() -> bool:
    """Whether ``--json`` stands before the command."""
    return bool(click.get_current_context().meta.get(JSON))


def run_argument(function: Function) -> Function:
    """RUN, by default the latest."""
    return click.argument("run_id", metavar="[RUN]", required=False)(function)


def _distrust(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        distrust()


def _pairs(
    context: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f'expected NAME=VALUE, found "{value}"')
        pairs[name] = text
    return pairs
