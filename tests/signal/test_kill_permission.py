"""Who may send whom a signal: kill(2). `test_native` needs root, for the sender must be somebody else."""

import os
import subprocess
from pathlib import Path

import pytest
from native_linux import skip_unless_linux32

from toykernel.harness.build import build
from toykernel.harness.session import Session
from toykernel.state import Kernel
from toykernel.task import Task

EPERM, ESRCH, EINVAL = 1, 3, 22
KILL, TKILL, TGKILL, QUEUE, SETSID, SETRESUID = 37, 238, 270, 178, 66, 208

#: What a child of root's tries on its parent (`ppid`); it gives itself up on the way. None: not compared.
ATTEMPTS: list[tuple[str, int, tuple[int | str, ...], int | None]] = [
    ("root asks", KILL, ("ppid", 0, 0), 0),
    ("a number that is no signal", KILL, ("ppid", 65, 0), -EINVAL),
    ("only the effective user is another", SETRESUID, (0, 54321, 0), 0),
    ("the real one counts, too", KILL, ("ppid", 0, 0), 0),
    ("all are another's", SETRESUID, (54321, 54321, 54321), 0),
    ("another user's process", KILL, ("ppid", 0, 0), -EPERM),
    ("nor can it be killed", KILL, ("ppid", 9, 0), -EPERM),
    ("nor its thread", TKILL, ("ppid", 10, 0), -EPERM),
    ("nor be sent a value", QUEUE, ("ppid", 10, "info"), -EPERM),
    ("in the same session it can be continued", KILL, ("ppid", 18, 0), 0),
    ("itself is allowed", KILL, ("pid", 0, 0), 0),
    ("nobody is not", KILL, (0x3FFFFFFF, 0, 0), -ESRCH),
    ("another session", SETSID, (0, 0, 0), None),
    ("from which it cannot", KILL, ("ppid", 18, 0), -EPERM),
]


def program() -> str:
    """Assembly text that ends with the number of the first attempt that failed, from 1; or 0."""
    text = ['.include "linux.inc"', ".text", ".globl _start", "_start:"]
    text += ["sys_fork", "testl %eax, %eax", "jz child", "pushl $0"]
    text += ["sys_waitpid %eax, %esp, $0", "movzbl 1(%esp), %ebx", "movl $__NR_exit, %eax"]
    text += [
        "int $0x80",
        "child:",
        "sys_getppid",
        "movl %eax, ppid",
        "sys_getpid",
        "movl %eax, pid",
    ]
    for number, (_, call, args, answer) in enumerate(ATTEMPTS, start=1):
        text.append(f"movl ${number}, tried")
        for register, arg in zip(("ebx", "ecx", "edx"), args, strict=True):
            text.append(f"movl {arg if arg in ('pid', 'ppid') else f'${arg}'}, %{register}")
        text += [f"movl ${call}, %eax", "int $0x80"]
        text += [f"cmpl ${answer}, %eax", "jne wrong"] if answer is not None else []
    text += ["movl $0, tried", "wrong:", "sys_exit tried", ".data"]
    text += ["pid: .long 0", "ppid: .long 0", "tried: .long 99"]
    text += ["info: .long 10, 0, -1", ".fill 29, 4, 0", '.include "print.inc"']
    return "\n".join(text) + "\n"


def failed(status: int) -> str | None:
    return None if status == 0 else ATTEMPTS[status - 1][0]


def test_here(tmp_path: Path) -> None:
    source = tmp_path / "tries.S"
    source.write_text(program())
    session = Session(source)
    assert session.run(10_000_000).kind == "finished"
    assert failed(session.stats.program_status >> 8) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give itself up")
def test_native(tmp_path: Path) -> None:
    skip_unless_linux32(tmp_path)
    source, path = tmp_path / "tries.S", tmp_path / "tries"
    source.write_text(program())
    path.write_bytes(build(source)[0])
    path.chmod(0o755)
    assert failed(subprocess.run([path], timeout=10, check=False).returncode) is None


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (KILL, ("%edi", "$10", "$0")),
        (KILL, ("%edi", "$0", "$0")),  # to ask is to be asked about
        (TKILL, ("%edi", "$10", "$0")),
        (TGKILL, ("%edi", "%edi", "$10")),
        (QUEUE, ("%edi", "$10", "$info")),
    ],
)
@pytest.mark.parametrize("answer", [-13, -1])
def test_the_security_hook_is_asked_and_chooses_the_error(
    tmp_path: Path, call: int, arguments: tuple[str, str, str], answer: int
) -> None:
    """check_kill_permission (kernel/signal.c): security_task_kill has the last word, also over root."""
    moves = "\n".join(
        f"movl {argument}, %{register}"
        for argument, register in zip(arguments, ("ebx", "ecx", "edx"), strict=True)
    )
    source = tmp_path / "hook.S"
    source.write_text(f"""
    .include "linux.inc"
    .text
    .globl _start
_start:
    sys_getpid
    movl %eax, %edi
    {moves}
    movl ${call}, %eax
    int $0x80
    negl %eax
    sys_exit %eax
    .data
info: .long 10, 0, -1
    .fill 29, 4, 0
    .include "print.inc"
""")
    session = Session(source)
    asked = []

    def hook(k: Kernel, task: Task, sig: int) -> int:
        asked.append((task is k.current, sig))
        return answer

    session.kernel.host.security.task_kill.append(hook)
    assert session.run(10_000_000).kind == "finished"
    assert session.stats.program_status >> 8 == -answer
    assert asked == [(True, 0 if arguments[1] == "$0" else 10)]


def test_whom_the_ids_refuse_no_hook_is_asked(tmp_path: Path) -> None:
    source = tmp_path / "ids.S"
    source.write_text(program())
    session = Session(source)
    asked = []

    def hook(_k: Kernel, _task: Task, sig: int) -> int:
        asked.append(sig)
        return 0

    session.kernel.host.security.task_kill.append(hook)
    assert session.run(10_000_000).kind == "finished"
    assert failed(session.stats.program_status >> 8) is None
    assert asked == [0, 0, 18, 0]
