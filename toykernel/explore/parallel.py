"""An exploration by many workers, through the interface of concurrent.futures.Executor.

Each worker boots the program for itself, goes to a state by the choices that lead there, and gives back a
part of the graph: so many states with all their choices, and the ways to those that it has not entered.
States are known by key, so what two workers have found alike is one; whoever comes first, the graph is the
same. A part that nobody has given back is still to be done: a worker that dies loses nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from toykernel.explore.accesses import Touch
from toykernel.explore.ending import Ending
from toykernel.explore.graph import Graph, Node, Step
from toykernel.explore.search import Bounds, Found, bound_met
from toykernel.explore.world import At, Place, World
from toykernel.harness.session import Session
from toykernel.kernel.sched.runqueue import Choice
from toykernel.state import Config, Kernel

#: States that a worker goes through before it gives back what it has.
PART = 150
#: Workers are told of so many states at most that others have: 16 bytes each.
TOLD = 50_000
#: How often a part is given to somebody again whose worker has died.
TRIES = 5


@dataclass(frozen=True)
class Remote:
    """What a worker needs to make a session of the program, wherever it is; `name` is the guest's."""

    elf: bytes
    name: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[str, bytes]
    config: Config
    free_time: bool
    everywhere: bool

    def __call__(self) -> Session:
        """A session that has not run yet."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / self.name
            path.write_bytes(self.elf)
            session = Session(path, self.args, env=self.env, files=self.files, config=self.config)
        told = session.kernel.sched.rq.told
        assert told is not None
        told.time_is_free, told.everywhere = self.free_time, self.everywhere
        return session


@dataclass(frozen=True)
class Task:
    """A state to begin at: the choices that lead there, and how many preemptions they have."""

    way: tuple[int, ...]
    spent: int = 0


@dataclass
class Entered:
    """A state with all its choices; what each led to, by key."""

    of: tuple[int, ...]
    steps: dict[int, tuple[Choice, int, bytes | Ending, tuple[Touch, ...]]] = field(
        default_factory=dict
    )


@dataclass
class Part:
    """What a worker gives back. `start`: the key of where it began, or an outcome without any choice."""

    start: bytes | Ending
    entered: dict[bytes, Entered] = field(default_factory=dict)
    ahead: dict[bytes, Task] = field(default_factory=dict)
    breaks: frozenset[int] = frozenset()
    cut: bool = False  # --preemptions has left something out
    unloadable: str = ""


def explore_part(
    make: Callable[[], Session],
    check: Callable[[Kernel], object] | None,
    at: At,
    breaks: frozenset[int],
    preemptions: int | None,
    task: Task,
    known: frozenset[bytes],
) -> Part:
    """A worker's work: from one state on, into none that is known."""
    world = World(make, check, at, breaks)
    ending = world.on()
    for pid in task.way:
        if ending is None:
            world.choose(pid)
            ending = world.on()
    if ending is not None:
        return Part(ending, unloadable=world.ends.unloadable)
    part = Part(world.state_key(preemptions, task.spent))
    assert isinstance(part.start, bytes)
    todo: list[tuple[bytes, Task, Place]] = [(part.start, task, world.take())]
    seen = {part.start}
    while todo:
        key, here, place = todo.pop()
        world.back(place)
        running, entered = world.running, Entered(world.choices)
        pids = entered.of
        if preemptions is not None and here.spent >= preemptions and running:
            pids, part.cut = (running,), True
        for number, pid in enumerate(pids):
            if number:
                world.back(place)
            spent = here.spent + (running not in (0, pid))
            choice = world.choose(pid)
            ending = world.on()
            first = world.accesses.first if world.accesses is not None else ()
            if ending is not None:
                entered.steps[pid] = choice, 0, ending, first
                continue
            there = world.state_key(preemptions, spent)
            entered.steps[pid] = choice, world.running, there, first
            if there in seen or there in known:
                continue
            seen.add(there)
            then = Task((*here.way, pid), spent)
            if len(part.entered) + len(todo) < PART:
                todo.append((there, then, world.take()))
            else:
                part.ahead[there] = then
        part.entered[key] = entered
    if world.accesses is not None:
        part.breaks = frozenset(world.accesses.breaks)
    return part


class ParallelSearch:
    """One exploration; `executor` makes the workers, anew when they have died."""

    def __init__(
        self,
        executor: Callable[[], Executor],
        work: Callable[[Task, frozenset[bytes]], Part],
        bounds: Bounds,
        tell: Callable[[Found], None],
    ) -> None:
        """`work` is explore_part with what does not change."""
        self._make_executor = executor
        self._work = work
        self.bounds = bounds
        self._tell = tell
        self._entered: dict[bytes, Entered] = {}
        self._asked: set[bytes] = set()
        self._start: bytes | Ending | None = None
        self.found = Found()
        self.breaks: frozenset[int] = frozenset()
        self.unloadable = ""

    def run(self) -> Found:
        """As Search.run."""
        executor = self._make_executor()
        todo = [Task(())]
        running: dict[Future[Part], Task] = {}
        tries = TRIES
        try:
            while todo or running:
                if self._is_over():
                    break
                while todo and len(running) < 64:
                    task = todo.pop()
                    running[executor.submit(self._work, task, self._known())] = task
                done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    task = running.pop(future)
                    try:
                        todo += self._take(future.result())
                    except BrokenExecutor:
                        if not tries:
                            raise
                        tries -= 1
                        todo += [task, *running.values()]
                        _leave(executor, running)
                        running.clear()
                        executor = self._make_executor()
                        break
        finally:
            _leave(executor, running)
            self._graph()
        return self.found

    def _known(self) -> frozenset[bytes]:
        return frozenset(self._asked) if len(self._asked) <= TOLD else frozenset()

    def _is_over(self) -> bool:
        self._graph_size()
        return bound_met(self.found, self.bounds)

    def _graph_size(self) -> None:
        """For those who look at how many states there are: their contents come at the end."""
        nodes = self.found.graph.nodes
        nodes += [Node(()) for _ in range(len(self._entered) - len(nodes))]

    def _take(self, part: Part) -> list[Task]:
        """A part has come; what is to be done next."""
        if self._start is None:
            self._start, self.unloadable = part.start, part.unloadable
        self._entered.update(part.entered)
        self._asked |= part.entered.keys()
        self.breaks |= part.breaks
        if part.cut:
            self.found.bounds[f"--preemptions {self.bounds.preemptions}"] = None
        new = [task for key, task in part.ahead.items() if key not in self._asked]
        self._asked |= part.ahead.keys()
        self._graph_size()
        self._tell(self.found)
        return new

    def _graph(self) -> None:
        """All parts as one."""
        graph = self.found.graph = Graph()
        if isinstance(self._start, Ending):
            graph.root = self._start
        if not isinstance(self._start, bytes):
            return
        keys = [self._start, *(key for key in self._entered if key != self._start)]
        numbers = {key: number for number, key in enumerate(keys)}
        for key in keys:
            entered = self._entered.get(key, Entered(()))
            node = Node(entered.of)
            for pid, (choice, running, to, first) in entered.steps.items():
                if isinstance(to, Ending) or to in numbers:
                    end = to if isinstance(to, Ending) else numbers[to]
                    node.steps[pid] = Step(choice, running, end, first)
            graph.nodes.append(node)


def _leave(executor: Executor, running: Mapping[Future[Part], Task]) -> None:
    """What has not begun does not begin any more."""
    for future in running:
        future.cancel()
    executor.shutdown(wait=False)
