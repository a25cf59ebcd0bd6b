"""Numbers, the tree, the end and waiting for it: fork-path B, L.

Status words and errors that a real Linux shows as well are in userland/wait_*.S; here is what only the
inside shows, and figures.
"""

import struct

import pytest
from guest import boot, finish, label, run, run_to, status_of, task, word
from hypothesis import given, settings
from hypothesis import strategies as st

from toykernel import run_loop
from toykernel.errno import EAGAIN, Errno
from toykernel.kernel import wait4
from toykernel.kernel.pid import PidMap, child_reaper
from toykernel.state import Kernel
from toykernel.task import Task

# -- numbers: L1 ------------------------------------------------------------------------------------


def test_numbers_grow_by_one() -> None:  # L1
    numbers = PidMap()
    assert [numbers.alloc() for _ in range(5)] == [1, 2, 3, 4, 5]
    numbers.free(5)
    assert numbers.alloc() == 6  # from the last one given, though 5 is free


def test_numbers_wrap_at_pid_max() -> None:  # L1
    numbers = PidMap()
    given_ = [numbers.alloc() for _ in range(32767)]
    assert given_ == list(range(1, 32768))  # 32768 is never given
    with pytest.raises(Errno) as full:
        numbers.alloc()
    assert full.value.number == EAGAIN
    for number in (7, 299, 300, 301, 20_000):
        numbers.free(number)
    assert [numbers.alloc() for _ in range(3)] == [
        300,
        301,
        20_000,
    ]  # 300 is the lowest once wrapped
    with pytest.raises(Errno):
        numbers.alloc()  # 7 and 299 are not for the second round


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=300))
def test_numbers_against_a_model(choices: list[int]) -> None:
    numbers = PidMap(pid_max=330)
    used: list[int] = []
    last = 0
    for choice in choices:
        if choice % 3 == 0 and used:
            numbers.free(used.pop(choice % len(used)))
            continue
        candidates = [*range(last + 1, 330), *range(300, 330)]
        wanted = next((n for n in candidates if n not in used), None)
        if wanted is None:
            with pytest.raises(Errno):
                numbers.alloc()
            continue
        assert numbers.alloc() == wanted
        used.append(wanted)
        last = wanted
    assert numbers.in_use() == len(used)


def test_a_number_lives_as_long_as_its_group() -> None:  # L1: skipped while a group has it
    """The leader of a process group is gone and reaped; its number still names the group."""
    text = """
    sys_fork
    testl %eax, %eax
    jz leader
    movl %eax, %esi
    sys_waitpid %esi, $0, $0    # the leader; its child goes on
reaped:
    sys_sched_yield
    sys_exit $0
leader:
    movl $57, %eax              # setpgid(0, 0)
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    int $0x80
    sys_fork
    testl %eax, %eax
    jz member
    sys_exit $0
member:
    movl $100, %ebp
1:  sys_sched_yield
    decl %ebp
    jnz 1b
    sys_exit $0
"""
    session = boot(text, check=True)
    k = session.kernel
    run_to(session, "reaped")
    assert task(session, 4).signal.pgrp == 3
    assert 3 not in [t.pid for t in k.processes.tasks]
    assert 3 in k.processes.pids._used
    assert finish(session) == 0
    assert k.processes.pids.in_use() == 1


# -- the tree: L2 -----------------------------------------------------------------------------------

ORPHAN = """
    sys_fork
    testl %eax, %eax
    jz middle
    sys_waitpid %eax, $0, $0
top:
    sys_exit $0
middle:
    sys_fork
    testl %eax, %eax
    jz orphan
    sys_fork
    testl %eax, %eax
    jz zombie
    sys_sched_yield
    sys_sched_yield
    sys_exit $0
zombie:
    sys_exit $5
orphan:
    sys_getppid
    cmpl $1, %eax
    jne orphan
adopted:
    sys_exit $3
"""


def tree(k: Kernel, t: Task) -> tuple[int, list[int]]:
    """A task's number and its children's."""
    return t.pid, sorted(c.pid for c in t.children)


def test_orphans_go_to_init() -> None:  # L2
    session = boot(ORPHAN, check=True)
    k = session.kernel
    orphan = run_to(session, "adopted")
    init = child_reaper(k)
    assert init.pid == 1
    assert orphan.real_parent is orphan.parent is init
    assert orphan in init.children
    assert finish(session) == 0
    assert tree(k, init) == (1, [])


