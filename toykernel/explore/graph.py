"""The graph that an exploration leaves: choices, and what they lead to."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations

from toykernel.explore.accesses import Touch
from toykernel.explore.cow import CowFault
from toykernel.explore.ending import Ending
from toykernel.kernel.sched.runqueue import Choice
from toykernel.look.program import PROGRAM_PID


@dataclass
class Node:
    """A state with a choice. `running` is who could go on by itself, 0 where nobody could."""

    of: tuple[int, ...]
    steps: dict[int, Step] = field(default_factory=dict)  # by pid, or move (failures.py)


@dataclass(frozen=True)
class Step:
    """What a choice led to: another state by its number, or an outcome. `first`: what the instruction
    touched that the step began with, in memory that others can reach."""

    choice: Choice
    running: int
    to: int | Ending
    first: tuple[Touch, ...] = ()
    cow: tuple[CowFault, ...] = ()  # writes to shared pages, where they are asked for


@dataclass
class Graph:
    """States by number; 0 is the first one, or there is only `root`, an outcome without any choice."""

    nodes: list[Node] = field(default_factory=list)
    root: Ending | None = None

    def in_order(self) -> Graph:
        """The same, numbered by the choices that lead to a state: whoever has found it, and when."""
        order, numbers = [0] if self.nodes else [], {0: 0}
        for number in order:  # grows
            for pid in sorted(self.nodes[number].steps):
                to = self.nodes[number].steps[pid].to
                if isinstance(to, int) and to not in numbers:
                    numbers[to] = len(order)
                    order.append(to)
        nodes = []
        for number in order:
            old = self.nodes[number]
            steps = {
                pid: step if isinstance(step.to, Ending) else replace(step, to=numbers[step.to])
                for pid, step in sorted(old.steps.items())
            }
            nodes.append(Node(old.of, steps))
        return Graph(nodes, self.root)

    def endings(self) -> list[Ending]:
        """Every outcome, in their order."""
        found = {step.to for node in self.nodes for step in node.steps.values()}
        if self.root is not None:
            found.add(self.root)
        return sorted(one for one in found if isinstance(one, Ending))

    @property
    def transitions(self) -> int:
        """Steps that were made."""
        return sum(len(node.steps) for node in self.nodes)

    @property
    def has_faults(self) -> bool:
        """Whether allocations were made to fail."""
        return any(step.choice.fail for node in self.nodes for step in node.steps.values())

    def shortest(self) -> dict[Ending, tuple[Choice, ...]]:
        """For each outcome a schedule with the fewest allocations that fail; of those with the fewest
        switches away from a task that could have gone on; of those the one with the fewest choices; of
        those the first by pids.
        """
        best: dict[Ending, tuple[Choice, ...]] = {}
        if self.root is not None:
            best[self.root] = ()
        if not self.nodes:
            return best
        start = (0, PROGRAM_PID)
        came: dict[tuple[int, int], tuple[tuple[int, int], Choice] | None] = {start: None}
        cost = {start: (0, 0, 0)}
        ended: dict[Ending, tuple[tuple[int, int, int], tuple[int, int], Choice]] = {}
        queue: list[tuple[int, int, int, int, int]] = [(0, 0, 0, *start)]
        done: set[tuple[int, int]] = set()
        while queue:
            faults, switches, length, number, last = heapq.heappop(queue)
            at = (number, last)
            if at in done:
                continue
            done.add(at)
            for pid in sorted(self.nodes[number].steps):
                step = self.nodes[number].steps[pid]
                stays = last in step.choice.of and last != 0
                switched = stays and step.choice.run != last
                now = (faults + bool(step.choice.fail), switches + switched, length + 1)
                if isinstance(step.to, Ending):
                    if step.to not in ended or now < ended[step.to][0]:
                        ended[step.to] = now, at, step.choice
                    continue
                there = (step.to, step.running)
                if there not in cost or now < cost[there]:
                    cost[there] = now
                    came[there] = at, step.choice
                    heapq.heappush(queue, (*now, *there))
        for ending, (_, at, choice) in ended.items():
            path = [choice]
            while (before := came[at]) is not None:
                at, choice = before
                path.append(choice)
            best[ending] = tuple(reversed(path))
        return best

    def races(self) -> list[tuple[Touch, Touch]]:
        """Pairs of instructions that two tasks were in front of at the same time, and whose order counts,
        each pair once: the lower address first."""
        found: dict[tuple[int, int], tuple[Touch, Touch]] = {}
        for node in self.nodes:
            begun = [(pid, one) for pid, step in node.steps.items() for one in step.first]
            for (pid, one), (other, two) in combinations(begun, 2):
                if pid != other and one.races_with(two):
                    first, second = sorted((one, two), key=lambda touch: touch.code)
                    found.setdefault((first.code, second.code), (first, second))
        return [found[pair] for pair in sorted(found)]

    def order(self) -> list[int] | None:
        """The numbers of the states, each before those it leads to; None when there is a circle."""
        seen: dict[int, bool] = {}
        found: list[int] = []
        stack: list[tuple[int, Iterator[int]]] = []
        if self.nodes:
            seen[0] = False
            stack.append((0, self._after(0)))
        while stack:
            number, after = stack[-1]
            for to in after:
                if to not in seen:
                    seen[to] = False
                    stack.append((to, self._after(to)))
                    break
                if not seen[to]:
                    return None
            else:
                seen[number] = True
                found.append(number)
                stack.pop()
        return found[::-1]

    def _after(self, number: int) -> Iterator[int]:
        return iter([s.to for s in self.nodes[number].steps.values() if isinstance(s.to, int)])

    def counts(self) -> dict[Ending, tuple[int, Fraction]] | None:
        """For each outcome: how many schedules lead to it, and its share when every choice is made by lot.
        None when a schedule can go on for ever.
        """
        order = self.order()
        if order is None:
            return None
        total: dict[Ending, tuple[int, Fraction]] = {}
        if self.root is not None:
            total[self.root] = (1, Fraction(1))
        ways = dict.fromkeys(order, 0)
        share = dict.fromkeys(order, Fraction(0))
        if order:
            ways[0], share[0] = 1, Fraction(1)
        for number in order:
            node = self.nodes[number]
            part = share[number] / max(len(node.steps), 1)
            for step in node.steps.values():
                if isinstance(step.to, Ending):
                    known, before = total.get(step.to, (0, Fraction(0)))
                    total[step.to] = known + ways[number], before + part
                else:
                    ways[step.to] += ways[number]
                    share[step.to] += part
        return total


def switches(path: Sequence[Choice]) -> int:
    """How often a schedule leaves a task that could have gone on: the program's, at first."""
    runs = (PROGRAM_PID, *(choice.run for choice in path))
    return sum(
        choice.run != last and last in choice.of and last != 0
        for last, choice in zip(runs, path, strict=False)
    )
