"""The vDSO and the auxiliary vector, by profile. The 6.x side is compared with Linux's own in
tests/programs/glibc/vdso.c.
"""

import io
import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from guest import boot, finish, label, run, run_to

from toykernel.arch.x86 import signal
from toykernel.arch.x86.elf import get_sigframe_size
from toykernel.arch.x86.i387 import FPSTATE_SIZE
from toykernel.arch.x86.vdso_image import VERSIONS, elf_hash, vdso_image
from toykernel.debug.debugger import Debugger
from toykernel.harness.images import vdso_text
from toykernel.harness.session import Session
from toykernel.look.filled import read_memory
from toykernel.look.task import TaskView
from toykernel.profiles import PROFILES
from toykernel.statehash import state_hash

COMMON = [16, 6, 17, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 23, 25, 31, 15]
#: What Linux 6.18 shows, entry by entry; the older ones lack what came later.
NEWEST = [32, 33, 51, 16, 6, 17, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 23, 25, 26, 31, 15, 27, 28]
WITHOUT = {"2.4": (32, 33, 51, 26, 27, 28), "2.6.39": (32, 33, 51, 26, 27, 28),
           "3.x": (51, 26, 27, 28), "4.x": (51, 27, 28), "6.x": ()}  # fmt: skip
CLOCKS = ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"]
ENDS = "sys_exit $0\n"
#: %edi is AT_SYSINFO_EHDR, 0 without one; %ebp AT_SYSINFO.
FIND = """
    movl %esp, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
1:  lodsl
    testl %eax, %eax
    jnz 1b
2:  lodsl
    testl %eax, %eax
    jnz 2b
3:  lodsl
    movl %eax, %ebx
    lodsl
    cmpl $32, %ebx
    cmovel %eax, %ebp
    cmpl $33, %ebx
    cmovel %eax, %edi
    testl %ebx, %ebx
    jnz 3b
"""


@pytest.mark.parametrize("kernel", PROFILES)
def test_the_entries_of_the_auxiliary_vector(kernel: str) -> None:
    session = boot(FIND + "there:\n" + ENDS, profile=PROFILES[kernel])
    task = run_to(session, "there")
    assert task.mm is not None
    pairs = list(struct.iter_unpack("<II", task.mm.saved_auxv))
    keys = [key for key in NEWEST if key not in WITHOUT[kernel]]
    assert [key for key, _ in pairs] == [*keys, 0]
    values = dict(pairs)
    assert set(COMMON) <= set(values)
    assert values.get(33, 0) == task.mm.vdso
    if task.mm.vdso:
        assert values[32] == task.mm.vdso + session.kernel.arch.vdso_symbols["__kernel_vsyscall"]
    assert values.get(51, 1440) == get_sigframe_size() == 1440
    assert (values.get(27, 28), values.get(28, 32), values.get(26, 0)) == (28, 32, 0)
    assert finish(session) == 0


def test_the_room_for_a_signal_frame() -> None:
    """fpu/signal.c: get_sigframe_size."""
    assert signal.RT_SIGFRAME_SIZE < signal.SIGFRAME_SIZE == 732
    assert get_sigframe_size() == (732 + 15 + FPSTATE_SIZE + 63 + 15) // 16 * 16


@pytest.mark.parametrize(
    ("cpu", "platform"), [("pentium", b"i586"), ("pentium3", b"i686"), ("max", b"i686")]
)
def test_what_the_cpu_can_do(cpu: str, platform: bytes) -> None:
    """AT_HWCAP is what CPUID answers; AT_PLATFORM is uname's machine."""
    source = """
    movl $122, %eax             # newuname
    movl $name, %ebx
    int $0x80
    movl $1, %eax
    cpuid
    movl %edx, %edi
there:
    sys_exit $0
.bss
name: .skip 390
"""
    session = boot(source, cpu=cpu)
    task = run_to(session, "there")
    assert task.mm is not None
    values = dict(struct.iter_unpack("<II", task.mm.saved_auxv))
    assert values[16] == session.kernel.machine.cpu.edi != 0
    assert session.read(task.pid, values[15], 5) == platform + b"\0"
    assert session.read(task.pid, label(session, "name") + 4 * 65, 5) == platform + b"\0"
    assert finish(session) == 0


