"""Debugging data of an ELF file is read when it is asked for, and one unit's is as good as all of it."""

from __future__ import annotations

from pathlib import Path

from toykernel.harness import runner
from toykernel.harness.session import Session
from toykernel.look.image import Image
from toykernel.state import Config
from userland.assembler import assemble

USERLAND = Path(__file__).parents[2] / "userland"
SIGUSR1_HANDLED = """
.globl _start
_start:
    movl $48, %eax          # signal(SIGUSR1, handler)
    movl $10, %ebx
    movl $handler, %ecx
    int $0x80
    movl $20, %eax          # getpid
    int $0x80
    movl %eax, %ebx
    movl $37, %eax          # kill
    movl $10, %ecx
    int $0x80
    movl $1, %eax
    movl $7, %ebx
    int $0x80
handler:
    ret
"""


def an_elf() -> bytes:
    return assemble(USERLAND / "fork_sample.S", include=[USERLAND / "include"]).elf()


def test_one_address_answers_as_the_whole_table_does() -> None:
    lazy, whole = (
        Image.of_elf("program", an_elf(), 0x1000),
        Image.of_elf("program", an_elf(), 0x1000),
    )
    assert len(whole.lines) > 20  # from here on it looks into them
    for address in range(whole.lines[0].address - 2, whole.lines[-1].address + 20):
        assert lazy.entry_at(address) == whole.entry_at(address), hex(address)
    assert "lines" not in vars(lazy)
    assert lazy.symbol_at(lazy.labels["_start"] + 2) == "_start+2"


def test_a_signal_that_is_handled_reads_no_debugging_data(tmp_path: Path) -> None:
    source = tmp_path / "program.S"
    source.write_text(SIGUSR1_HANDLED)
    program = tmp_path / "program"
    program.write_bytes(assemble(source).elf())
    session = Session(program, config=Config(memory=16 << 20))
    assert runner.run(session).status == 7
    assert "program_image" not in vars(session)
