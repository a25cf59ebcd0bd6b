"""A Linux-shaped kernel on an emulated i386.

What a test or a notebook needs is here, imported when it is first asked for: `Session` and what it
answers with. docs/api.md is the guide.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toykernel.harness.breakpoints import Breakpoint, BreakpointError
    from toykernel.harness.recipe import LoadError
    from toykernel.harness.session import Session
    from toykernel.look.symbols import SymbolError
    from toykernel.look.task import TaskView, UnreadableError
    from toykernel.observe.faultlog import FaultRecord
    from toykernel.oops import KernelOops
    from toykernel.state import Config, Outcome, OutcomeKind
    from userland.assembler import AssemblyError

__version__ = "0.1.0"

__all__ = [
    "AssemblyError",
    "Breakpoint",
    "BreakpointError",
    "Config",
    "FaultRecord",
    "KernelOops",
    "LoadError",
    "Outcome",
    "OutcomeKind",
    "Session",
    "SymbolError",
    "TaskView",
    "UnreadableError",
]

_HOMES = {
    "AssemblyError": "userland.assembler",
    "Breakpoint": "toykernel.harness.breakpoints",
    "BreakpointError": "toykernel.harness.breakpoints",
    "Config": "toykernel.state",
    "FaultRecord": "toykernel.observe.faultlog",
    "KernelOops": "toykernel.oops",
    "LoadError": "toykernel.harness.recipe",
    "Outcome": "toykernel.state",
    "OutcomeKind": "toykernel.state",
    "Session": "toykernel.harness.session",
    "SymbolError": "toykernel.look.symbols",
    "TaskView": "toykernel.look.task",
    "UnreadableError": "toykernel.look.task",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
