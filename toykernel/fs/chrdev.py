"""The devices that have a name in /dev: the console, null and zero (drivers/char)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import ESPIPE, Errno
from toykernel.fs.file import File, FileOperations

if TYPE_CHECKING:
    from toykernel.state import Kernel

_CHUNK = 1 << 16
#: A terminal takes pieces of this size (tty_write).
TTY_CHUNK = 2048


def no_llseek(k: Kernel, file: File, offset: int, whence: int) -> int:
    """lseek on something that has no position."""
    raise Errno(ESPIPE)


def null_llseek(k: Kernel, file: File, offset: int, whence: int) -> int:
    """lseek on null and zero: always at the start."""
    file.pos = 0
    return 0


def no_release(k: Kernel, file: File) -> None:
    """Nothing to give back."""


def console_write(k: Kernel, file: File, buf: int, count: int) -> int:
    """Takes pieces as tty_write does, each whole or not at all; how much was taken."""
    written = 0
    while written < count:
        part = min(count - written, TTY_CHUNK)
        try:
            data = copy_from_user(k, buf + written, part)
        except Errno:
            if written:
                break
            raise
        k.host.console_write(2 if file is k.files.console_error else 1, data)
        written += part
    return written


def console_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """The next bytes of what was given as standard input; 0 at its end."""
    data = bytes(k.files.console_input[:count])
    copy_to_user(k, buf, data)
    del k.files.console_input[: len(data)]
    return len(data)


def null_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """/dev/null is empty."""
    return 0


def null_write(k: Kernel, file: File, buf: int, count: int) -> int:
    """/dev/null takes everything."""
    return count


def zero_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """/dev/zero: as many zeros as were asked for."""
    done = 0
    while done < count:
        part = min(count - done, _CHUNK)
        copy_to_user(k, buf + done, bytes(part))
        done += part
    return done


CONSOLE = FileOperations(console_read, console_write, no_llseek, no_release)
NULL = FileOperations(null_read, null_write, null_llseek, no_release)
ZERO = FileOperations(zero_read, null_write, null_llseek, no_release)

#: By the name of the device node.
DEVICES = {"console": CONSOLE, "null": NULL, "zero": ZERO}
