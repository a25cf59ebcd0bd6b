"""Writes to shared pages: a page that one order copies and another gives back, with the schedule of each.

Who else has a page is nothing that a program can see, so it is part of a state only where it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from emu.ram import PAGE_SIZE

if TYPE_CHECKING:
    from toykernel.explore.graph import Graph, Node
    from toykernel.kernel.sched.runqueue import Choice
    from toykernel.state import Kernel
    from toykernel.task import Task

COPIED, REUSED = "cow_copied", "cow_reused"


class CowFault(NamedTuple):
    """A write of pid to the page at a linear address, by the instruction at `code` or a system call in front
    of it; `kind` is COPIED or REUSED."""

    pid: int
    page: int
    code: int
    kind: str


@dataclass
class CowFaults:
    """Listens to one kernel."""

    k: Kernel
    seen: list[CowFault] = field(default_factory=list)  # of the present step

    def listen(self) -> None:
        """From now on."""
        point = self.k.host.trace.fault
        if self._fault not in point:
            point.append(self._fault)

    def _fault(
        self, task: Task, kind: str, address: int, _old: int | None, _new: int | None
    ) -> None:
        if kind in (COPIED, REUSED):
            page = address & ~(PAGE_SIZE - 1)
            self.seen.append(CowFault(task.pid, page, self.k.task_pt_regs(task).ip, kind))


def undecided(graph: Graph) -> dict[tuple[int, int, int], dict[str, tuple[Choice, ...]]]:
    """By pid, page and instruction, of those of which both kinds happen: a shortest way to each, the step in
    which it happens included."""
    if not graph.nodes:
        return {}
    ways: dict[int, tuple[Choice, ...]] = {0: ()}
    found: dict[tuple[int, int, int], dict[str, tuple[Choice, ...]]] = {}
    for number in (row := [0]):  # grows
        node: Node = graph.nodes[number]
        for _, step in sorted(node.steps.items()):
            way = (*ways[number], step.choice)
            for one in step.cow:
                found.setdefault(one[:3], {}).setdefault(one.kind, way)
            if isinstance(step.to, int) and step.to not in ways:
                ways[step.to] = way
                row.append(step.to)
    return {where: kinds for where, kinds in sorted(found.items()) if len(kinds) == 2}