@pytest.mark.parametrize("kernel", PROFILES)
def test_the_symbols(kernel: str) -> None:
    profile = PROFILES[kernel]
    image, places = vdso_image(vdso_text(), profile.vdso, profile.release)
    elf = ELFFile(io.BytesIO(image))
    wanted = list(VERSIONS["LINUX_2.5"])
    if kernel in ("3.x", "4.x", "6.x"):
        wanted += CLOCKS
    if kernel == "6.x":
        wanted += ["__vdso_clock_gettime64", "__vdso_clock_getres", "__vdso_getcpu"]
    assert list(places) == wanted
    dynsym = elf.get_section_by_name(".dynsym")
    found = {
        s.name: s["st_value"] for s in dynsym.iter_symbols() if s["st_info"]["type"] == "STT_FUNC"
    }
    assert found == places
    numbers = [s["ndx"] for s in elf.get_section_by_name(".gnu.version").iter_symbols()]
    names = {}
    for definition, parts in elf.get_section_by_name(".gnu.version_d").iter_versions():
        (name,) = [part.name for part in parts]
        assert definition["vd_hash"] == elf_hash(name)
        names[definition["vd_ndx"]] = name
    assert names[1] == "linux-gate.so.1"
    for symbol, number in zip(dynsym.iter_symbols(), numbers, strict=True):
        if symbol.name in places:
            assert symbol.name in VERSIONS[names[number]]
    segments = [segment["p_type"] for segment in elf.iter_segments()]
    assert segments == ["PT_LOAD", "PT_DYNAMIC", "PT_NOTE", "PT_GNU_EH_FRAME"]
    code = {name: image[at : at + 9].hex() for name, at in places.items()}
    assert code["__kernel_vsyscall"].startswith("cd80c3")
    assert code["__kernel_sigreturn"].startswith("58b877000000cd80")
    assert code["__kernel_rt_sigreturn"].startswith("b8ad000000cd80")


HANDLER = """
    movl $67, %eax              # sigaction, without a restorer
    movl $10, %ebx
    movl $act, %ecx
    xorl %edx, %edx
    int $0x80
    movl $20, %eax
    int $0x80
    movl %eax, %ebx
    movl $37, %eax              # kill
    movl $10, %ecx
    int $0x80
    cmpl $1, ran
    jne failed
    sys_exit $0
failed:
    sys_exit $1
handler:
    incl ran
in_handler:
    ret
.data
act: .long handler, 0, 0, 0
ran: .long 0
"""


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("kernel", ["2.6.39", "6.x"])
def test_where_a_handler_returns_to(kernel: str, enabled: bool) -> None:
    """setup_frame: into the vDSO where there is one, else to the code in the frame."""
    setting = (("vm.vdso_enabled", str(int(enabled))),)
    session = boot(HANDLER, profile=PROFILES[kernel], sysctl=setting, check=True)
    task = run_to(session, "in_handler")
    assert task.mm is not None
    assert bool(task.mm.vdso) == enabled
    esp = session.kernel.machine.cpu.esp
    (restorer,) = struct.unpack("<I", session.read(task.pid, esp, 4))
    code = read_memory(TaskView(session.kernel, task), restorer, 8)
    assert code == bytes.fromhex("58b877000000cd80")
    assert (restorer & -4096 == task.mm.vdso) == enabled
    assert finish(session) == 0


def test_every_program_has_the_same_frame_of_it() -> None:
    """Parent, child, and the one that init starts; nothing is left of it but the kernel's one page."""
    source = f"""{FIND}
    movl $2, %eax
    call *%ebp
    testl %eax, %eax
    jz child
    movl %eax, %ebx
    sys_waitpid %ebx, $0, $0
    sys_exit $0
child:
    movl $20, %eax
    call *%ebp
both:
    sys_exit $0
"""
    session = boot(source, profile=PROFILES["6.x"], check=True)
    task = run_to(session, "both")
    k = session.kernel
    assert task.mm is not None
    assert k.arch.vdso is not None
    walks = {session.walk(pid, task.mm.vdso).physical for pid in (2, task.pid)}
    (pfn,) = k.arch.vdso.pages.values()
    assert walks == {pfn << 12}
    assert "[vdso]" in [area.name for area in task.mm]
    assert finish(session) == 0
    assert k.arch.vdso.i_mmap == 1  # init's


def test_without_it_exec_maps_nothing() -> None:
    source = FIND + "testl %edi, %edi\njnz failed\ntestl %ebp, %ebp\njnz failed\n" + ENDS
    source += "failed:\n sys_exit $1\n"
    run(source)
    run(source, profile=PROFILES["6.x"], sysctl=(("vm.vdso_enabled", "0"),))


def test_the_debugger_names_it() -> None:
    session = boot(FIND + "there: call *%ebp\n" + ENDS, profile=PROFILES["6.x"])
    debugger = Debugger(session)
    debugger.start()
    task = run_to(session, "there")
    assert task.mm is not None
    at = session.kernel.machine.cpu.ebp
    assert debugger.images.symbol_at(task, at + 2) == "__kernel_vsyscall+2"
    image = debugger.images.of_address(task, at)
    assert image is not None
    assert (image.name, image.is_code(at), image.is_code(task.mm.vdso)) == ("vdso", True, False)


def test_a_snapshot_and_a_file_have_it(tmp_path: Path) -> None:
    session = boot(FIND + "there: movl $20, %eax\ncall *%ebp\n" + ENDS, profile=PROFILES["6.x"])
    run_to(session, "there")
    session.save(tmp_path / "moment")
    other = Session.load(tmp_path / "moment")
    assert finish(session) == finish(other) == 0
    assert state_hash(session.kernel) == state_hash(other.kernel)
