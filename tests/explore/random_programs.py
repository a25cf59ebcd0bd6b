"""Random programs of two or three processes with a few visible operations each, for test_random.py.

Every process gathers what its calls answer in %esi and ends with it, so that no call is needed to tell.
"""

from __future__ import annotations

import random

_HEAD = """.globl _start
.macro call number, a=$0, b=$0, c=$0, d=$0, e=$0
    movl \\a, %ebx
    movl \\b, %ecx
    movl \\c, %edx
    pushl %esi
    movl \\d, %esi
    movl \\e, %edi
    movl $\\number, %eax
    int $0x80
    popl %esi
    gather
.endm
.macro gather
    imull $31, %esi
    addl %eax, %esi
.endm
.text
_start:
    xorl %esi, %esi
"""
_TAIL = """finish:
    imull $31, %esi
    addl hits, %esi
    movl %esi, %ebx
    andl $0x7f, %ebx
    movl $1, %eax
    int $0x80
note:
    incl hits
    ret
restorer:
    popl %eax
    movl $119, %eax
    int $0x80
.data
hits: .long 0
ends: .long 0, 0
shared: .long 0
fd: .long 0
sem: .long 0
nothing: .long 0, 0
mask: .long 0x200, 0
act: .long note, 0x04000000, restorer, 0, 0
down: .short 0, -1, 0
up: .short 0, 1, 0
file: .asciz "/f"
other: .asciz "/g"
fifo: .asciz "/p"
stat: .asciz "/proc/2/stat"
text: .ascii "abcdefgh"
buffer: .fill 64
"""
_HANDLER = "    call 174, $10, $act, $0, $8\n"
_SHARE = """    movl $192, %eax
    xorl %ebx, %ebx
    movl $4096, %ecx
    movl $3, %edx
    movl ${flags}, %esi
    movl {fd}, %edi
    xorl %ebp, %ebp
    int $0x80
    movl %eax, shared
    xorl %esi, %esi
"""
_FILE = "    call 5, $file, $0102, $0600\n    movl %eax, fd\n    call 4, fd, $text, $8\n"
_LOAD = "    movl shared, %eax\n    movl (%eax), %eax\n    gather\n"
_WRITE = "    call 4, $1, $text + {n}, $1\n"
_WAITS = ["    call 7, $-1, $buffer\n", "    call 7, $-1, $buffer, $1\n"]
_KILL = "    call 37, ${who}, ${signal}\n"
#: What stands before the forks, and operations; {n} is a number below 8, {bit} and
#: {third} what is left of it, {who} another process.
KINDS: dict[str, tuple[str, list[str]]] = {
    "pipe": (
        "    call 331, $ends, $0\n",
        [
            *("    call 4, ends + 4, $text + {n}, $1\n", "    call 6, ends + 4\n", _WRITE),
            *("    call 3, ends, $buffer, $1\n    movzbl buffer, %eax\n    gather\n", *_WAITS),
        ],
    ),
    "signal": (
        _HANDLER,
        [
            *(_KILL, _KILL, "    call 29\n", "    call 175, ${third}, $mask, $0, $8\n", _WRITE),
            *("    call 179, $nothing, $8\n", "    call 20\n", *_WAITS),
        ],
    ),
    "wait": (
        "",
        [
            *(*_WAITS, "    movl $2, %eax\n    int $0x80\n    gather\n", "    call 64\n", _WRITE),
            *("    call 172, $36, $1\n", _KILL, "    movl ${n}, %esi\n    jmp finish\n"),
        ],
    ),
    "file": (
        "",
        [
            *("    call 5, $file, $0301, $0600\n    movl %eax, fd\n", "    call 10, $file\n"),
            *("    call 5, $file, $2\n    movl %eax, fd\n", "    call 4, fd, $text + {n}, $1\n"),
            *("    call 3, fd, $buffer, $2\n    movl buffer, %eax\n    gather\n", _WRITE),
            *(
                "    call 38, $file, $other\n",
                "    call 33, $other\n",
                "    call 9, $file, $other\n",
            ),
        ],
    ),
    "fifo": (
        "    call 14, $fifo, $010600\n",
        [
            *("    call 5, $fifo, $04000\n    movl %eax, fd\n", "    call 6, fd\n"),
            *("    call 5, $fifo, $04001\n    movl %eax, fd\n", "    call 4, fd, $text, $1\n"),
        ],
    ),
    "proc": (
        "",
        [
            "    call 5, $stat\n    movl %eax, fd\n    call 3, fd, $buffer, $32\n"
            "    movl $buffer, %ecx\n1:  incl %ecx\n    cmpb $')', -2(%ecx)\n    jne 1b\n"
            "    movzbl (%ecx), %eax\n    gather\n",
            *(_WRITE, *_WAITS),
        ],
    ),
    "semaphore": (
        _HANDLER + "    call 117, $2, $0, $1, $0600\n    movl %eax, sem\n",
        [
            *("    call 117, $1, sem, $1, $0, $down\n", "    call 117, $1, sem, $1, $0, $up\n"),
            *(_WRITE, _KILL),
        ],
    ),
    "futex": (
        _SHARE.format(flags="0x21", fd="$-1"),
        [
            *("    call 240, shared, $0, ${bit}\n", "    call 240, shared, $1, $1\n", _LOAD),
            *("    movl shared, %eax\n    movl ${bit}, (%eax)\n", _WRITE),
        ],
    ),
    "memory": (
        _SHARE.format(flags="0x21", fd="$-1"),
        [
            *("    movl shared, %eax\n    incl (%eax)\n", _LOAD, "    call 4, $1, shared, $1\n"),
            *("    movl shared, %eax\n    lock\n    incl (%eax)\n", _WRITE),
        ],
    ),
    "mapped": (
        _FILE + _SHARE.format(flags="1", fd="fd"),
        [
            *("    movl shared, %eax\n    incl (%eax)\n", _LOAD, "    call 19, fd, ${n}, $0\n"),
            *("    call 3, fd, $buffer, $2\n    movl buffer, %eax\n    gather\n", _WRITE),
            "    call 4, fd, $text + {n}, $1\n",
        ],
    ),
}
#: Whose operations are instructions, too.
IN_MEMORY = ("futex", "memory", "mapped")


def program(kind: str, seed: int) -> str:
    """A program; the same for the same seed."""
    rng = random.Random(f"{kind} {seed}")
    before, operations = KINDS[kind]
    most = 2 if kind in IN_MEMORY else 3
    processes = rng.randint(2, most)
    text = _HEAD + before
    for number in range(1, processes):
        text += f"    movl $2, %eax\n    int $0x80\n    testl %eax, %eax\n    jz process{number}\n"
    for number in range(processes):
        text += f"process{number}:\n"
        for _ in range(rng.randint(1, 2) if processes == 3 else rng.randint(2, 3)):
            others = [pid for pid in range(2, 2 + processes) if pid != 2 + number]
            number_below_8 = rng.randrange(8)
            words = {
                "{n}": number_below_8,
                "{bit}": number_below_8 % 2,
                "{third}": number_below_8 % 3,
                "{who}": rng.choice(others),
                "{signal}": rng.choice([10, 10, 9, 19, 18]),
            }
            operation = rng.choice(operations)
            for name, value in words.items():
                operation = operation.replace(name, str(value))
            text += operation
        text += "    jmp finish\n"
    return text + _TAIL
