"""Small programs that run here and on this machine's own Linux, and what both make of them.

A program is assembly after HEAD; it ends with a status, or (`keep`, `tell`) with a list of answers.
"""

from __future__ import annotations

import struct
from pathlib import Path

from native_linux import build, run

from toykernel.check.invariants import check_all
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames

LIMIT = 60_000_000  # cycles: nearly two seconds of virtual time
HEAD = """
.include "linux.inc"
.include "process.inc"
.include "signal.inc"
.macro call number:req, ebx=$0, ecx=$0, edx=$0, esi=$0, edi=$0, ebp=$0
    movl \\ebx, %ebx
    movl \\ecx, %ecx
    movl \\edx, %edx
    movl \\esi, %esi
    movl \\edi, %edi
    movl \\ebp, %ebp
    movl $\\number, %eax
    int $0x80
.endm
.macro nap                          # 20 ms: everybody else sleeps again
    call 162, $a_nap
.endm
.macro thread entry:req             # a thread that begins at a label
    call 120, $(CLONE_AS_THREAD & ~CLONE_SYSVSEM), $thread_stack
    testl %eax, %eax
    jz \\entry
.endm
.macro child entry:req              # a process that begins at a label; its pid in `pid`
    call 2
    testl %eax, %eax
    jz \\entry
    movl %eax, pid
.endm
.macro reap                         # its exit status in %ebx
    call 7, pid, $status, $0
    movzbl status+1, %ebx
.endm
.macro keep                         # %eax is one of the answers
    movl answers_end, %edx
    movl %eax, (%edx)
    addl $4, answers_end
.endm
.macro tell                         # all of them, and the end
    movl answers_end, %edx
    subl $answers, %edx
    call 4, $1, $answers, %edx
    xorl %ebx, %ebx
    end
.endm
.macro end
    movl $252, %eax                 # exit_group
    int $0x80
.endm
.data
.balign 4
a_nap:  .long 0, 20000000
long:   .long 0, 100000000
pid:    .long 0
status: .long 0
fds:    .long 0, 0
done:   .long 0
answers_end: .long answers
.bss
.balign 4096
buf:    .space 65536 * 2
        .space 4096
thread_stack:
answers: .space 4096
.text
.globl _start
_start:
"""


def _here(source: Path) -> Session:
    session = Session(source)
    outcome = session.run(LIMIT)
    assert outcome.kind == "finished", outcome
    check_all(session.kernel)
    assert leaked_frames(session.kernel) == 0
    assert session.kernel.memory.slabs.filp.active == 0, "open files are left"
    return session


def _source(tmp_path: Path, body: str) -> Path:
    source = tmp_path / "program.S"
    source.write_text(HEAD + body + '\n.text\n.include "print.inc"\n')
    return source


def both(tmp_path: Path, body: str) -> tuple[int, int]:
    """Exit status here and on Linux."""
    source = _source(tmp_path, body)
    status = _here(source).stats.program_status
    assert status is not None
    return status >> 8, run(build(source, tmp_path))[2]


def answers_here(tmp_path: Path, body: str) -> list[int]:
    """What a program has kept, as it ran here."""
    return _numbers(_here(_source(tmp_path, body)).stdout)


def answers_of_both(tmp_path: Path, body: str) -> tuple[list[int], list[int]]:
    """What it has kept, here and on Linux."""
    here = answers_here(tmp_path, body)
    return here, _numbers(run(build(tmp_path / "program.S", tmp_path))[0])


def _numbers(output: bytes) -> list[int]:
    return [number for (number,) in struct.iter_unpack("<i", output)]
