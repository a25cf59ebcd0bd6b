"""An exploration by many workers, through the interface of concurrent.futures.Executor.

Each worker boots the program for itself, goes to where its part begins by the choices that lead there,
and gives back a piece of the graph, and what of its part is still to be done. States are known by key, so
what two workers have found alike is one; whoever comes first, the graph is the same. Workers of one
machine claim the states that they enter in a table that they share; others are told which are known when
they begin. A part that nobody has given back is done again, and states that were claimed by a worker that
died are entered by another.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from toykernel.explore.accesses import Touch
from toykernel.explore.claims import Claims
from toykernel.explore.cow import CowFault
from toykernel.explore.ending import Ending
from toykernel.explore.failures import Failures, fail_of, pid_of
from toykernel.explore.graph import Graph, Node, Step
from toykernel.explore.search import Bounds, Found, Search, Task, bound_met
from toykernel.explore.world import At, World
from toykernel.harness.session import Session
from toykernel.kernel.sched.runqueue import Choice
from toykernel.state import Config, Kernel

#: States that a worker enters before it gives back what it has; the first one sooner, so that others can
#: begin.
PART, FIRST_PART = 600, 60
#: Workers that do not share a table are told of so many states at most that others have: 16 bytes each.
TOLD = 50_000
#: How often a part is given to somebody again whose worker has died.
TRIES = 5

#: A choice: who could go on by itself then, what it led to (a state of the part, by number), and `first` and
#: `cow` of Step.
Row = tuple[int, int | Ending, tuple[Touch, ...], tuple[CowFault, ...]]


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
    faults: int

    def __call__(self) -> Session:
        """A session that has not run yet."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / self.name
            path.write_bytes(self.elf)
            session = Session(path, self.args, env=self.env, files=self.files, config=self.config)
        told = session.kernel.sched.rq.told
        assert told is not None
        told.time_is_free, told.everywhere = self.free_time, self.everywhere
        told.faults = self.faults
        if self.faults:
            Failures(session.kernel)
        return session


@dataclass(frozen=True)
class Work:
    """How a part is explored, which is the same for all."""

    make: Callable[[], Session]
    check: Callable[[Kernel], object] | None
    at: At
    breaks: frozenset[int]
    bounds: Bounds  # of which preemptions and reduce count
    cow: bool = False
    table: str = ""  # a file with what is claimed

    def __call__(self, task: Task, known: frozenset[bytes], most: int) -> Part:
        """A worker's work: a part, but not into states that are known, and about so many states of it."""
        world = World(self.make, self.check, self.at, self.breaks, self.cow)
        claims = Claims.shared(self.table)

        def claim(key: bytes) -> bool:
            return key not in known and (claims is None or claims.claim(key))

        bounds = replace(self.bounds, states=None, anew=lambda states: search.entered >= most)
        search = Search(world, bounds, lambda found: None, claim)
        found = search.run(task)
        part = Part(
            root=found.graph.root,
            keys=search.keys,
            nodes=[
                (node.of, {pid: (s.running, s.to, s.first, s.cow) for pid, s in node.steps.items()})
                for node in found.graph.nodes
            ],
            rest=search.rest,
            run=found.run,
            cut=any(bound.startswith("--preemptions") for bound in found.bounds),
            unloadable=world.ends.unloadable,
            looked=world.looked,
        )
        if world.accesses is not None:
            part.breaks = frozenset(world.accesses.breaks)
        return part


@dataclass
class Part:
    """What a worker gives back. `root`: an outcome without any choice."""

    root: Ending | None
    keys: list[bytes]
    nodes: list[tuple[tuple[int, ...], dict[int, Row]]]
    rest: Task | None
    run: int
    cut: bool = False  # --preemptions has left something out
    unloadable: str = ""
    breaks: frozenset[int] = frozenset()
    looked: bool = False


@dataclass
class _State:
    """What is known of a state: its choices, and what each led to, by key."""

    of: tuple[int, ...]
    steps: dict[int, tuple[int, bytes | Ending, tuple[Touch, ...], tuple[CowFault, ...]]] = field(
        default_factory=dict
    )


