"""What the kernel's records begin with, what a configuration may say, and the prices of its work."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from guest import boot, run_to

from toykernel import task as t
from toykernel.collector import Collector
from toykernel.errno import EACCES, EPERM, Errno
from toykernel.harness.images import boot_images
from toykernel.power_on import power_on
from toykernel.security import (
    SecurityHooks,
    security_bprm_check,
    security_file_open,
    security_task_create,
    security_task_fix_setuid,
    security_task_kill,
    security_task_setpgid,
    security_task_setrlimit,
)
from toykernel.state import CPU_HZ, HZ, Config, Kernel
from toykernel.timing_costs import COSTS, PRICES, copy_page

SPIN = "spin: jmp spin\n"


def test_numbers_of_task_struct() -> None:
    """include/linux/sched.h; the letters are those of /proc/PID/status."""
    names = ("RUNNING", "INTERRUPTIBLE", "UNINTERRUPTIBLE", "STOPPED", "WAKEKILL", "NEW")
    assert [getattr(t, f"TASK_{name}") for name in names] == [0, 1, 2, 4, 0x80, 0x800]
    assert (t.TASK_KILLABLE, t.TASK_TRACED) == (0x82, 0x88)
    assert (t.EXIT_ZOMBIE, t.EXIT_DEAD, t.TASK_COMM_LEN) == (16, 32, 16)
    flags = {
        "STARTING": 0x2, "EXITING": 0x4, "WQ_WORKER": 0x20, "FORKNOEXEC": 0x40, "SUPERPRIV": 0x100,
        "SIGNALED": 0x400, "NPROC_EXCEEDED": 0x1000, "KTHREAD": 0x200000,
    }  # fmt: skip
    assert {name[3:]: value for name, value in vars(t).items() if name.startswith("PF_")} == flags
    assert (t.SIGNAL_STOP_STOPPED, t.SIGNAL_STOP_CONTINUED) == (1, 2)
    assert (t.SIGNAL_GROUP_EXIT, t.SIGNAL_UNKILLABLE) == (4, 0x40)
    assert "".join(t.STATE_LETTERS.values()) == "RSDTDtNZX"


def test_a_record_of_a_task_begins_as_init_s() -> None:
    """INIT_TASK (include/linux/init_task.h)."""
    task = t.Task(7, 9, "x")
    assert (task.slab, task.stack, task.comm, task.usage, task.lock_depth) == (7, 9, "x", 2, -1)
    assert task.timer_slack_ns == task.default_timer_slack_ns == 50_000
    assert task.mce_kill == 2
    zero = (
        "state exit_state flags pid tgid blocked real_blocked jobctl ptrace ptrace_message sas_ss_sp "
        "sas_ss_size exit_code exit_signal pdeath_signal self_exec_id parent_exec_id set_child_tid "
        "clear_child_tid robust_list seccomp_mode personality stack_canary fs_excl start_time utime_ticks "
        "stime_ticks min_flt"
    )
    assert {name: getattr(task, name) for name in zero.split()} == dict.fromkeys(zero.split(), 0)
    for name in ("did_exec", "no_new_privs", "on_rq", "is_zombie"):
        assert getattr(task, name) is False
    assert task.is_group_leader
    thread = t.ThreadStruct()
    assert (thread.sp, thread.sp0, thread.ip, thread.cr2, thread.error_code) == (0, 0, 0, 0, 0)
    assert (thread.trap_no, thread.fpu, thread.ptrace_dr7, thread.virtual_dr6) == (0, 0, 0, 0)
    assert (thread.tls_array, thread.ptrace_bps) == (((0, 0),) * 3, (None,) * 4)
    assert thread.no_tsc is False
    assert task.ran_since == (0, 0)
    assert (task.stats.cycles, task.stats.instructions) == (0, 0)
    assert task.stats.faults == dict.fromkeys(t.FAULT_KINDS, 0)


def test_what_a_copy_of_a_task_does_not_take_along() -> None:
    """dup_task_struct and copy_process: embedded records are its own, what is of the moment is not copied."""
    old = t.Task(1, 2, "x")
    for name in ("real_blocked", "jobctl", "ptrace", "ptrace_message"):
        setattr(old, name, 5)
    old.saved_sigmask, old.syscall = 1, 3
    old.ptraced, old.last_siginfo, old.restart_block = [old], {}, (lambda: 0, ())
    old.children, old.pending = [old], {10: []}
    old.stats.cycles = 9
    new = old.dup(11, 12)
    assert (new.slab, new.stack, new.comm) == (11, 12, "x")
    assert new.real_blocked == new.jobctl == new.ptrace == new.ptrace_message == 0
    for name in ("saved_sigmask", "last_siginfo", "restart_block", "wait", "syscall", "bprm"):
        assert getattr(new, name) is None
    assert not new.ptraced
    assert new.children == [old]
    assert new.pending == {10: []}
    assert new.children is not old.children
    assert new.pending is not old.pending
    assert new.thread is not old.thread
    assert new.se is not old.se
    assert new.stats.cycles == 0
    assert new.signal is old.signal


def test_where_the_kernel_begins() -> None:
    """Defaults of 2.6.39; as many tasks as an eighth of memory has room for (fork_init), no fewer than 20."""
    session = boot(SPIN)
    k = session.kernel
    memory, files, time = k.memory, k.files, k.time
    assert (CPU_HZ, HZ) == (33_000_000, 100)
    assert (time.cpu_hz, time.hz, time.cycles_per_tick, time.jiffies) == (CPU_HZ, 100, 330_000, 0)
    assert (memory.stack_guard_gap, memory.mmap_min_addr) == (256 * 4096, 4096)
    assert (memory.overcommit_memory, memory.overcommit_ratio, memory.vdso_enabled) == (0, 50, 0)
    assert memory.eager_fork is False
    assert (files.pipe_max_size, files.pipe_user_pages_soft, files.pipe_user_pages_hard) == (
        1 << 20, 16384, 0,
    )  # fmt: skip
    assert (files.lease_break_time, files.aio_nr, files.aio_max_nr) == (45, 0, 65536)
    assert (files.nr_open, files.console_reads) == (1024 * 1024, 0)
    assert k.processes.max_threads == 4096 // 16
    assert (k.processes.nr_threads, k.processes.total_forks) == (0, 0)
    assert time.stands is None
    assert (time.clock_spins, time.last_reading, time.timer_arrivals, time.next_tick) == (
        0,
        0,
        0,
        0,
    )
    assert boot(SPIN, memory=1 << 20).kernel.processes.max_threads == 20
    assert boot(SPIN, cpu_hz=1000).kernel.time.cycles_per_tick == 10


def test_the_random_numbers() -> None:
    """xorshift with (13, 17, 5) (Marsaglia, 2003, p. 4): from 2463534242 the first is 723471715."""
    k = boot(SPIN).kernel
    k.random_state = 2463534242
    assert [k.get_random_int() for _ in range(5)] == [
        723471715, 2497366906, 2064144800, 2008045182, 3532304609,
    ]  # fmt: skip
    other = boot(SPIN).kernel
    assert other.random_state == 0x2545F491
    assert other.get_random_int() != other.get_random_int() < 1 << 32


#: What a configuration cannot be, and the word that the refusal has.
WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"memory": "16M"}, TypeError, "memory"),
    ({"cpu": "8086"}, ValueError, "cpu"),
    ({"cpu_hz": 99}, ValueError, "cpu_hz"),
    ({"cpu_hz": 1e6}, ValueError, "cpu_hz"),
    ({"profile": "6.x"}, TypeError, "PROFILES"),
    ({"scheduler": "o1"}, ValueError, "scheduler"),
    ({"stdin": "text"}, TypeError, "stdin"),
    ({"sysctl": [("a", "b")]}, TypeError, "sysctl"),
    ({"sysctl": (("a", 1),)}, TypeError, "sysctl"),
    ({"sysctl": (["a", "b"],)}, TypeError, "sysctl"),
    ({"sysctl": (("a", "b", "c"),)}, TypeError, "sysctl"),
    ({"sysctl": (("a", "b"), "cd")}, TypeError, "sysctl"),
]


@pytest.mark.parametrize(("given", "error", "word"), WRONG, ids=str)
def test_a_configuration_that_cannot_be(
    given: dict[str, Any], error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        Config(**given)


def test_a_configuration_that_can_be() -> None:
    for scheduler in ("", "cfs", "goodness", "schedule"):
        assert Config(scheduler=scheduler).scheduler == scheduler
    assert Config(cpu_hz=HZ).cpu_hz == HZ
    assert Config(sysctl=(("a", "b"), ("c", "d"))).sysctl[1] == ("c", "d")
    plain = Config()
    assert (plain.memory, plain.rlimit_stack, plain.cpu, plain.timing) == (
        16 << 20, 8 << 20, "max", "off",
    )  # fmt: skip
    assert (plain.eager_fork, plain.native, plain.tty) == (False, True, False)
    assert plain.profile is None
    assert (plain.stdin, plain.sysctl, plain.mounts, plain.scheduler) == (b"", (), (), "")


def test_the_terminal_of_the_console() -> None:
    """24 lines of 80 columns wherever it runs; without one there is none."""

    def kernel(**config: Any) -> Kernel:
        made = Config(**config)
        return power_on({}, "/x", [b"ignored", b"1"], images=boot_images(made), config=made)

    assert kernel().files.console_tty is None
    k = kernel(tty=True)
    tty = k.files.console_tty
    assert tty is not None
    assert (tty.winsize, tty.kind, tty.index, tty.slab) == (
        bytes((24, 0, 80, 0, *[0] * 4)),
        "console",
        0,
        0,
    )
    assert (k.init_argv, k.init_envp) == ([b"/x", b"1"], [])
    assert k.sched.rq.told is None
    assert kernel(scheduler="schedule").sched.rq.told is not None


def test_prices() -> None:
    """Clocks of the i486 by its manual: CALL 3, RET 5, REP MOVS 12 + 3n, REP STOS 7 + 4n, MOV
    CR3 4; TEST, ADD, DEC and MOV 1, Jcc 3 taken and 1 not.
    """
    call = 3 + 5
    costs = {
        "copy_page": 12 + 3 * 1024, "clear_page": 7 + 4 * 1024,
        "pgd_alloc": 7 + 4 * 768 + 12 + 3 * 256, "scan_pte": 11, "present_pte": 7,
        "set_pte": call + 3, "call": call, "system_call": 7, "alloc_pages": call + 10,
        "free_pages": call + 10, "copy_task": call + 12 + 3 * 256, "switch_to": call + 10, "load_cr3": 4,
    }  # fmt: skip
    assert costs == COSTS
    assert {work: clocks for work, (_, clocks) in PRICES.items()} == COSTS
    assert all(rule == f"kernel {work}" for work, (rule, _) in PRICES.items())
    k = boot(SPIN, timing="i486").kernel
    k.machine.ram.write(0x5000, b"copied")
    before = k.machine.clock.cycles
    copy_page(k, 0x6000, 0x5000)
    assert k.machine.ram.read(0x6000, 6) == b"copied"
    lines = k.machine.clock.cycles - before - costs["copy_page"]
    assert lines > 0  # neither frame was in the cache


def test_the_kernel_s_work_is_charged_under_a_timing_profile_only() -> None:
    for timing, cost in (("i486", 3 * COSTS["copy_task"]), ("off", 0)):
        k = boot(SPIN, timing=timing).kernel
        before = k.machine.clock.cycles
        k.charge("copy_task", 3)
        assert k.machine.clock.cycles - before == cost


def test_each_security_hook_can_refuse() -> None:
    """The first refusal counts, with its own error; what is not negative is none."""
    k = boot(SPIN).kernel
    task: Any = k.sched.idle
    asked: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "task_create": (security_task_create, (17,)),
        "task_kill": (security_task_kill, (task, 9)),
        "task_setpgid": (security_task_setpgid, (task, 5)),
        "task_setrlimit": (security_task_setrlimit, (7, (1, 2))),
        "task_fix_setuid": (security_task_fix_setuid, (task.cred, task.cred)),
        "bprm_check": (security_bprm_check, ("/x",)),
        "file_open": (security_file_open, ("/x", 2)),
    }
    assert set(asked) == {field.name for field in fields(SecurityHooks)}
    for name, (ask, arguments) in asked.items():
        heard: list[tuple[Any, ...]] = []

        def hook(*words: Any, answer: int = 0, heard: list[Any] = heard) -> int:
            heard.append((answer, *words))
            return answer

        def says(answer: int, hook: Any = hook) -> Any:
            return lambda *words: hook(*words, answer=answer)

        hooks = getattr(k.host.security, name)
        hooks += [says(0), says(1)]
        ask(k, *arguments)
        hooks += [says(-EACCES), says(-EPERM)]
        with pytest.raises(Errno) as refusal:
            ask(k, *arguments)
        assert refusal.value.number == EACCES
        assert heard == [(answer, k, *arguments) for answer in (0, 1, 0, 1, -EACCES)]


def test_a_collector_that_starts_over_has_nothing() -> None:
    class Kept(Collector):
        collected = ("number", "text", "table", "other")
        shared = ("lines",)

        def __init__(self) -> None:
            self.number, self.text, self.table, self.other = 3, "x", {1: 2}, object()
            self.lines = ["a", "b"]

    kept = Kept()
    data, lines = kept.save_data(), kept.save_shared()
    kept.start_over()
    assert (kept.number, kept.text, kept.table, kept.other, kept.lines) == (0, "", {}, None, [])
    kept.load_data(data, lines)
    assert (kept.number, kept.text, kept.lines) == (3, "x", ["a", "b"])


def test_the_program_of_a_session_is_found_by_its_argv() -> None:
    session = boot("there: " + SPIN, args=("one", "two"))
    run_to(session, "there")
    assert session.kernel.init_argv[1:] == [b"one", b"two"]
