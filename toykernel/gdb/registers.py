"""Registers of a thread, as `g`, `G`, `p` and `P` have them.

A thread that the CPU does not run in user mode has its registers in the frame on its kernel stack, as on
Linux. When the kernel is followed, a thread in the kernel has the registers of its kernel half instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.engine_quirks import FIELD, GPRS
from toykernel.arch.x86.asm_offsets import GDT_TLS_ENTRIES, GDT_TLS_MIN
from toykernel.arch.x86.i387 import fxsave_image, has_fxsr, store_fxsave
from toykernel.arch.x86.tls import read_descriptor
from toykernel.gdb.errors import RemoteError
from toykernel.gdb.fpu import fpu_values, with_fpu_values
from toykernel.gdb.target_xml import CORE, Register, register_list
from toykernel.look.task import SEGMENTS, TaskView

if TYPE_CHECKING:
    from toykernel.state import Kernel

_WORD = 0xFFFFFFFF
_NO_CALL = _WORD
#: What a program may change of EFLAGS (FLAG_MASK of Linux's ptrace).
_FLAG_MASK = 0x00050DD5
_GENERAL = (*GPRS, "eip")


class Registers:
    """Register file of one kernel's tasks. `kernel_side`: whether threads are followed into the kernel."""

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self.list = register_list(has_fxsr(k))
        self.kernel_side = False

    def _in_kernel(self, view: TaskView) -> bool:
        return self.kernel_side and not view.in_user_mode

    def words(self, view: TaskView) -> dict[str, int]:
        """The integer registers. A dead task has none: zeros."""
        if self._in_kernel(view) or view.task.mm is None:
            blank = dict.fromkeys(CORE, 0)
            found = {**blank, **view.cpu_regs, "orig_eax": _NO_CALL}
        elif view.in_user_mode or view.has_frame:
            found = dict(view.regs)
            found["orig_eax"] = _NO_CALL if view.in_user_mode else view.pt_regs["orig_ax"]
        else:
            found = {**dict.fromkeys(CORE, 0), "orig_eax": _NO_CALL}
        for name in SEGMENTS:
            found[name] &= 0xFFFF
        for name in ("fs", "gs"):
            found[f"{name}_base"] = self._base(view, found[name])
        return found

    def _base(self, view: TaskView, selector: int) -> int:
        index = (selector >> 3) - GDT_TLS_MIN
        if selector & 4 or not 0 <= index < GDT_TLS_ENTRIES:
            return 0
        return read_descriptor(view.task.thread.tls_array[index])[0]

    def all(self, view: TaskView) -> bytes:
        """In the order of `g`."""
        values = self._values(view)
        return b"".join(values[register.name] for register in self.list)

    def one(self, view: TaskView, number: int) -> bytes:
        """By number. Raises RemoteError."""
        return self._values(view)[self._register(number).name]

    def _register(self, number: int) -> Register:
        if not 0 <= number < len(self.list):
            raise RemoteError
        return self.list[number]

    def _values(self, view: TaskView) -> dict[str, bytes]:
        values = fpu_values(fxsave_image(self._k, view.task))
        for name, word in self.words(view).items():
            values[name] = (word & _WORD).to_bytes(4, "little")
        return values

    def set_all(self, view: TaskView, data: bytes) -> None:
        """`G`. Raises RemoteError."""
        last = self.list[-1]
        if len(data) < last.offset + last.size:
            raise RemoteError
        self._set(view, {r.name: data[r.offset : r.offset + r.size] for r in self.list})

    def set_one(self, view: TaskView, number: int, data: bytes) -> None:
        """`P`. Raises RemoteError."""
        register = self._register(number)
        if len(data) != register.size:
            raise RemoteError
        self._set(view, {register.name: data})

    def _set(self, view: TaskView, wanted: dict[str, bytes]) -> None:
        old = self._values(view)
        changed = {name: data for name, data in wanted.items() if old[name] != data}
        if not changed:
            return
        if view.task.mm is None or view.task.exit_state:
            raise RemoteError
        words = self.words(view)
        floating = {name: data for name, data in changed.items() if name not in words}
        if floating:
            image = fxsave_image(self._k, view.task)
            store_fxsave(self._k, view.task, with_fpu_values(image, floating))
        for name in changed.keys() - floating.keys():
            self._set_word(view, name, int.from_bytes(changed[name], "little"))

    def _set_word(self, view: TaskView, name: str, value: int) -> None:
        cpu = self._k.machine.cpu
        if name == "eflags" and not self._in_kernel(view):
            value = self.words(view)["eflags"] & ~_FLAG_MASK | value & _FLAG_MASK
        if view.in_user_mode or (self._in_kernel(view) and view.is_current):
            if name == "eflags":
                cpu.eflags = value
            elif name in _GENERAL:
                cpu.regs[FIELD[name]] = value
            elif name != "orig_eax":  # segments: the CPU would have to load them
                raise RemoteError
        elif self._in_kernel(view) or name.endswith("_base"):
            raise RemoteError
        else:
            regs = self._k.task_pt_regs(view.task)
            field = {"eflags": "flags", "orig_eax": "orig_ax"}.get(name)
            setattr(regs, field or (name[1:] if name in _GENERAL else name), value)
