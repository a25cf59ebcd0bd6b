"""The frames that traps have left on a kernel stack: what the CPU pushed and what entry.S added.

    base+68 --> ss        pushed by the CPU, only when the trap came from ring 3
                sp
                flags     pushed by the CPU
                cs
                ip
                orig_ax   the CPU's error code, or entry.S: system call, -1, or interrupt line - 256
    base    --> ...       SAVE_ALL

A frame is known from the trap's delivery on, so each of its words is shown as soon as it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.microcode import Delivery
from toykernel.arch.x86.asm_offsets import PT_OFFSET, PT_REGS
from toykernel.collector import Collector
from toykernel.look.task import TaskView

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_IP = PT_OFFSET["ip"]
BY_CPU = ("ss", "sp", "flags", "cs", "ip")


@dataclass(frozen=True)
class TrapFrame:
    """One frame. `base` is the address of its struct pt_regs; `vector` is None for the frame that
    copy_thread built for a child, or that nobody saw being made."""

    base: int
    vector: int | None
    kind: int
    error_code: int | None
    from_user: bool
    origin: str = ""


@dataclass(frozen=True)
class FrameWord:
    """One word of a frame; `value` is None when it is not on the stack now."""

    address: int
    name: str
    value: int | None
    by_cpu: bool


class FrameLog(Collector):
    """Remembers the frames of every task's kernel stack, the outermost first."""

    collected = ("_frames",)

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self._frames: dict[int, list[TrapFrame]] = {}
        k.machine.trap_listeners.append(self._on_trap)
        k.host.trace.process_fork.append(self._on_fork)
        k.host.trace.release_task.append(self._on_release)

    def close(self) -> None:
        """Take the listeners out of the machine and the kernel."""
        self._k.machine.trap_listeners.remove(self._on_trap)
        self._k.host.trace.process_fork.remove(self._on_fork)
        self._k.host.trace.release_task.remove(self._on_release)

    def _on_trap(self, trap: Delivery) -> None:
        k = self._k
        esp = k.machine.cpu.esp
        ip_at = esp if trap.error_code is None else esp + 4
        frame = TrapFrame(ip_at - _IP, trap.vector, trap.kind, trap.error_code, trap.cpl != 0)
        kept = [] if frame.from_user else self._frames.get(k.current.pid, [])
        self._frames[k.current.pid] = [f for f in kept if f.base > frame.base] + [frame]

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        base = self._k.task_pt_regs(child).address
        origin = f"copied from pid {parent.pid}'s by copy_thread, with ax = 0"
        self._frames[child.pid] = [TrapFrame(base, None, 0, None, child.mm is not None, origin)]

    def _on_release(self, task: Task) -> None:
        self._frames.pop(task.pid, None)

    def of(self, view: TaskView) -> list[TrapFrame]:
        """Frames on a task's kernel stack now, the innermost first."""
        sp = view.kernel_sp
        if sp is None or view.task.exit_state:
            return []
        known = [f for f in self._frames.get(view.pid, []) if f.base + _IP >= sp]
        if not known and view.task.mm is not None:
            base = view.kernel.task_pt_regs(view.task).address
            known = [TrapFrame(base, None, 0, None, True, "from a trap that was not watched")]
        return known[::-1]

    def words(self, view: TaskView, frame: TrapFrame) -> list[FrameWord]:
        """A frame's words in the order of pushing, from the highest address."""
        sp = view.kernel_sp or 0
        names = PT_REGS if frame.from_user else PT_REGS[:-2]
        ram = view.kernel.machine.ram
        found = []
        for name in reversed(names):
            address = frame.base + PT_OFFSET[name]
            value = ram.read32(address - 0xC0000000) if address >= sp else None
            by_cpu = name in BY_CPU or (name == "orig_ax" and frame.error_code is not None)
            found.append(FrameWord(address, name, value, by_cpu))
        return found
