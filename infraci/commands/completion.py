"""``infraci completion``: the shell's completion script."""

from __future__ import annotations

import click


@click.command("completion", short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the shell's completion script.

    bash: eval "$(infraci completion bash)" in ~/.bashrc; zsh the same in ~/.zshrc; fish:
    infraci completion fish > ~/.config/fish/completions/infraci.fish
    """
    from click.shell_completion import get_completion_class

    from infraci.cli import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(cli, {}, "infraci", "_INFRACI_COMPLETE").source())
