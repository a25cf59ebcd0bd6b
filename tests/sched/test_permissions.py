"""Who may change whose priority. `test_native` needs root, for the program must have something to lose."""

import os
import subprocess
from pathlib import Path

import pytest
from native_linux import normal_niceness, skip_unless_linux32, skip_unless_normal_niceness

from toykernel.harness.build import build
from toykernel.harness.session import Session
from toykernel.state import Config

EPERM, EACCES, EINVAL, ESRCH = 1, 13, 22, 3

#: What a child that has become user 54321 tries on itself and on its parent, user 0 at nice 0.
#: call, three arguments (`ppid`: the parent's number), what it answers.
ATTEMPTS = [
    ("getpriority of another's", 96, (0, "ppid", 0), 20),
    ("setpriority of another's, upwards", 97, (0, "ppid", 5), -EPERM),
    ("setpriority of another's, downwards", 97, (0, "ppid", -5), -EPERM),
    ("setpriority of a user's who has processes", 97, (2, 0, 3), 0),
    ("its own is that now", 96, (0, 0, 0), 17),
    ("and cannot be taken back", 97, (0, 0, 0), -EACCES),
    ("nice cannot, either", 34, (-1, 0, 0), -EPERM),
    ("SCHED_BATCH for another's", 156, ("ppid", 3, "zero"), -EPERM),
    ("the policy of another's can be read", 157, ("ppid", 0, 0), 0),
    ("FIFO", 156, (0, 1, "one"), -EPERM),
    ("RR", 156, (0, 2, "one"), -EPERM),
    ("SCHED_BATCH", 156, (0, 3, "zero"), 0),
    ("reset-on-fork can be set", 156, (0, 0x40000000, "zero"), 0),
    ("but not unset", 156, (0, 0, "zero"), -EPERM),
    ("SCHED_IDLE", 156, (0, 0x40000005, "zero"), 0),
    ("from which there is no way back", 156, (0, 0x40000000, "zero"), -EPERM),
    ("unless the limit allows that nice level", 75, (13, "limit", 0), -EPERM),
]
#: The same, with RLIMIT_NICE raised to 17 (nice 3) by root before it gave itself up.
WITH_LIMIT = [
    ("nice 3", 97, (0, 0, 3), 0),
    ("SCHED_IDLE", 156, (0, 5, "zero"), 0),
    ("and back", 156, (0, 0, "zero"), 0),
    ("nice 4", 97, (0, 0, 4), 0),
    ("nice 3 again", 97, (0, 0, 3), 0),
    ("but not 2", 97, (0, 0, 2), -EACCES),
]


def program(attempts: list[tuple[str, int, tuple[int | str, ...], int]], limit: bool) -> str:
    """Assembly text that ends with the number of the first attempt that failed, from 1; or 0."""
    text = ['.include "linux.inc"', ".text", ".globl _start", "_start:"]
    if limit:
        text += ["movl $13, %ebx", "movl $limit, %ecx", "movl $75, %eax", "int $0x80"]
        text += ["testl %eax, %eax", "jnz refused"]
    text += ["sys_fork", "testl %eax, %eax", "jz child", "pushl $0"]
    text += ["sys_waitpid %eax, %esp, $0", "movzbl 1(%esp), %ebx", "movl $__NR_exit, %eax"]
    text += ["int $0x80", "child:", "sys_getppid", "movl %eax, ppid"]
    for register in ("ebx", "ecx", "edx"):
        text.append(f"movl $54321, %{register}")
    text += ["movl $208, %eax", "int $0x80", "testl %eax, %eax", "jnz wrong"]
    for number, (_, call, args, answer) in enumerate(attempts, start=1):
        text.append(f"movl ${number}, tried")
        for register, arg in zip(("ebx", "ecx", "edx"), args, strict=True):
            operand = arg if arg == "ppid" else f"${arg}"
            text.append(f"movl {operand}, %{register}")
        text += [f"movl ${call}, %eax", "int $0x80", f"cmpl ${answer}, %eax", "jne wrong"]
    text += ["movl $0, tried", "wrong:", "sys_exit tried", "refused:", "sys_exit $98", ".data"]
    text += [f"{name}: .long {value}" for name, value in (("zero", 0), ("one", 1), ("ppid", 0))]
    text += ["tried: .long 99", "limit: .long 17, 17", '.include "print.inc"']
    return "\n".join(text) + "\n"


CASES = pytest.mark.parametrize(("attempts", "limit"), [(ATTEMPTS, False), (WITH_LIMIT, True)])


def failed(attempts: list[tuple[str, int, tuple[int | str, ...], int]], status: int) -> str | None:
    return None if status == 0 else attempts[status - 1][0] if status < 98 else "before the first"


@CASES
def test_here(
    tmp_path: Path, attempts: list[tuple[str, int, tuple[int | str, ...], int]], limit: bool
) -> None:
    source = tmp_path / "tries.S"
    source.write_text(program(attempts, limit))
    session = Session(source)
    assert session.run(10_000_000).kind == "finished"
    assert failed(attempts, session.stats.program_status >> 8) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give itself up")
@CASES
def test_native(
    tmp_path: Path, attempts: list[tuple[str, int, tuple[int | str, ...], int]], limit: bool
) -> None:
    skip_unless_linux32(tmp_path)
    source, path = tmp_path / "tries.S", tmp_path / "tries"
    source.write_text(program(attempts, limit))
    path.write_bytes(build(source)[0])
    path.chmod(0o755)
    skip_unless_normal_niceness()
    # The shell is the parent whose priority is asked for: like it, at nice 0.
    status = subprocess.run(
        ["sh", "-c", '"$1"; exit $?', "sh", path],
        timeout=10,
        check=False,
        preexec_fn=normal_niceness,
    ).returncode
    if status == 98:
        pytest.skip("this root may not raise RLIMIT_NICE")
    assert failed(attempts, status) is None


@pytest.mark.parametrize("policy", [3, 5])
def test_2_4_does_not_know_the_policies_that_came_later(tmp_path: Path, policy: int) -> None:
    source = tmp_path / "tries.S"
    source.write_text(program([("later", 156, (0, policy, "zero"), -EINVAL)], False))
    session = Session(source, config=Config(scheduler="goodness"))
    assert session.run(10_000_000).kind == "finished"
    assert session.stats.program_status == 0
