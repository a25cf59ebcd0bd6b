"""What do_fork and copy_process make of a child, field by field (fork-path B, C, D, E, G, H)."""

from collections.abc import Callable
from typing import Any

import pytest
from guest import PROGRAM_PID, boot, finish, kernel_words, run, run_to, task, word

from emu.eflags import EFLAGS_TF
from toykernel import run_loop
from toykernel.arch.x86.asm_offsets import (
    PAGE_OFFSET,
    STACK_END_MAGIC,
    THREAD_SIZE,
    TI_SIZE,
    TIF_NEED_RESCHED,
    TIF_SYSCALL_TRACE,
)
from toykernel.arch.x86.thread_info import set_ti_flag, task_pt_regs
from toykernel.arch.x86.thread_info import test_ti_flag as ti_flag
from toykernel.errno import EAGAIN, EINVAL, EPERM, ERESTARTNOINTR, Errno
from toykernel.harness.session import Session
from toykernel.kernel.clone_flags import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_IO,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_PARENT,
    CLONE_PID,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    CloneArgs,
)
from toykernel.kernel.cred import CAP_SETGID, CAP_SYS_ADMIN, Cred, UserStruct
from toykernel.kernel.fork import copy_process, do_fork, kernel_thread
from toykernel.kernel.io_context import IoContext
from toykernel.kernel.siginfo import SIGCHLD, SIGKILL, SIGUSR1, SIGUSR2
from toykernel.kernel.signal import send_signal
from toykernel.kernel.signal_types import RLIMIT_NPROC, SigAction
from toykernel.oops import KernelOops
from toykernel.profiles import PROFILES
from toykernel.state import Kernel
from toykernel.task import (
    PF_FORKNOEXEC,
    PF_STARTING,
    PF_SUPERPRIV,
    PF_WQ_WORKER,
    SIGNAL_UNKILLABLE,
    Task,
)

SPIN = "spin: jmp spin\n"
THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD


def stopped(**config: Any) -> Session:
    """A program in user mode, about to run its first instruction."""
    session = boot(SPIN, **config)
    run_to(session, "spin")
    return session


def child_of(k: Kernel, flags: int, **args: int) -> Task:
    """What copy_process builds of the current task; it is never woken."""
    return copy_process(k, CloneArgs(flags, 0, k.task_pt_regs(k.current), **args))


def refused(k: Kernel, flags: int) -> int:
    """The error that do_fork raises."""
    with pytest.raises(Errno) as caught:
        do_fork(k, CloneArgs(flags, 0, k.task_pt_regs(k.current)))
    return caught.value.number


@pytest.fixture
def k() -> Kernel:
    """A kernel whose current task is the program."""
    kernel = stopped().kernel
    assert kernel.current.pid == PROGRAM_PID
    return kernel


def nobody(k: Kernel, *, caps: int = 0) -> UserStruct:
    """Make the current task another user's, with some capabilities only."""
    ns = k.processes.root_user.ns
    user = ns.users[1000] = UserStruct(0, 1000, ns, count=1, processes=1)
    old = k.current.cred
    k.current.cred = Cred(0, user, uid=1000, euid=1000, suid=1000, cap_effective=caps)
    k.processes.root_user.processes -= 1
    assert old.user is k.processes.root_user
    return user


# -- refusals --------------------------------------------------------------------------------------

NAMED = {
    "NEWNS+FS": (CLONE_NEWNS | CLONE_FS, EINVAL),
    "THREAD without SIGHAND": (CLONE_THREAD | CLONE_VM, EINVAL),
    "SIGHAND without VM": (CLONE_SIGHAND, EINVAL),
    "NEWUSER+THREAD": (CLONE_NEWUSER | THREAD, EINVAL),  # C1
}


@pytest.mark.parametrize("name", NAMED)
def test_refused_combinations(k: Kernel, name: str) -> None:  # D1, C1
    flags, errno = NAMED[name]
    before = (k.memory.pages.free, k.memory.slabs.task_struct.active)
    assert refused(k, flags) == errno
    assert (k.memory.pages.free, k.memory.slabs.task_struct.active) == before


NEWER = {
    "NEWUSER+FS": CLONE_NEWUSER | CLONE_FS,
    "SIGHAND+NEWUSER": CLONE_SIGHAND | CLONE_VM | CLONE_NEWUSER,
    "SIGHAND+NEWPID": CLONE_SIGHAND | CLONE_VM | CLONE_NEWPID,
}


