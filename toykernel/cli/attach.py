"""Options that act inside the kernel while it runs, for every command that runs a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from toykernel.check.fail import Injector
    from toykernel.state import Kernel

#: What `attach` and the runner see to; all other options of a run are about the host's files.
ATTACHED = ("check", "fail_nth", "max_cycles")


def attach(k: Kernel, values: Mapping[str, Any]) -> Injector | None:
    """Add the listeners that parsed options ask for. Raises click.BadParameter."""
    if values["check"]:
        from toykernel.check.invariants import install

        install(k, full=values["check"] == "full")
    return add_injector(k, values["fail_nth"])


def add_injector(k: Kernel, fail_nth: tuple[str, int] | None) -> Injector | None:
    """Failure injection, when asked for. Raises click.BadParameter."""
    if fail_nth is None:
        return None
    from toykernel.check.fail import Injector

    try:
        return Injector(k, *fail_nth)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fail-nth") from None
