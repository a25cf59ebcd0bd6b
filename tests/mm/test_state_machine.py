"""Random lives of several processes against a model of memory; every invariant at every step.

The kernel's own functions are called as the gate calls them. Accesses go through the machine's
translation with its memory of earlier ones, so a flush that is missing shows as a wrong byte.
"""

import os
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from memory_model import BASE, PAGE, READ, WRITE, Memory

from emu.paging import PageFault
from toykernel.arch.x86.mmu_context import activate_mm
from toykernel.arch.x86.uaccess import copy_from_user, put_user
from toykernel.check.fail import differences, fingerprint
from toykernel.check.invariants import check_all
from toykernel.errno import ENOMEM, Errno
from toykernel.harness.session import Session
from toykernel.kernel.clone_flags import CloneArgs
from toykernel.kernel.exit import do_exit
from toykernel.kernel.fork import do_fork
from toykernel.kernel.siginfo import SIGCHLD
from toykernel.look.frames import leaked_frames
from toykernel.mm.access import BadArea, access_error, find_area
from toykernel.mm.heap import sys_brk
from toykernel.mm.madvise import sys_madvise
from toykernel.mm.memory import Fault, handle_mm_fault
from toykernel.mm.mman import MADV_DOFORK, MADV_DONTFORK, MADV_DONTNEED
from toykernel.mm.mmap import sys_mmap2, sys_munmap
from toykernel.mm.mprotect import sys_mprotect
from toykernel.task import Task

USERLAND = Path(__file__).parents[2] / "userland"
MAX_TASKS = 4
PAGES = 8  # of the window: few, so that what is done meets what was done before
first_page = st.integers(0, PAGES - 1)
length = st.integers(1, 6)
WORDS = (0, 0xFFC)  # the words of a page that are written, by offset
word = st.integers(0, 1)
prot = st.sampled_from([0, READ, WRITE, READ | WRITE, READ | WRITE])


class Segfault(Exception):
    """The access is refused."""


