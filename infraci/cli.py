"""The command line: names, options, and the one place where errors become exit codes.

The commands themselves are imported when they are run; ``infraci --help`` imports none of them.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from infraci import __version__
from infraci.base import early_signals
from infraci.base.mask import mask
from infraci.base.terminal import say
from infraci.errors import ExitCode, InfraciError, of_machine

#: A bug in infraci itself; not one of the numbers that say something of a commit.
BUG = 3
#: As the shell says it of who died of SIGPIPE.
_BROKEN_PIPE = 141

#: The verbs: the module below `infraci.commands`, and what `--help` says.
COMMANDS = {
    "run": ("run", "Run a commit's pipelines, from plan to destroy."),
    "plan": ("plan", "Show what would be made and run, and everything that is wrong."),
    "provision": ("provision", "Create a pipeline's stack, and keep it."),
    "configure": ("configure", "Apply the configure steps to a run's servers."),
    "verify": ("verify", "Run the specs against a run's servers."),
    "report": ("report", "Write the reports of runs, with evidence and logs."),
    "blame": ("blame", "Say which commit broke each failing testcase, or why none did."),
    "history": ("history", "Share, show and prune the results of runs."),
    "destroy": ("destroy", "Remove all that runs have made."),
    "list": ("list", "List the runs."),
    "login": ("login", "Log in to a server of a run."),
    "exec": ("exec", "Run a command on a server of a run."),
    "logs": ("logs", "Show what is known of a run: phases, failures, logs, evidence."),
    "gc": ("gc", "Remove what dead and expired runs have left."),
    "jenkins": ("jenkins", "Set up a Jenkins controller, build commits there, show results."),
    "hook": ("hook", "Have Jenkins build every commit that is pushed."),
    "schema": ("schema", "Print the JSON Schema of pipeline files."),
    "doctor": ("doctor", "Say what this machine or a cloud lacks, and how to fix it."),
    "cloud": ("cloud", "Start, stop and look at the embedded cloud."),
    "image": ("image", "Build, list and remove images of the embedded cloud."),
    "completion": ("completion", "Print the shell's completion script."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when one of them is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of a run."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"infraci.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        _have_verbosity(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with their help, none of them imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest a near verb for an unknown one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from infraci.model.problem import near

            meant = near(args[0], COMMANDS)
            hint = f' Did you mean "{meant}"?' if meant else ""
            ctx.fail(f'There is no command "{args[0]}".{hint}')
        name, command, rest = super().resolve_command(ctx, args)
        if ctx.params.get("as_json") and command is not None and not _has_json(command):
            ctx.fail(f"{name} prints no JSON")
        return name, command, rest


def _has_json(command: click.Command) -> bool:
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return any(p.name == "as_json" for p in command.params) or any(map(_has_json, inner))


def _have_verbosity(command: click.Command) -> None:
    """Let -v and -q stand after a command, too."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _have_verbosity(inner)
    elif not any(parameter.name == "verbose" for parameter in command.params):
        for name, sign in (("verbose", 1), ("quiet", -1)):
            command.params.append(
                click.Option(
                    [f"-{name[0]}", f"--{name}"],
                    count=True,
                    hidden=True,
                    expose_value=False,
                    callback=partial(_add_verbosity, sign=sign),
                )
            )


def _add_verbosity(
    context: click.Context, option: click.Parameter, value: int, *, sign: int
) -> None:
    context.obj = (context.obj or 0) + sign * value


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="infraci")
@click.option("-v", "--verbose", count=True, help="Print more: Heat's events, each step.")
@click.option("-q", "--quiet", count=True, help="Print only failures and the result.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, where the command has data.")
@click.pass_context
def cli(ctx: click.Context, verbose: int, quiet: int, as_json: bool) -> None:
    """Every infrastructure commit proves itself.

    A real Heat stack, real servers, Testinfra specs, a JUnit report, and nothing left behind.
    """
    early_signals.begin()
    from infraci.base.temporary import choose_folder

    choose_folder()
    ctx.obj = verbose - quiet
    ctx.meta["infraci.json"] = as_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; prints its error to stderr, and returns its exit code."""
    try:
        result: Any = cli.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="infraci",
            standalone_mode=False,
        )
        sys.stdout.flush()
    except click.exceptions.Abort:
        say_error(early_signals.sentence(), None)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except InfraciError as error:
        say_error(error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        say_error(early_signals.sentence(), None)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe; the interpreter would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        if (machine_error := of_machine(error)) is not None:
            say_error(machine_error.message, machine_error.hint)
            return machine_error.exit_code
        _say_bug(error)
        return BUG
    return result if isinstance(result, int) else ExitCode.PASSED


def say_error(message: str, hint: str | None) -> None:
    """Tell the user what went wrong, and what to do about it."""
    color = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    start = click.style("error:", fg="red", bold=True) if color else "error:"
    say(message, err=True, head=f"{start} ")
    if hint:
        say(hint, err=True, head=f"{click.style('hint:', fg='cyan') if color else 'hint:'} ")


def _say_bug(error: Exception) -> None:
    import platform
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="infraci-bug-", suffix=".log", delete=False, encoding="utf-8", errors="replace"
    ) as log:
        versions = f"infraci {__version__}, Python {platform.python_version()}"
        trace = "".join(traceback.format_exception(error))
        log.write(mask(f"{versions}\n{sys.argv}\n\n{trace}"))
    say_error(
        f"this is a bug in infraci: {type(error).__name__}: {error}",
        f"please report it with {log.name}; `infraci list` shows whether a run was left",
    )
