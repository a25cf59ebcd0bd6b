"""docs/kernel-versions.md says what the profiles say (fork-path N)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from guest import run

from toykernel.errno import EAGAIN, ENOENT, name
from toykernel.profiles import PROFILES, Profile
from toykernel.task import TASK_NEW, TASK_RUNNING, TASK_UNINTERRUPTIBLE

DOCUMENT = Path(__file__).parents[2] / "docs" / "kernel-versions.md"
STATES = {TASK_RUNNING: "RUNNING", TASK_UNINTERRUPTIBLE: "UNINTERRUPTIBLE", TASK_NEW: "NEW"}


def yes(value: bool) -> str:
    return "yes" if value else "no"


ROWS: dict[str, Callable[[Profile], str]] = {
    "`uname -r`": lambda p: p.release,
    "state at birth": lambda p: STATES[p.state_at_birth],
    "scheduler": lambda p: p.scheduler,
    "CLONE_PID, for pid 0 only": lambda p: yes(p.clone_pid),
    "refuses NEWUSER+FS, SIGHAND+NEWUSER, SIGHAND+NEWPID": lambda p: yes(p.newuser_refusals),
    "ids are 65534 in a new user namespace until its maps are written, then what they say; before: 0": (
        lambda p: yes(p.unmapped_ids)
    ),
    "CLONE_PARENT keeps the leader's exit signal": lambda p: yes(
        p.clone_parent_keeps_leader_signal
    ),
    "`setuid` beyond RLIMIT_NPROC works, the next `execve` is EAGAIN": lambda p: yes(
        p.nproc_waits_for_exec
    ),
    "a new mapping joins an area that came from fork with pages": lambda p: yes(
        p.merges_cloned_areas
    ),
    "`CLONE_NEWCGROUP` without CAP_SYS_ADMIN": lambda p: (
        "EPERM" if p.cgroup_namespaces else "ignored"
    ),
    "`waitpid(INT_MIN)`": lambda p: name(p.wait_for_int_min),
    "a thread that a signal kills clears its `clear_child_tid`": lambda p: yes(p.killed_clears_tid),
    "CAP_LAST_CAP": lambda p: str(p.last_cap),
    "SECBIT_ that there are, without their locks": lambda p: hex(p.secure_bits),
    "`mlock` of what is locked already counts it again": lambda p: yes(not p.mlock_counts_once),
    "RLIMIT_MEMLOCK, KiB": lambda p: str(p.memlock >> 10),
    "flags that `sigaction` keeps": lambda p: hex(p.sa_flags),
    "bytes of a script's first line that `execve` reads": lambda p: str(p.script_line),
    "refuses a script whose interpreter's name does not end in them": lambda p: yes(
        p.refuses_cut_interpreter
    ),
    "every mount of devpts is an instance of its own (without: one with `newinstance`)": (
        lambda p: yes(p.devpts_instances)
    ),
    "locks the mounts that a mount namespace of another user namespace begins with": lambda p: yes(
        p.locks_mounts
    ),
    "makes a whiteout, a character device 0:0, without CAP_MKNOD": lambda p: yes(p.free_whiteouts),
    "`execve` with no `argv[0]` passes an empty one": lambda p: yes(p.fills_empty_argv),
    "`utimensat` looks for the file before it looks at the times": lambda p: yes(
        p.utimes_looks_first
    ),
    "functions of the vDSO": lambda p: str(len(p.vdso)),
    "maps the vDSO (vm.vdso_enabled)": lambda p: yes(p.vdso_enabled),
    "KiB that `execve` adds to the first stack below its strings": lambda p: str(
        p.stack_expand >> 10 or 4
    ),
    "`execve` maps the read-only pages of a program's file, in place of copies": lambda p: yes(
        p.shares_program_pages
    ),
    "entries of the auxiliary vector besides the common ones": lambda p: ", ".join(sorted(p.auxv)),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_document(row: str) -> None:  # N
    cells = [ROWS[row](profile) for profile in PROFILES.values()]
    assert f"| {row} | {' | '.join(cells)} |" in DOCUMENT.read_text().splitlines()


def test_the_document_has_every_row() -> None:
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    assert len(lines) == len(ROWS) + 1
    assert lines[0] == "| | " + " | ".join(PROFILES) + " |"


@pytest.mark.parametrize(
    ("kernel", "setuid", "execve"),
    [("2.4", -EAGAIN, -ENOENT), ("2.6.39", -EAGAIN, -ENOENT), ("3.x", 0, -EAGAIN), ("4.x", 0, -EAGAIN),
     ("6.x", 0, -EAGAIN)],
)  # fmt: skip
def test_who_pays_for_a_user_with_too_many_processes(kernel: str, setuid: int, execve: int) -> None:
    """N; setuid(2), ERRORS: since 3.1 the limit is looked at by execve, for callers that do not check."""
    source = f"""
    movl $75, %eax              # setrlimit(RLIMIT_NPROC, {{1, 1}})
    movl $6, %ebx
    movl $limit, %ecx
    int $0x80
    movl $2, %eax
    int $0x80
    movl %eax, %edi
    testl %eax, %eax
    jz child
    give_way
    movl $213, %eax             # setuid32
    movl $1000, %ebx
    int $0x80
    cmpl ${setuid}, %eax
    jne failed
    movl $11, %eax              # execve
    movl $nothing, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    cmpl ${execve}, %eax
    jne failed
    movl $37, %eax              # kill
    movl %edi, %ebx
    movl $9, %ecx
    int $0x80
    sys_waitpid %edi, $0, $0
    movl $11, %eax              # alone again: exec goes as far as the name
    movl $nothing, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    cmpl ${-ENOENT}, %eax
    jne failed
    sys_exit $0
failed:
    sys_exit $1
child:
    movl $213, %eax
    movl $1000, %ebx
    int $0x80
    movl $29, %eax              # pause
    int $0x80
.data
limit: .long 1, 1
nothing: .asciz "/nothing"
"""
    run(source, profile=PROFILES[kernel])
