"""The documented clocks, read from data/clocks.csv and data/clocks_x87.csv.

A row is found by mnemonic and operand form. What is not a plain number in a row (a range, a formula)
belongs to a rule in emu.timing.rules; the table then gives its constant part.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib import resources

from emu.record import dataclass
from emu.timing.decode import Decoded

_I386 = "i386_clk"
_ALIASES = {
    **dict.fromkeys(("shl", "sal"), "shl/sal"),
    **dict.fromkeys(("lds", "les", "lfs", "lgs", "lss"), "lds/les/lfs/lgs/lss"),
    **dict.fromkeys(("sgdt", "sidt"), "sgdt/sidt"),
    **dict.fromkeys(("sldt", "str"), "sldt/str"),
    **dict.fromkeys(("loope", "loopne"), "loope/loopne"),
    **dict.fromkeys(("aaa", "aas"), "aaa/aas"),
    **dict.fromkeys(("daa", "das"), "daa/das"),
    "jecxz": "jcxz/jecxz",
    "cwde": "cbw/cwde",
    "cdq": "cwd/cdq",
    "fwait": "wait/fwait",
    "callf": "call",
    "jmpf": "jmp",
    "int3": "int 3",
    "int": "int n",
}
_SHIFTS = frozenset(("rol", "ror", "rcl", "rcr", "shl", "shr", "sar"))
_DIVIDE_WIDTH = {1: "r8 / m8", 2: "r16 / m16", 4: "r32 / m32"}
_PRIVILEGE = " protected CPL<=IOPL / CPL>IOPL"


@dataclass(frozen=True)
class Row:
    """One line of the table, for one CPU: the clocks as printed, and how sure they are."""

    mnemonic: str
    form: str
    clocks: str
    confidence: str


def _files() -> list[bytes]:
    data = resources.files("emu.timing").joinpath("data")
    return [data.joinpath(name).read_bytes() for name in ("clocks.csv", "clocks_x87.csv")]


@lru_cache(maxsize=1)
def _data() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for raw in _files():
        lines = [x for x in raw.decode().splitlines() if not x.startswith("#")]
        rows += csv.DictReader(lines)
    return rows


@lru_cache(maxsize=1)
def table_hash() -> str:
    """SHA-256 of the table's files, hexadecimal."""
    from hashlib import sha256  # with OpenSSL, which a run without a report needs not

    return sha256(b"".join(_files())).hexdigest()


@lru_cache(maxsize=4)
def rows(cpu: str) -> dict[tuple[str, str], Row]:
    """All rows of "i386" or "i486" by (mnemonic, form)."""
    column = f"{cpu}_clk"
    return {
        (r["mnemonic"], r["form"]): Row(
            r["mnemonic"], r["form"], r.get(column) or "-", r.get(f"conf_{cpu}") or "-"
        )
        for r in _data()
    }


def number(text: str, choice: int = 0) -> int | None:
    """The clocks of a cell: of "a / b" the chosen one, of a range the low end; None for "-"."""
    parts = text.split(" / ")
    found = re.match(r"\s*(\d+)", parts[min(choice, len(parts) - 1)])
    return int(found[1]) if found else None


def forms(d: Decoded) -> tuple[str, str]:
    """(row when a condition fails or does not exist, row when it holds) of an instruction."""
    form = _form(d)
    if isinstance(form, tuple):
        return form
    return form, form


def mnemonic_of(d: Decoded) -> str:
    """The table's name of the instruction."""
    if d.rep and d.mnemonic in ("movs", "stos", "lods"):
        return f"rep {d.mnemonic}"
    if d.rep and d.mnemonic in ("cmps", "scas"):
        return f"repe/ne {d.mnemonic}"
    return _ALIASES.get(d.mnemonic, d.mnemonic)


