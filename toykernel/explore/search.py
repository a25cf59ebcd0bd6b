"""Depth first through every choice; a state that was met before is not entered again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from toykernel.explore.diamonds import Diamonds
from toykernel.explore.graph import Graph, Node, Step
from toykernel.explore.world import Place, World


@dataclass(frozen=True)
class Bounds:
    """Where an exploration stops though there is more. None: nowhere."""

    preemptions: int | None = None  # switches away from a task that could go on, in one schedule
    reduce: bool = True  # whether what follows from independence is not run
    states: int | None = None
    out_of_time: Callable[[], bool] = field(default=lambda: False)
    #: Asked with the number of states: whether to begin again, since there is more to choose.
    anew: Callable[[int], bool] = field(default=lambda states: False)


@dataclass
class Found:
    """What an exploration has found; `bounds` names those that were met: none, and it is complete."""

    graph: Graph = field(default_factory=Graph)
    bounds: dict[str, None] = field(default_factory=dict)
    run: int = 0  # steps that were run: the others follow from these

    @property
    def complete(self) -> bool:
        """Whether every schedule was looked at."""
        return not self.bounds


def bound_met(found: Found, bounds: Bounds) -> bool:
    """Whether to stop here, though there is more; says why in `found`."""
    if bounds.anew(len(found.graph.nodes)):
        found.bounds["anew"] = None
        return True
    if bounds.states is not None and len(found.graph.nodes) >= bounds.states:
        found.bounds[f"--max-states {bounds.states}"] = None
        return True
    if bounds.out_of_time():
        found.bounds["--max-time"] = None
        return True
    return False


@dataclass
class _Open:
    """A state that has choices left. `spent`: preemptions on the way to it."""

    number: int
    left: list[int]
    running: int
    spent: int
    place: Place | None = None


class Search:
    """One exploration."""

    def __init__(self, world: World, bounds: Bounds, tell: Callable[[Found], None]) -> None:
        """`tell` hears of every new state."""
        self.world = world
        self.bounds = bounds
        self._tell = tell
        self.found = Found()
        self._known: dict[bytes, int] = {}
        self._diamonds = Diamonds(self.found.graph)

    def run(self) -> Found:
        """All of it, or up to a bound. What was found stays in `found` when KeyboardInterrupt comes."""
        world, found = self.world, self.found
        ending = world.on()
        if ending is not None:
            found.graph.root = ending
            return found
        stack: list[_Open] = []
        self._arrive(stack, 0)
        while stack:
            top = stack[-1]
            if not top.left:
                stack.pop()
                continue
            if bound_met(found, self.bounds):
                break
            if self._follows(top):
                continue
            if top.place is not None:
                world.back(top.place)
            elif len(top.left) > 1:
                top.place = world.take()
            pid = top.left.pop(0)
            if not top.left:
                top.place = None
            spent = top.spent + (top.running not in (0, pid))
            choice = world.choose(pid)
            ending = world.on()
            footprint = world.footprint
            first = world.accesses.first if world.accesses is not None else ()
            to = ending if ending is not None else self._arrive(stack, spent)
            running = 0 if ending is not None else world.running
            found.graph.nodes[top.number].steps[pid] = Step(choice, running, to, first)
            found.run += 1
            if self._reduces:
                self._diamonds.note(top.number, pid, to, footprint)
        return found

    @property
    def _reduces(self) -> bool:
        return self.bounds.reduce and self.bounds.preemptions is None

    def _follows(self, top: _Open) -> bool:
        """Whether one of the choices left needs not be run, since it is known what comes of it."""
        if not self._reduces:
            return False
        for pid in top.left:
            if self._diamonds.closes(top.number, pid):
                top.left.remove(pid)
                if not top.left:
                    top.place = None
                return True
        return False

    def _arrive(self, stack: list[_Open], spent: int) -> int:
        """The number of the present state; one that is new is looked at next."""
        world, most = self.world, self.bounds.preemptions
        key = world.state_key(most, spent)
        known = self._known.get(key)
        if known is not None:
            return known
        graph = self.found.graph
        number = self._known[key] = len(graph.nodes)
        of = world.choices
        graph.nodes.append(Node(of))
        left = list(of)
        if most is not None and spent >= most and world.running:
            left = [world.running]
            self.found.bounds[f"--preemptions {most}"] = None
        stack.append(_Open(number, left, world.running, spent))
        self._tell(self.found)
        return number
