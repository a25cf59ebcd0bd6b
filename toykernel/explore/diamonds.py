"""Steps that need not be run: where two that are independent have been run in one order, the other is known.

From a state one task's step a leads to s1, and another's b from there to s3. If a and b have nothing in
common, b leads from the first state to an s2 from which a leads to s3, too. These are the sleep sets of
partial-order reduction (Godefroid 1996), which would leave a out at s2; here its arrow is drawn, so that the
graph is whole and its schedules can be counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from toykernel.explore.ending import Ending
from toykernel.explore.footprint import Footprint
from toykernel.explore.graph import Graph, Step
from toykernel.kernel.sched.runqueue import Choice


@dataclass
class Diamonds:
    """What the steps of a graph have touched."""

    graph: Graph
    #: By state and pid, of every step but those that have touched everything.
    _feet: dict[tuple[int, int], Footprint] = field(default_factory=dict)
    #: By state, the steps that lead there.
    _into: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def note(self, number: int, pid: int, to: int | Ending, footprint: Footprint) -> None:
        """A step that was run, or that follows from others."""
        if footprint.everything:
            return
        self._feet[number, pid] = footprint
        if isinstance(to, int):
            self._into.setdefault(to, []).append((number, pid))

    def closes(self, number: int, pid: int) -> bool:
        """Whether it follows what a choice of a state leads to; then the graph gets the step."""
        nodes = self.graph.nodes
        for before, other in self._into.get(number, ()):
            mine, its = self._feet.get((before, pid)), self._feet[before, other]
            if mine is None or pid == other or not mine.is_independent_of(its):
                continue
            aside = nodes[before].steps[pid]
            if not isinstance(aside.to, int):
                continue
            last = nodes[aside.to].steps.get(other)
            if last is None:
                continue
            of = nodes[number].of
            running = 0 if isinstance(last.to, Ending) else aside.running
            nodes[number].steps[pid] = Step(Choice(pid, of), running, last.to, aside.first)
            self.note(number, pid, last.to, mine)
            return True
        return False
