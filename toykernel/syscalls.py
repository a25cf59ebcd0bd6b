"""What a kernel function says about itself to be a system call: `@syscall(3, "fd:fd buf:buffer_out …")`.

The row stays with the function; syscall_table.py says where each is. Kinds of arguments say how a
32-bit register becomes a Python value. How strace writes a call: toykernel/observe/decoding/forms.py.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from emu.record import dataclass

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result

_SIGNED = "signed"
_ROWS = "__syscalls__"


class Kind(Enum):
    """Kinds of arguments, by the word that stands for one in `@syscall`.

    `signed`: the function gets the register as a two's complement number, else from 0 to 2**32-1.
    """

    signed: bool

    def __new__(cls, word: str, *traits: str) -> Kind:
        """A member from its word and traits."""
        kind = object.__new__(cls)
        kind._value_ = word
        kind.signed = _SIGNED in traits
        return kind

    INT = "int", _SIGNED
    UINT = "uint"
    HEX = "hex"
    SIZE = "size"
    ADDRESS = "address"
    # processes
    PID = "pid", _SIGNED
    ID = "id"
    WAIT_OPTIONS = "wait_options", _SIGNED
    WAIT_WHICH = "wait_which"
    STATUS = "status"
    RUSAGE = "rusage"
    UTSNAME = "utsname"
    CLONE_FLAGS = "clone_flags"
    PTRACE_REQUEST = "ptrace_request"
    CLONE_ARGS = "clone_args"
    RANDOM_FLAGS = "random_flags"
    FUTEX_OP = "futex_op"
    RLIMIT = "rlimit"
    PRCTL_OPTION = "prctl_option"
    STRINGS = "strings"
    ENVIRONMENT = "environment"
    # files
    FD = "fd", _SIGNED
    DIRFD = "dirfd", _SIGNED
    FD_PAIR = "fd_pair"
    PATH = "path"
    BUFFER_IN = "buffer_in"
    BUFFER_OUT = "buffer_out"
    IOVEC_IN = "iovec_in"
    IOVEC_OUT = "iovec_out"
    FLOCK_OPERATION = "flock_operation"
    OPEN_HOW = "open_how"
    MOUNT_FLAGS = "mount_flags"
    UMOUNT_FLAGS = "umount_flags"
    MEMFD_FLAGS = "memfd_flags"
    SPLICE_FLAGS = "splice_flags"
    RENAME_FLAGS = "rename_flags"
    RWF_FLAGS = "rwf_flags"
    AT_FLAGS = "at_flags"
    XATTR_FLAGS = "xattr_flags"
    OPEN_FLAGS = "open_flags"
    MODE = "mode"
    ACCESS_MODE = "access_mode"
    SEEK_WHENCE = "seek_whence"
    FCNTL_CMD = "fcntl_cmd"
    # memory
    PROT = "prot"
    MMAP_FLAGS = "mmap_flags"
    MREMAP_FLAGS = "mremap_flags"
    MADVICE = "madvice"
    MSYNC_FLAGS = "msync_flags"
    MLOCKALL_FLAGS = "mlockall_flags"
    MLOCK_FLAGS = "mlock_flags"
    # signals
    SIGNAL = "signal", _SIGNED
    HANDLER = "handler"
    HOW = "how", _SIGNED
    SIGSET = "sigset"
    SIGSET_OUT = "sigset_out"
    OLD_SIGSET = "old_sigset"
    OLD_SIGSET_OUT = "old_sigset_out"
    SIGACTION = "sigaction"
    SIGACTION_OUT = "sigaction_out"
    OLD_SIGACTION = "old_sigaction"
    OLD_SIGACTION_OUT = "old_sigaction_out"
    STACK = "stack"
    STACK_OUT = "stack_out"
    # time and scheduling
    CLOCK = "clock", _SIGNED
    POLICY = "policy", _SIGNED
    ITIMER = "itimer", _SIGNED
    TIMESPEC = "timespec"
    TIMESPEC_OUT = "timespec_out"
    TIMEVAL = "timeval"
    TIMEVAL_OUT = "timeval_out"
    ITIMERVAL = "itimerval"
    ITIMERVAL_OUT = "itimerval_out"
    TIMESPEC64 = "timespec64"
    TIMESPEC64_OUT = "timespec64_out"
    ITIMERSPEC64 = "itimerspec64"
    ITIMERSPEC64_OUT = "itimerspec64_out"
    ITIMERSPEC = "itimerspec"
    ITIMERSPEC_OUT = "itimerspec_out"


Function = Callable[..., "Result"]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True)
class Argument:
    """One argument: its name in the manual, and its kind."""

    name: str
    kind: Kind

    def decode(self, word: int) -> int:
        """The register's value as the function gets it."""
        return word - (1 << 32) if self.kind.signed and word >> 31 else word


@dataclass(frozen=True)
class Syscall:
    """One row. `function` is None when the kernel does not have it; `entry` overrides the thunk."""

    number: int
    name: str
    function: Function | None = None
    arguments: tuple[Argument, ...] = ()
    entry: str = ""


def syscall(
    number: int, arguments: str = "", *, name: str = "", entry: str = ""
) -> Callable[[F], F]:
    """Give a function its row; once per number that leads to it. The function stays what it is.

    `arguments` are `name:kind` words; `name` is needed where the function is not `sys_NAME`; `entry` is
    the routine in entry.S that stands in sys_call_table instead of the thunk `sys_NAME`. Raises
    ValueError for a kind that is none.
    """
    pairs = (item.split(":") for item in arguments.split())
    decoded = tuple(Argument(argument, Kind(kind)) for argument, kind in pairs)

    def attach(function: F) -> F:
        called = name or function.__name__.removeprefix("sys_")
        row = Syscall(number, called, function, decoded, entry)
        setattr(function, _ROWS, (row, *rows_of(function)))
        return function

    return attach


def rows_of(thing: object) -> tuple[Syscall, ...]:
    """The rows that `@syscall` gave it; none for what is no system call."""
    found: tuple[Syscall, ...] = getattr(thing, _ROWS, ())
    return found
