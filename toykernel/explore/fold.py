"""Which states and arrows of a graph are drawn: all of a small one, the choices that matter of a large one.

What is folded away leads to one place whatever is chosen: a state from which every order ends alike becomes
part of the arrow to that end, a state whose steps all lead to the same next one part of the arrow to that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from toykernel.explore.ending import Ending
from toykernel.explore.graph import Graph

#: A graph of so many states is drawn as it is.
SMALL = 40
#: States and outcomes that are drawn at most.
MOST = 120

#: A state by its number, or an outcome.
Vertex = int | Ending


@dataclass(frozen=True)
class Arrow:
    """From a state to what choosing one of `pids` (0: time goes on) leads to; `through`: by way of states
    that are not drawn."""

    source: int
    to: Vertex
    pids: tuple[int, ...]
    through: bool


@dataclass
class Folded:
    """What is drawn. `inside` counts the states that are part of arrows, `left_out` the states and
    `left_out_ends` the outcomes for which there is no room; `more` has the arrows of a state that lead to
    these, `untried` the choices that a bound cut off."""

    vertices: list[Vertex] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    inside: int = 0
    left_out: int = 0
    left_out_ends: int = 0
    more: dict[int, int] = field(default_factory=dict)
    untried: dict[int, int] = field(default_factory=dict)


def fold(graph: Graph, small: int = SMALL, most: int = MOST) -> Folded:
    """What to draw of a graph. Its first state is always there; of more than `most` vertices, those on the
    shortest ways to the outcomes come first, then those that are nearest to the first state."""
    if not graph.nodes:
        return Folded([] if graph.root is None else [graph.root])
    arrows = _arrows(graph, folding=len(graph.nodes) > small)
    vertices = _reached(arrows)
    ends = [one for one in graph.endings() if one in vertices]
    states = [one for one in vertices if isinstance(one, int)]
    kept = _kept(arrows, vertices, ends, most) if len(vertices) > most else set(vertices)
    drawn: list[Vertex] = [one for one in (*states, *ends) if one in kept]
    made = Folded(drawn, inside=len(graph.nodes) - len(states))
    made.left_out = sum(one not in kept for one in states)
    made.left_out_ends = sum(one not in kept for one in ends)
    for number in drawn:
        if not isinstance(number, int):
            continue
        shown = [arrow for arrow in arrows[number] if arrow.to in kept]
        made.arrows += shown
        if len(shown) < len(arrows[number]):
            made.more[number] = len(arrows[number]) - len(shown)
        untried = len(graph.nodes[number].of) - len(graph.nodes[number].steps)
        if untried:
            made.untried[number] = untried
    return made


def _arrows(graph: Graph, *, folding: bool) -> list[list[Arrow]]:
    """Of every state; those to the same place are one."""
    ends = _only_end(graph) if folding else [None] * len(graph.nodes)
    found = []
    for number, node in enumerate(graph.nodes):
        pids: dict[Vertex, list[int]] = {}
        through: dict[Vertex, bool] = {}
        for pid, step in sorted(node.steps.items()):
            to = _destination(graph, step.to, ends) if folding else step.to
            pids.setdefault(to, []).append(pid)
            through[to] = through.get(to, False) or to != step.to
        found.append([Arrow(number, to, tuple(pids[to]), through[to]) for to in pids])
    return found


def _only_end(graph: Graph) -> list[Ending | None]:
    """For every state the outcome in which all ways from there end; None where there are several, none, or
    ways that were not tried."""
    before: list[list[int]] = [[] for _ in graph.nodes]
    for number, node in enumerate(graph.nodes):
        for step in node.steps.values():
            if isinstance(step.to, int):
                before[step.to].append(number)
    ends: list[Ending | None] = [None] * len(graph.nodes)
    several: set[int] = set()
    work: deque[int] = deque()
    for number, node in enumerate(graph.nodes):
        own = {step.to for step in node.steps.values() if isinstance(step.to, Ending)}
        if len(own) > 1 or len(node.steps) < len(node.of):
            several.add(number)
        elif own:
            (ends[number],) = own
        if own or number in several:
            work.append(number)
    while work:  # each state at most twice: with its first outcome, and when there is a second
        number = work.popleft()
        for one in before[number]:
            if one in several:
                continue
            if number in several or ends[one] not in (None, ends[number]):
                several.add(one)
            elif ends[one] is None:
                ends[one] = ends[number]
            else:
                continue
            work.append(one)
    return [None if number in several else end for number, end in enumerate(ends)]


def _destination(graph: Graph, to: Vertex, ends: Sequence[Ending | None]) -> Vertex:
    """Where a step really leads: on, as long as there is nothing to decide."""
    seen: set[int] = set()
    while isinstance(to, int) and to not in seen:
        end = ends[to]
        if end is not None:
            return end
        seen.add(to)
        node = graph.nodes[to]
        after = {step.to for step in node.steps.values()}
        if len(after) != 1 or len(node.steps) < len(node.of):
            return to
        (to,) = after
    return to


def _breadth_first(arrows: Sequence[Sequence[Arrow]]) -> Iterator[tuple[Vertex, Arrow | None]]:
    """Every vertex, nearest first, with an arrow of a shortest way to it."""
    seen: set[Vertex] = {0}
    queue: deque[tuple[Vertex, Arrow | None]] = deque([(0, None)])
    while queue:
        vertex, came = queue.popleft()
        yield vertex, came
        for arrow in arrows[vertex] if isinstance(vertex, int) else ():
            if arrow.to not in seen:
                seen.add(arrow.to)
                queue.append((arrow.to, arrow))


def _reached(arrows: Sequence[Sequence[Arrow]]) -> list[Vertex]:
    return [vertex for vertex, _ in _breadth_first(arrows)]


def _kept(
    arrows: Sequence[Sequence[Arrow]],
    vertices: Sequence[Vertex],
    ends: Sequence[Ending],
    most: int,
) -> set[Vertex]:
    came = dict(_breadth_first(arrows))
    kept: set[Vertex] = {0}
    for end in ends:
        way: set[Vertex] = {end}
        arrow = came[end]
        while arrow is not None:
            way.add(arrow.source)
            arrow = came[arrow.source]
        if len(kept | way) <= most:
            kept |= way
    for vertex in vertices:
        if len(kept) >= most:
            break
        kept.add(vertex)
    return kept
