"""Writing a core file of a process that lives."""

from __future__ import annotations

from pathlib import Path

from toykernel.debug.commands.command import Command, Console
from toykernel.debug.errors import DebugError
from toykernel.look.elf_core import elf_core


def gcore(console: Console, text: str) -> None:
    """gcore [FILE]"""
    debugger = console.debugger
    task = debugger.view.task
    if task.mm is None:
        raise DebugError(f"task {task.pid} has no memory of its own")
    name = str(Path(text).expanduser()) if text else f"core.{task.tgid}"
    data = elf_core(debugger.kernel, task)
    console.save(name, data)
    console.write(f"{name}: {len(data)} bytes, process {task.tgid}")


CORE = (
    Command("gcore", "[FILE]", "write a core file of its process", gcore,
            "For gdb, eu-readelf and others; without FILE it is core.PID. The process goes on.",
            ("generate-core-file",)),
)  # fmt: skip
