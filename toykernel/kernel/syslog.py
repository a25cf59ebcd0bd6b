"""syslog(2) (kernel/printk): reading the kernel's log, and how much of it the console gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import access_ok, copy_to_user
from toykernel.errno import EFAULT, EINVAL, EPERM, ERESTARTSYS, Errno
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import NSEC_PER_USEC, cycles_to_ns
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

(CLOSE, OPEN, READ, READ_ALL, READ_CLEAR, CLEAR) = range(6)
(CONSOLE_OFF, CONSOLE_ON, CONSOLE_LEVEL, SIZE_UNREAD, SIZE_BUFFER) = range(6, 11)
CAP_SYSLOG = 34
LOG_BUF_LEN = 1 << 17
DEFAULT_LEVEL, MINIMUM_LEVEL = 4, 1  # of messages without one; the lowest of the console


@dataclass(eq=False)
class LogReaders:
    """What has been read of the log, and from where READ_ALL shows it, in lines; and the console's level."""

    wait: WaitQueue
    read: int = 0
    offset: int = 0  # bytes of the next line that have been read
    cleared: int = 0
    level: int = 7
    saved_level: int | None = None

    def wake(self, k: Kernel) -> None:
        """There is a line more."""
        wake_up(k, self.wait)


def log_readers(k: Kernel) -> LogReaders:
    """The record, which is made when it is first needed."""
    readers = k.files.log_readers
    if readers is None:
        readers = k.files.log_readers = LogReaders(WaitQueue("the kernel's log"))
    return readers


def _line(k: Kernel, index: int) -> bytes:
    cycles, text = k.log[index]
    seconds, rest = divmod(cycles_to_ns(k, cycles) // NSEC_PER_USEC, 1_000_000)
    return f"<{DEFAULT_LEVEL}>[{seconds:5}.{rest:06}] {text}\n".encode()


def _read(k: Kernel, buf: int, size: int) -> Result:
    """The next bytes that nobody has read; waits for them."""
    readers = log_readers(k)
    if readers.read >= len(k.log):
        if signal_pending(k.current):
            raise Errno(ERESTARTSYS)
        return Wait((readers.wait,), _read, (buf, size), "syslog: nothing is new")
    data = bytearray()
    while readers.read < len(k.log) and len(data) < size:
        rest = _line(k, readers.read)[readers.offset :]
        part = rest[: size - len(data)]
        data += part
        readers.offset += len(part)
        if len(part) == len(rest):
            readers.read, readers.offset = readers.read + 1, 0
    copy_to_user(k, buf, bytes(data))
    return len(data)


def _read_all(k: Kernel, buf: int, size: int, *, clear: bool) -> int:
    """The last lines that fit, since they were cleared."""
    readers = log_readers(k)
    lines = [_line(k, index) for index in range(readers.cleared, len(k.log))]
    while sum(map(len, lines)) > size:
        lines.pop(0)
    copy_to_user(k, buf, b"".join(lines))
    if clear:
        readers.cleared = len(k.log)
    return sum(map(len, lines))


@syscall(103, "type:int bufp:buffer_out len:int", name="syslog")
def sys_syslog(k: Kernel, action: int, buf: int, size: int) -> Result:
    """syslog: read the log, clear it, or set the console's level. EPERM without CAP_SYSLOG (but to read
    all and for its size), EINVAL, EFAULT.
    """
    allowed = capable(k, CAP_SYSLOG) or capable(k, CAP_SYS_ADMIN)
    if action not in (READ_ALL, SIZE_BUFFER) and not allowed:
        raise Errno(EPERM)
    readers = log_readers(k)
    if action in (READ, READ_ALL, READ_CLEAR):
        if not buf or size < 0:
            raise Errno(EINVAL)
        if not size:
            return 0
        if not access_ok(buf, size):
            raise Errno(EFAULT)
        return (
            _read(k, buf, size)
            if action == READ
            else _read_all(k, buf, size, clear=action == READ_CLEAR)
        )
    if action == CLEAR:
        readers.cleared = len(k.log)
    elif action == CONSOLE_OFF:
        if readers.saved_level is None:
            readers.saved_level = readers.level
        readers.level = MINIMUM_LEVEL
    elif action == CONSOLE_ON:
        if readers.saved_level is not None:
            readers.level, readers.saved_level = readers.saved_level, None
    elif action == CONSOLE_LEVEL:
        if not 1 <= size <= 8:
            raise Errno(EINVAL)
        readers.level, readers.saved_level = max(size, MINIMUM_LEVEL), None
    elif action == SIZE_UNREAD:
        unread = (len(_line(k, index)) for index in range(readers.read, len(k.log)))
        return sum(unread) - readers.offset
    elif action == SIZE_BUFFER:
        return LOG_BUF_LEN
    elif action not in (CLOSE, OPEN):
        raise Errno(EINVAL)
    return 0


def printk_levels(k: Kernel) -> str:
    """kernel.printk: of the console, of messages without a level, the lowest, the default of the console."""
    readers = k.files.log_readers
    return f"{readers.level if readers is not None else 7}\t{DEFAULT_LEVEL}\t{MINIMUM_LEVEL}\t7"


def set_printk_levels(k: Kernel, text: str) -> None:
    """The first of the four is kept. Raises ValueError for what are no numbers."""
    log_readers(k).level = int(text.split()[0])