class MemoryMachine(RuleBasedStateMachine):
    """Several processes; `current` acts."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(USERLAND / "hello.S")
        self.session.break_at("_start")
        assert self.session.run().kind == "breakpoint"
        self.k = self.session.kernel
        root = self.k.current
        objects: dict[tuple[int, int], tuple[int, ...]] = {}
        self.models: dict[int, Memory] = {root.pid: Memory(objects)}
        self.tasks: dict[int, Task] = {root.pid: root}
        self.heaps: dict[int, dict[int, int]] = {root.pid: {}}
        assert root.mm is not None
        self.brk_start = root.mm.brk
        self.pid = root.pid
        self.next_value = 1
        self.next_object = 1
        self.mmap(0, PAGES, READ | WRITE, False)
        self.mmap(3, 2, READ | WRITE, True)
        for index in range(0, PAGES, 2):
            self.write_one(index)

    # -- the two sides -----------------------------------------------------------------------------

    @property
    def model(self) -> Memory:
        return self.models[self.pid]

    def switch(self, pid: int) -> None:
        self.pid = pid
        task = self.tasks[pid]
        self.k.current = task
        if task.mm is not self.k.memory.active_mm:
            assert task.mm is not None
            activate_mm(self.k, task.mm)

    def access(self, address: int, write: bool) -> int:
        """Physical address of a user access, faulting as the CPU and the kernel do."""
        k = self.k
        mm = k.current.mm
        assert mm is not None
        for _ in range(2):
            try:
                return k.machine.linear.physical(address, write=write)
            except PageFault as fault:
                code = fault.error_code
            try:
                area = find_area(k, mm, address, None)
            except BadArea:
                raise Segfault from None
            if access_error(area, code):
                raise Segfault
            handle_mm_fault(k, Fault(k.current, mm, area, address, code))
        raise AssertionError(f"{address:#x} faults again after its fault was handled")

    def load(self, address: int) -> int:
        return self.k.machine.ram.read32(self.access(address, False))

    def store(self, address: int, value: int) -> None:
        self.k.machine.ram.write32(self.access(address, True), value)

    def value(self) -> int:
        self.next_value += 1
        return self.next_value

    def answer(self, ok: bool, call, *args) -> None:  # type: ignore[no-untyped-def]
        """The call succeeds exactly when the model says so."""
        number = 0
        try:
            call(self.k, *args)
        except Errno as error:
            number = error.number
        wanted = 0 if ok else ENOMEM
        assert number == wanted, f"{call.__name__}{args}: error {number}, not {wanted}"

    # -- rules -------------------------------------------------------------------------------------

    @rule(first=first_page, count=length, prot=prot, shared=st.booleans())
    def map_pages(self, first: int, count: int, prot: int, shared: bool) -> None:
        self.mmap(first, count, prot, shared)

    def mmap(self, first: int, count: int, prot: int, shared: bool) -> None:
        count = min(count, PAGES - first)
        flags = 0x30 | (1 if shared else 2)
        assert sys_mmap2(self.k, BASE + first * PAGE, count * PAGE, prot, flags, -1, 0)
        self.next_object += 1
        self.model.map(first, count, prot, self.next_object if shared else None)

    @rule(first=first_page, count=length)
    def munmap(self, first: int, count: int) -> None:
        sys_munmap(self.k, BASE + first * PAGE, count * PAGE)
        self.model.unmap(first, count)

    @rule(first=first_page, count=length, prot=prot)
    def mprotect(self, first: int, count: int, prot: int) -> None:
        ok = self.model.protect(first, count, prot)
        self.answer(ok, sys_mprotect, BASE + first * PAGE, count * PAGE, prot)

    @rule(first=first_page, count=length)
    def dontneed(self, first: int, count: int) -> None:
        ok = self.model.dontneed(first, count)
        self.answer(ok, sys_madvise, BASE + first * PAGE, count * PAGE, MADV_DONTNEED)

    @rule(first=first_page, count=length, dontfork=st.booleans())
    def advise_fork(self, first: int, count: int, dontfork: bool) -> None:
        ok = self.model.advise_fork(first, count, dontfork)
        advice = MADV_DONTFORK if dontfork else MADV_DOFORK
        self.answer(ok, sys_madvise, BASE + first * PAGE, count * PAGE, advice)

    @rule(index=first_page, word=word)
    def write(self, index: int, word: int) -> None:
        self.write_one(index, word)

    @rule(first=first_page, count=length)
    def write_many(self, first: int, count: int) -> None:
        for index in range(first, min(first + count, PAGES)):
            self.write_one(index)

    def write_one(self, index: int, word: int = 0) -> None:
        value = self.value()
        if self.model.can(index, WRITE):
            self.store(BASE + index * PAGE + WORDS[word], value)
            self.model.write(index, value, word)
        else:
            try:
                self.store(BASE + index * PAGE + WORDS[word], value)
            except Segfault:
                return
            raise AssertionError(f"page {index} could be written")

    @rule(index=first_page, word=word)
    def read(self, index: int, word: int) -> None:
        if self.model.can(index, READ):
            assert self.load(BASE + index * PAGE + WORDS[word]) == self.model.read(index, word)
        else:
            try:
                self.load(BASE + index * PAGE)
            except Segfault:
                return
            raise AssertionError(f"page {index} could be read")

    @rule(index=first_page, word=word)
    def kernel_writes(self, index: int, word: int) -> None:  # K8
        value = self.value()
        if self.model.can(index, WRITE):
            put_user(self.k, value, BASE + index * PAGE + WORDS[word])
            self.model.write(index, value, word)
        else:
            try:
                put_user(self.k, value, BASE + index * PAGE)
            except Errno:
                return
            raise AssertionError(f"the kernel could write page {index}")

    @rule(pages=st.integers(0, 8))
    def brk(self, pages: int) -> None:
        end = self.brk_start + pages * PAGE
        assert sys_brk(self.k, end) == end
        heap = self.heaps[self.pid]
        for page in [p for p in heap if p >= pages]:
            del heap[page]
        for page in range(pages):
            address = self.brk_start + page * PAGE
            assert self.load(address) == heap.get(page, 0)
            heap[page] = self.value()
            self.store(address, heap[page])

    @precondition(lambda self: len(self.tasks) < MAX_TASKS)
    @rule()
    def fork(self) -> None:
        k = self.k
        regs = k.task_pt_regs(k.current)
        pid = do_fork(k, CloneArgs(SIGCHLD, regs.sp, regs))
        assert isinstance(pid, int)
        self.tasks[pid] = next(t for t in k.processes.tasks if t.pid == pid)
        self.models[pid] = self.model.fork()
        self.heaps[pid] = dict(self.heaps[self.pid])

    @rule(nth=st.integers(1, 30))
    def fork_that_fails(self, nth: int) -> None:  # J
        k = self.k
        count = 0

        def may_fail(what: str) -> None:
            nonlocal count
            count += 1
            if count == nth:
                raise Errno(ENOMEM)

        regs = k.task_pt_regs(k.current)
        before = fingerprint(k)
        k.host.may_fail = may_fail
        error = pid = 0
        try:
            pid = do_fork(k, CloneArgs(SIGCHLD, regs.sp, regs))
        except Errno as failed:
            error = failed.number
        finally:
            k.host.may_fail = None
        if error:
            assert error == ENOMEM
            assert not differences(before, fingerprint(k))
        else:
            assert count < nth
            assert isinstance(pid, int)
            self.end(pid)

    def end(self, pid: int) -> None:
        """Let a task exit."""
        back = self.pid
        k = self.k
        k.current = next(t for t in k.processes.tasks if t.pid == pid)
        assert k.current.mm is not None
        activate_mm(k, k.current.mm)
        do_exit(k, 0)
        self.switch(back)

    @rule(data=st.data())
    def switch_task(self, data: st.DataObject) -> None:
        self.switch(data.draw(st.sampled_from(sorted(self.tasks))))

    @precondition(lambda self: len(self.tasks) > 1)
    @rule(data=st.data())
    def exit(self, data: st.DataObject) -> None:
        victim = data.draw(st.sampled_from(sorted(set(self.tasks) - {self.pid})))
        self.end(victim)
        del self.tasks[victim], self.models[victim], self.heaps[victim]

    # -- always ------------------------------------------------------------------------------------

    @invariant()
    def kernel_is_sound(self) -> None:
        check_all(self.k)
        assert leaked_frames(self.k) == 0

    @invariant()
    def contents_are_the_model_s(self) -> None:
        """Without faulting anything in: what is mapped reads as the model says, for everybody."""
        k = self.k
        for pid, model in self.models.items():
            mm = self.tasks[pid].mm
            assert mm is not None
            for index in model.pages:
                view = self.session.task(pid).walk(BASE + index * PAGE)
                if view.physical is not None:
                    found = tuple(k.machine.ram.read32(view.physical + at) for at in WORDS)
                    assert found == model.words(index), f"pid {pid} page {index}"
                    beside = k.machine.ram.read32(view.physical + 8)  # which nobody ever writes
                    assert beside == 0, f"pid {pid} page {index} holds somebody's old {beside:#x}"

    def teardown(self) -> None:
        if len(self.tasks) > 1:
            for pid in sorted(set(self.tasks) - {self.pid}):
                self.end(pid)
        check_all(self.k)
        assert copy_from_user(self.k, self.session.address("_start"), 1)


#: Whoever only asks whether it fails does not wait for the shortest way to make it fail.
PHASES = [p for p in Phase if p is not Phase.shrink or "NO_SHRINKING" not in os.environ]

MemoryMachine.TestCase.settings = settings(
    phases=PHASES,
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestMemory = MemoryMachine.TestCase