@pytest.mark.parametrize("name", NEWER)
@pytest.mark.parametrize("profile", PROFILES)
def test_refusals_of_newer_kernels(name: str, profile: str) -> None:  # D1, N
    k = stopped(profile=PROFILES[profile]).kernel
    if profile in ("3.x", "4.x", "6.x"):
        assert refused(k, NEWER[name]) == EINVAL
    else:
        assert child_of(k, NEWER[name]).pid


@pytest.mark.parametrize("profile", PROFILES)
def test_clone_pid_was_for_the_boot_process(profile: str) -> None:  # N
    k = stopped(profile=PROFILES[profile]).kernel
    if profile == "2.4":
        assert refused(k, CLONE_PID) == EPERM
    else:
        assert child_of(k, CLONE_PID).pid


def test_an_init_has_no_brothers(k: Kernel) -> None:  # D1
    assert child_of(k, CLONE_PARENT).pid
    k.current.signal.flags |= SIGNAL_UNKILLABLE
    assert refused(k, CLONE_PARENT) == EINVAL


@pytest.mark.parametrize("missing", [CAP_SYS_ADMIN, CAP_SETGID])
def test_a_user_namespace_needs_three_capabilities(k: Kernel, missing: int) -> None:  # C1
    assert k.current.cred.cap_effective
    k.current.cred.cap_effective &= ~(1 << missing)
    assert refused(k, CLONE_NEWUSER) == EPERM


def test_namespaces_are_for_root(k: Kernel) -> None:  # G
    nobody(k)
    assert refused(k, CLONE_NEWNS) == EPERM


@pytest.mark.parametrize("answer", [-13, -1, -99])
def test_the_security_hook_chooses_the_error(k: Kernel, answer: int) -> None:  # D2
    asked = []

    def hook(_k: Kernel, flags: int) -> int:
        asked.append(flags)
        return answer

    k.host.security.task_create.append(hook)
    before = k.memory.slabs.task_struct.active
    assert refused(k, CLONE_VM | SIGCHLD) == -answer
    assert asked == [CLONE_VM | SIGCHLD]
    assert k.memory.slabs.task_struct.active == before


def test_rlimit_nproc(k: Kernel) -> None:  # D4
    user = nobody(k)
    k.current.signal.rlim[RLIMIT_NPROC] = (2, 2)
    child_of(k, SIGCHLD)
    assert user.processes == 2
    assert refused(k, SIGCHLD) == EAGAIN
    assert user.processes == 2
    k.current.cred.cap_effective = 1 << CAP_SYS_ADMIN
    child_of(k, SIGCHLD)
    assert user.processes == 3


def test_root_is_not_limited(k: Kernel) -> None:  # D4
    k.current.signal.rlim[RLIMIT_NPROC] = (0, 0)
    k.current.cred.cap_effective = 0
    assert child_of(k, SIGCHLD).pid


def test_max_threads(k: Kernel) -> None:  # D6
    k.processes.max_threads = k.processes.nr_threads + 1
    child_of(k, SIGCHLD)
    assert refused(k, SIGCHLD) == EAGAIN


@pytest.mark.parametrize("megabytes", [4, 16])
def test_max_threads_comes_from_ram(megabytes: int) -> None:  # D6: stacks take 1/8 of RAM
    k = stopped(memory=megabytes << 20).kernel
    assert k.processes.max_threads == (megabytes << 20) // 8 // THREAD_SIZE


# -- what the child is -----------------------------------------------------------------------------


def test_credentials(k: Kernel) -> None:  # D5
    old = k.current.cred
    process, thread = child_of(k, SIGCHLD), child_of(k, THREAD)
    assert process.cred is not old
    assert (process.cred.uid, process.cred.user) == (old.uid, old.user)
    assert thread.cred is old
    assert old.count == 2


def test_flags(k: Kernel) -> None:  # D7, C5
    k.current.flags |= PF_SUPERPRIV | PF_WQ_WORKER
    k.current.did_exec = True
    p = child_of(k, SIGCHLD)
    assert not p.flags & (PF_SUPERPRIV | PF_WQ_WORKER)
    assert p.flags & PF_FORKNOEXEC
    assert p.flags & PF_STARTING
    assert not p.did_exec


def test_starting_ends_before_the_child_is_woken(k: Kernel) -> None:  # C5, C6
    seen = []
    k.host.trace.sched_wakeup_new.append(lambda p: seen.append((p.flags & PF_STARTING, p.on_rq)))
    nr = do_fork(k, CloneArgs(SIGCHLD, 0, k.task_pt_regs(k.current)))
    assert seen == [(0, True)]
    assert nr == k.processes.tasks[-1].pid


