"""``infraci completion``: the shell's completion script."""

from __future__ import annotations

import click

from infraci.base.terminal import say


@click.command("completion", short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the shell's completion script.

    bash: eval "$(infraci completion bash)" in ~/.bashrc; zsh the same in ~/.zshrc; fish:
    infraci completion fish > ~/.config/fish/completions/infraci.fish
    """
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"no completion for {shell}")
    say(completion(context.find_root().command, {}, "infraci", "_INFRACI_COMPLETE").source())
