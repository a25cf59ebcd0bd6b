"""What one flag or one field of a fork does, each by itself (fork-path C, D, E, F, G, H)."""

from typing import Any

import pytest
from guest import PROGRAM_PID, boot, finish, frame, label, look, run, run_to, task, word

from emu.descriptors import Segment
from toykernel import run_loop
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, TIF_SIGPENDING
from toykernel.arch.x86.thread_info import set_ti_flag
from toykernel.arch.x86.thread_info import test_ti_flag as ti_flag
from toykernel.arch.x86.tls import load_tls
from toykernel.check.points import FAILS_WITH
from toykernel.errno import EAGAIN, ENOMEM, ERESTARTNOINTR, Errno
from toykernel.fs.pipe_fs_i import Pipe
from toykernel.harness.session import Session
from toykernel.kernel.clone_flags import (
    CLONE_CHILD_CLEARTID,
    CLONE_IO,
    CLONE_NEWPID,
    CLONE_PARENT_SETTID,
    CLONE_SETTLS,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_UNTRACED,
    CLONE_VM,
    CloneArgs,
)
from toykernel.kernel.cred import CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_SYS_RESOURCE, Cred, UserStruct
from toykernel.kernel.fork import copy_process, do_fork, kernel_thread
from toykernel.kernel.io_context import IoContext
from toykernel.kernel.sched.core import wake_up_new_task
from toykernel.kernel.session import sys_setsid
from toykernel.kernel.siginfo import SIGCHLD, SIGKILL, SIGUSR1
from toykernel.kernel.signal import send_signal
from toykernel.kernel.signal_types import RLIMIT_NPROC
from toykernel.kernel.wait import Completion, WaitQueue
from toykernel.observe.strace import Strace
from toykernel.profiles import PROFILES
from toykernel.state import Kernel
from toykernel.task import TASK_NEW, TASK_RUNNING, TASK_UNINTERRUPTIBLE, Task

THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD
KERNEL_ADDRESS = 0xC0100000
PROCESS = '.include "process.inc"\n'
PRINT = '\n.include "print.inc"\n'
#: `desc` is a struct user_desc: entry 6, base, limit in pages, 32-bit, usable.
SPIN = """
spin:   jmp spin
        .data
number: .long 7
desc:   .long 6, 0x12345678, 0xfffff, 0x51
"""


def stopped(**config: Any) -> Session:
    """A program in user mode, about to run its first instruction."""
    session = boot(SPIN, **config)
    run_to(session, "spin")
    return session


@pytest.fixture
def session() -> Session:
    """A machine whose current task is the program."""
    return stopped()


@pytest.fixture
def k(session: Session) -> Kernel:
    """Its kernel."""
    return session.kernel


def args(k: Kernel, flags: int, **more: int) -> CloneArgs:
    """The current task's call of clone."""
    return CloneArgs(flags, 0, k.task_pt_regs(k.current), **more)


def child_of(k: Kernel, flags: int, **more: int) -> Task:
    """What copy_process builds of the current task; it is never woken."""
    return copy_process(k, args(k, flags, **more))


def fork(k: Kernel, flags: int, **more: int) -> int:
    """do_fork's answer, where it does not wait."""
    number = do_fork(k, args(k, flags, **more))
    assert isinstance(number, int)
    return number


def refused(k: Kernel) -> int:
    """The error of a plain fork."""
    with pytest.raises(Errno) as caught:
        fork(k, SIGCHLD)
    return caught.value.number


def become_nobody(k: Kernel, caps: int) -> UserStruct:
    """Make the current task another user's only process."""
    ns = k.processes.root_user.ns
    user = ns.users[1000] = UserStruct(0, 1000, ns, count=1, processes=1)
    k.current.cred = Cred(0, user, uid=1000, euid=1000, suid=1000, cap_effective=caps)
    k.processes.root_user.processes -= 1
    return user


# -- who is traced, who is told --------------------------------------------------------------------


def test_only_kernel_threads_are_untraced(k: Kernel) -> None:  # C2
    seen: list[tuple[int, int]] = []
    k.host.trace.process_fork.append(lambda parent, child, flags: seen.append((child.pid, flags)))
    thread = kernel_thread(k, "schedule", 0)
    process = fork(k, SIGCHLD)
    assert [(pid, bool(flags & CLONE_UNTRACED)) for pid, flags in seen] == [
        (thread, True),
        (process, False),
    ]