def test_not_inherited(k: Kernel) -> None:  # D8
    parent = k.current
    parent.blocked = 1 << (SIGUSR1 - 1)
    send_signal(k, parent, SIGUSR1, {"si_code": 0})
    parent.utime_ticks = parent.stime_ticks = 5
    parent.timer_slack_ns = 777
    parent.lock_depth = 3
    parent.robust_list = 0x1000
    first = child_of(k, SIGCHLD)
    assert parent.children == [first]
    p = child_of(k, SIGCHLD)
    assert not p.pending
    assert parent.pending
    assert p.children == []
    assert (p.utime_ticks, p.stime_ticks) == (0, 0)
    assert p.start_time == k.machine.clock.cycles
    assert p.lock_depth == -1
    assert p.vfork_done is None
    assert p.io_context is None
    assert p.robust_list == 0
    assert p.default_timer_slack_ns == 777
    assert p.signal.itimers == {}


def test_the_record(k: Kernel) -> None:  # E1, E2, E3
    parent = k.current
    parent.personality = 0x0400000
    set_ti_flag(k.machine.ram, parent.stack, TIF_NEED_RESCHED)
    p, q = child_of(k, SIGCHLD), child_of(k, SIGCHLD)
    assert p.stack % THREAD_SIZE == 0
    assert p.slab not in (parent.slab, q.slab)
    assert p.usage == 2
    assert (p.fs_excl, p.splice_pipe) == (0, None)
    assert len({parent.stack_canary, p.stack_canary, q.stack_canary}) == 3
    assert p.personality == 0x0400000
    assert not ti_flag(k.machine.ram, p.stack, TIF_NEED_RESCHED)
    assert kernel_words(k, p.stack, 1) == [p.slab]
    assert kernel_words(k, p.stack + TI_SIZE, 1) == [STACK_END_MAGIC]


@pytest.mark.parametrize("call", ["sys_exit $0", "sys_fork\nspin: jmp spin"])
def test_a_stack_that_grows_too_far_is_named(call: str) -> None:  # E3: at exit, at a switch
    session = boot(f"here: nop\n{call}\n")
    overflown = run_to(session, "here")
    session.kernel.machine.ram.write32(overflown.stack - PAGE_OFFSET + TI_SIZE, 0)
    ended: list[Task] = []
    session.kernel.host.trace.process_exit.append(ended.append)
    with pytest.raises(KernelOops, match=r"kernel stack overflow in task 2 \(guest\)"):
        session.run(50_000_000)
    assert not ended  # it is seen before anything is given back


SHARED: dict[int, Callable[[Task], object]] = {
    CLONE_FILES: lambda t: t.files,
    CLONE_FS: lambda t: t.fs,
    CLONE_VM: lambda t: t.mm,
    CLONE_VM | CLONE_SIGHAND: lambda t: t.sighand,
    THREAD: lambda t: t.signal,
    CLONE_SYSVSEM: lambda t: t.undo_list,
    CLONE_IO: lambda t: t.io_context,
}


@pytest.mark.parametrize("flags", SHARED)
def test_shared_or_copied(k: Kernel, flags: int) -> None:  # G
    part = SHARED[flags]
    k.current.io_context = IoContext(0, ioprio=0x4003)
    together, apart = child_of(k, flags), child_of(k, SIGCHLD)
    assert part(together) is part(k.current)
    assert part(together) is not None
    assert part(apart) is not part(k.current)


def test_a_plain_fork_has_no_undo_list(k: Kernel) -> None:  # G
    child_of(k, CLONE_SYSVSEM)
    assert k.current.undo_list is not None
    assert child_of(k, SIGCHLD).undo_list is None


def test_copies_have_the_same_contents(k: Kernel) -> None:  # G
    parent = k.current
    assert parent.files is not None
    assert parent.fs is not None
    parent.files.close_on_exec.add(2)
    parent.fs.umask = 0o27
    parent.signal.rlim[RLIMIT_NPROC] = (77, 88)
    p = child_of(k, SIGCHLD)
    assert p.files is not None
    assert p.fs is not None
    assert p.files.fd == parent.files.fd
    assert p.files.close_on_exec == {2}
    assert p.files.fd[0].count >= 4
    assert p.fs.umask == 0o27
    assert p.signal.rlim[RLIMIT_NPROC] == (77, 88)


def test_the_blocked_mask_is_copied(k: Kernel) -> None:  # G
    k.current.blocked = 0x5000
    assert child_of(k, SIGCHLD).blocked == 0x5000
    assert child_of(k, THREAD).blocked == 0x5000


