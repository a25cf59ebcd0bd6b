"""Commands that show memory and values."""

from __future__ import annotations

from dataclasses import replace

from emu.ram import Ram
from toykernel.debug.commands.command import Command, Console, count_of
from toykernel.debug.errors import DebugError
from toykernel.debug.format import address_text
from toykernel.debug.memory import Spec, examine, number_text
from toykernel.look.image import Image
from toykernel.look.task import UnreadableError

MAX_INSTRUCTIONS = 1000


def x(console: Console, text: str) -> None:
    debugger = console.debugger
    format_, expression = split_format(text)
    if format_:
        debugger.examined = debugger.examined.change(format_)
    else:
        debugger.examined = replace(debugger.examined, count=1)
    if expression:
        address = debugger.evaluate(expression)
    elif debugger.next_address is not None:
        address = debugger.next_address
    else:
        raise DebugError("x needs an address")
    try:
        for line, after in examine(debugger.view, debugger.examined, address, debugger.name()):
            debugger.next_address = after & 0xFFFFFFFF
            console.write(line)
    except UnreadableError as error:
        raise DebugError(str(error)) from None


class PhysicalMemory:
    """RAM by physical address, for `examine`."""

    def __init__(self, ram: Ram) -> None:
        self._ram = ram

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at a physical address. Raises DebugError beyond the end of RAM."""
        if address + size > self._ram.size:
            raise DebugError(f"{address:#x} is beyond the RAM, which ends at {self._ram.size:#x}")
        return self._ram.read(address, size)

    def read_upto(self, address: int, size: int) -> bytes:
        """At most `size` bytes at a physical address, fewer at the end of RAM."""
        return self._ram.read(address, max(min(size, self._ram.size - address), 0))


def xp(console: Console, text: str) -> None:
    debugger = console.debugger
    format_, expression = split_format(text)
    if not expression:
        raise DebugError("xp needs a physical address")
    spec = debugger.examined.change(format_) if format_ else replace(debugger.examined, count=1)
    memory = PhysicalMemory(debugger.machine.ram)
    try:
        for line, _ in examine(memory, spec, debugger.evaluate(expression), lambda _: None):
            console.write(line)
    except UnreadableError as error:
        raise DebugError(f"{error.address:#x} is beyond the RAM") from None


def split_format(text: str) -> tuple[str, str]:
    """The format, `/` included, and the rest of `/4wx ADDRESS`; the format is empty without one."""
    if not text.startswith("/"):
        return "", text
    format_, _, rest = text.partition(" ")
    return format_, rest.strip()


def print_(console: Console, text: str) -> None:
    debugger = console.debugger
    format_, expression = split_format(text)
    value = debugger.evaluate(expression)
    if format_:
        spec = Spec().change(format_)
        if spec.format in "si" or spec.count != 1:
            raise DebugError(f"{format_}: print shows one value; x shows strings and instructions")
        console.write(f"= {number_text(value, spec.format, spec.size)}")
        return
    signed = value - (1 << 32) if value >> 31 else value
    symbol = debugger.name()(value) if value > 0xFFFF else None
    console.write(f"= {signed}  {address_text(value, symbol)}")


def disassemble(console: Console, text: str) -> None:
    debugger = console.debugger
    view = debugger.view
    where, _, count_text = (part.strip() for part in text.partition(","))
    here = debugger.register("eip")
    start = debugger.where(where) if where else here
    image: Image | None = debugger.images.of_address(view.task, start)
    end: int | None = None
    if count_text:
        count = count_of(count_text)
    else:
        count = MAX_INSTRUCTIONS
        block = image.block(start) if image is not None else None
        if block is None:
            count = 10
        else:
            start, end = (block[0] if not where else start), block[1]
    if count > MAX_INSTRUCTIONS:
        raise DebugError(f"at most {MAX_INSTRUCTIONS} instructions at a time")
    address = start
    while count and (end is None or address < end):
        instruction = debugger.instruction(address, view)
        if instruction is None:
            raise DebugError(
                f"cannot access memory at address {address:#x}: no page is mapped there"
            )
        mark = "=>" if address == here else "  "
        symbol = debugger.images.symbol_at(view.task, address)
        console.write(f"{mark} {address_text(address, symbol)}:\t{instruction.text}")
        address = address + instruction.size & 0xFFFFFFFF
        count -= 1


MEMORY = (
    Command(
        "x", "[/NFS] [ADDRESS]", "examine memory", x,
        "N a count, F a format (x hex, d signed, u unsigned, o octal, t binary, c character,\n"
        "s string, i instruction), S a size (b byte, h half word, w word). Without an address\n"
        "it goes on where it stopped. Nothing is changed by looking: pages are not faulted in.",
        (), True, "", True,
    ),
    Command(
        "xp", "[/NFS] ADDRESS", "examine physical memory", xp,
        "As x, by physical address: page tables, frames, what no task maps.", (), False, None, True,
    ),
    Command(
        "print", "[/F] EXPRESSION", "show a value", print_,
        "Numbers, symbols, $registers, C's operators in 32 bits; *X is the word at X:\n"
        "  print *($esp+4)      print/x counter & ~0xfff      print kernel:schedule",
        ("p", "inspect"), False, None, True,
    ),
    Command(
        "disassemble", "[WHERE [, COUNT]]", "instructions from a place to the next label",
        disassemble,
        "WHERE is an expression, a label, or FILE:LINE; without it, around the present one.",
        ("disas",),
    ),
)  # fmt: skip
