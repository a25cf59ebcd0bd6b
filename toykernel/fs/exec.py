"""execve (fs/exec.c): a new program in the same task."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.process import account, exit_thread, start_thread
from toykernel.arch.x86.uaccess import get_user, strncpy_from_user
from toykernel.errno import E2BIG, EFAULT, ENOENT, Errno
from toykernel.fs.binfmt_elf import load_elf_binary, parse_elf
from toykernel.kernel.fork import mm_alloc, mmput
from toykernel.task import PF_FORKNOEXEC, TaskStats

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel

PATH_MAX = 4096
MAX_ARG_STRINGS = 0x7FFF
MAX_ARG_STRLEN = 32 * 4096
TASK_COMM_LEN = 16


def sys_execve(k: Kernel, filename: int, argv: int, envp: int) -> int:
    """Replace the program; on success the caller's registers are the new program's."""
    path = strncpy_from_user(k, filename, PATH_MAX).decode(errors="surrogateescape")
    if not path:
        raise Errno(ENOENT)
    return do_execve(k, path, _strings(k, argv), _strings(k, envp))


def _strings(k: Kernel, vector: int) -> list[bytes]:
    """A NULL-terminated vector of strings from user memory; NULL counts as an empty one."""
    strings: list[bytes] = []
    total = 0
    while vector:
        pointer = get_user(k, vector + 4 * len(strings))
        if not pointer:
            break
        try:
            text = strncpy_from_user(k, pointer, MAX_ARG_STRLEN)
        except Errno as error:
            raise Errno(EFAULT if error.number == EFAULT else E2BIG) from None
        strings.append(text)
        total += len(text) + 1
        if len(strings) > MAX_ARG_STRINGS or total > MAX_ARG_STRLEN:
            raise Errno(E2BIG)
    return strings


def do_execve(k: Kernel, path: str, argv: list[bytes], envp: list[bytes]) -> int:
    """The old address space stays until the new one is complete. Raises Errno, changing nothing."""
    image = parse_elf(k.fs.read(path))
    with ExitStack() as undo:
        mm = mm_alloc(k)
        undo.callback(mmput, k, mm)
        sp = load_elf_binary(k, mm, image, path, argv, envp)
        undo.pop_all()

    task = k.current
    exit_thread(k, task)
    old = task.mm
    task.mm = task.active_mm = mm
    k.activate_mm(mm)
    if old is not None:
        mmput(k, old)
    task.comm = path.rsplit("/", 1)[-1][: TASK_COMM_LEN - 1]
    task.did_exec = True
    task.flags &= ~PF_FORKNOEXEC
    account(k, task)
    task.stats = TaskStats()
    start_thread(k, k.task_pt_regs(task), image.entry, sp)
    k.exec_done(task)
    for listener in k.trace.process_exec:
        listener(task, path)
    return 0