def test_init_reaps_the_zombies_of_the_dead() -> None:  # L2
    session = boot(ORPHAN)
    released: list[tuple[int, int]] = []
    session.kernel.host.trace.release_task.append(lambda t: released.append((t.pid, t.parent.pid)))
    assert finish(session) == 0
    assert sorted(released) == [(2, 1), (3, 2), (4, 1), (5, 1)]


def test_a_zombie_keeps_its_record_and_nothing_else() -> None:  # L2
    session = boot(
        "movl $1, page\n sys_fork\n testl %eax, %eax\n jz child\n movl %eax, %edi\n"
        "movl $284, %eax\n xorl %ebx, %ebx\n xorl %edx, %edx\n movl $0x01000004, %esi\n"
        "int $0x80\n"  # waitid(P_ALL, 0, NULL, WEXITED | WNOWAIT)
        "here: sys_waitpid $-1, $page, $0\n cmpl $0x700, page\n jne bad\n"
        "sys_exit $0\nbad: sys_exit $1\nchild: sys_exit $7\n.data\n.balign 4096\npage: .long 0\n",
        check=True,
    )
    k = session.kernel
    run_to(session, "here")
    zombie = task(session, 3)
    assert zombie.is_zombie
    assert zombie.state_letter == "Z"
    assert zombie.mm is None
    assert zombie.thread.fpu == 0
    assert zombie in task(session, 2).children
    assert k.processes.pids.tasks[3] is zombie
    assert finish(session) == 0


def test_an_exited_task_never_runs_again() -> None:
    session = boot("sys_fork\n testl %eax, %eax\n jz child\n sys_waitpid %eax, $0, $0\n sys_exit $0\n"
                   "child: sys_exit $0\nafter: jmp after\n")  # fmt: skip
    session.kernel.machine.cpu.set_breakpoints([label(session, "after")])
    assert finish(session) == 0


def test_fork_returns_twice() -> None:  # B2
    session = boot("sys_fork\nback: movl %eax, %ebx\n movl $1, %eax\n int $0x80\n")
    k = session.kernel
    seen: dict[int, int] = {}
    for _ in range(2):
        t = run_to(session, "back")
        seen[t.pid] = k.machine.cpu.eax
        run_loop.step(k)
    assert seen == {2: 3, 3: 0}
    assert task(session, 3).exit_signal == 17  # B1: CSIGNAL
    assert finish(session) == 3 << 8


def test_a_refused_fork_leaves_no_child() -> None:  # B2
    session = boot(
        "sys_fork\nback: cmpl $-11, %eax\n jne bad\n movl $0x10000, more\n sys_fork\nagain: nop\n"
        "testl %eax, %eax\n jz 1f\n js bad\n sys_waitpid %eax, $0, $0\n1: sys_exit $0\n"
        "bad: sys_exit $1\n.data\nmore: .long 0\n",
        check=True,
    )
    k = session.kernel
    run_to(session, "_start")
    k.processes.max_threads = k.processes.nr_threads
    forks = k.processes.total_forks
    before = (
        k.memory.pages.totals().used,
        [c.active for c in k.memory.slabs],
        k.processes.pids.in_use(),
        len(k.processes.tasks),
    )
    run_to(session, "back")
    after = (
        k.memory.pages.totals().used,
        [c.active for c in k.memory.slabs],
        k.processes.pids.in_use(),
        len(k.processes.tasks),
    )
    assert after == before
    assert k.processes.total_forks == forks
    k.processes.max_threads += 1
    assert finish(session) == 0
    assert session.stats.failed == {"EAGAIN": 1}


# -- waiting: L3 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pid", "result"),
    [("$-1", 3), ("$0", 3), ("$3", 3), ("%esi", 3), ("$-3", -10), ("$2", -10), ("$99", -10),
     ("$0x80000000", -10), ("$0x7fffffff", -10), ("$1", -10)],
)  # fmt: skip
def test_which_child(pid: str, result: int) -> None:  # L3
    assert (
        status_of(
            f"sys_fork\n testl %eax, %eax\n jz child\n movl %eax, %esi\n sys_waitpid {pid}, $0, $0\n"
            f"cmpl ${result}, %eax\n jne bad\n sys_exit $0\nbad: sys_exit $1\nchild: sys_exit $0\n"
        )
        == 0
    )


