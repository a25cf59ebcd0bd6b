"""FPU and SSE registers belong to a task, though the CPU has one set: fork-path H3, H5."""

import pytest
from guest import boot, finish, label, run, run_to, status_of, task

from emu.paging import CR0_TS
from toykernel.errno import ENOMEM, Errno

FIRST_USE = """
    movl $0x0e7f, control       # round up, and other bits than FNINIT's
    fldcw control
    fldpi
"""
FRESH = """
    fnstcw control
    cmpw $0x037f, control
    jne bad
    fnstsw %ax
    testw %ax, %ax
    jnz bad
"""
END = """
bad:
    sys_exit $1
    .bss
control: .space 4
status: .space 4
"""
EXEC_SELF = """
    movl $11, %eax
    movl $path, %ebx
    movl $argv, %ecx
    xorl %edx, %edx
    int $0x80
    jmp bad
    .data
path: .asciz "/guest"
argv: .long path, path, 0
    .text
"""

#: Parent and child each keep their own registers over many switches. H5
TWO_TASKS = """
    sys_fork
    testl %eax, %eax
    movl $100, %ebp
    movl $0x1111, %esi
    jz 1f
    movl %eax, %edi
    movl $0x2222, %esi
1:  movl %esi, control
    fildl control
    XMM_SET
    again:
    give_way
    fistl control
    cmpl control, %esi
    jne bad
    XMM_CHECK
    decl %ebp
    jnz again
    cmpl $0x1111, %esi
    je done
    sys_waitpid %edi, $status, $0
    cmpl $0, status
    jne bad
done:
    sys_exit $0
"""
XMM_SET = "movd %esi, %xmm5\n"
XMM_CHECK = "movd %xmm5, %eax\n cmpl %eax, %esi\n jne bad\n"


@pytest.mark.parametrize("cpu", ["486", "pentium", "pentium3", "max"])
def test_tasks_have_their_own_fpu(cpu: str) -> None:  # H5
    sse = cpu in ("pentium3", "max")
    text = TWO_TASKS.replace("XMM_SET", XMM_SET if sse else "")
    session = boot(text.replace("XMM_CHECK", XMM_CHECK if sse else "") + END, cpu=cpu, check=True)
    k = session.kernel
    saved: list[int] = []
    k.host.trace.gate.append(
        lambda t, name: saved.append(t.pid) if name == "math_state_restore" else None
    )
    assert finish(session) == 0
    assert saved.count(2) > 50
    assert saved.count(3) > 50
    assert k.arch.fpu_owner is None


@pytest.mark.parametrize("cpu", ["486", "pentium", "pentium3", "max"])
def test_a_child_inherits_the_parents_fpu(cpu: str) -> None:  # H3: saved by the call's entry
    run(
        FIRST_USE
        + """
    sys_fork
    testl %eax, %eax
    jz child
    fldz                        # changes the parent's only
    fldz
    sys_waitpid %eax, $status, $0
    cmpl $0, status
    jne bad
    fstp %st(0)
    fstp %st(0)
    fldpi
    fcompp
    fnstsw %ax
    testw $0x4000, %ax          # C3: equal
    jz bad
    sys_exit $0
child:
    fnstcw control
    cmpw $0x0e7f, control
    jne bad
    fldpi
    fcompp
    fnstsw %ax
    testw $0x4000, %ax
    jz bad
    sys_exit $0
"""
        + END,
        cpu=cpu,
    )


@pytest.mark.parametrize("cpu", ["486", "max"])
def test_exec_gives_a_fresh_fpu(cpu: str) -> None:
    """Neither the registers nor the right to them survive: both programs use the FPU."""
    run(
        "cmpl $1, (%esp)\n jne second\n"
        + FIRST_USE
        + EXEC_SELF
        + "second:\n"
        + FRESH
        + FIRST_USE
        + "give_way\n fnstcw control\n cmpw $0x0e7f, control\n jne bad\n sys_exit $0\n"
        + END,
        cpu=cpu,
    )


