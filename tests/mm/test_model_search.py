"""Copy-on-write as a small abstract machine, searched in every interleaving, and broken on purpose.

Two or three processes, two pages, one TLB. A step is a store, a load, a fork, an exit, or another process
taking the CPU. Every state that can be reached is visited. In each, what a process reads must be what
it, or its parent before the fork, wrote last; no frame in use is free; counts are right. Left out one at
a time, each flush, reference and write protection must make some state wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

FRAMES = 5
Entry = tuple[int, bool] | None  # frame, writable


@dataclass(frozen=True)
class State:
    """By process: its entries (None: not there), and what it ought to read. One value a frame."""

    tables: tuple[tuple[Entry, ...] | None, ...]
    truth: tuple[tuple[int, ...], ...]
    contents: tuple[int, ...]
    counts: tuple[int, ...]
    running: int
    tlb: tuple[Entry, ...]


@dataclass(frozen=True)
class Rules:
    """What the kernel does; a mutant leaves one thing out."""

    protect_parent: bool = True
    protect_child: bool = True
    flush_at_fork: bool = True
    count_at_fork: bool = True
    copy_contents: bool = True
    flush_after_copy: bool = True
    drop_after_copy: bool = True
    reuse_only_alone: bool = True
    flush_at_switch: bool = True
    drop_at_exit: bool = True


def changed(items: tuple, index: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*items[:index], value, *items[index + 1 :])


class Wrong(Exception):
    """A state that must not be."""


class Machine:
    """The transitions. `values` is how many different things can be stored."""

    def __init__(self, rules: Rules, processes: int = 3, pages: int = 2, values: int = 2) -> None:
        self.rules = rules
        self.processes, self.pages, self.values = processes, pages, values

    def start(self) -> State:
        frames = tuple((page, True) for page in range(self.pages))
        counts = tuple(1 if n < self.pages else 0 for n in range(FRAMES + 1))
        nobody = (None,) * (self.processes - 1)
        none = (None,) * self.pages
        truth = ((0,) * self.pages,) * self.processes
        return State((frames, *nobody), truth, (0,) * (FRAMES + 1), counts, 0, none)

    def check(self, s: State) -> None:
        uses = [0] * len(s.counts)
        for pid, table in enumerate(s.tables):
            for page, entry in enumerate(table or ()):
                assert entry is not None
                uses[entry[0]] += 1
                if s.contents[entry[0]] != s.truth[pid][page]:
                    raise Wrong(f"process {pid} finds another's word on page {page}")
        for frame, (count, used) in enumerate(zip(s.counts, uses, strict=True)):
            if count != used:
                raise Wrong(f"frame {frame} has {count} references and {used} entries")

    def steps(self, s: State) -> Iterator[State]:
        for page in range(self.pages):
            for value in range(self.values):
                yield self.store(s, page, value)
            yield self.load(s, page)
        free = next((pid for pid, table in enumerate(s.tables) if table is None), None)
        if free is not None:
            yield self.fork(s, free)
        others = [p for p, t in enumerate(s.tables) if t is not None and p != s.running]
        for other in others:
            yield self.switch(s, other)
        if others:
            yield self.switch(self.exit(s), others[0])

    # -- what the CPU does -------------------------------------------------------------------------

    def load(self, s: State, page: int) -> State:
        entry = s.tlb[page]
        if entry is None:
            table = s.tables[s.running]
            assert table is not None
            entry = table[page]
            s = replace(s, tlb=changed(s.tlb, page, entry))
        assert entry is not None
        if s.contents[entry[0]] != s.truth[s.running][page]:
            raise Wrong(f"process {s.running} reads a wrong word on page {page}")
        return s

    def store(self, s: State, page: int, value: int) -> State:
        table = s.tables[s.running]
        assert table is not None
        entry = s.tlb[page]
        if entry is None or not entry[1]:  # a protection fault looks at the table again
            entry = table[page]
            assert entry is not None
            if not entry[1]:
                s = self.write_fault(s, page)
                self.check(s)  # the fault alone changes nothing that can be read
                table = s.tables[s.running]
                assert table is not None
                entry = s.tlb[page] or table[page]
                assert entry is not None
            s = replace(s, tlb=changed(s.tlb, page, entry))
        truth = changed(s.truth, s.running, changed(s.truth[s.running], page, value))
        return replace(s, contents=changed(s.contents, entry[0], value), truth=truth)

    def switch(self, s: State, pid: int) -> State:
        tlb = (None,) * self.pages if self.rules.flush_at_switch else s.tlb
        return replace(s, running=pid, tlb=tlb)

    # -- what the kernel does ----------------------------------------------------------------------

    def write_fault(self, s: State, page: int) -> State:
        table = s.tables[s.running]
        assert table is not None
        entry = table[page]
        assert entry is not None
        frame = entry[0]
        if s.counts[frame] == 1 or not self.rules.reuse_only_alone:
            new, contents, counts = frame, s.contents, s.counts
        else:
            new = s.counts.index(0)
            word = s.contents[frame] if self.rules.copy_contents else 0
            contents = changed(s.contents, new, word)
            counts = changed(s.counts, new, 1)
            if self.rules.drop_after_copy:
                counts = changed(counts, frame, counts[frame] - 1)
        tables = changed(s.tables, s.running, changed(table, page, (new, True)))
        tlb = changed(s.tlb, page, None) if self.rules.flush_after_copy else s.tlb
        return replace(s, tables=tables, contents=contents, counts=counts, tlb=tlb)

    def fork(self, s: State, child: int) -> State:
        table = s.tables[s.running]
        assert table is not None
        counts = s.counts
        mine, its = [], []
        for entry in table:
            assert entry is not None
            mine.append((entry[0], entry[1] and not self.rules.protect_parent))
            its.append((entry[0], entry[1] and not self.rules.protect_child))
            if self.rules.count_at_fork:
                counts = changed(counts, entry[0], counts[entry[0]] + 1)
        tables = changed(changed(s.tables, s.running, tuple(mine)), child, tuple(its))
        truth = changed(s.truth, child, s.truth[s.running])
        tlb = (None,) * self.pages if self.rules.flush_at_fork else s.tlb
        return replace(s, tables=tables, truth=truth, counts=counts, tlb=tlb)

    def exit(self, s: State) -> State:
        counts = s.counts
        for entry in s.tables[s.running] or ():
            assert entry is not None
            if self.rules.drop_at_exit:
                counts = changed(counts, entry[0], counts[entry[0]] - 1)
        blank = (0,) * self.pages
        truth = changed(s.truth, s.running, blank)
        return replace(s, tables=changed(s.tables, s.running, None), counts=counts, truth=truth)


def normal(s: State) -> State:
    """States that differ only in the numbers of frames, or in what free ones hold, are one."""
    entries = [e for table in (*s.tables, s.tlb) for e in table or () if e is not None]
    order = list(dict.fromkeys(frame for frame, _ in entries))
    order += [n for n in range(len(s.counts)) if n not in order]
    number = {old: new for new, old in enumerate(order)}

    def renamed(table: tuple[Entry, ...]) -> tuple[Entry, ...]:
        return tuple(None if e is None else (number[e[0]], e[1]) for e in table)

    return replace(
        s,
        tables=tuple(None if table is None else renamed(table) for table in s.tables),
        tlb=renamed(s.tlb),
        contents=tuple(s.contents[old] if s.counts[old] else 0 for old in order),
        counts=tuple(s.counts[old] for old in order),
    )


def search(machine: Machine) -> int:
    """Visit every state; how many there are. Raises Wrong."""
    start = machine.start()
    seen = {start}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        for following in machine.steps(state):
            machine.check(following)
            following = normal(following)
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return len(seen)


def test_no_interleaving_is_wrong() -> None:  # K2, K4-K6
    assert search(Machine(Rules(), processes=2, pages=2)) > 1_000
    assert search(Machine(Rules(), processes=3, pages=1)) > 200


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "pages"), [(2, 3), (3, 2)])
def test_no_interleaving_of_more_is_wrong(processes: int, pages: int) -> None:  # K2, K4-K6
    assert search(Machine(Rules(), processes=processes, pages=pages)) > 10_000


@pytest.mark.parametrize("left_out", Rules.__dataclass_fields__)
def test_whatever_is_left_out_is_missed(left_out: str) -> None:
    rules = replace(Rules(), **{left_out: False})
    for processes, pages in ((3, 1), (2, 2)):
        with pytest.raises(Wrong):
            search(Machine(rules, processes=processes, pages=pages))
