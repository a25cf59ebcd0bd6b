"""Every mnemonic the assembler knows, with the shape of its operands.

Only these reach the engine. `kind` picks the encoder in instructions.py, `sizes` are the AT&T
suffixes a mnemonic takes, `counts` how many operands, and `decoded` the names under which a
disassembler may show the result (empty: the mnemonic itself).
"""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Spec:
    """The shape of one mnemonic."""

    kind: str
    sizes: str = ""
    counts: tuple[int, ...] = (0,)
    decoded: tuple[str, ...] = ()


# Intel SDM vol. 2, appendix B, table B-10: the tttn field.
CONDITIONS: Final = {
    name: code
    for code, names in enumerate(
        "o|no|b c nae|ae nb nc|e z|ne nz|be na|a nbe|"
        "s|ns|p pe|np po|l nge|ge nl|le ng|g nle".split("|")
    )
    for name in names.split()
}  # fmt: skip

#: The predicates of cmpps and its like by their immediate, Intel SDM vol. 2, CMPPS.
COMPARISONS: Final = ("eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord")

PREFIXES: Final = {
    "lock": 0xF0,
    "rep": 0xF3,
    "repe": 0xF3,
    "repz": 0xF3,
    "repne": 0xF2,
    "repnz": 0xF2,
}
LOCKABLE: Final = frozenset(
    "add or adc sbb and sub xor inc dec neg not xchg xadd cmpxchg cmpxchg8b bts btr btc".split()
)
BRANCHES: Final = {"jmp": 0xEB, **{f"j{name}": 0x70 | code for name, code in CONDITIONS.items()}}


def _build() -> tuple[dict[str, Spec], dict[str, Spec]]:
    sized: dict[str, Spec] = {}
    exact: dict[str, Spec] = {}

    def add(table: dict[str, Spec], names: str, spec: Spec) -> None:
        for name in names.split():
            table[name] = spec

    add(sized, "add or adc sbb and sub xor cmp xadd cmpxchg", Spec("general", "bwl", (2,)))
    add(sized, "test xchg", Spec("symmetric", "bwl", (2,)))
    add(sized, "mov", Spec("mov", "bwl", (2,)))
    add(sized, "inc dec neg not mul div idiv", Spec("general", "bwl", (1,)))
    add(sized, "imul", Spec("imul", "bwl", (1, 2, 3)))
    add(sized, "push pop", Spec("stack", "wl", (1,)))
    add(sized, "lea", Spec("lea", "wl", (2,)))
    add(sized, "shl shr sar rol ror rcl rcr", Spec("shift", "bwl", (1, 2)))
    add(sized, "sal", Spec("shift", "bwl", (1, 2), ("shl", "sal")))
    add(sized, "shld shrd", Spec("shift2", "wl", (3,)))
    add(sized, "bt bts btr btc", Spec("bit", "wl", (2,)))
    add(sized, "bsf bsr", Spec("general", "wl", (2,)))
    add(sized, "popcnt lzcnt tzcnt", Spec("general", "wl", (2,)))
    add(sized, "lar lsl", Spec("selector", "wl", (2,)))
    add(sized, "bswap", Spec("bswap", "l", (1,)))
    add(sized, "in", Spec("in", "bwl", (1, 2)))
    add(sized, "out", Spec("out", "bwl", (1, 2)))
    add(sized, "lds les lfs lgs lss", Spec("farpointer", "wl", (2,)))
    add(sized, "bound", Spec("bound", "wl", (2,)))
    add(sized, "nop", Spec("nop", "wl", (0, 1)))
    add(sized, "lldt ltr lmsw verr verw", Spec("word", "w", (1,)))
    add(sized, "sldt str smsw", Spec("store16", "wl", (1,)))
    for name in CONDITIONS:
        sized[f"cmov{name}"] = Spec("general", "wl", (2,))
        sized[f"set{name}"] = Spec("byte", "b", (1,))
    add(sized, "call", Spec("call", "l", (1, 2)))
    add(sized, "jmp", Spec("branch", "l", (1, 2)))
    add(sized, "ljmp lcall", Spec("far", "l", (1, 2)))
    add(sized, "enter", Spec("enter", "l", (2,)))
    add(sized, "ret", Spec("ret", "l", (0, 1)))
    add(sized, "lret", Spec("ret", "l", (0, 1), ("retf", "lret")))
    add(sized, "movnti", Spec("plain", "l", (2,)))

    for name in BRANCHES:
        if name != "jmp":
            exact[name] = Spec("branch", "", (1,))
    add(exact, "jecxz jcxz loop loope loopz loopne loopnz", Spec("loop", "", (1,)))
    add(exact, "movzb movzw movsb movsw movzbw movzbl movzwl movsbw movsbl movswl movzx movsx "
        "movzxb movzxw movsxb movsxw",
        Spec("extend", "", (2,)))  # fmt: skip
    add(exact, "cli sti cld std clc stc cmc clts lahf sahf hlt int3 into aaa aas daa das invd "
        "wbinvd cpuid rdtsc rdmsr wrmsr rdpmc sysenter sysexit ud2 pause lfence mfence sfence "
        "endbr32 endbr64 emms rsm leave syscall sysret rdtscp xgetbv", Spec("none"))  # fmt: skip
    for name, decoded in {
        "cbtw": "cbw", "cwtl": "cwde", "cwtd": "cwd", "cltd": "cdq", "cbw": "cbw", "cwde": "cwde",
        "cwd": "cwd", "cdq": "cdq", "pusha": "pushal", "pushal": "pushal", "pushaw": "pushaw",
        "popa": "popal", "popal": "popal", "popaw": "popaw", "pushf": "pushfd", "pushfl": "pushfd",
        "pushfw": "pushf", "popf": "popfd", "popfl": "popfd", "popfw": "popf", "iret": "iretd",
        "iretl": "iretd", "iretw": "iret", "leavel": "leave", "xlat": "xlatb", "xlatb": "xlatb",
        "ud2a": "ud2", "fwait": "wait", "wait": "wait",
    }.items():  # fmt: skip
        exact[name] = Spec("none", "", (0,), (decoded,))
    for name in "movs cmps stos lods scas ins outs".split():
        for suffix, letter in (("b", "b"), ("w", "w"), ("l", "d")):
            exact.setdefault(name + suffix, Spec("string", "", (0,), (name + letter,)))
    add(exact, "movsd cmpsd", Spec("sse", "", (0, 2, 3)))
    add(exact, "int", Spec("int", "", (1,)))
    add(exact, "aad aam", Spec("imm8", "", (0, 1)))
    add(exact, "arpl", Spec("arpl", "", (2,)))
    add(exact, "cmpxchg8b invlpg fxsave fxrstor ldmxcsr stmxcsr clflush prefetcht0 prefetcht1 "
        "prefetcht2 prefetchnta prefetchw", Spec("memory", "", (1,)))  # fmt: skip
    for name in "lgdt sgdt lidt sidt".split():
        exact[name] = exact[name + "l"] = Spec("memory", "", (1,), (name,))
    _x87(exact)
    _sse(exact)
    return sized, exact


