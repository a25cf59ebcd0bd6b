"""Why a program died, in words: the mistakes that first programs make."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from emu.microcode import GP
from emu.paging import PF_W
from toykernel.kernel.siginfo import (
    FPE_INTDIV,
    SEGV_ACCERR,
    SEGV_MAPERR,
    SI_KERNEL,
    SIGFPE,
    SIGSEGV,
)
from toykernel.kernel.signal_types import RLIMIT_STACK
from toykernel.look.task import TaskView, UnreadableError
from toykernel.mm.limits import rlimit
from toykernel.mm.mm_types import VM_GROWSDOWN

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.look.image import Image
    from toykernel.task import Task

_PAGE: Final = 0x1000
_IDT: Final = 2  # bit of an error code: its index is one of the IDT
#: PUSHA and the largest ENTER that compilers write reach no further below esp.
_NEAR_STACK: Final = 0x10000
_LONGEST: Final = 7  # bytes of an indirect call without prefixes
_PRIVILEGED: Final = frozenset((
    "hlt", "cli", "sti", "in", "out", "ins", "outs", "lgdt", "lidt", "lldt", "ltr", "lmsw", "clts", "invd",
    "wbinvd", "invlpg", "rdmsr", "wrmsr", "rdpmc", "iret",
))  # fmt: skip
EXIT_FIRST: Final = "end the program with the system call exit (eax = 1)"


def why(session: Session, task: Task, sig: int, info: dict[str, Any]) -> str:
    """What most likely went wrong when a signal ends the program, "" when nothing stands out.

    `info` is the signal's siginfo; the registers of the task are those of the fault.
    """
    if sig == SIGFPE and info.get("si_code") == FPE_INTDIV:
        return "a division by 0, or a quotient too large for its register"
    if sig != SIGSEGV:
        return ""
    if task.thread.trap_no == GP and info.get("si_code") == SI_KERNEL:
        at = TaskView(session.kernel, task).pt_regs["ip"]
        return _interrupt(task.thread.error_code) or _privileged(
            _statement(session.program_image, at)
        )
    if info.get("si_code") not in (SEGV_MAPERR, SEGV_ACCERR):
        return ""
    view = TaskView(session.kernel, task)
    image, ip, address = session.program_image, view.pt_regs["ip"], info["si_addr"]
    if text := _past_the_end(image, ip):
        return text
    if ip == address and not image.is_code(ip):
        return _jump(image, view, ip)
    if text := _in_data(image, ip):
        return text
    if info["si_code"] == SEGV_MAPERR:
        return _stack_overflow(session, view, address) or _plain_number(
            _statement(image, ip), address
        )
    if not task.thread.error_code & PF_W or _inside(image, address) is None:
        return ""
    where = ".text" if image.is_code(address) else "read-only data"
    return f"a write into {where}; what changes belongs into .data or .bss"


def _interrupt(error_code: int) -> str:
    vector = error_code >> 3
    if not error_code & _IDT:
        return ""
    words = f"int {vector:#x} is not open to programs"
    return f"{words}: the system call is int $0x80, and $80 is {80:#x}" if vector == 80 else words


def _statement(image: Image, ip: int) -> str:
    """An instruction as it was written, without labels; "" when its line is not known."""
    entry = image.entry_at(ip)
    text = (entry.text or image.source(entry.file, entry.line) or "") if entry is not None else ""
    return re.sub(r"^\s*(?:[\w.$]+\s*:\s*)*", "", text)


def _privileged(text: str) -> str:
    """Of what only the kernel may do."""
    word = text.split(None, 1)[0].lower() if text else ""
    known = word in _PRIVILEGED or word.rstrip("bwl") in _PRIVILEGED
    return f"`{word}' is for the kernel alone: a program asks it by int $0x80" if known else ""


def _plain_number(text: str, address: int) -> str:
    """`movl 1, %eax` loads from address 1."""
    for number in re.findall(
        r"(?<![\w$%(.-])(0x[0-9a-fA-F]+|\d+)(?=\s*(?:,|$))", text.partition("#")[0]
    ):
        if (
            address == int(number, 16 if number[1:2] in "xX" and number[1:2] else 10)
            and 0 < address < _PAGE
        ):
            return f"a number without `$' is an address: ${number} is the number"
    return ""


def _past_the_end(image: Image, ip: int) -> str:
    """The zeros behind the code, up to its page's end, are instructions, too."""
    for start, end, code in image.spans:
        if code and end <= ip <= -(-end // _PAGE) * _PAGE and not _inside(image, ip):
            return f"it ran past the end of .text{_line(image, end - 1, start)}: {EXIT_FIRST}"
    return ""


def _in_data(image: Image, ip: int) -> str:
    span = _inside(image, ip)
    if span is None or span[2]:
        return ""
    return (
        f"it ran into data, at {image.symbol_at(ip) or f'{ip:#x}'}: {EXIT_FIRST}, or jump over it"
    )


def _jump(image: Image, view: TaskView, ip: int) -> str:
    """Where an address came from at which there is no code."""
    sp = view.pt_regs["sp"]
    target = "a null pointer" if ip < _PAGE else f"{ip:#x}, where no code is"
    pushed = _word(view, sp) or 0
    if image.is_code(pushed - 1) and _ends_indirect_call(
        view.read_upto(pushed - _LONGEST, _LONGEST)
    ):
        return f"a call through {target}{_line(image, pushed - 1)}"
    if not ip:
        return f"a jump through {target}, or a ret that took 0 as its return address"
    if _word(view, sp - 4) == ip:
        if view.task.mm is not None and sp - 4 == view.task.mm.start_stack:
            return f"a ret from _start, which nobody has called: {EXIT_FIRST}"
        return "a ret took that as its return address: pushes without a pop, or the stack was overwritten"
    return f"a jump through {target}"


def _ends_indirect_call(code: bytes) -> bool:
    """Whether the last instruction may be `call *OPERAND`: FF /2."""
    return any(
        code[-length] == 0xFF and code[-length + 1] >> 3 & 7 == 2
        for length in (2, 3, 4, 6, 7)
        if length <= len(code)
    )


def _stack_overflow(session: Session, view: TaskView, address: int) -> str:
    sp = view.pt_regs["sp"]
    if not -_NEAR_STACK < address - sp < _NEAR_STACK:
        return ""
    limit = rlimit(session.kernel, RLIMIT_STACK)
    page = address & -_PAGE
    for area in view.areas:
        grows = area.vm_flags & VM_GROWSDOWN and address < area.vm_start
        if grows and area.vm_end - page > limit > 0:
            words = f"the stack may have {limit >> 10} KiB (--rlimit stack=SIZE)"
            return f"stack overflow: {words}; calls without end?"
    return ""


def _inside(image: Image, address: int) -> tuple[int, int, bool] | None:
    return next((span for span in image.spans if span[0] <= address < span[1]), None)


def _line(image: Image, address: int, lowest: int = 0) -> str:
    """The source line of an instruction."""
    entry = image.entry_at(address)
    if entry is None or entry.address < lowest:
        return ""
    line = entry.text or image.source(entry.file, entry.line) or ""
    return f" ({entry.file}:{entry.line}: {' '.join(line.split())})"


def _word(view: TaskView, address: int) -> int | None:
    try:
        return int.from_bytes(view.read(address & 0xFFFFFFFF, 4), "little")
    except UnreadableError:
        return None
