"""`--process-tree FILE`: a run's processes as a picture (SVG): who forked whom and when, until when
each lived, when it had the CPU, what it exec'd, how it ended and when its parent looked.

Times are cycles of the machine's clock, counted from the program's birth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from toykernel.collector import Collector
from toykernel.kernel.siginfo import signal_name
from toykernel.look.program import PROGRAM_PID

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

ROW, BAR, LEFT, RIGHT, TOP, SPAN = 26, 12, 190, 150, 48, 860
_COLOURS = {"alive": "#c9d7ea", "running": "#1f5fa8", "zombie": "#e4b7b0", "line": "#888888"}


@dataclass
class Life:
    """One task: when it was born, ran, exec'd, died and was released, in cycles; None: not in this run.

    `number` counts the births, `parent` is the one who forked: pids are used again.
    """

    number: int
    pid: int
    tgid: int
    parent: int | None
    comm: str
    born: int
    died: int | None = None
    released: int | None = None
    end: str = ""
    execs: list[tuple[int, str]] = field(default_factory=list)
    turns: list[tuple[int, int]] = field(default_factory=list)

    @property
    def thread(self) -> bool:
        """Whether it is a thread of another task's group, not the first of its own."""
        return self.pid != self.tgid


class ProcessTree(Collector):
    """Listens from now on, before the program's birth; `svg` draws what has been."""

    collected = ("lives", "_alive", "_turn")

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self.lives: list[Life] = []
        self._alive: dict[int, Life] = {}
        self._turn: tuple[int, int] | None = None  # pid, since
        trace = k.host.trace
        trace.process_fork.append(self._on_fork)
        trace.process_exec.append(self._on_exec)
        trace.process_exit.append(self._on_exit)
        trace.release_task.append(self._on_release)
        trace.sched_switch.append(self._on_switch)

    def _now(self) -> int:
        return self._k.machine.clock.cycles

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        if child.pid >= PROGRAM_PID:
            above = self._alive.get(parent.pid)
            life = Life(
                len(self.lives),
                *(child.pid, child.tgid),
                above.number if above is not None else None,
                *(child.comm, self._now()),
            )
            self.lives.append(life)
            self._alive[child.pid] = life

    def _on_exec(self, task: Task, path: str) -> None:
        life = self._alive.get(task.pid)
        if life is not None:
            life.comm = task.comm
            life.execs.append((self._now(), path))

    def _on_exit(self, task: Task) -> None:
        life = self._alive.get(task.pid)
        if life is not None:
            life.died = self._now()
            number = task.exit_code & 0x7F
            life.end = signal_name(number) if number else f"exit {task.exit_code >> 8}"

    def _on_release(self, task: Task) -> None:
        life = self._alive.pop(task.pid, None)
        if life is not None:
            if self._turn is not None and self._turn[0] == task.pid:
                self._goes_without_a_switch(task, life)
            life.released = self._now()

    def _goes_without_a_switch(self, task: Task, life: Life) -> None:
        """Nobody is to wait for the task that runs; or a thread that execs gives up its number."""
        assert self._turn is not None
        life.turns.append((self._turn[1], self._now()))
        current = self._k.current
        self._turn = (current.pid, self._now()) if current is not task else None

    def _on_switch(self, prev: Task, chosen: Task) -> None:
        self._end_turn()
        self._turn = (chosen.pid, self._now())

    def _end_turn(self) -> None:
        if self._turn is not None:
            pid, since = self._turn
            life = self._alive.get(pid)
            if life is not None:
                life.turns.append((since, self._now()))
        self._turn = None

    # -- drawing -----------------------------------------------------------------------------------

    def ordered(self) -> list[tuple[int, Life]]:
        """(depth, task) in the order of the rows: each above its children, these by birth."""
        children: dict[int | None, list[Life]] = {}
        for life in self.lives:
            children.setdefault(life.parent, []).append(life)
        rows: list[tuple[int, Life]] = []
        stack = [(0, life) for life in reversed(children.get(None, []))]
        while stack:
            depth, life = stack.pop()
            rows.append((depth, life))
            stack += [(depth + 1, child) for child in reversed(children.get(life.number, []))]
        return rows

    def svg(self) -> str:
        """The picture; a run without a program gives an empty one."""
        self._end_turn()
        rows = self.ordered()
        start = min((life.born for _, life in rows), default=0)
        end = max(self._now(), start + 1)

        def x(cycles: int) -> float:
            return round(LEFT + (cycles - start) * SPAN / (end - start), 1)

        height = TOP + ROW * len(rows) + 40
        width = LEFT + SPAN + RIGHT
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<text x="10" y="20" font-size="14">Processes of {end - start:,} cycles</text>',
            *_legend(),
            *_axis(start, end, TOP + ROW * len(rows), x),
        ]
        place = {life.number: index for index, (_, life) in enumerate(rows)}
        for index, (depth, life) in enumerate(rows):
            y = TOP + ROW * index
            if life.parent is not None:
                parent_y = TOP + ROW * place[life.parent] + BAR
                path = f"M{x(life.born)} {parent_y}V{y + BAR // 2}"
                parts.append(f'<path d="{path}" stroke="{_COLOURS["line"]}" fill="none"/>')
            parts += _life(life, depth, y, end, x)
        return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    parts = []
    for index, (what, text) in enumerate(
        (("alive", "alive"), ("running", "on the CPU"), ("zombie", "zombie"))
    ):
        at = LEFT + SPAN - 260 + index * 100
        parts.append(
            f'<rect x="{at}" y="11" width="12" height="12" fill="{_COLOURS[what]}"/>'
            f'<text x="{at + 17}" y="21">{text}</text>'
        )
    return parts