def _x87(exact: dict[str, Spec]) -> None:
    for name in (
        "fld1 fldz fldpi fldl2e fldl2t fldlg2 fldln2 fchs fabs ftst fxam f2xm1 fyl2x fptan fpatan "
        "fxtract fprem1 fdecstp fincstp fprem fyl2xp1 fsqrt fsincos frndint fscale fsin fcos fnop "
        "fcompp fucompp fninit fnclex feni fneni fdisi fndisi fsetpm fnsetpm frstpm"
    ).split():
        exact[name] = Spec("none")
    for name in ("init", "clex"):
        exact[f"f{name}"] = Spec("none", "", (0,), (f"fn{name}",))
    for name in "fldenv fnstenv fnsave frstor fbld fbstp fldcw fnstcw".split():
        exact[name] = Spec("memory", "", (1,))
    for name in "stenv save stcw".split():
        exact[f"f{name}"] = Spec("memory", "", (1,), (f"fn{name}",))
    exact["fnstsw"] = Spec("fpu", "", (0, 1))
    exact["fstsw"] = Spec("fpu", "", (0, 1), ("fnstsw",))
    for name in "fld fst fstp".split():
        exact[name] = Spec("fpu", "", (1,))
        for suffix in "sl" if name == "fst" else "slt":
            exact[name + suffix] = Spec("memory", "", (1,), (name,))
    for name in "fild fist fistp fisttp".split():
        for suffix in ("s", "l") if name == "fist" else ("s", "l", "ll", "q"):
            exact[name + suffix] = Spec("memory", "", (1,), (name,))
    for name in "add mul sub subr div divr".split():
        # A disassembler may name the AT&T forms of fsub and fdiv to %st(i) by their reversals.
        twins = (f"f{name}", f"f{name.rstrip('r')}", f"f{name.rstrip('r')}r")
        both = tuple(dict.fromkeys(twins + tuple(f"{twin}p" for twin in twins)))
        exact[f"f{name}"] = Spec("fpu", "", (0, 1, 2), both)
        exact[f"f{name}p"] = Spec("fpu", "", (0, 1, 2), both)
    for name in "add mul sub subr div divr com comp".split():
        for suffix in "sl":
            exact[f"f{name}{suffix}"] = Spec("memory", "", (1,), (f"f{name}",))
            exact[f"fi{name}{suffix}"] = Spec("memory", "", (1,), (f"fi{name}",))
    for name in "fcom fcomp fucom fucomp fxch".split():
        exact[name] = Spec("fpu", "", (0, 1))
    for name in "comi comip ucomi ucomip".split():
        short = {"comip": "fcompi", "ucomip": "fucompi"}.get(name, f"f{name}")
        exact[f"f{name}"] = Spec("fpu", "", (0, 1, 2), (short, f"f{name}"))
    exact["ffree"] = Spec("fpu", "", (1,))
    for name in "b nb e ne be nbe u nu".split():
        exact[f"fcmov{name}"] = Spec("fpu", "", (2,))


