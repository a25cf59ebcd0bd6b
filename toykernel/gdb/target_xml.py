"""The target description: which registers there are, and in which order `g` has them.

Names and order are those of gdb's features/i386/*.xml; gdb gives them their types and numbers by name.
"""

from __future__ import annotations

from dataclasses import dataclass

CORE = (
    *("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"),
    *("cs", "ss", "ds", "es", "fs", "gs"),
)
FPU_CONTROL = ("fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop")
_POINTERS = {"esp": "data_ptr", "ebp": "data_ptr", "eip": "code_ptr", "eflags": "i386_eflags"}
_EFLAGS = (
    '<flags id="i386_eflags" size="4">'
    + "".join(
        f'<field name="{name}" start="{bit}" end="{bit}"/>'
        for name, bit in (
            *(("CF", 0), ("", 1), ("PF", 2), ("AF", 4), ("ZF", 6), ("SF", 7), ("TF", 8)),
            *(("IF", 9), ("DF", 10), ("OF", 11), ("NT", 14), ("RF", 16), ("VM", 17), ("AC", 18)),
            *(("VIF", 19), ("VIP", 20), ("ID", 21)),
        )
    )
    + "</flags>"
)
_VECTORS = (
    '<vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" count="2"/>'
    '<vector id="v16i8" type="int8" count="16"/><vector id="v8i16" type="int16" count="8"/>'
    '<vector id="v4i32" type="int32" count="4"/><vector id="v2i64" type="int64" count="2"/>'
    '<union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>'
    '<field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/>'
    '<field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/>'
    '<field name="uint128" type="uint128"/></union>'
    '<flags id="i386_mxcsr" size="4">'
    + "".join(
        f'<field name="{name}" start="{bit}" end="{bit}"/>'
        for name, bit in (
            *(("IE", 0), ("DE", 1), ("ZE", 2), ("OE", 3), ("UE", 4), ("PE", 5), ("DAZ", 6)),
            *(("IM", 7), ("DM", 8), ("ZM", 9), ("OM", 10), ("UM", 11), ("PM", 12), ("FZ", 15)),
        )
    )
    + "</flags>"
)


@dataclass(frozen=True)
class Register:
    """One register: bytes of it, and where it lies in `g`."""

    name: str
    size: int
    offset: int


def register_list(has_sse: bool) -> list[Register]:
    """In the order of their numbers."""
    sizes = [(name, 4) for name in CORE] + [(f"st{n}", 10) for n in range(8)]
    sizes += [(name, 4) for name in FPU_CONTROL]
    if has_sse:
        sizes += [(f"xmm{n}", 16) for n in range(8)] + [("mxcsr", 4)]
    sizes += [("orig_eax", 4), ("fs_base", 4), ("gs_base", 4)]
    found, offset = [], 0
    for name, size in sizes:
        found.append(Register(name, size, offset))
        offset += size
    return found


def _reg(name: str, bits: int, type_: str, extra: str = "") -> str:
    return f'<reg name="{name}" bitsize="{bits}" type="{type_}"{extra}/>'


def target_xml(has_sse: bool) -> str:
    """The document that qXfer:features:read:target.xml answers."""
    core = "".join(_reg(name, 32, _POINTERS.get(name, "int32")) for name in CORE)
    core += "".join(_reg(f"st{n}", 80, "i387_ext") for n in range(8))
    core += "".join(_reg(name, 32, "int", ' group="float"') for name in FPU_CONTROL)
    sse = "".join(_reg(f"xmm{n}", 128, "vec128") for n in range(8))
    sse += _reg("mxcsr", 32, "i386_mxcsr", ' group="vector"')
    features = f'<feature name="org.gnu.gdb.i386.core">{_EFLAGS}{core}</feature>'
    if has_sse:
        features += f'<feature name="org.gnu.gdb.i386.sse">{_VECTORS}{sse}</feature>'
    features += (
        '<feature name="org.gnu.gdb.i386.linux">'
        + _reg("orig_eax", 32, "int", ' group="system"')
        + '</feature><feature name="toykernel.segments">'
        + _reg("fs_base", 32, "int", ' group="system"')
        + _reg("gs_base", 32, "int", ' group="system"')
        + "</feature>"
    )
    return (
        '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target>'
        "<architecture>i386</architecture><osabi>GNU/Linux</osabi>" + features + "</target>"
    )
