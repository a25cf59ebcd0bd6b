"""The FPU and SSE registers of any task, as an FXSAVE image (Intel SDM vol. 1, 10.5.1).

They are in the CPU for the task whose they were last (lazily switched), in its save area for all others.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.i387 import (
    MXCSR_MASK,
    fsave_from_fxsave,
    fxsave_from_fsave,
)

if TYPE_CHECKING:
    pass

_LAST = (  # of FNSAVE's words behind the tags, as gdb calls them: name, word, shift, bits
    ("fioff", 3, 0, 32),
    ("fiseg", 4, 0, 16),
    ("fop", 4, 16, 11),
    ("fooff", 5, 0, 32),
    ("foseg", 6, 0, 16),
)


def fpu_values(image: bytes) -> dict[str, bytes]:
    """By gdb's names, little-endian."""
    legacy = struct.unpack_from("<7I", fsave_from_fxsave(image))
    values = {f"st{n}": image[32 + 16 * n : 42 + 16 * n] for n in range(8)}
    words = {name: legacy[index] & 0xFFFF for index, name in enumerate(("fctrl", "fstat", "ftag"))}
    for name, index, shift, bits in _LAST:
        words[name] = legacy[index] >> shift & (1 << bits) - 1
    values |= {name: value.to_bytes(4, "little") for name, value in words.items()}
    values |= {f"xmm{n}": image[160 + 16 * n : 176 + 16 * n] for n in range(8)}
    values["mxcsr"] = image[24:28]
    return values


def with_fpu_values(image: bytes, values: dict[str, bytes]) -> bytes:
    """The image with some registers changed."""
    known = fpu_values(image) | values
    words = {n: int.from_bytes(known[n], "little") for n in ("fctrl", "fstat", "ftag")}
    legacy = bytearray(fsave_from_fxsave(image))
    for index, name in enumerate(words):
        struct.pack_into("<I", legacy, 4 * index, words[name] & 0xFFFF)
    head = list(struct.unpack_from("<7I", legacy))
    for name, index, shift, bits in _LAST:
        mask = (1 << bits) - 1 << shift
        head[index] = head[index] & ~mask | int.from_bytes(known[name], "little") << shift & mask
    struct.pack_into("<7I", legacy, 0, *head)
    for n in range(8):
        legacy[28 + 10 * n : 38 + 10 * n] = known[f"st{n}"]
    out = bytearray(fxsave_from_fsave(bytes(legacy), image))
    for n in range(8):
        out[160 + 16 * n : 176 + 16 * n] = known[f"xmm{n}"]
    mxcsr = int.from_bytes(known["mxcsr"], "little") & MXCSR_MASK
    out[24:28] = mxcsr.to_bytes(4, "little")
    return bytes(out)
