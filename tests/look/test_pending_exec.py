"""An exec that waits for its group's other threads has an address space already: every look sees it."""

from dataclasses import dataclass
from pathlib import Path

from toykernel.check.contents import reverse_map_is_true
from toykernel.check.whole import Whole
from toykernel.harness.session import Session
from toykernel.look.frames import frame_role, leaked_frames, mappers, owners
from toykernel.look.page_tables import entries, tables
from toykernel.look.records import records
from toykernel.look.spaces import address_spaces, users_of
from toykernel.task import Task

PROGRAM = Path(__file__).parents[2] / "userland" / "exec_from_thread.S"


@dataclass
class Seen:
    """What the looks say while the exec waits."""

    listed: bool
    who: str
    directory: str
    table: str
    pids: list[tuple[int, ...]]
    holders: list[str]
    has_record: bool
    leaked: int
    breaches: list[str]
    pid: int
    ident: int


def _look(session: Session, task: Task) -> Seen:
    k = session.kernel
    assert task.bprm is not None
    mm = task.bprm.mm
    assert mm is not task.mm
    page = next(
        entry for entry in entries(k, mm) if entry.present and entry.pfn != k.memory.zero_pfn
    )
    return Seen(
        mm in address_spaces(k),
        users_of(k, mm),
        frame_role(k, mm.pgd >> 12),
        frame_role(k, next(tables(k, mm))[1] >> 12),
        [mapper.pids for mapper in mappers(k, page.pfn) if mapper.linear == page.address],
        owners(k)[page.pfn],
        ("mm_struct", mm.slab) in records(k),
        leaked_frames(k),
        list(reverse_map_is_true(Whole(k))),
        task.pid,
        mm.ident,
    )


def test_everybody_sees_the_memory_of_a_pending_exec() -> None:
    session = Session(PROGRAM)
    k = session.kernel
    found: list[Seen] = []

    def switched(prev: Task, _next: Task) -> None:
        if prev.bprm is not None:
            found.append(_look(session, prev))

    k.host.trace.sched_switch.append(switched)
    assert session.run(50_000_000).kind == "finished"
    assert found
    for seen in found:
        assert seen.listed
        assert seen.who.startswith(f"pid {seen.pid} (")
        assert seen.directory == f"page directory of pid {seen.pid}"
        assert seen.table.startswith(f"page table of pid {seen.pid}, for ")
        assert (seen.pid,) in seen.pids
        assert any(who.startswith(f"mm {seen.ident} at ") for who in seen.holders)
        assert seen.has_record
        assert seen.leaked == 0
        assert seen.breaches == []
