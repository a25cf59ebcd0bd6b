"""The register file: every register by name, over one flat array of 32-bit words."""

from __future__ import annotations

from typing import Any

from unicorn import x86_const as x86

from emu import hooks
from emu.engine_quirks import FIELD, GPRS, HF_CPL, HF_CS32, HF_INHIBIT_IRQ
from emu.paging import CR0_PG, CR0_WP, CR4_PSE

_DR7 = FIELD["dr7"]
_WORD = 0xFFFFFFFF


def _field(name: str) -> property:
    index = FIELD[name]

    def read(file: RegisterFile) -> int:
        return file.regs[index]

    def write(file: RegisterFile, value: int) -> None:
        file.regs[index] = value & _WORD

    return property(read, write, doc=f"The register {name.upper()}, unsigned 32 bits.")


class RegisterFile:
    """Registers as they were when the engine stopped, and as it gets them when it goes on.

    Those with side effects (CR0, CR3, CR4, DR0-DR3, DR7) can only be read here.
    """

    regs: memoryview[int]
    state: hooks.EngineState
    _uc: Any  # the engine

    eax, ecx, edx, ebx = _field("eax"), _field("ecx"), _field("edx"), _field("ebx")
    esp, ebp, esi, edi = _field("esp"), _field("ebp"), _field("esi"), _field("edi")
    eip, eflags = _field("eip"), _field("eflags")
    cs, ss = _field("cs_selector"), _field("ss_selector")
    cs_base = _field("cs_base")
    ds, es = _field("ds_selector"), _field("es_selector")
    fs, gs = _field("fs_selector"), _field("gs_selector")
    gdt_base, gdt_limit = _field("gdt_base"), _field("gdt_limit")
    idt_base, idt_limit = _field("idt_base"), _field("idt_limit")
    tr_base, tr_limit = _field("tr_base"), _field("tr_limit")
    tr, ldtr = _field("tr_selector"), _field("ldtr_selector")
    ldtr_base, ldtr_limit = _field("ldtr_base"), _field("ldtr_limit")
    cr2, dr6 = _field("cr2"), _field("dr6")
    error_code, is_int, hflags = _field("error_code"), _field("is_int"), _field("hflags")

    @property
    def cr0(self) -> int:
        """CR0 as it is; Cpu.set_cr writes it, with all that follows."""
        return self.regs[FIELD["cr0"]]

    @property
    def cr3(self) -> int:
        """CR3: physical address of the page directory."""
        return self.regs[FIELD["cr3"]]

    @property
    def cr4(self) -> int:
        """CR4 as it is; Cpu.set_cr writes it."""
        return self.regs[FIELD["cr4"]]

    @property
    def dr7(self) -> int:
        """DR7 as it is; Cpu.set_dr writes it."""
        return self.regs[FIELD["dr7"]]

    @property
    def cpl(self) -> int:
        """Current privilege level, 0 to 3."""
        return int(self.hflags & HF_CPL)

    @property
    def iopl(self) -> int:
        """I/O privilege level, 0 to 3."""
        return int(self.eflags >> 12 & 3)

    @property
    def code32(self) -> bool:
        """The code segment's D bit: 32-bit operands and addresses by default."""
        return bool(self.hflags & HF_CS32)

    @property
    def inhibited(self) -> bool:
        """Interrupts are held off for one instruction after STI, MOV SS or POP SS."""
        return bool(self.hflags & HF_INHIBIT_IRQ)

    @property
    def paging(self) -> bool:
        """CR0.PG."""
        return bool(self.cr0 & CR0_PG)

    @property
    def wp(self) -> bool:
        """CR0.WP: supervisor writes respect read-only pages."""
        return bool(self.cr0 & CR0_WP)

    @property
    def pse(self) -> bool:
        """CR4.PSE: 4 MiB pages."""
        return bool(self.cr4 & CR4_PSE)

    @property
    def retired(self) -> int:
        """Instructions completed since the machine was made."""
        return int(self.state.retired)

    @property
    def fpu_words(self) -> tuple[int, int, int]:
        """FPU control word, FPU status word, MXCSR."""
        ids = (x86.UC_X86_REG_FPCW, x86.UC_X86_REG_FPSW, x86.UC_X86_REG_MXCSR)
        control, status, mxcsr = (int(self._uc.reg_read(ident)) for ident in ids)
        return control, status, mxcsr

    def gpr(self, name: str) -> int:
        """A register by its name in lower case, as in FIELD (general registers, eip, cr3, ...)."""
        return self.regs[FIELD[name]]

    def general_registers(self) -> dict[str, int]:
        """eax ecx edx ebx esp ebp esi edi eip eflags, by name."""
        return {name: self.regs[FIELD[name]] for name in (*GPRS, "eip", "eflags")}