FAMILY = f"""{PROCESS}
        sys_clone $(CHILD_SIGNAL + EXTRA)
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
        sys_exit $0
child:  sys_fork
        testl %eax, %eax
        jz grandchild
        sys_waitpid %eax, $0, $0
        sys_exit $0
grandchild:
        sys_getpid
        sys_exit $0
"""


@pytest.mark.parametrize(("extra", "seen"), [(0, {2, 3, 4}), (CLONE_UNTRACED, {2})])
def test_a_tracer_does_not_get_an_untraced_child(extra: int, seen: set[int]) -> None:  # C2
    lines: list[bytes] = []
    session = boot(f".equ EXTRA, {extra:#x}\n{FAMILY}")
    strace = Strace(session.kernel, lines.append, every_line_has_pid=True)
    assert finish(session) == 0
    strace.close()
    assert {int(line.split()[0]) for line in lines} == seen


def test_a_tracer_does_not_get_a_kernel_thread(k: Kernel) -> None:  # C2
    lines: list[bytes] = []
    Strace(k, lines.append, every_line_has_pid=False)
    kernel_thread(k, "schedule", 0)
    assert not lines
    fork(k, SIGCHLD)
    assert len(lines) == 1


@pytest.mark.parametrize("flags", [SIGCHLD, CLONE_NEWPID | SIGCHLD, CLONE_VM])
def test_the_parent_finds_the_number_in_its_memory(session: Session, flags: int) -> None:  # C3
    """As the parent's namespace knows it: the first of a new one is 1 to itself only."""
    k, at = session.kernel, label(session, "number")
    number = fork(k, flags | CLONE_PARENT_SETTID, parent_tidptr=at)
    assert number == PROGRAM_PID + 1
    assert word(k, k.current, at) == number
    child = task(session, number)
    assert word(k, child, at) == (number if flags & CLONE_VM else 7)  # a copy made before


def test_nothing_is_stored_unasked(session: Session) -> None:  # C3
    k, at = session.kernel, label(session, "number")
    fork(k, SIGCHLD, parent_tidptr=at)
    assert word(k, k.current, at) == 7


@pytest.mark.parametrize("address", [0, 0x100, KERNEL_ADDRESS])
def test_a_bad_pointer_does_not_undo_the_fork(k: Kernel, address: int) -> None:  # C3
    number = fork(k, CLONE_PARENT_SETTID | SIGCHLD, parent_tidptr=address)
    assert k.processes.pids.tasks[number].on_rq


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cap", "passes"), [(CAP_SYS_RESOURCE, True), (CAP_SYS_ADMIN, True), (CAP_SYS_NICE, False)]
)
def test_who_may_exceed_rlimit_nproc(k: Kernel, cap: int, passes: bool) -> None:  # D4
    user = become_nobody(k, 1 << cap)
    k.current.signal.rlim[RLIMIT_NPROC] = (1, 1)
    if passes:
        assert child_of(k, SIGCHLD).cred.user is user
    else:
        assert refused(k) == EAGAIN
    assert user.processes == 1 + passes


def no_process_left(k: Kernel) -> None:
    become_nobody(k, 0)
    k.current.signal.rlim[RLIMIT_NPROC] = (1, 1)


def no_task_left(k: Kernel) -> None:
    k.processes.max_threads = k.processes.nr_threads


def no_number_left(k: Kernel) -> None:
    numbers = k.processes.pids.pid_max - 1 - k.processes.pids.in_use()
    for _ in range(numbers):
        k.processes.pids.alloc()


def a_signal(k: Kernel) -> None:
    send_signal(k, k.current, SIGUSR1, {"si_code": 0})


@pytest.mark.parametrize(
    ("number", "cause", "errno"),
    [
        ("D4", no_process_left, EAGAIN),
        ("D6", no_task_left, EAGAIN),
        ("D11", no_number_left, ENOMEM),
        ("D17", a_signal, ERESTARTNOINTR),
    ],
)
def test_what_a_step_fails_with(k: Kernel, number: str, cause: Any, errno: int) -> None:
    """What it really answers, and what the failure injection says it does."""  # D4, D6, D11, D17
    cause(k)
    reached: list[str] = []
    k.host.fail_step = lambda step, _what: reached.append(step)
    assert refused(k) == errno
    assert reached[-1] == number
    assert FAILS_WITH.get(number, ENOMEM) == errno


