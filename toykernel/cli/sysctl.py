"""`toykernel sysctl`: the kernel's settings and their values."""

from __future__ import annotations

from typing import Any

import click

from toykernel.cli import complete
from toykernel.cli.console import host_message
from toykernel.cli.options import MACHINE, apply, machine_config
from toykernel.harness.exit_status import EXIT_MISUSE


@click.command()
@apply(MACHINE)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.settings)
def command(names: tuple[str, ...], **values: Any) -> int:
    """Print settings of the kernel that the options describe: those named, or all.

    What --sysctl sets for a run is set here too, so that a value can be tried.
    """
    from toykernel.harness.images import boot_images
    from toykernel.power_on import power_on
    from toykernel.sysctl import SysctlError, settings

    table = settings()
    for name in names:
        if name not in table:
            known = ", ".join(sorted(table))
            host_message(f"there is no sysctl {name!r}; there are {known}")
            return EXIT_MISUSE
    try:
        config = machine_config(values)
        k = power_on({}, "/init", [b"/init"], images=boot_images(config), config=config)
    except SysctlError as error:
        host_message(str(error))
        return EXIT_MISUSE
    for name in names or sorted(table):
        click.echo(f"{name} = {table[name].get(k)}")
    return 0
