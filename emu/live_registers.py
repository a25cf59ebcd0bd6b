"""Where the engine keeps its live registers, found without the system's help or the engine's source.

The first thing in the engine's CPU is what a saved context copies, so its layout is known (`calibrate` in
emu/engine_quirks.py); what is missing is a pointer. The handle of an engine leads to it: values are written
into the registers, and looked for behind the pointers in the handle, with reads that cannot crash.
Only Linux on x86-64 was tried. On another POSIX system the search is the same, and the reads go through a
pipe; where nothing is found, runs are timed by the Python driver, from saved contexts.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from unicorn import Uc
from unicorn import x86_const as x86

from emu.engine_quirks import GPRS
from emu.ram import PAGE_SIZE

#: Of unicorn 2.1.4, x86-64: the word of the engine's handle that points to its CPU, and EAX behind it.
KNOWN = (55, 35408)
#: Bytes of the handle that are searched for pointers, and behind each of them.
HANDLE_SIZE, REACH = 16384, 65536

#: Reads this process's memory: address, length; what can be read from there on, at most that much.
Peek = Callable[[int, int], bytes]


def locate_env(uc: Uc) -> int:
    """Host address of the engine's live registers (EAX first, laid out as in a saved context).

    Reading them there costs nothing; uc_reg_read costs more than most instructions. 0 when they are not
    found.
    """
    ids = [getattr(x86, f"UC_X86_REG_{name.upper()}") for name in GPRS]
    before = [uc.reg_read(ident) for ident in ids]
    marks = [0x5EED0000 | (index + 1) * 0x303 for index in range(len(ids))]
    for ident, mark in zip(ids, marks, strict=True):
        uc.reg_write(ident, mark)
    pattern = b"".join(mark.to_bytes(8, "little") for mark in marks)

    def is_live(address: int) -> bool:
        """Not one of the copies of the pattern that lie about in this process."""
        word = ctypes.c_uint64.from_address(address)
        uc.reg_write(ids[0], 0x5EED7777)
        follows = word.value == 0x5EED7777
        uc.reg_write(ids[0], marks[0])
        return follows and word.value == marks[0]

    with safe_reads() as peek:
        found = next(filter(is_live, _copies(peek, uc._uch.value, pattern)), 0)
    for ident, value in zip(ids, before, strict=True):
        uc.reg_write(ident, value)
    return found


@contextmanager
def safe_reads(memory_file: str = "/proc/self/mem") -> Iterator[Peek]:
    """Reads that give less where nothing is mapped; where /proc is not mounted, through a pipe."""
    if os.access(memory_file, os.R_OK):
        with open(memory_file, "rb", buffering=0) as memory:

            def peek(address: int, length: int) -> bytes:
                try:
                    memory.seek(address)
                    return memory.read(length)
                except (OSError, OverflowError, ValueError):
                    return b""

            yield peek
        return
    out, into = os.pipe()
    try:
        yield lambda address, length: _through_pipe(out, into, address, length)
    finally:
        os.close(out)
        os.close(into)


def _through_pipe(out: int, into: int, address: int, length: int) -> bytes:
    """write(2) answers EFAULT for an address that is not mapped, where a load would end the process."""
    write = ctypes.CDLL(None).write
    write.restype = ctypes.c_ssize_t
    read, end = b"", address + length
    while address < end:
        piece = min(end, (address | PAGE_SIZE - 1) + 1) - address
        done = write(ctypes.c_int(into), ctypes.c_void_p(address), ctypes.c_size_t(piece))
        if done <= 0:
            break
        read += os.read(out, done)
        address += done
    return read


def _copies(peek: Peek, handle: int, pattern: bytes) -> Iterator[int]:
    """Where the pattern is: at the known place first, then behind every pointer in the handle."""
    words = memoryview(peek(handle, HANDLE_SIZE)).cast("Q")
    if len(words) > KNOWN[0]:
        place = words[KNOWN[0]] + KNOWN[1]
        if peek(place, len(pattern)) == pattern:
            yield place
    for address in dict.fromkeys(words):
        if 0x10000 <= address < 1 << 47:
            data = peek(address, REACH)
            at = data.find(pattern)
            while at >= 0:
                yield int(address) + at
                at = data.find(pattern, at + 1)