def test_without_a_number_nothing_is_left(k: Kernel) -> None:  # D11, J
    no_number_left(k)
    before = (
        k.memory.pages.free,
        k.memory.slabs.task_struct.active,
        k.processes.nr_threads,
        k.processes.root_user.processes,
    )
    assert refused(k) == ENOMEM
    assert (
        k.memory.pages.free,
        k.memory.slabs.task_struct.active,
        k.processes.nr_threads,
        k.processes.root_user.processes,
    ) == before


# -- the record ------------------------------------------------------------------------------------


def test_what_happens_to_the_parent_does_not_happen_to_the_child(k: Kernel) -> None:  # D8
    parent = k.current
    waited_for = parent.vfork_done = Completion(WaitQueue("its own parent's vfork"))
    parent.min_flt = 5
    set_ti_flag(k.machine.ram, parent.stack, TIF_SIGPENDING)
    p = child_of(k, SIGCHLD)
    assert p.vfork_done is None
    assert p.min_flt == 0
    assert not ti_flag(k.machine.ram, p.stack, TIF_SIGPENDING)
    assert parent.vfork_done is waited_for
    assert parent.min_flt == 5
    assert ti_flag(k.machine.ram, parent.stack, TIF_SIGPENDING)


def test_a_vfork_child_that_forks_wakes_nobody_by_its_childs_end() -> None:  # D8, C4
    """Its own parent goes on when it exits itself, not when a child of it does."""
    run(
        f"""{PROCESS}
        invoke0 __NR_vfork_call
        testl %eax, %eax
        jz child
        check_equal "the child was done", $1, value
        sys_exit $0
child:  sys_fork
        testl %eax, %eax
        jz grandchild
        sys_waitpid %eax, $0, $0
        movl $1, value
        sys_exit $0
grandchild:
        sys_exit $0
        .data
value:  .long 0
        {PRINT}"""
    )


def test_exclusive_resources_and_the_splice_pipe_stay_behind(k: Kernel) -> None:  # E2
    parent = k.current
    parent.fs_excl = 1
    pipe = parent.splice_pipe = Pipe(0, WaitQueue("pipe"), parent.cred.user)
    p = child_of(k, SIGCHLD)
    assert (p.fs_excl, p.splice_pipe) == (0, None)
    assert (parent.fs_excl, parent.splice_pipe) == (1, pipe)


def test_a_process_has_its_parents_terminal(k: Kernel) -> None:  # D18
    k.current.signal.tty = "tty1"
    assert child_of(k, SIGCHLD).signal.tty == "tty1"
    assert child_of(k, THREAD).signal.tty == "tty1"
    p, k.current = k.current, child_of(k, SIGCHLD)
    sys_setsid(k)  # a session of one's own has no terminal yet
    assert k.current.signal.tty is None
    assert p.signal.tty == "tty1"


AT_BIRTH = {
    "2.4": TASK_UNINTERRUPTIBLE,
    "2.6.39": TASK_RUNNING,
    "3.x": TASK_RUNNING,
    "4.x": TASK_NEW,
    "6.x": TASK_NEW,
}


@pytest.mark.parametrize("profile", PROFILES)
def test_nobody_runs_a_child_that_is_being_built(profile: str) -> None:  # F1, N
    k = stopped(profile=PROFILES[profile]).kernel
    p = child_of(k, SIGCHLD)
    assert p.state == AT_BIRTH[profile]
    send_signal(k, p, SIGKILL, {"si_code": 0})
    assert not p.on_rq
    if profile != "2.4":  # there, its state is that of a sleeper whom no signal wakes
        assert not k.try_to_wake_up(p)
        assert not p.on_rq
    assert p.state == AT_BIRTH[profile]
    wake_up_new_task(k, p)
    assert (p.state, p.on_rq) == (TASK_RUNNING, True)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_state_while_the_parts_are_copied(profile: str) -> None:  # F1, D9, N
    k = stopped(profile=PROFILES[profile]).kernel
    states: list[int] = []

    def look(number: str, _what: str) -> None:
        if number == "D11":  # the newest record that is in no list yet
            states.append(newborn[-1].state)

    newborn: list[Task] = []
    dup = Task.dup

    def remember(orig: Task, slab: int, stack: int) -> Task:
        newborn.append(dup(orig, slab, stack))
        return newborn[-1]

    k.host.fail_step = look
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "dup", remember)
        child_of(k, SIGCHLD)
    assert states == [AT_BIRTH[profile]]


