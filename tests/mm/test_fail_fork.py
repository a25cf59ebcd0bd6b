"""Every step and every allocation of fork fails once, for six shapes of parent (fork-path D, J, K)."""

from itertools import pairwise
from pathlib import Path

import pytest

from toykernel.check.fail import Injector, differences, fingerprint
from toykernel.check.invariants import check_all
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames, leaked_objects
from toykernel.mm import memory
from toykernel.mm.memory import ProtectedPte
from toykernel.state import Config

USERLAND = Path(__file__).parents[2] / "userland"
#: Shape, and the least number of allocations that its fork makes.
SHAPES = {"s": 9, "a": 100, "d": 9, "m": 15, "p": 11, "n": 18}
#: What the steps of copy_process fail with that make no allocation (fork-path D); the others with ENOMEM.
ERRORS = {"D1": "EINVAL", "D2": "EACCES", "D4": "EAGAIN", "D6": "EAGAIN", "D17": "ERESTARTNOINTR"}
STEPS = [f"D{n}" for n in range(1, 18)]
LIMIT = 50_000_000


def sweep(shape: str, *, eager: bool = False) -> tuple[Session, Injector]:
    """Run until a fork has failed at each of its points and then succeeded."""
    session = Session(USERLAND / "fork_shapes.S", [shape], config=Config(eager_fork=eager))
    injector = Injector(session.kernel, "fork")
    outcome = session.run(LIMIT)
    assert outcome.kind == "finished", outcome
    return session, injector


@pytest.mark.parametrize("shape", SHAPES)
def test_a_failed_fork_leaves_nothing(shape: str) -> None:  # J
    session, injector = sweep(shape)
    k = session.kernel
    assert session.stdout == b"the parent's memory is its own\n"
    assert session.stats.program_status == 0
    assert sum(i.point.allocation for i in injector.done) >= SHAPES[shape]
    numbers = [i.number for i in injector.done]
    rounds = numbers.count(1)
    assert rounds == (2 if shape == "n" else 1)
    assert all(b in (a + 1, 1) for a, b in pairwise(numbers))
    for injection in injector.done:
        assert injection.errno == ERRORS.get(injection.step, "ENOMEM"), injection
        assert injection.expected == injection.errno
        assert not injection.left_behind, injection
    steps = [i.step for i in injector.done]
    assert list(dict.fromkeys(steps)) == STEPS
    for step in STEPS:  # each as a step; D3 only as its allocations
        assert (step == "D3") != any(
            i.step == step and not i.point.allocation for i in injector.done
        )
    assert leaked_frames(k) == 0
    assert leaked_objects(k) == {}
    check_all(k)


def test_the_points_have_names() -> None:
    _, injector = sweep("s")
    points = [injection.what for injection in injector.done]
    for what in ("task_struct", "kernel stack", "mm_struct", "pgd", "vm_area_struct", "page table"):
        assert what in points


def test_eager_fork_fails_at_every_page() -> None:  # K12
    _, injector = sweep("s", eager=True)
    points = [injection.what for injection in injector.done]
    assert points.count("eager copy") >= 3
    assert not any(injection.left_behind for injection in injector.done)


def test_a_forgotten_undo_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: without the write bits given back, the parent's tables differ."""

    def forget(k: object, mm: object, protected: list[ProtectedPte]) -> None:
        del k, mm, protected

    monkeypatch.setattr("toykernel.kernel.fork_mm.unprotect_ptes", forget)
    _, injector = sweep("s")
    left = [name for i in injector.done for name in i.left_behind]
    assert any(name.startswith("page tables of mm") for name in left)
    assert memory.unprotect_ptes is not forget


def test_differences_are_named() -> None:
    session = Session(USERLAND / "hello.S")
    session.run()
    k = session.kernel
    before = fingerprint(k)
    assert not differences(before, fingerprint(k))
    k.memory.pages.alloc_pages(k, 0, "nobody's")
    k.memory.slabs.vm_area.alloc(k)
    names = {line.partition(":")[0] for line in differences(before, fingerprint(k))}
    assert names == {"frame references", "free frames", "slab vm_area_struct"}


def test_the_nth_of_a_run() -> None:
    # D1, D2, the record and the stack of D3, then D4: Linux's order
    for n, where, errno in (
        (1, "D1 check_flags", "EINVAL"),
        (2, "D2 security_task_create", "EACCES"),
        (3, "D3 allocation of task_struct", "ENOMEM"),
        (4, "D3 allocation of kernel stack", "ENOMEM"),
        (5, "D4 check_nproc", "EAGAIN"),
    ):
        session = Session(USERLAND / "fork_shapes.S", ["s"])
        injector = Injector(session.kernel, "fork", n)
        session.run(LIMIT)
        assert session.stats.program_status == 0
        assert (
            injector.summary() == f"point {n} of fork ({where}) failed: {errno}; nothing was left"
        )
    session = Session(USERLAND / "fork_shapes.S", ["s"])
    injector = Injector(session.kernel, "fork", 999)
    session.run(LIMIT)
    assert injector.done == []
    assert "no point 999" in injector.summary()


@pytest.mark.parametrize("call", ["fork", "vfork", "clone"])
def test_each_step_of_each_call_can_be_chosen(call: str, tmp_path: Path) -> None:
    """--fail-nth: until there is no such point, the N-th fails, once, and the next call succeeds."""
    path = tmp_path / "again.S"
    number = {"fork": 2, "vfork": 190, "clone": 120}[call]
    path.write_text(
        f""".globl _start
_start: movl $0x11, %ebx        # SIGCHLD: clone as fork does it
        xorl %ecx, %ecx
        xorl %esi, %esi
        xorl %edi, %edi
1:      movl ${number}, %eax
        int $0x80
        cmpl $-513, %eax        # ERESTARTNOINTR is between the kernel and itself
        je 3f
        testl %eax, %eax
        js 1b
        jz 2f
        movl $7, %eax
        movl $-1, %ebx
        xorl %edx, %edx
        int $0x80
2:      movl $1, %eax
        xorl %ebx, %ebx
        int $0x80
3:      movl $1, %eax
        int $0x80
"""
    )
    steps: list[str] = []
    for n in range(1, 100):
        session = Session(path)
        injector = Injector(session.kernel, call, n)
        assert session.run(LIMIT).kind == "finished"
        assert session.stats.program_status == 0
        assert leaked_frames(session.kernel) == 0
        assert session.kernel.processes.total_forks == 3  # init, the program, its child
        if not injector.done:
            break
        (one,) = injector.done
        assert one.number == n
        assert one.errno == ERRORS.get(one.step, "ENOMEM"), one
        assert not one.left_behind, one
        steps.append(one.step)
    assert list(dict.fromkeys(steps)) == STEPS


def test_other_calls_have_allocations_only() -> None:
    session = Session(USERLAND / "fork_shapes.S", ["a"])
    injector = Injector(session.kernel, "mmap2", 1)
    session.run(LIMIT)
    assert injector.done[0].step == ""
    assert injector.summary().startswith("allocation 1 of mmap2 (")
