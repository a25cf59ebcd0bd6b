"""The vDSO as an ELF object, field by field, by the ABI's rules."""

import io
import struct
from typing import Any

import pytest
from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile

from toykernel.arch.x86.vdso_image import VERSIONS, elf_hash, vdso_image
from toykernel.harness.images import vdso_text
from toykernel.profiles import PROFILES

#: Name: SHT_, SHF_ (2 ALLOC, 4 EXECINSTR, 1 WRITE), alignment, size of an entry, linked section, sh_info.
SECTIONS: dict[str, tuple[str, int, int, int, str, int]] = {
    "": ("SHT_NULL", 0, 0, 0, "", 0),
    ".hash": ("SHT_HASH", 2, 4, 4, ".dynsym", 0),
    ".dynsym": ("SHT_DYNSYM", 2, 4, 16, ".dynstr", 1),  # the first global symbol
    ".dynstr": ("SHT_STRTAB", 2, 1, 0, "", 0),
    ".gnu.version": ("SHT_GNU_versym", 2, 2, 2, ".dynsym", 0),
    ".gnu.version_d": ("SHT_GNU_verdef", 2, 4, 0, ".dynstr", 3),  # how many definitions
    ".dynamic": ("SHT_DYNAMIC", 3, 4, 8, ".dynstr", 0),
    ".note": ("SHT_NOTE", 2, 4, 0, "", 0),
    ".eh_frame_hdr": ("SHT_PROGBITS", 2, 4, 0, "", 0),
    ".eh_frame": ("SHT_PROGBITS", 2, 4, 0, "", 0),
    ".text": ("SHT_PROGBITS", 6, 16, 0, "", 0),
    ".shstrtab": ("SHT_STRTAB", 0, 1, 0, "", 0),
}
#: struct sigcontext (asm/sigcontext.h), by DWARF's numbers: ax, cx, dx, bx, bp, si, di, and the address (8).
SIGCONTEXT = {0: 44, 1: 40, 2: 36, 3: 32, 5: 24, 6: 20, 7: 16, 8: 56}
SP = 28
#: What the stack pointer is away from it in __kernel_rt_sigreturn: signal, two pointers, siginfo, and of
#: struct ucontext flags, link and stack.
RT = 3 * 4 + 128 + 4 + 4 + 12


class Made:
    """The newest one, its bytes and where its functions are."""

    def __init__(self, kernel: str) -> None:
        profile = PROFILES[kernel]
        self.text = vdso_text()
        self.names = profile.vdso
        self.image, self.places = vdso_image(self.text, profile.vdso, profile.release)
        self.elf = ELFFile(io.BytesIO(self.image))
        self.sections: dict[str, Any] = {s.name: s for s in self.elf.iter_sections()}


@pytest.fixture(scope="module", params=["2.6.39", "6.x"])
def made(request: pytest.FixtureRequest) -> Made:
    return Made(request.param)


def test_the_header(made: Made) -> None:
    header = made.elf.header
    assert made.image[:16] == b"\x7fELF\1\1\1" + bytes(9)
    assert (header.e_type, header.e_machine, header.e_version) == ("ET_DYN", "EM_386", "EV_CURRENT")
    assert (header.e_entry, header.e_flags) == (made.places["__kernel_vsyscall"], 0)
    assert (header.e_ehsize, header.e_phentsize, header.e_shentsize) == (52, 32, 40)
    assert (header.e_phoff, header.e_phnum) == (52, 4)
    assert (header.e_shnum, header.e_shstrndx) == (12, 11)
    assert header.e_shoff % 4 == 0
    assert header.e_shoff + 12 * 40 == len(made.image) <= 4096


def test_the_sections(made: Made) -> None:
    assert list(made.sections) == list(SECTIONS)
    names = list(SECTIONS)
    end = 52 + 4 * 32
    for name, (kind, flags, align, entsize, link, info) in SECTIONS.items():
        header = made.sections[name].header
        if name == ".gnu.version_d":
            info = 1 + sum(bool(set(theirs) & set(made.names)) for theirs in VERSIONS.values())
        assert (header.sh_type, header.sh_flags, header.sh_entsize) == (kind, flags, entsize)
        assert (names[header.sh_link], header.sh_info) == (link, info), name
        assert header.sh_addralign == align
        if not name:
            assert header.sh_size == header.sh_offset == 0
            continue
        assert header.sh_addr == (0 if name == ".shstrtab" else header.sh_offset)
        assert end <= header.sh_offset < end + max(align, 1)  # nothing but what aligning takes
        assert header.sh_offset % align == 0
        end = header.sh_offset + header.sh_size
        assert name == ".shstrtab" or header.sh_size % (entsize or 1) == 0
    assert end <= made.elf.header.e_shoff < end + 4
    assert made.sections[".text"].data() == made.text.code
    assert made.elf.header.e_shoff == (end + 3) // 4 * 4


