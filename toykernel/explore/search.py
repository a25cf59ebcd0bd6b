"""Depth first through every choice; a state that was met before is not entered again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from toykernel.explore.diamonds import Diamonds
from toykernel.explore.failures import pid_of
from toykernel.explore.graph import Graph, Node, Step
from toykernel.explore.world import Place, World


def never(*_: object) -> bool:
    """No."""
    return False


@dataclass(frozen=True)
class Bounds:
    """Where an exploration stops though there is more. None: nowhere."""

    preemptions: int | None = None  # switches away from a task that could go on, in one schedule
    reduce: bool = True  # whether what follows from independence is not run
    states: int | None = None
    out_of_time: Callable[[], bool] = field(default=never)
    #: Asked with the number of states: whether to begin again, since there is more to choose.
    anew: Callable[[int], bool] = field(default=never)


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


@dataclass(frozen=True)
class Task:
    """A part of an exploration: the choices that lead to a state, and at each state on the way the
    choices that are to be tried. None: the state is new, and all of its choices are.
    """

    way: tuple[int, ...] = ()
    left: tuple[tuple[int, ...] | None, ...] = (None,)

    def split(self) -> tuple[Task, ...]:
        """Two tasks that are this one together; one, if there is but one choice."""
        open_at = [at for at, pids in enumerate(self.left) if pids != ()]
        if len(open_at) > 1:
            middle = open_at[len(open_at) // 2]
            upper = Task(self.way[: middle - 1], self.left[:middle])
            return upper.trimmed(), Task(self.way, ((),) * middle + self.left[middle:])
        pids = self.left[open_at[0]]
        if pids is None or len(pids) < 2:
            return (self,)
        way, before = self.way[: open_at[0]], self.left[: open_at[0]]
        return Task(way, (*before, pids[:1])), Task(way, (*before, pids[1:]))

    def trimmed(self) -> Task:
        """The same without the end of the way, where nothing is left."""
        deepest = max(at for at, pids in enumerate(self.left) if pids != ())
        return Task(self.way[:deepest], self.left[: deepest + 1])


@dataclass
class _Open:
    """A state that has choices left, or lies on the way to one. `spent`: preemptions on the way to it;
    `last`: what was chosen there last.
    """

    number: int
    left: list[int]
    running: int
    spent: int
    place: Place | None = None
    last: int = 0


class Search:
    """One exploration."""

    def __init__(
        self,
        world: World,
        bounds: Bounds,
        tell: Callable[[Found], None],
        claim: Callable[[bytes], bool] = lambda key: True,
    ) -> None:
        """`tell` hears of every new state. `claim` is asked for each; it is not entered if somebody else
        does.
        """
        self.world = world
        self.bounds = bounds
        self._tell = tell
        self._claim = claim
        self.found = Found()
        self._known: dict[bytes, int] = {}
        self._diamonds = Diamonds(self.found.graph)
        self._stack: list[_Open] = []
        self.entered = 0  # states

    @property
    def keys(self) -> list[bytes]:
        """Those of the graph's states, in order."""
        return list(self._known)

    def run(self, task: Task | None = None) -> Found:
        """All of it, or of a task, or up to a bound. What was found stays in `found` when KeyboardInterrupt
        comes."""
        world, found, stack = self.world, self.found, self._stack
        self._go_to(task or Task())
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
            elif len(top.left) > 1 or world.told.faults:
                top.place = world.take()
            faults = world.told.faults
            move = top.last = top.left.pop(0)
            left_off = top.running in world.choices and top.running not in (0, pid_of(move))
            spent = top.spent + left_off
            choice = world.choose(move)
            ending = world.on()
            if faults and not choice.fail:
                top.left[:0] = world.moves_with_faults
            if not top.left:
                top.place = None
            footprint = world.footprint
            first = world.accesses.first if world.accesses is not None else ()
            cow = tuple(world.cow.seen) if world.cow is not None else ()
            to = ending if ending is not None else self._arrive(spent)
            running = 0 if ending is not None else world.running
            found.graph.nodes[top.number].steps[move] = Step(choice, running, to, first, cow)
            found.run += 1
            if self._reduces:
                self._diamonds.note(top.number, move, to, footprint)
        return found

    @property
    def rest(self) -> Task | None:
        """What a bound has left undone."""
        if not any(one.left for one in self._stack):
            return None
        way = tuple(one.last for one in self._stack[:-1])
        return Task(way, tuple(tuple(one.left) for one in self._stack)).trimmed()

    def _go_to(self, task: Task) -> None:
        world = self.world
        ending = world.on()
        if ending is not None:
            self.found.graph.root = ending
            return
        spent = 0
        for depth, left in enumerate(task.left):
            running, onward = world.running, depth < len(task.way)
            if left is None:
                self._arrive(spent, mine=True)
            else:
                number = (
                    self._number(world.state_key(self.bounds.preemptions, spent))[0] if left else -1
                )
                place = world.take() if left and onward else None
                self._stack.append(_Open(number, list(left), running, spent, place))
            if onward:
                move = self._stack[-1].last = task.way[depth]
                spent += running in world.choices and running not in (0, pid_of(move))
                world.choose(move)
                world.on()

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

    def _number(self, key: bytes) -> tuple[int, bool]:
        """The number of the present state by its key, and whether it is new."""
        known = self._known.get(key)
        if known is not None:
            return known, False
        nodes = self.found.graph.nodes
        self._known[key] = len(nodes)
        nodes.append(Node(self.world.choices))
        return len(nodes) - 1, True

    def _arrive(self, spent: int, mine: bool = False) -> int:
        """The number of the present state; one that is new is looked at next, if nobody else does, or
        `mine`.
        """
        world, most = self.world, self.bounds.preemptions
        key = world.state_key(most, spent)
        number, new = self._number(key)
        if not (new and (self._claim(key) or mine)):
            return number
        left = list(world.choices)
        if most is not None and spent >= most and world.running in world.choices:
            left = [world.running]
            self.found.bounds[f"--preemptions {most}"] = None
        self._stack.append(_Open(number, left, world.running, spent))
        self.entered += 1
        self._tell(self.found)
        return number