# -- parts -----------------------------------------------------------------------------------------

CHDIR = f"""{PROCESS}
        invoke1 12, $dir            # chdir
        check_equal "in dir", $0, %eax
        invoke3 __NR_open, $name, $0, $0
        movl %eax, %ebp
        sys_clone $(CHILD_SIGNAL + EXTRA)
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $status, $0
        check_equal "the child began where its parent was", $0, status
        invoke3 __NR_open, $name, $0, $0
        testl %eax, %eax
        js moved
        sys_exit $0
moved:  sys_exit $1
child:  invoke3 __NR_open, $name, $0, $0
        testl %eax, %eax
        js bad
        invoke1 12, $root
        sys_exit $0
bad:    sys_exit $9
        .data
status: .long -1
dir:    .asciz "/dir"
root:   .asciz "/"
name:   .asciz "there"
        {PRINT}"""


@pytest.mark.parametrize(("extra", "moved"), [("0", False), ("CLONE_FS", True)])
def test_the_working_directory(extra: str, moved: bool) -> None:  # G
    """A child starts in its parent's; going elsewhere takes the parent along with CLONE_FS only."""
    session = boot(CHDIR.replace("EXTRA", extra), files={"/dir/there": b"x"}, check=True)
    assert finish(session) == 0x100 * moved


def test_root_and_working_directory_are_two(k: Kernel) -> None:  # G
    fs = k.current.fs
    assert fs is not None
    root, elsewhere = fs.root, k.files.fs.find("/dev")
    fs.pwd = elsewhere
    p = child_of(k, SIGCHLD)
    assert p.fs is not None
    assert p.fs is not fs
    assert (p.fs.root, p.fs.pwd) == (root, elsewhere)


def with_io_context(k: Kernel, ioprio: int) -> IoContext:
    """Give the current task one."""
    k.current.io_context = IoContext(k.memory.slabs.ioc.alloc(k), ioprio)
    return k.current.io_context


def test_an_io_context_is_copied(k: Kernel) -> None:  # G
    old = with_io_context(k, 0x4003)
    p = child_of(k, SIGCHLD)
    assert p.io_context is not None
    assert p.io_context is not old
    assert (p.io_context.ioprio, p.io_context.nr_tasks, old.nr_tasks) == (0x4003, 1, 1)
    assert p.io_context.slab != old.slab


def test_an_io_context_is_shared(k: Kernel) -> None:  # G: CLONE_IO
    for ioprio in (0x4003, 0):
        old = with_io_context(k, ioprio)
        assert child_of(k, CLONE_IO | SIGCHLD).io_context is old
        assert old.nr_tasks == 2


def test_no_io_context_without_a_priority(k: Kernel) -> None:  # G
    with_io_context(k, 0)
    assert child_of(k, SIGCHLD).io_context is None


PRIORITY = f"""{PROCESS}
        invoke3 __NR_ioprio_set, $1, $0, $0x4003
        check_equal "set", $0, %eax
        sys_clone $(CHILD_SIGNAL + EXTRA)
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $status, $0
        check_equal "inherited", $0, status
        invoke2 290, $1, $0             # ioprio_get
        cmpl $0x4003, %eax
        setne %bl
        movzbl %bl, %ebx
        invoke0 __NR_exit
child:  invoke2 290, $1, $0
        cmpl $0x4003, %eax
        jne bad
        invoke3 __NR_ioprio_set, $1, $0, $0x4006
        sys_exit $0
bad:    sys_exit $9
        .data
status: .long -1
        {PRINT}"""