def _sse(exact: dict[str, Spec]) -> None:
    two = [
        stem + kind
        for stem in "add sub mul div sqrt min max".split()
        for kind in ("ps", "ss", "pd", "sd")
    ]
    two += (
        "movaps movups movapd movupd andps andpd andnps andnpd orps orpd xorps xorpd ucomiss "
        "ucomisd comiss comisd movss unpcklps unpckhps unpcklpd unpckhpd cvtps2pd cvtpd2ps "
        "cvtss2sd cvtsd2ss cvtdq2ps cvtps2dq cvttps2dq cvtdq2pd cvtpd2dq cvttpd2dq rcpps rcpss "
        "rsqrtps rsqrtss movdqa movdqu paddb paddw paddd paddq psubb psubw psubd psubq pand pandn "
        "por pxor pcmpeqb pcmpeqw pcmpeqd pcmpgtb pcmpgtw pcmpgtd pmullw pmulhw pmuludq pmaddwd "
        "punpcklbw punpcklwd punpckldq punpcklqdq punpckhbw punpckhwd punpckhdq punpckhqdq "
        "packssdw packsswb packuswb pminub pmaxub pminsw pmaxsw pavgb pavgw psadbw movhlps "
        "movlhps movq movd movlps movhps movlpd movhpd movntps movntdq movntpd movmskps movmskpd "
        "pmovmskb cvtss2si cvtsd2si cvttss2si cvttsd2si cvtsi2ss cvtsi2sd psllw pslld psllq psrlw "
        "psrld psrlq psraw psrad pslldq psrldq paddsb paddsw paddusb paddusw psubsb psubsw psubusb "
        "psubusw pmulhuw maskmovq maskmovdqu movntq movdq2q movq2dq cvtpi2ps cvtps2pi cvttps2pi "
        "cvtpi2pd cvtpd2pi cvttpd2pi"
    ).split()
    for name in two:
        exact[name] = Spec("sse", "", (2,))
    for name in "cvtsi2ss cvtsi2sd cvtss2si cvtsd2si cvttss2si cvttsd2si".split():
        exact[f"{name}l"] = Spec("sse", "", (2,), (name,))
    for (
        name
    ) in "shufps shufpd cmpps cmpss cmppd pshufd pshufhw pshuflw pinsrw pextrw pshufw".split():
        exact[name] = Spec("sse", "", (3,))
    for predicate in COMPARISONS:
        for kind in ("ps", "ss", "pd", "sd"):
            exact[f"cmp{predicate}{kind}"] = Spec("sse", "", (2,))


SIZED, EXACT = _build()


def _are_neighbours_swapped(name: str, written: str) -> bool:
    differing = [at for at in range(min(len(name), len(written))) if name[at] != written[at]]
    if len(name) != len(written) or len(differing) != 2 or differing[1] != differing[0] + 1:
        return False
    at = differing[0]
    return name[at : at + 2] == written[at + 1] + written[at]


def suggestion(mnemonic: str) -> str | None:
    """The known mnemonic that an unknown one was probably meant to be."""
    names = {*SIZED, *EXACT, *PREFIXES}
    names |= {name + size for name, spec in SIZED.items() for size in spec.sizes}
    swapped = [name for name in sorted(names) if _are_neighbours_swapped(name, mnemonic)]
    near = swapped or difflib.get_close_matches(mnemonic, sorted(names), 3, 0.75)
    alike = [name for name in near if name[0] == mnemonic[0]]  # the first letter is seldom mistaken
    return (alike or near)[0] if near else None