def test_the_segments(made: Made) -> None:
    text = made.sections[".text"].header
    rows = [("PT_LOAD", 0, text.sh_offset + text.sh_size, 5, 4096)]
    rows += [
        (kind, made.sections[name].header.sh_offset, made.sections[name].header.sh_size, 4, 4)
        for kind, name in (
            ("PT_DYNAMIC", ".dynamic"), ("PT_NOTE", ".note"), ("PT_GNU_EH_FRAME", ".eh_frame_hdr"),
        )
    ]  # fmt: skip
    for segment, (kind, at, size, flags, align) in zip(made.elf.iter_segments(), rows, strict=True):
        head = segment.header
        assert (head.p_type, head.p_flags, head.p_align) == (kind, flags, align)
        assert (head.p_offset, head.p_vaddr, head.p_paddr) == (at, at, at)
        assert (head.p_filesz, head.p_memsz) == (size, size)


def test_what_a_dynamic_linker_reads(made: Made) -> None:
    tags = {tag.entry.d_tag: tag.entry.d_val for tag in made.sections[".dynamic"].iter_tags()}
    place = {name: section.header.sh_addr for name, section in made.sections.items()}
    strings = made.sections[".dynstr"]
    assert strings.get_string(tags.pop("DT_SONAME")) == "linux-gate.so.1"
    assert tags == {
        "DT_SYMBOLIC": 0, "DT_HASH": place[".hash"], "DT_STRTAB": place[".dynstr"],
        "DT_SYMTAB": place[".dynsym"], "DT_STRSZ": strings.header.sh_size, "DT_SYMENT": 16,
        "DT_VERDEF": place[".gnu.version_d"], "DT_VERSYM": place[".gnu.version"], "DT_NULL": 0,
        "DT_VERDEFNUM": made.sections[".gnu.version_d"].header.sh_info,
    }  # fmt: skip
    assert strings.data().startswith(b"\0")
    assert strings.data().endswith(b"\0")
    assert len(set(strings.data().split(b"\0")[1:-1])) == strings.data().count(b"\0") - 1


def test_every_symbol(made: Made) -> None:
    versions = [v for v, theirs in VERSIONS.items() if set(theirs) & set(made.names)]
    none, *symbols = made.sections[".dynsym"].iter_symbols()
    assert bytes(made.sections[".dynsym"].data()[:16]) == bytes(16)
    assert not none.name
    assert [s.name for s in symbols] == [*made.names, *versions]
    for symbol in symbols:
        entry = symbol.entry
        assert (entry.st_info.bind, entry.st_other.visibility) == ("STB_GLOBAL", "STV_DEFAULT")
        if symbol.name in versions:
            assert (entry.st_info.type, entry.st_shndx) == ("STT_OBJECT", "SHN_ABS")
            assert entry.st_value == entry.st_size == 0
        else:
            at, size = made.text.functions[symbol.name]
            base = made.sections[".text"].header.sh_addr
            assert (entry.st_info.type, entry.st_shndx) == ("STT_FUNC", 10)
            assert (entry.st_value, entry.st_size) == (base + at, size)
    numbers = struct.unpack(f"<{len(symbols) + 1}H", made.sections[".gnu.version"].data())
    of_name = {name: 2 + n for n, v in enumerate(versions) for name in (*VERSIONS[v], v)}
    assert numbers == (0, *(of_name[s.name] for s in symbols))


def test_the_hash_table_leads_to_every_symbol(made: Made) -> None:
    """System V ABI, figure 5-12: nbucket, nchain, buckets, chains."""
    words = struct.unpack(f"<{made.sections['.hash'].header.sh_size // 4}I",
                          made.sections[".hash"].data())  # fmt: skip
    symbols = [s.name for s in made.sections[".dynsym"].iter_symbols()]
    buckets, chains = words[2 : 2 + words[0]], words[2 + words[0] :]
    assert words[1] == len(chains) == len(symbols)
    met = []
    for number, first in enumerate(buckets):
        at = first
        while at:
            assert elf_hash(symbols[at]) % words[0] == number
            met.append(at)
            at = chains[at]
    assert sorted(met) == list(range(1, len(symbols)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("", 0), ("printf", 0x077905A6), ("exit", 0x0006CF04)),
        *(("syscall", 0x0B09985C), ("flapenguin.me", 0x03987915)),
    ],
)
def test_the_hash_function(name: str, value: int) -> None:
    assert elf_hash(name) == value


def test_the_hash_of_long_names() -> None:
    """The ABI's text: four bits a letter, and what goes out at the top comes back at bit 4."""
    for length in range(1, 40):
        name = "".join(chr(33 + (7 * length + 29 * at) % 90) for at in range(length))
        expected = 0
        for letter in name:
            top, expected = divmod(expected * 16 + ord(letter), 1 << 28)
            expected ^= top << 4
        assert elf_hash(name) == expected


