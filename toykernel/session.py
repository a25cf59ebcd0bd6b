"""One run of one program: load, run, step, look. What the command line, tests and notebooks start from."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from toykernel.errno import Errno
from toykernel.fs.binfmt_elf import parse_elf
from toykernel.fs.exec import TASK_COMM_LEN
from toykernel.kernel_state import Config, Kernel, Outcome
from userland.assembler import Program, assemble

INCLUDE = Path(__file__).parent.parent / "userland" / "include"


class LoadError(Exception):
    """The program is not one that can be run; the text says why."""


def build(path: Path) -> tuple[bytes, Program | None]:
    """The ELF image of a program, and its assembly when it is a .S source.

    Raises LoadError, or AssemblyError with file and line.
    """
    try:
        if stat.S_ISCHR(path.stat().st_mode) or stat.S_ISBLK(path.stat().st_mode):
            raise LoadError(f"{path}: a device, not a file")
        if path.suffix in (".S", ".s", ".asm"):
            program = assemble(path, include=[path.parent, path.parent / "include", INCLUDE])
            return program.elf(), program
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoadError(f"{path}: {reason}") from None
    try:
        parse_elf(data)
    except Errno:
        raise LoadError(f"{path}: neither assembly source (.S) nor a static i386 ELF") from None
    return data, None


class Session:
    """A booted machine with a program in it; nothing has run yet.

    Guest output is kept in `stdout` and `stderr` and handed to `console(fd, data)` as it comes.
    """

    def __init__(
        self,
        path: Path | str,
        args: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
        config: Config | None = None,
        console: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """`args` are the program's, without argv[0]. Raises LoadError or AssemblyError."""
        self.path = Path(path)
        self.config = config or Config()
        elf, self.program = build(self.path)
        self.elf = elf
        self._console = console
        self.stdout = b""
        self.stderr = b""
        #: What the kernel calls the program: absolute path, and the name of its task.
        self.guest_path = "/" + (self.path.stem if self.program else self.path.name)
        self.kernel = Kernel(
            {**(files or {}), self.guest_path: elf},
            self.guest_path,
            [os.fsencode(self.guest_path), *(os.fsencode(a) for a in args)],
            [os.fsencode(f"{key}={value}") for key, value in (env or {}).items()],
            config=self.config,
            console=self._write,
        )

    @property
    def guest_comm(self) -> str:
        """The task's name while it runs the program."""
        return self.guest_path[1:TASK_COMM_LEN]

    def _write(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.stderr += data
        else:
            self.stdout += data
        if self._console is not None:
            self._console(fd, data)

    def run(self, until: int | None = None) -> Outcome:
        """Run to the end, or until the clock shows `until` cycles. Raises KernelOops."""
        return self.kernel.run(until)

    def step(self) -> Outcome | None:
        """One instruction or one trap; an Outcome when the run is over."""
        return self.kernel.step()
