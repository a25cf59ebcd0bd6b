"""Numbers of the CPU and of Linux in words: error codes, wait statuses, error numbers, sets of flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.paging import PF_P, PF_RSVD, PF_U, PF_W
from toykernel.errno import NAMES
from toykernel.kernel.clone_flags import CSIGNAL, FLAG_NAMES
from toykernel.kernel.clone_refusals import REFUSALS
from toykernel.kernel.siginfo import KERNEL_COREDUMP, SIGNAL_NAMES, sigmask
from toykernel.look.register_words import FLAG_BITS
from toykernel.look.trap_words import selector_error_bits
from toykernel.observe.strerror import strerror

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: include/linux/errno.h: from here on they are between parts of the kernel.
FIRST_INTERNAL_ERRNO = 512
_CORE, _STOPPED, _CONTINUED = 0x80, 0x7F, 0xFFFF
#: SDM vol. 1, 3.4.3: bit, name, what it means when it is set, what when it is clear.
_FLAG_MEANING = {
    "CF": ("the last result carried or borrowed", "no carry, no borrow"),
    "PF": ("its low byte has an even number of ones", "an odd number of ones in its low byte"),
    "AF": ("bit 3 carried", "bit 3 did not carry"),
    "ZF": ("the last result was 0", "the last result was not 0"),
    "SF": ("its sign bit is 1", "its sign bit is 0"),
    "TF": ("#DB after each instruction", ""),
    "IF": ("external interrupts are taken", "external interrupts wait"),
    "DF": ("string instructions go downwards", "string instructions go upwards"),
    "OF": ("the signed result overflowed", "no signed overflow"),
    "NT": ("IRET would switch tasks", ""),
    "RF": ("the next instruction's breakpoint does not count", ""),
    "VM": ("virtual-8086 mode", ""),
    "AC": ("alignment is checked in ring 3 when CR0.AM is set", ""),
    "ID": ("CPUID is there", ""),
}
_CLONE_MEANING = {
    "CLONE_VM": "the memory is shared, not copied on write",
    "CLONE_FS": "root, current directory and umask are shared",
    "CLONE_FILES": "the table of descriptors is shared",
    "CLONE_SIGHAND": "the handlers of signals are shared",
    "CLONE_PID": "the child gets the caller's number (2.4, boot only)",
    "CLONE_PTRACE": "who traces the caller traces the child",
    "CLONE_VFORK": "the caller sleeps until the child has exec'd or exited",
    "CLONE_PARENT": "the child's parent is the caller's parent",
    "CLONE_THREAD": "the child is a thread of the caller's group",
    "CLONE_NEWNS": "the child gets its own mount namespace",
    "CLONE_SYSVSEM": "the list of semaphores to undo is shared",
    "CLONE_SETTLS": "the child gets the thread-local segment of the argument",
    "CLONE_PARENT_SETTID": "the child's number is stored in the caller's memory",
    "CLONE_CHILD_CLEARTID": "its number is cleared, and waiters are woken, when it ends",
    "CLONE_DETACHED": "no effect any more",
    "CLONE_UNTRACED": "no tracer may force itself on the child",
    "CLONE_CHILD_SETTID": "its number is stored in its own memory",
    "CLONE_NEWUTS": "the child gets its own host name",
    "CLONE_NEWIPC": "the child gets its own System V IPC",
    "CLONE_NEWUSER": "the child gets its own users",
    "CLONE_NEWPID": "the child is number 1 of a new pid namespace",
    "CLONE_NEWNET": "the child gets its own network",
    "CLONE_IO": "the I/O context is shared",
}


def error_code(code: int, vector: int | None = None) -> list[str]:
    """An exception's error code, bit by bit; without a vector as a page fault's and as the others'."""
    page = [
        f"P={code & PF_P}: "
        + ("the entry was present and forbade the access" if code & PF_P else "no page was there"),
        f"W={code >> 1 & 1}: " + ("a write" if code & PF_W else "a read, or a fetch"),
        f"U={code >> 2 & 1}: " + ("from ring 3" if code & PF_U else "from ring 0, 1 or 2"),
    ]
    if code & PF_RSVD:
        page.append("RSVD=1: a reserved bit was set in an entry")
    unknown = code & ~(PF_P | PF_W | PF_U | PF_RSVD)
    as_page = f"Error code {code:#x} of a page fault (#PF): {'; '.join(page)}."
    if unknown:
        as_page += f" The bits {unknown:#x} are none of an i486's page fault."
    as_selector = f"Of #TS, #NP, #SS or #GP: {selector_error_bits(code)}."
    if vector == 14:
        return [as_page]
    return [as_selector] if vector is not None else [as_page, as_selector]


