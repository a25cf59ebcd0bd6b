"""`toykernel completion`: what a shell needs to complete our command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from toykernel.harness.exit_status import EXIT_MISUSE


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> int:
    """Print a script with which SHELL completes the command line of toykernel.

    \b
    bash:  toykernel completion bash > ~/.local/share/bash-completion/completions/toykernel
    zsh:   toykernel completion zsh > "${fpath[1]}/_toykernel"
    fish:  toykernel completion fish > ~/.config/fish/completions/toykernel.fish

    Commands, options and their values are completed, names of settings behind --sysctl, system calls behind
    --fail-nth, and labels of PROGRAM where one is wanted.
    """
    from toykernel.cli.group import cli

    kind = get_completion_class(shell)
    if kind is None:
        return EXIT_MISUSE
    try:
        click.echo(kind(cli, {}, "toykernel", "_TOYKERNEL_COMPLETE").source())
    except RuntimeError as error:  # a bash before 4.4
        raise click.UsageError(str(error)) from None
    return 0
