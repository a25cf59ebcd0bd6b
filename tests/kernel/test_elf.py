"""Executables, good and bad: mapped as Linux maps them, or refused with its error; never a traceback."""

from pathlib import Path

import pytest
from elf_image import DATA, TEXT, Phdr, R, W, X, elf, exits
from guest import boot, boot_elf, finish, look, run_to, status_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_linux import run as run_native

from toykernel import run_loop
from toykernel.check.invariants import check_all
from toykernel.errno import EINVAL, EIO, ENOENT, ENOEXEC, EPERM, Errno, name
from toykernel.fs.binfmt_elf import ElfImage, parse_elf
from toykernel.look.frames import leaked_frames
from toykernel.observe.run_stats import RunStats

GOOD = elf(Phdr(TEXT, exits(7)))
SEGV = 11


def exec_error(image: bytes) -> int:
    """The errno with which exec of an image fails; init's child exits with it. 0 when it ran."""
    k = boot_elf(image, memory=2 << 20)
    stats = RunStats(k)
    assert run_loop.run(k, 2_000_000).kind == "finished"
    check_all(k)
    assert leaked_frames(k) == 0
    assert stats.program_status is not None
    return 0 if stats.started else stats.program_status >> 8


def test_a_small_one_runs() -> None:
    assert status_of(GOOD) == 7 << 8


@pytest.mark.parametrize("number", range(7))
def test_identification(number: int) -> None:
    assert exec_error(elf(Phdr(TEXT, exits(0)), ident=number)) == ENOEXEC


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (ENOEXEC, {"type": 1}),
        (0, {"type": 3}),  # ET_DYN, which does not mind where it is
        (ENOEXEC, {"machine": 62}),
        (ENOEXEC, {"phentsize": 0}),
        (ENOEXEC, {"phentsize": 56}),
        (ENOEXEC, {"phnum": 0}),
        (ENOEXEC, {"phnum": 2049}),
        (EIO, {"phnum": 2048}),
        (EIO, {"phoff": 0xFFFFFFFF}),
        (EIO, {"phoff": 0x7FFFFFF0}),
        (ENOEXEC, {"phoff": 0}),  # what is there is no PT_LOAD
        (0, {"machine": 6}),  # EM_486
        (0, {"shoff": 0xFFFFFFFF, "shnum": 0xFFFF, "shentsize": 0}),  # exec does not look there
    ],
)
def test_file_headers(error: int, header: dict[str, int]) -> None:
    assert name(exec_error(elf(Phdr(TEXT, exits(0)), **header))) == name(error)


@pytest.mark.parametrize(
    ("error", "phdr"),
    [
        (EINVAL, Phdr(DATA, b"x", memsz=0)),
        (EINVAL, Phdr(DATA, memsz=0xC0000001)),
        (EINVAL, Phdr(DATA, memsz=0xFFFFFFFF)),
        (EINVAL, Phdr(0xBFFFF000, memsz=0x1001)),
        (EINVAL, Phdr(0xC0000000, memsz=1)),
        (EINVAL, Phdr(0xFFFFF000, memsz=0x1000)),
        (EINVAL, Phdr(DATA, b"x", offset=0x1001)),  # not congruent: cannot be mapped
        (EPERM, Phdr(0, memsz=0x2000)),
        (EPERM, Phdr(0xFFF, memsz=1)),
        (0, Phdr(0x1000, memsz=1)),
        (ENOEXEC, Phdr(DATA, filesz=0x1000, offset=0x7FFFF000)),
        (ENOENT, Phdr(DATA, b"/lib/ld.so\0", type=3)),
        (ENOEXEC, Phdr(DATA, b"/lib/ld.so", type=3)),  # without its NUL
        (ENOEXEC, Phdr(DATA, b"\0", type=3)),
        (0, Phdr(TEXT, memsz=0x2000)),  # one shared page
        (0, Phdr(DATA, memsz=0)),
        (0, Phdr(DATA + 5, memsz=0)),
        (0, Phdr(DATA, memsz=0x80000000)),
        (0, Phdr(DATA, b"x", flags=0)),
        (0, Phdr(DATA, b"x", flags=0xFFFFFFFF)),
        (0, Phdr(0xFFFFFFFF, b"x", type=4, filesz=0xFFFFFFFF)),  # PT_NOTE: not looked at
    ],
)
def test_program_headers(error: int, phdr: Phdr) -> None:
    assert name(exec_error(elf(Phdr(TEXT, exits(0)), phdr))) == name(error)


def test_more_than_one_page_in_common_is_refused() -> None:
    two_pages = Phdr(TEXT, exits(0) + bytes(0x1000))
    assert exec_error(elf(two_pages, Phdr(TEXT, memsz=0x2000))) == EINVAL
    assert exec_error(elf(two_pages, Phdr(TEXT + 0x1000, memsz=0x2000))) == 0


def test_nothing_can_take_the_place_of_the_stack() -> None:
    assert exec_error(elf(Phdr(TEXT, exits(0)), Phdr(0xBFFFF000, memsz=0x1000))) != 0


@pytest.mark.parametrize("entry", [0, 0x1234, 0xBFFFFFFF, 0xC0000000, 0xC0001000, 0xFFFFFFFF])
def test_an_entry_outside_is_sigsegv(entry: int) -> None:  # A6, K7
    assert status_of(elf(Phdr(TEXT, exits(0)), entry=entry)) == SEGV