def test_the_versions(made: Made) -> None:
    """Verdef: the first names the file and says so (VER_FLG_BASE); each with one Verdaux behind it."""
    data, strings = made.sections[".gnu.version_d"].data(), made.sections[".dynstr"]
    count = made.sections[".gnu.version_d"].header.sh_info
    assert len(data) == 28 * count
    for number in range(1, count + 1):
        row = struct.unpack_from("<4H5I", data, 28 * (number - 1))
        name = strings.get_string(row[7])
        assert name == ("linux-gate.so.1", *VERSIONS)[number - 1]
        last = number == count
        assert row[:7] == (1, int(number == 1), number, 1, elf_hash(name), 20, 0 if last else 28)
        assert row[8] == 0


@pytest.mark.parametrize("kernel", PROFILES)
def test_the_note_says_for_which_kernel(kernel: str) -> None:
    (note,) = Made(kernel).sections[".note"].iter_notes()
    major, minor, patch = map(int, PROFILES[kernel].release.split("."))
    assert (note.n_namesz, note.n_descsz, note.n_name) == (6, 4, "Linux")
    assert note.n_type in (0, "NT_GNU_ABI_TAG") or int(note.n_type) == 0
    assert note.n_descdata == struct.pack("<I", major * 65536 + minor * 256 + patch)


def test_the_unwind_table_has_no_search_table(made: Made) -> None:
    head = made.sections[".eh_frame_hdr"]
    version, pointer, count, table, distance = struct.unpack("<4Bi", head.data())
    assert (version, pointer, count, table) == (1, 0x1B, 0xFF, 0xFF)  # pcrel sdata4; omitted
    assert head.header.sh_addr + 4 + distance == made.sections[".eh_frame"].header.sh_addr


def expression(block: list[int]) -> tuple[int, bool]:
    """DW_OP_breg4 and its offset; whether DW_OP_deref follows."""
    assert block[0] == 0x74
    value = shift = 0
    for byte in block[1:]:  # signed LEB128
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    value -= (value >> (shift - 1) & 1) << shift
    rest = block[1 + shift // 7 :]
    assert rest in ([], [6])
    return value, rest == [6]


def test_how_to_unwind_a_handler(made: Made) -> None:
    """Where each register is while a handler's return address points here."""
    functions = {name: made.places[name] for name in made.places if "sigreturn" in name}
    entries = made.elf.get_dwarf_info().EH_CFI_entries()
    common = entries[0]
    assert (common.header["version"], common.header["augmentation"]) == (1, b"zRS")
    assert (common.header["code_alignment_factor"], common.header["data_alignment_factor"]) == (
        1, -4,
    )  # fmt: skip
    assert common.header["return_address_register"] == 8
    assert common.augmentation_bytes == b"\x1b"
    found = [entry for entry in entries if isinstance(entry, FDE)]
    assert len(found) == 2
    for entry, (name, start) in zip(found, functions.items(), strict=True):
        assert entry.header["initial_location"] == start - 1
        assert entry.header["address_range"] == made.text.functions[name][1] + 1
        rules: list[dict[int, tuple[int, bool]]] = [{}]
        for step in entry.instructions:
            if step.opcode == 0x0F:
                rules[-1][4] = expression(step.args[0])
            elif step.opcode == 0x10:
                rules[-1][step.args[0]] = expression(step.args[1])
            elif step.opcode & 0xC0 == 0x40:  # DW_CFA_advance_loc
                rules.append({})
                assert step.args == [2]  # a nop is in front of the function, popl %eax is a byte
            else:
                assert step.opcode == 0  # DW_CFA_nop: filled up
        offsets = [RT] if "rt_" in name else [4, 0]
        assert rules == [
            {4: (at + SP, True)} | {register: (at + field, False) for register, field in SIGCONTEXT.items()}
            for at in offsets
        ]  # fmt: skip
    assert made.sections[".eh_frame"].data()[-4:] == bytes(4)


def test_more_than_a_page_is_refused(made: Made) -> None:
    text = type(made.text)(made.text.code + bytes(4096), made.text.functions)
    with pytest.raises(ValueError, match="more than a page"):
        vdso_image(text, made.names, "6.12.0")
    room = 4096 - len(made.image)
    fits = type(made.text)(made.text.code + bytes(room), made.text.functions)
    assert len(vdso_image(fits, made.names, PROFILES["6.x"].release)[0]) == 4096
    text = type(made.text)(made.text.code + bytes(room + 4), made.text.functions)
    with pytest.raises(ValueError, match="4100 bytes"):
        vdso_image(text, made.names, PROFILES["6.x"].release)
