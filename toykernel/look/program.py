"""Which tasks are the program's: what init does before it, and for it, is not the program's doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.task import Task

#: Init's one child, which executes the program.
PROGRAM_PID = 2


def of_program(task: Task) -> bool:
    """Whether a task is the program after its exec, or comes from it by fork."""
    return task.pid > PROGRAM_PID or (task.pid == PROGRAM_PID and task.did_exec)
