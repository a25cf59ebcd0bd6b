"""Page tables by runs of words, as fork and exit go over them, against one entry at a time, as they do while
somebody is told of each: the same memory, the same kernel, the same clocks by the same rules (K1, K2, J)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from guest import boot

from toykernel.check.fail import Injector
from toykernel.harness.session import Session
from toykernel.state import Config
from toykernel.statehash import state_hash

USERLAND = Path(__file__).parents[2] / "userland"
#: Present, written, read, forbidden and untouched pages side by side and in two page tables; some are gone
#: again before the fork. The child writes, unmaps and dies; so does its parent.
SPARSE = """
.include "process.inc"
    movl $area, %ebx
    movl %ebx, (%ebx)
    movl 4096(%ebx), %eax
    movl %eax, 3 * 4096(%ebx)
    movl %eax, 9 * 4096(%ebx)
    movl %eax, 10 * 4096(%ebx)
    movl %eax, 1100 * 4096(%ebx)
    movl %eax, 1102 * 4096(%ebx)
    invoke3 125, $area + 9 * 4096, $4096, $0
    invoke2 91, $area + 3 * 4096, $4096
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $0, $0
    movl $7, area
    invoke2 91, $area + 8 * 4096, $1000 * 4096
    sys_exit $0
child:
    movl $5, area
    invoke3 219, $area + 4096, $20 * 4096, $4
    invoke2 91, $area + 1090 * 4096, $12 * 4096
    sys_exit $0
.bss
.balign 4096
area: .zero 1200 * 4096
"""


def told(session: Session) -> None:
    """Somebody wants to hear of every entry."""
    session.kernel.host.trace.set_pte.append(lambda mm, address, old, new: None)


def freed(session: Session) -> None:
    """Of every frame that is freed."""
    session.kernel.host.trace.page_free.append(lambda pfn, order: None)


def stored(session: Session) -> None:
    """Of every store."""
    session.kernel.machine.ram.on_write = lambda address, length: None


def alike(make: Callable[[], Session], watch: Callable[[Session], None]) -> None:
    ends = []
    for watched in (False, True):
        session = make()
        if watched:
            watch(session)
        outcome = session.run(50_000_000)
        assert outcome.kind == "finished", outcome
        clock = session.kernel.machine.clock
        ends.append((session.stats.program_status, clock.by_rule(), state_hash(session.kernel)))
    assert ends[0] == ends[1]
    assert ends[0][0] == 0


@pytest.mark.parametrize("watch", [told, freed, stored])
def test_sparse_tables(watch: Callable[[Session], None]) -> None:
    alike(lambda: boot(SPARSE, timing="i486"), watch)


@pytest.mark.parametrize("shape", ["s", "n"])
def test_forks_that_fail_at_every_allocation(shape: str) -> None:
    def make() -> Session:
        config = Config(timing="i486")
        session = Session(USERLAND / "fork_shapes.S", [shape], config=config)
        Injector(session.kernel, "fork")
        return session

    alike(make, told)