def signal_of(number: int) -> str:
    """SIGSEGV (11)."""
    return f"{SIGNAL_NAMES.get(number, 'signal')} ({number})"


def wait_status(status: int) -> list[str]:
    """The word that wait4 stores, as the macros of sys/wait.h take it apart."""
    low, high = status & 0x7F, status >> 8 & 0xFF
    head = f"Wait status {status & 0xFFFF:#06x}: "
    if status & 0xFFFF == _CONTINUED:
        return [head + "a stopped process goes on (WIFCONTINUED)."]
    if status & 0xFF == _STOPPED:
        return [head + f"the process has stopped by {signal_of(high)} (WIFSTOPPED, bits 8 to 15)."]
    if low:
        core = "with" if status & _CORE else "without"
        text = f"killed by {signal_of(low)} (WIFSIGNALED, bits 0 to 6), {core} a core dump (bit 7)"
        if not status & _CORE and sigmask(low) & KERNEL_COREDUMP:
            text += ", though the signal's action has one"
        return [head + text + "."]
    return [head + f"exited with status {high} (WIFEXITED, bits 8 to 15)."]


def errno(number: int) -> list[str]:
    """An error number by name and by libc's text. A negative one is what a system call returns."""
    number = abs(number)
    if number not in NAMES:
        return [f"{number} is no error number of i386 Linux."]
    head = f"{NAMES[number]} is error number {number}"
    if number >= FIRST_INTERNAL_ERRNO:
        return [f"{head}, of the kernel's own: no program sees it, unless it traces."]
    return [
        f'{head}, "{strerror(number)}": a system call returns -{number}, '
        f"{-number & 0xFFFFFFFF:#010x} in eax."
    ]


def eflags(value: int) -> list[str]:
    """EFLAGS: what those that are set mean, and what the arithmetic ones that are not."""
    on = [f"{name}: {_FLAG_MEANING[name][0]}" for bit, name in FLAG_BITS if value & bit]
    off = [
        f"not {name}: {_FLAG_MEANING[name][1]}"
        for bit, name in FLAG_BITS
        if not value & bit and _FLAG_MEANING[name][1]
    ]
    iopl = value >> 12 & 3
    on.append(f"IOPL {iopl}: rings 0 to {iopl} may use CLI, STI, IN and OUT")
    return [f"EFLAGS {value:#010x}.", *(f"  {line}" for line in (*on, *off))]


def clone_flags(k: Kernel, value: int) -> list[str]:
    """A set for clone: what each asks for, and whether copy_process takes them together."""
    lines = [f"Flags of clone {value & 0xFFFFFFFF:#010x}."]
    signal = value & CSIGNAL
    told = f"its parent gets {signal_of(signal)}" if signal else "its parent gets no signal"
    lines.append(f"  CSIGNAL {signal:#x}: {told} when the child ends")
    lines += [
        f"  {name}: {_CLONE_MEANING[name]}" for bit, name in FLAG_NAMES.items() if value & bit
    ]
    for row in REFUSALS:
        if value & row.present == row.present and not value & row.absent and row.holds(k):
            lines.append(f"copy_process refuses the set with {NAMES[row.errno]}: {row.why}.")
            break
    else:
        lines.append("copy_process takes the set.")
    return lines