def test_no_segment_in_order() -> None:
    store = b"\xc6\x05\x00\x90\x04\x08\x05"  # movb $5, 0x08049000
    image = elf(Phdr(DATA, b"xyz", flags=R | W, memsz=0x3000), Phdr(TEXT, store + exits(3)))
    assert status_of(image) == 3 << 8


WRITES = b"\xc6\x05\x10\x80\x04\x08\x05"  # movb $5, TEXT + 0x10


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (R | X, R | W | X, 9 << 8),  # the later segment may be written, so the page may
        (R | W | X, R | X, SEGV),
        (R | X, R | X, SEGV),
    ],
)
def test_two_segments_on_a_page(first: int, second: int, status: int) -> None:
    code = WRITES + exits(9)
    image = elf(
        Phdr(TEXT, code, flags=first, offset=0x1000),
        Phdr(TEXT + 0x40, b"tail", memsz=0x2000, flags=second, offset=0x1040),
    )
    session = boot(image, check=True)
    assert finish(session) == status
    assert session.stats.faults["cow_reused"] == 0  # the right was there from the start


def test_bss_on_the_page_of_another_segment() -> None:
    image = elf(
        Phdr(TEXT, WRITES + exits(9), flags=R | W | X), Phdr(TEXT + 0x800, memsz=0x1000, flags=R)
    )
    assert status_of(image) == SEGV


def test_memory_without_rights_cannot_be_read() -> None:  # K7
    load = b"\xa0\x00\x90\x04\x08"  # movb 0x08049000, %al
    assert status_of(elf(Phdr(TEXT, load + exits(0)), Phdr(DATA, b"x", flags=0))) == SEGV
    assert status_of(elf(Phdr(TEXT, load + exits(0)), Phdr(DATA, b"x", flags=W))) == 0


def test_no_memory_for_a_program() -> None:
    """More contents than there is RAM: exec fails with ENOMEM and nothing is lost."""
    assert exec_error(elf(Phdr(TEXT, exits(0)), Phdr(DATA, bytes(range(256)) * 8192))) == 12


def test_permissions_by_segment() -> None:
    session = boot(
        "here: nop\n sys_exit $0\n.section .rodata\n.long 1\n.data\nd: .long 2\n.bss\nb: .space 4\n"
    )
    k = session.kernel
    task = run_to(session, "here")
    assert task.mm is not None
    wanted = []
    for segment in parse_elf(session.elf).segments:
        letters = "".join(
            c if segment.flags & bit else "-" for c, bit in zip("rwx", (4, 2, 1), strict=False)
        )
        wanted.append((segment.vaddr & ~0xFFF, letters + "p"))
    found = [(a.vm_start, a.permissions()) for a in task.mm if a.name == "program"]
    assert found == wanted
    assert {rights for _, rights in found} == {"r-xp", "r--p", "rw-p"}
    for area in task.mm:
        seen = look(k, task, area.vm_start)
        if seen.physical is not None and area.name == "program":
            assert seen.user
            assert seen.writable == ("w" in area.permissions())


def mutations() -> st.SearchStrategy[bytes]:
    """The good image with some bytes changed, cut or lengthened; mostly in its headers."""
    at = st.one_of(st.integers(0, 83), st.integers(0, len(GOOD) - 1))
    change = st.tuples(
        at, st.one_of(st.integers(0, 255), st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
    )

    def apply(parts: tuple[list[tuple[int, int]], int]) -> bytes:
        image = bytearray(GOOD)
        for place, value in parts[0]:
            image[place] = value
        return bytes(image[: parts[1]])

    return st.tuples(st.lists(change, min_size=1, max_size=8), st.integers(0, len(GOOD))).map(apply)


@settings(max_examples=1500, deadline=None)
@given(mutations() | st.binary(max_size=200) | st.binary(max_size=120).map(lambda b: GOOD[:40] + b))
def test_whatever_the_bytes_parse_answers(image: bytes) -> None:
    answer: object
    try:
        answer = parse_elf(image)
    except Errno as error:
        answer = error.number
    assert isinstance(answer, ElfImage) or answer in (ENOEXEC, EINVAL, EIO)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutations())
def test_whatever_the_bytes_exec_ends(image: bytes) -> None:
    """Loaded and run, or refused: no exception, no leak, no broken invariant."""
    k = boot_elf(image, memory=1 << 20)
    outcome = run_loop.run(k, 200_000)
    check_all(k)
    assert leaked_frames(k) == 0
    assert outcome.kind in ("finished", "limit")


@pytest.mark.usefixtures("linux32")
@pytest.mark.parametrize(
    "image",
    [
        GOOD,
        elf(Phdr(TEXT, WRITES + exits(9)), Phdr(DATA, memsz=0)),
        elf(Phdr(DATA, b"xyz", flags=R | W, memsz=0x3000), Phdr(TEXT, exits(3))),
        elf(Phdr(TEXT, exits(0)), entry=0x1234),
        elf(Phdr(TEXT, b"\xa0\x00\x90\x04\x08" + exits(0)), Phdr(DATA, b"x", flags=0)),
        elf(Phdr(TEXT, exits(5)), shoff=0xFFFFFFFF, shnum=0xFFFF),
    ],
    ids=["good", "zero-size", "unsorted", "entry", "no-rights", "no-sections"],
)
def test_linux_does_the_same(image: bytes, tmp_path: Path) -> None:
    program = tmp_path / "guest"
    program.write_bytes(image)
    program.chmod(0o755)
    _, _, status, signal = run_native(program)
    word = signal if signal is not None else status << 8
    assert status_of(image) == word
