"""The standard streams: the guest's bytes as they come, and our own messages."""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from contextlib import suppress

from toykernel.errors import HostError
from toykernel.harness.exit_status import EXIT_MISUSE, SIGNALED

SIGPIPE = 13


def broken_pipe() -> HostError:
    """Nobody reads our output any more: quiet, with the status a shell sees of such a program."""
    with suppress(OSError):  # Python would complain when it flushes at exit
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
    return HostError(SIGNALED + SIGPIPE, "")


def write_all(fd: int, data: bytes) -> None:
    """Write to a host descriptor, all of it, waiting where it is non-blocking.

    Raises HostError.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except BrokenPipeError:
            raise broken_pipe() from None
        except OSError as error:
            name = {1: "standard output", 2: "standard error"}.get(fd, "output")
            raise HostError(EXIT_MISUSE, f"cannot write {name}: {error.strerror}") from None


def guest_console(fd: int, data: bytes) -> None:
    """The guest's console: its descriptor 2 is the host's, everything else standard output."""
    write_all(2 if fd == 2 else 1, data)


def host_message(text: str) -> None:
    """A line of ours on standard error; a closed one is no reason to fail."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"toykernel: {text}\n")
        sys.stderr.flush()


def as_utf8(text: str) -> bytes:
    """For a file that must be UTF-8: bytes of a name that are not are shown as \\xff."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").encode()


def prepare_streams() -> None:
    """Before anything else is opened: descriptors 0 to 2 are in use, whoever started us, so that no file of
    ours gets the guest's bytes; and a name that is no UTF-8 is shown with the bytes that it has."""
    for fd, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(fd)
        except OSError:  # using it fails with EBADF as before, which is what the user asked for
            with suppress(OSError):
                os.open(os.devnull if os.path.exists(os.devnull) else os.sep, flags)
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", write_through=True)
    if sys.stderr is None:  # our own messages: losing them is no reason to fail
        sys.stderr = io.TextIOWrapper(io.FileIO(os.devnull, "w"), "utf-8", write_through=True)
    codecs.register_error("toykernel.names", _names)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="toykernel.names")


def _names(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes of a file name as they are (surrogateescape), other things as backslashreplace has them."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)