def test_tid_addresses(k: Kernel) -> None:  # D12
    plain = child_of(k, SIGCHLD, child_tidptr=0x1234)
    assert (plain.set_child_tid, plain.clear_child_tid) == (0, 0)
    both = child_of(k, 0x01000000 | 0x00200000, child_tidptr=0x1234)
    assert (both.set_child_tid, both.clear_child_tid) == (0x1234, 0x1234)


@pytest.mark.parametrize(
    ("flags", "kept"), [(SIGCHLD, True), (CLONE_VM, False), (CLONE_VM | CLONE_VFORK, True)]
)
def test_the_alternate_stack(k: Kernel, flags: int, kept: bool) -> None:  # D13
    k.current.sas_ss_sp, k.current.sas_ss_size = 0x2000, 8192
    p = child_of(k, flags)
    assert (p.sas_ss_sp, p.sas_ss_size) == ((0x2000, 8192) if kept else (0, 0))


def test_no_single_steps_in_the_child(k: Kernel) -> None:  # D14
    regs = k.task_pt_regs(k.current)
    regs.flags |= EFLAGS_TF
    set_ti_flag(k.machine.ram, k.current.stack, TIF_SYSCALL_TRACE)
    p = child_of(k, SIGCHLD)
    assert not k.task_pt_regs(p).flags & EFLAGS_TF
    assert not ti_flag(k.machine.ram, p.stack, TIF_SYSCALL_TRACE)
    assert regs.flags & EFLAGS_TF


@pytest.mark.parametrize("profile", PROFILES)
def test_exit_signal(profile: str) -> None:  # D15, N, B1
    k = stopped(profile=PROFILES[profile]).kernel
    k.current.pdeath_signal = 9
    p = child_of(k, SIGUSR2)
    assert (p.exit_signal, p.tgid, p.group_leader) == (SIGUSR2, p.pid, p)
    assert p.pdeath_signal == 0
    thread = child_of(k, THREAD | SIGUSR2)
    assert (thread.exit_signal, thread.tgid) == (-1, k.current.tgid)
    assert thread.group_leader is k.current
    brother = child_of(k, CLONE_PARENT | SIGUSR2)
    leaders = profile in ("3.x", "4.x", "6.x")
    assert brother.exit_signal == (SIGCHLD if leaders else SIGUSR2)


def test_parents(k: Kernel) -> None:  # D16
    k.current.self_exec_id, k.current.parent_exec_id = 5, 3
    p = child_of(k, SIGCHLD)
    assert (p.real_parent, p.parent_exec_id) == (k.current, 5)
    for flags in (CLONE_PARENT, THREAD):
        q = child_of(k, flags)
        assert (q.real_parent, q.parent_exec_id) == (k.current.real_parent, 3)


def test_a_signal_comes_first(k: Kernel) -> None:  # D17
    before = (k.memory.pages.free, k.processes.pids.in_use(), k.processes.nr_threads)
    send_signal(k, k.current, SIGUSR1, {"si_code": 0})
    assert refused(k, SIGCHLD) == ERESTARTNOINTR
    assert (k.memory.pages.free, k.processes.pids.in_use(), k.processes.nr_threads) == before


def test_a_thread_joins_its_group(k: Kernel) -> None:  # D18
    signal = k.current.signal
    p = child_of(k, THREAD)
    assert (signal.nr_threads, signal.live, signal.sigcnt) == (2, 2, 2)
    assert signal.threads == [k.current, p]
    assert p not in k.current.children
    assert p not in k.current.real_parent.children


def test_a_process_is_linked(k: Kernel) -> None:  # D18, D19
    parent = k.current
    forks, threads = k.processes.total_forks, k.processes.nr_threads
    p = child_of(k, SIGCHLD)
    assert (p.signal.pgrp, p.signal.session) == (parent.signal.pgrp, parent.signal.session)
    assert p in parent.children
    assert k.processes.pids.tasks[p.pid] is p
    assert (k.processes.total_forks, k.processes.nr_threads) == (forks + 1, threads + 1)


def test_the_first_of_a_namespace_is_its_reaper(k: Kernel) -> None:  # D18
    p = child_of(k, CLONE_NEWPID | SIGCHLD)
    ns = p.pid_struct.ns
    assert ns is not k.processes.init_pid_ns
    assert ns.child_reaper is p
    assert p.signal.flags & SIGNAL_UNKILLABLE
    assert [number for _, number in p.pid_struct.numbers] == [p.pid, 1]