def _axis(start: int, end: int, bottom: int, x: Callable[[int], float]) -> list[str]:
    step = 1
    while (end - start) / step > 10:
        step *= 10
    parts = []
    for tick in range(0, end - start + 1, step):
        at = x(start + tick)
        parts.append(f'<path d="M{at} {TOP - 8}V{bottom}" stroke="#eeeeee"/>')
        parts.append(f'<text x="{at}" y="{bottom + 16}" text-anchor="middle">{tick:,}</text>')
    return parts


def _life(life: Life, depth: int, y: int, end: int, x: Callable[[int], float]) -> list[str]:
    dead = life.died if life.died is not None else end
    gone = life.released if life.released is not None else end
    high = BAR // 2 if life.thread else BAR
    top = y + (BAR - high) // 2
    kind = "thread" if life.thread else "process"
    tip = f"{kind} {life.pid} ({life.comm}), born at {life.born:,}, ran {sum(b - a for a, b in life.turns):,}"
    if life.died is not None:
        tip += f", {life.end} at {life.died:,}"

    def bar(since: int, until: int, what: str) -> str:
        wide = max(round(x(until) - x(since), 1), 0.5)
        return f'<rect x="{x(since)}" y="{top}" width="{wide}" height="{high}" fill="{_COLOURS[what]}"/>'

    parts = [f"<g><title>{escape(tip)}</title>", bar(life.born, dead, "alive")]
    if gone > dead:
        parts.append(bar(dead, gone, "zombie"))
    parts += [
        bar(since, min(until, dead), "running") for since, until in life.turns if since < dead
    ]
    for at, path in life.execs:
        parts.append(
            f'<path d="M{x(at)} {y - 2}v{BAR + 4}" stroke="#222222"><title>exec {escape(path)}</title></path>'
        )
    label = f"{life.pid} {life.comm}"
    parts.append(f'<text x="{10 + 12 * depth}" y="{y + BAR - 2}">{escape(label)}</text>')
    note = life.end or "still there"
    parts.append(
        f'<text x="{x(gone) + 5}" y="{y + BAR - 2}" fill="#555555">{escape(note)}</text></g>'
    )
    return parts