class ParallelSearch:
    """One exploration; `executor` makes the workers, anew when they have died."""

    def __init__(
        self,
        executor: Callable[[], Executor],
        work: Work,
        bounds: Bounds,
        tell: Callable[[Found], None],
        jobs: int = 2,
        elsewhere: bool = False,
    ) -> None:
        """`jobs`: how many workers there are, about. `elsewhere`: perhaps on other machines."""
        self._make_executor = executor
        self._work = work
        self.bounds = bounds
        self._tell = tell
        self._jobs = jobs
        self._elsewhere = elsewhere
        self._states: dict[bytes, _State] = {}
        self._start: bytes | Ending | None = None
        self._running: dict[Future[Part], Task] = {}
        self.found = Found()
        self.breaks: frozenset[int] = frozenset()
        self.unloadable = ""
        self.looked = False

    def run(self) -> Found:
        """As Search.run."""
        todo = [Task()]
        tries = TRIES
        executor = self._make_executor()
        with Claims.made(self.bounds.states) as claims:
            try:
                while todo or self._running:
                    if self._is_over():
                        break
                    self._submit(executor, todo, claims)
                    done, _ = wait(self._running, timeout=0.5, return_when=FIRST_COMPLETED)
                    for future in done:
                        task = self._running.pop(future)
                        try:
                            todo += self._take(future.result())
                        except BrokenExecutor:
                            if not tries:
                                raise
                            tries -= 1
                            todo += [task, *self._running.values()]
                            self._leave()
                            self._running.clear()
                            self._claim_anew(claims)
                            executor = self._make_executor()
                            break
                    if not todo and not self._running:
                        todo += self._lost(claims)
            finally:
                self._leave()
                self._graph()
        return self.found

    def _submit(self, executor: Executor, todo: list[Task], claims: Claims) -> None:
        wanted = 2 * self._jobs
        while todo and len(todo) + len(self._running) < wanted:
            widest = max(todo, key=lambda task: sum(pids != () for pids in task.left))
            parts = widest.split()
            if len(parts) == 1:
                break
            todo.remove(widest)
            todo += parts
        work = replace(self._work, table=claims.path)
        told = self._elsewhere and len(self._states) <= TOLD
        known = frozenset(self._states) if told else frozenset()
        most = PART if self._states else min(FIRST_PART, PART)
        if self.bounds.states is not None:
            most = min(most, max(self.bounds.states - len(self._states), 1))
        while todo and len(self._running) < wanted:
            task = todo.pop(0)
            self._running[executor.submit(work, task, known, most)] = task

    def _is_over(self) -> bool:
        self._graph_size()
        return bound_met(self.found, self.bounds)

    def _graph_size(self) -> None:
        """For those who look at how many states there are: their contents come at the end."""
        nodes = self.found.graph.nodes
        nodes += [Node(()) for _ in range(len(self._states) - len(nodes))]

    def _take(self, part: Part) -> list[Task]:
        """A part has come; what of it is left."""
        if self._start is None:
            self._start = part.root if part.root is not None else part.keys[0]
            self.unloadable = part.unloadable
        for key, (of, rows) in zip(part.keys, part.nodes, strict=True):
            state = self._states.get(key)
            if state is None:
                state = self._states[key] = _State(of)
            for pid, (running, to, first, cow) in rows.items():
                end = part.keys[to] if isinstance(to, int) else to
                state.steps[pid] = running, end, first, cow
        self.breaks |= part.breaks
        self.looked |= part.looked
        self.found.run += part.run
        if part.cut:
            self.found.bounds[f"--preemptions {self.bounds.preemptions}"] = None
        self._graph_size()
        self._tell(self.found)
        return [part.rest] if part.rest is not None else []

    def _claim_anew(self, claims: Claims) -> None:
        """What was claimed by those who died is free again."""
        claims.renew([key for key, state in self._states.items() if state.steps])

    def _lost(self, claims: Claims) -> list[Task]:
        """States that nobody has entered: who claimed them has died."""
        if not isinstance(self._start, bytes):
            return []
        ways: dict[bytes, tuple[int, ...]] = {self._start: ()}
        found = []
        for key in (row := [self._start]):  # grows
            steps = self._states[key].steps
            if not steps:
                found.append(Task(ways[key], ((),) * len(ways[key]) + (None,)))
            for pid, (_, to, _, _) in steps.items():
                if isinstance(to, bytes) and to not in ways:
                    ways[to] = (*ways[key], pid)
                    row.append(to)
        if found:
            self._claim_anew(claims)
        return found

    def _graph(self) -> None:
        """All parts as one."""
        graph = self.found.graph = Graph()
        if isinstance(self._start, Ending):
            graph.root = self._start
        if not isinstance(self._start, bytes):
            return
        keys = [self._start, *(key for key in self._states if key != self._start)]
        numbers = {key: number for number, key in enumerate(keys)}
        for key in keys:
            state = self._states[key]
            node = Node(state.of)
            for move, (running, to, first, cow) in state.steps.items():
                end = to if isinstance(to, Ending) else numbers[to]
                choice = Choice(pid_of(move), state.of, fail=fail_of(move))
                node.steps[move] = Step(choice, running, end, first, cow)
            graph.nodes.append(node)

    def _leave(self) -> None:
        """What has not begun does not begin any more. Who gave the executor ends it."""
        for future in self._running:
            future.cancel()