def test_rusage_is_stored_before_the_status() -> None:  # L3
    """An rusage that cannot be stored hides the status too, and the child is gone all the same."""
    run("""
    movl $77, status
    sys_fork
    testl %eax, %eax
    jz child
    movl %eax, %ebx
    movl $status, %ecx
    xorl %edx, %edx
    movl $0xc0000000, %esi
    movl $114, %eax             # wait4
    int $0x80
    cmpl $-14, %eax
    jne bad
    cmpl $77, status
    jne bad
    sys_waitpid $-1, $0, $0
    cmpl $-10, %eax
    jne bad
    sys_exit $0
bad:
    sys_exit $1
child:
    sys_exit $4
    .data
status: .long 0
""")


RUSAGE = """
    sys_fork
    testl %eax, %eax
    jz child
    movl %eax, %ebx
    movl $0, %ecx
    xorl %edx, %edx
    movl $usage, %esi
    movl $114, %eax             # wait4
    int $0x80
    movl $-1, %ebx              # getrusage(RUSAGE_CHILDREN)
    movl $children, %ecx
    movl $77, %eax
    int $0x80
done:
    sys_exit $0
child:
    sys_fork
    testl %eax, %eax
    jz grandchild
    sys_waitpid %eax, $0, $0
    movl $1, a                  # copied: the parent shares it
    movl b, %eax                # the zero page
    movl $1, c                  # a fresh page
    sys_exit $0
grandchild:
    movl $1, c
    movl $1500000, %ecx         # about 45 ms
1:  loop 1b
    sys_exit $0
    .data
    .balign 4096
a: .long 1
    .bss
    .balign 4096
b: .space 4096
c: .space 4096
usage: .space 72
children: .space 72
"""


def test_rusage_of_a_child_and_its_children() -> None:  # L3
    session = boot(RUSAGE)
    k = session.kernel
    parent = run_to(session, "done", limit=10**8)
    found = []
    for name in ("usage", "children"):
        assert parent.mm is not None
        at = label(session, name)
        data = b"".join(struct.pack("<I", word(k, parent, at + 4 * i)) for i in range(18))
        found.append(struct.unpack("<18I", data))
    usage, children = found
    assert usage == children  # there was one child
    user_us = usage[0] * 1_000_000 + usage[1]
    assert 30_000 < user_us < 90_000
    minor, voluntary = usage[8], usage[16]
    assert minor == 4  # a, b, c and the grandchild's c: refused accesses would not count
    assert voluntary >= 1  # the wait


@pytest.mark.parametrize("whom", ["$-1", "%edi"], ids=["any child", "each child"])
def test_who_waits_for_many_children_does_not_look_at_all_of_them_each_time(
    monkeypatch: pytest.MonkeyPatch, whom: str
) -> None:
    """They end one by one, the last-born first, while their parent sleeps."""
    looked_at: list[int] = []
    eligible = wait4._eligible_child

    def counted(wo: wait4.WaitOpts, traced: bool, p: Task) -> bool:
        looked_at.append(p.pid)
        return eligible(wo, traced, p)

    monkeypatch.setattr(wait4, "_eligible_child", counted)
    number = 40
    run(
        f"""
        movl ${number}, %esi
1:      movl $2, %eax
        int $0x80
        testl %eax, %eax
        jz child
        decl %esi
        jnz 1b
        movl %eax, %edi             # the last-born
        movl ${number}, %esi
2:      movl $7, %eax
        movl {whom}, %ebx
        xorl %ecx, %ecx
        xorl %edx, %edx
        int $0x80
        cmpl %edi, %eax
        jne wrong
        decl %edi
        decl %esi
        jnz 2b
        xorl %ebx, %ebx
        movl $1, %eax
        int $0x80
wrong:  movl $1, %ebx
        movl $1, %eax
        int $0x80
child:  imull $1000000, %esi, %eax
        movl %eax, time + 4
        movl $162, %eax             # nanosleep
        movl $time, %ebx
        xorl %ecx, %ecx
        int $0x80
        xorl %ebx, %ebx
        movl $1, %eax
        int $0x80
        .data
time:   .long 0, 0
"""
    )
    assert number <= len([pid for pid in looked_at if pid > 2]) <= 4 * number