@pytest.mark.parametrize(("extra", "changed"), [(0, False), (CLONE_IO, True)])
def test_io_priority(extra: int, changed: bool) -> None:  # G: at the end every record is freed
    session = boot(PRIORITY.replace("EXTRA", f"{extra:#x}"), check=True)
    assert finish(session) == 0x100 * changed
    assert session.kernel.memory.slabs.ioc.active == 0


# -- segments --------------------------------------------------------------------------------------

#: `desc` of SPIN as two words of a descriptor, by the format of the i386: base 12 34 5678, limit F FFFF,
#: G D AVL (D), present, ring 3, no system segment (F), data, writable (2).
WANTED = (0x5678FFFF, 0x12DFF234)
OTHER = (0x0000FFFF, 0x00CFF200)


def test_settls_is_for_the_child(session: Session) -> None:  # H3
    k = session.kernel
    before = k.current.thread.tls_array = ((0, 0), OTHER, (0, 0))
    p = child_of(k, CLONE_VM | CLONE_SETTLS, tls=label(session, "desc"))
    assert p.thread.tls_array == (WANTED, OTHER, (0, 0))
    assert k.current.thread.tls_array == before
    assert k.machine.ram.words(k.arch.gdt + 6 * 8, 2) == [0, 0]  # the parent still runs


def test_segments_are_inherited(session: Session) -> None:  # H3
    k = session.kernel
    k.current.thread.tls_array = (OTHER, (0, 0), WANTED)
    p = child_of(k, SIGCHLD, tls=label(session, "desc"))  # without CLONE_SETTLS it is not looked at
    assert p.thread.tls_array == (OTHER, (0, 0), WANTED)


def test_each_task_has_its_own_segment() -> None:  # H3, H5
    """Two threads give way to each other; every look through %gs shows one's own word.

    The idle task, which has no segments, is not left with the selector of either.
    """
    session = boot(
        f"""{PROCESS}
        invoke1 __NR_set_thread_area, $mine
        movl mine, %eax
        movl %eax, its
        leal 3(,%eax,8), %eax
        movw %ax, %gs
        sys_clone $(CLONE_AS_THREAD | CLONE_SETTLS), $stack_top, $0, $its, $0
        testl %eax, %eax
        movl $222, %esi
        jz look
        movl $111, %esi
look:   movl $5, %ebp
1:      cmpl %esi, %gs:0
        jne bad
        give_way
        decl %ebp
        jnz 1b
        lock incl finished
2:      cmpl $2, finished
        je done
        give_way
        jmp 2b
done:   sys_exit $0
bad:    invoke1 __NR_exit_group, $1
        .data
mine:   .long -1, first, 0xfffff, 0x51
its:    .long 0, second, 0xfffff, 0x51
first:  .long 111
second: .long 222
finished: .long 0
        .bss
        .zero 512
stack_top:
        {PRINT}""",
        check=True,
    )
    names: list[str] = []
    session.kernel.host.trace.gate.append(lambda _task, name: names.append(name))
    assert finish(session) == 0
    assert "do_general_protection" not in names
    assert names.count("do_IRQ") > 5  # the sleepers were woken in the idle loop


def test_a_selector_that_is_gone_is_repaired_once(session: Session) -> None:  # A6, H5
    """It is in the register too, so the frame of the fault that is repaired has it as well."""
    k = session.kernel
    cpu, ram = k.machine.cpu, k.machine.ram
    k.current.thread.tls_array = (OTHER, (0, 0), (0, 0))
    load_tls(k, k.current)
    run_to(session, "restore_gs")
    cpu.set_segment("gs", 0x33, Segment.unpack(*OTHER))
    ram.write32(cpu.esp - PAGE_OFFSET, 0x33)
    k.current.thread.tls_array = ((0, 0), (0, 0), (0, 0))
    load_tls(k, k.current)
    names: list[str] = []
    k.host.trace.gate.append(lambda _task, name: names.append(name))
    for _ in range(2000):
        run_loop.step(k)
        if cpu.cpl == 3:
            break
    assert cpu.cpl == 3
    assert cpu.gs == 0
    assert names.count("do_general_protection") == 1