def test_nothing_of_others_comes_through() -> None:
    """A first use of SSE finds zeros, not what the last task left there."""
    run(
        """
    sys_fork
    testl %eax, %eax
    jz child
    movl %eax, %edi
    movl $0x5ec2e7, %eax
    movd %eax, %xmm3
    pushl $0x1f00               # unmask an SSE exception
    ldmxcsr (%esp)
    fldpi
    sys_waitpid %edi, $status, $0
    cmpl $0, status
    jne bad
    movd %xmm3, %eax
    cmpl $0x5ec2e7, %eax
    jne bad
    sys_exit $0
child:
    give_way
    movd %xmm3, %eax
    testl %eax, %eax
    jnz bad
    stmxcsr control
    cmpl $0x1f80, control
    jne bad
"""
        + FRESH
        + "sys_exit $0\n"
        + END
    )


def test_nothing_of_the_dead_comes_through() -> None:
    """The save area of a task that has ended serves the next one."""
    run(
        """
    sys_fork
    testl %eax, %eax
    jz first
    sys_waitpid %eax, $0, $0
    sys_fork
    testl %eax, %eax
    jz second
    sys_waitpid %eax, $status, $0
    cmpl $0, status
    jne bad
    sys_exit $0
first:
    movl $0x5ec2e7, %eax
    movd %eax, %xmm6
    fldpi
    give_way                    # others have a turn, but nobody uses the FPU
    movl $2, %eax
    int $0x80                   # fork saves the registers
    sys_exit $0
second:
    movd %xmm6, %eax
    testl %eax, %eax
    jnz bad
"""
        + FRESH
        + "sys_exit $0\n"
        + END
    )


def test_a_dead_owner_is_forgotten() -> None:
    run(
        """
    movl $3, %ebp
again:
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $status, $0
    cmpl $0, status
    jne bad
    decl %ebp
    jnz again
    sys_exit $0
child:
"""
        + FRESH
        + FIRST_USE
        + "sys_exit $0\n"
        + END
    )


def test_the_fpu_is_loaded_lazily() -> None:  # H5: CR0.TS until #NM
    session = boot(
        "before: nop\n fninit\nafter: sys_fork\n testl %eax, %eax\n jz child\n"
        "sys_waitpid %eax, $0, $0\nwaited: sys_exit $0\nchild: sys_exit $0\n"
    )
    k = session.kernel
    run_to(session, "before")
    assert k.machine.cpu.cr0 & CR0_TS
    program = run_to(session, "after")
    assert not k.machine.cpu.cr0 & CR0_TS
    assert k.arch.fpu_owner is program
    run_to(session, "child")
    assert k.machine.cpu.cr0 & CR0_TS
    assert task(session, 3).thread.fpu not in (0, program.thread.fpu)  # H3: a copy of its own
    run_to(session, "waited")
    assert label(session, "waited") == k.machine.cpu.eip


def test_no_memory_for_the_fpu_kills_only_the_task() -> (
    None
):  # K11's rule for another kind of memory
    session = boot(
        """
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $status, $0
    cmpl $9, status             # SIGKILL
    jne bad
    fninit                      # there is memory again
    sys_exit $0
child:
    fninit
    sys_exit $0
"""
        + END
    )
    k = session.kernel
    run_to(session, "child")

    def fail(what: str) -> None:
        if what == "fpu" and k.current.pid == 3:
            raise Errno(ENOMEM)

    k.host.may_fail = fail
    outcome = session.run(100_000)
    assert outcome.kind == "finished"
    assert session.stats.program_status == 0


def test_an_unmasked_error_is_sigfpe() -> None:  # A6: #MF
    divide = "movl $0x037b, control\n fldcw control\n fld1\n fldz\n fdivrp %st, %st(1)\n fwait\n"
    assert status_of(divide + "sys_exit $0\n" + END) == 8