def _form(d: Decoded) -> str | tuple[str, str]:
    name, ops = d.mnemonic, d.operands
    if name[0] == "f" and name != "fwait":
        return _x87_form(d)
    if name in _SPECIAL:
        return _SPECIAL[name]
    if name in ("mul", "imul", "div", "idiv"):
        return _multiply_form(d)
    plain = ",".join({"o": "m", "a": "r"}.get(o, o) for o in ops)
    if name == "mov":
        return _mov_form(d, plain)
    if name in _SHIFTS:
        return _shift_form(d)
    if name in ("jmp", "call"):
        return {"j": "rel32" if name == "call" else "rel8/rel32", "r": "r", "m": "m"}[ops[0]]
    if name in ("jmpf", "callf"):
        return ("m16:32" if ops == ("m",) else "ptr16:32") + " (protected, same CPL)"
    if name in ("in", "out"):
        pair = {"in": ("a,imm8", "a,dx"), "out": ("imm8,a", "dx,a")}[name]
        return pair["dx" in ops] + _PRIVILEGE
    if name == "push":
        return {"s": "sreg"}.get(ops[0], ops[0])
    if name == "pop":
        return "sreg (protected mode)" if ops[0] == "s" else ops[0]
    if name == "enter":
        return "imm16,1" if d.immediate & 31 == 1 else "imm16,0"
    if name == "lea":
        return f"r,m ({'with index/scale' if d.has_index else 'no index'})"
    if name == "xchg":
        return "m,r" if "m" in ops else "a,r" if "a" in ops else "r,r"
    if name == "test":
        return {"a,i": "a,i", "m,r": "m,r"}.get(",".join(ops), plain)
    if name in ("bt", "bts", "btr", "btc"):
        return plain.replace("i", "imm8")
    if name in ("shld", "shrd"):
        return plain.replace("i", "imm8")
    if name in ("bsf", "bsr"):
        return "r32,m32" if "m" in ops else "r32,r32"
    if name == "setcc":
        kind = "m" if "m" in ops else "r"
        return f"{kind} (condition false)", f"{kind} (condition true)"
    if name == "cmpxchg":
        return ("m,r (not equal)", "m,r (equal)") if "m" in ops else "r,r"
    if name == "ret":
        return "near imm16" if ops else "near"
    if d.rep and d.mnemonic in ("movs", "stos", "lods", "cmps", "scas"):
        return "n>1" if name == "movs" else "n>0"
    return plain or "-"


_SPECIAL: dict[str, str | tuple[str, str]] = {
    "jcc": ("rel8/rel32 not taken", "rel8/rel32 taken"),
    **dict.fromkeys(("loop", "loope", "loopne", "jecxz"), ("not taken", "taken")),
    "pushf": "(protected mode)",
    "popf": "(protected mode)",
    **dict.fromkeys(("lds", "les", "lfs", "lgs", "lss"), "r,m (protected mode)"),
    "iret": ("protected, same privilege", "protected, to outer privilege (return to ring 3)"),
    "retf": ("same privilege (protected)", "outer privilege"),
    "int": "protected, same privilege",
    "int3": "protected, same / inner",
    "into": "OF=0",
    **dict.fromkeys(
        ("sldt", "str", "lldt", "ltr", "lmsw", "smsw", "verr", "verw", "arpl"), "r / m"
    ),
    **dict.fromkeys(("lar", "lsl"), "r,r / r,m"),
    "bound": "in range",
    **dict.fromkeys(("aam", "aad"), "-"),
    "cmovcc": "any",
    "bswap": "r32",
}


def _mov_form(d: Decoded, plain: str) -> str:
    ops = d.operands
    if "s" in ops:
        other = "m" if "m" in ops else "r"
        return f"sreg,{other} (protected mode)" if ops[0] == "s" else f"{other},sreg"
    if "c" in ops:
        number_ = d.control
        return "r32,cr0/cr2/cr3" if ops[0] == "r" else f"cr{number_},r32"
    if "d" in ops:
        return "r32,dr0-3 / dr6-7" if ops[0] == "r" else "dr0-3,r32 / dr6-7"
    if "o" in ops:
        return "a,moffs" if ops[1] == "o" else "moffs,a"
    return plain


def _shift_form(d: Decoded) -> str:
    where = "m" if "m" in d.operands else "r"
    count = d.operands[1]
    if d.mnemonic in ("rcl", "rcr") and count != "1":
        return f"{where},cl / {where},imm8"
    return f"{where},{'imm8' if count == 'i' else count}"


def _multiply_form(d: Decoded) -> str:
    memory = "m" in d.operands
    width = 8 * d.size
    if d.mnemonic in ("div", "idiv"):
        return _DIVIDE_WIDTH[d.size]
    if len(d.operands) == 1:
        if d.mnemonic == "mul":
            return f"{'m' if memory else 'r'}{width}"
        kind = "r" if width == 16 or not memory else "m"  # the table has no row for m16
        return f"{kind}{width} (one operand)"
    if len(d.operands) == 3:
        return "r32,r/m32,imm8" if d.immediate_size == 1 else "r32,r/m32,imm32"
    return "r16,r16" if width == 16 else f"r32,{'m' if memory else 'r'}32"


def _x87_form(d: Decoded) -> tuple[str, str] | str:
    form = d.operands[0]
    known = rows("i486")
    for candidate in (form, "m" if form[0] == "m" else form):
        if (d.mnemonic, candidate) in known:
            return candidate
    # A popping form costs what the form that does not pop costs.
    return form
