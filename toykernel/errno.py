"""Linux's error numbers for i386, and the exception that carries one out of the kernel.

Inside the kernel an error is raised; the gate turns it into the negative number that a system call
returns. The four restart codes never reach a program.
"""

from __future__ import annotations

from errno import errorcode

EPERM = 1
ENOENT = 2
ESRCH = 3
EINTR = 4
EIO = 5
ENXIO = 6
E2BIG = 7
ENOEXEC = 8
EBADF = 9
ECHILD = 10
EAGAIN = 11
ENOMEM = 12
EACCES = 13
EFAULT = 14
EBUSY = 16
EEXIST = 17
EXDEV = 18
ENODEV = 19
ENOTDIR = 20
EISDIR = 21
EINVAL = 22
ENFILE = 23
EMFILE = 24
ENOTTY = 25
ETXTBSY = 26
EFBIG = 27
ENOSPC = 28
ESPIPE = 29
EROFS = 30
EPIPE = 32
ERANGE = 34
ENAMETOOLONG = 36
ENOSYS = 38
ENOTEMPTY = 39
ELOOP = 40
EIDRM = 43
EOVERFLOW = 75
EOPNOTSUPP = 95
ETIMEDOUT = 110

ERESTARTSYS = 512
ERESTARTNOINTR = 513
ERESTARTNOHAND = 514
ERESTART_RESTARTBLOCK = 516

_RESTARTS = {
    ERESTARTSYS: "ERESTARTSYS",
    ERESTARTNOINTR: "ERESTARTNOINTR",
    ERESTARTNOHAND: "ERESTARTNOHAND",
    ERESTART_RESTARTBLOCK: "ERESTART_RESTARTBLOCK",
}
MAX_ERRNO = 4095


class Errno(Exception):
    """A kernel function failed with this (positive) error number."""

    def __init__(self, number: int) -> None:
        super().__init__(name(number))
        self.number = number


def name(number: int) -> str:
    """Symbolic name of a positive error number, or the number itself."""
    return errorcode.get(number) or _RESTARTS.get(number) or str(number)


def is_error(value: int) -> bool:
    """Whether a system call's 32-bit result, signed, is one of the error values."""
    return -MAX_ERRNO <= value < 0