def test_a_switch_loads_the_next_tasks_descriptors() -> None:  # H5
    """Also those of a task that has none: the last one's are gone."""
    session = boot(
        f"""{PROCESS}
        sys_fork
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
parent: sys_exit $0
child:  invoke1 __NR_set_thread_area, $desc
there:  give_way
back:   sys_exit $0
        .data
desc:   .long 6, 0x12345678, 0xfffff, 0x51
        """
    )
    k = session.kernel
    entry = k.arch.gdt + 6 * 8
    run_to(session, "there")
    assert k.machine.ram.words(entry, 2) == list(WANTED)
    while k.current.pid == PROGRAM_PID + 1:
        run_loop.step(k)
    assert k.machine.ram.words(entry, 2) == [0, 0]
    run_to(session, "back")
    assert k.machine.ram.words(entry, 2) == list(WANTED)
    run_to(session, "parent")
    assert k.machine.ram.words(entry, 2) == [0, 0]


def test_a_bad_descriptor_leaves_no_thread(session: Session) -> None:  # H3, J
    k = session.kernel
    before = (k.memory.pages.free, k.processes.nr_threads, k.current.signal.nr_threads)
    with pytest.raises(Errno):
        fork(k, THREAD | CLONE_SETTLS | CLONE_CHILD_CLEARTID, tls=KERNEL_ADDRESS)
    assert (k.memory.pages.free, k.processes.nr_threads, k.current.signal.nr_threads) == before


# -- memory ----------------------------------------------------------------------------------------

SHARED = f"""{PROCESS}.include "mman.inc"
        sys_mmap $0, $(2 * PAGE_SIZE), $PROT_RW, $ANON_SHARED
        movl %eax, memory
        movl $5, (%eax)             # this page is there at the fork, the next one is not
        movl $5, private
        sys_fork
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $0, $0
        movl memory, %edi
        check_equal "the child's store", $6, (%edi)
        check_equal "on a page that nobody had", $7, PAGE_SIZE(%edi)
        check_equal "private memory", $5, private
        sys_exit $0
child:  movl memory, %edi
        check_equal "the parent's store", $5, (%edi)
        movl $6, (%edi)
        movl $7, PAGE_SIZE(%edi)
        movl $6, private
stored: sys_exit $0
        .data
memory: .long 0
        .balign 4096
private: .long 0
        .balign 4096
        {PRINT}"""


@pytest.mark.parametrize("eager", [False, True])
def test_shared_memory_stays_shared(eager: bool) -> None:  # K13
    """One frame, written by both without a copy, also where private pages are copied at once."""
    session = boot(SHARED, check=True, eager_fork=eager)
    k = session.kernel
    child = run_to(session, "stored")
    parent = task(session, PROGRAM_PID)
    memory = word(k, child, label(session, "memory"))
    assert look(k, child, memory).writable
    assert look(k, parent, memory).writable
    assert frame(k, child, memory) == frame(k, parent, memory)
    private = label(session, "private")
    assert frame(k, child, private) != frame(k, parent, private)
    assert finish(session) == 0


def test_no_memory_for_the_kernels_own_store() -> None:  # K11, K8
    """The call fails; nobody is killed, and no other task's memory changes."""
    session = boot(
        f"""{PROCESS}
        invoke1 __NR_pipe, $fds
        sys_fork
        testl %eax, %eax
        jz child
        sys_waitpid %eax, $status, $0
        check_equal "the child lives, to the end", $0x300, status
        check_equal "our own word", $7, page
        sys_exit $0
child:  sys_write fds + 4, $fds, $1
now:    invoke3 __NR_read, fds, $page, $1
        cmpl $-ENOMEM, %eax
        je there
        cmpl $-EFAULT, %eax
        jne bad
there:  cmpl $7, page
        jne bad
        sys_exit $3
bad:    sys_exit $4
        .data
fds:    .long 0, 0
status: .long -1
        .balign 4096
page:   .long 7
        .balign 4096
        {PRINT}"""
    )
    k = session.kernel
    child = run_to(session, "now")
    asked: list[str] = []

    def fail(what: str) -> None:
        asked.append(what)
        if k.current is child and what == "cow copy":
            k.host.may_fail = None
            raise Errno(ENOMEM)

    k.host.may_fail = fail
    assert finish(session) == 0
    assert "cow copy" in asked
