"""Security hooks (security/security.c): functions that may refuse, each with its own error number.

A hook is called with the kernel and what it is asked about; it answers 0 or a negative error number, as
in Linux. The first refusal counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import Errno

if TYPE_CHECKING:
    from toykernel.kernel.cred import Cred
    from toykernel.state import Kernel
    from toykernel.task import Task


@dataclass
class SecurityHooks:
    """The table. Append a function to take part."""

    task_create: list[Callable[[Kernel, int], int]] = field(default_factory=list)  # (k, flags)
    task_kill: list[Callable[[Kernel, Task, int], int]] = field(default_factory=list)  # target, sig
    task_setpgid: list[Callable[[Kernel, Task, int], int]] = field(default_factory=list)
    task_setrlimit: list[Callable[[Kernel, int, tuple[int, int]], int]] = field(
        default_factory=list
    )  # (k, resource, limits)
    task_fix_setuid: list[Callable[[Kernel, Cred, Cred], int]] = field(default_factory=list)
    bprm_check: list[Callable[[Kernel, str], int]] = field(default_factory=list)  # (k, path)
    file_open: list[Callable[[Kernel, str, int], int]] = field(default_factory=list)  # path, flags


def _heed(answer: int) -> None:
    if answer < 0:
        raise Errno(-answer)


def security_task_create(k: Kernel, clone_flags: int) -> None:
    """fork-path D2: may the current task make a task with these CLONE_ flags? Raises Errno by the
    first hook that refuses.
    """
    for hook in k.host.security.task_create:
        _heed(hook(k, clone_flags))


def security_task_kill(k: Kernel, task: Task, sig: int) -> None:
    """May the current task send another a signal? Raises the first refusal, as all of them do."""
    for hook in k.host.security.task_kill:
        _heed(hook(k, task, sig))


def security_task_setpgid(k: Kernel, task: Task, pgid: int) -> None:
    """May a task join the process group `pgid`, a number of the caller's namespace? Raises Errno."""
    for hook in k.host.security.task_setpgid:
        _heed(hook(k, task, pgid))


def security_task_setrlimit(k: Kernel, resource: int, limits: tuple[int, int]) -> None:
    """May RLIMIT_ `resource` become (soft, hard)? Raises Errno."""
    for hook in k.host.security.task_setrlimit:
        _heed(hook(k, resource, limits))


def security_task_fix_setuid(k: Kernel, new: Cred, old: Cred) -> None:
    """May the ids change from `old` to `new`, which is not installed yet? Raises Errno."""
    for hook in k.host.security.task_fix_setuid:
        _heed(hook(k, new, old))


def security_bprm_check(k: Kernel, path: str) -> None:
    """May the program at this path be executed? Raises Errno."""
    for hook in k.host.security.bprm_check:
        _heed(hook(k, path))


def security_file_open(k: Kernel, path: str, flags: int) -> None:
    """May the file at this path be opened with these O_ flags? Raises Errno."""
    for hook in k.host.security.file_open:
        _heed(hook(k, path, flags))