# -- the thread ------------------------------------------------------------------------------------


def test_registers(k: Kernel) -> None:  # H1, H2
    parent = k.task_pt_regs(k.current)
    p = copy_process(k, CloneArgs(SIGCHLD, 0xBEEF0000, parent))
    regs = k.task_pt_regs(p)
    expected = parent.as_dict() | {"ax": 0, "sp": 0xBEEF0000}
    assert regs.as_dict() == expected
    assert p.thread.sp == task_pt_regs(p.stack)
    assert p.thread.sp0 == p.thread.sp + 68
    assert p.thread.ip == k.host.symbols["ret_from_fork"]


def test_stack_0_is_the_callers_own() -> None:  # B
    session = run(
        """
        movl $120, %eax
        movl $17, %ebx
        xorl %ecx, %ecx
        int $0x80
        testl %eax, %eax
        jnz parent
        sys_exit $0
parent: sys_waitpid %eax, $0, $0
        sys_exit $0
        """
    )
    assert session.stats.program_status == 0


def test_a_kernel_thread_never_leaves_the_kernel() -> None:  # B, C2
    session = stopped()
    k = session.kernel
    pid = kernel_thread(k, "schedule", 0)
    p = k.processes.pids.tasks[pid]
    regs = k.task_pt_regs(p)
    assert not regs.user_mode
    assert regs.ip == k.host.symbols["kernel_thread_helper"]
    assert regs.si == k.host.symbols["schedule"]
    # It shares the memory of its maker, calls its function, and exits.
    assert p.mm is k.current.mm
    run_to(session, "kernel_thread_helper", pid)
    assert k.machine.cpu.cpl == 0
    for _ in range(2000):
        run_loop.step(k)
        if p.exit_state:
            break
    else:
        run_loop.run(k, k.machine.clock.cycles + 20_000_000)
    assert p.exit_state


def test_vfork_waits_for_exit() -> None:  # C4
    session = boot(
        """
        movl $190, %eax
        int $0x80
        testl %eax, %eax
        jz child
        check_equal "order", $1, value
        sys_exit $0
child:  sys_sched_yield
        incl value
        sys_exit $0
        .data
value:  .long 0
        .include "print.inc"
        """
    )
    run_to(session, "child")
    parent = task(session, PROGRAM_PID)
    assert parent.state_letter == "D"
    assert parent.wait is not None
    assert "vfork" in parent.wait.reason
    parent.sighand.action[SIGUSR1] = SigAction(handler=0x1000)
    send_signal(session.kernel, parent, SIGUSR1, {"si_code": 0})
    assert parent.state_letter == "D"
    send_signal(session.kernel, parent, SIGKILL, {"si_code": 0})  # only a fatal one wakes it
    assert parent.state_letter == "R"


def test_settid_is_stored_in_the_childs_memory() -> None:  # H4, C3, K8
    session = boot(
        """
        movl $120, %eax
        movl $0x01000011, %ebx
        xorl %ecx, %ecx
        movl $tid, %edi
        int $0x80
        testl %eax, %eax
        jz child
parent: sys_waitpid %eax, $0, $0
        sys_exit $0
child:  sys_exit $0
        .data
tid:    .long 0
        """
    )
    child = run_to(session, "child")
    assert session.program is not None
    at = session.program.symbols["tid"].value
    k = session.kernel
    assert word(k, child, at) == child.pid
    assert word(k, task(session, PROGRAM_PID), at) == 0
    assert finish(session) == 0


def test_the_switch_comes_later(k: Kernel) -> None:  # F6, C6
    parent = k.current
    nr = do_fork(k, CloneArgs(SIGCHLD, 0, k.task_pt_regs(parent)))
    assert k.current is parent
    assert k.processes.pids.tasks[nr].on_rq if isinstance(nr, int) else False


def test_page_tables_of_its_own(k: Kernel) -> None:  # K1
    p = child_of(k, SIGCHLD)
    parent = k.current
    assert p.mm is not None
    assert parent.mm is not None
    assert p.mm.pgd != parent.mm.pgd
    ram = k.machine.ram
    mine, its = (ram.words(mm.pgd, 1024) for mm in (parent.mm, p.mm))
    for ours, copied in zip(mine[:768], its[:768], strict=True):
        assert bool(ours & 1) == bool(copied & 1)
        assert not ours & 1 or ours & ~0xFFF != copied & ~0xFFF
    assert mine[768:] == its[768:]  # the kernel's half is shared
