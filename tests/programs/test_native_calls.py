"""Single system calls and what they answer, here and on this machine's own Linux.

A script is a list of calls; both kernels run the same ELF file, which writes down every result. What the
answers must be stands in the test, too, by the manual pages: so it is checked where no Linux can be asked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from native_linux import ask_linux, skip_unless_linux32

from toykernel.harness.build import build
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames
from toykernel.state import Config

EPERM, ENOENT, EBADF, EBUSY, EINVAL, ETXTBSY, EFBIG = -1, -2, -9, -16, -22, -26, -27
ENOTEMPTY, EOVERFLOW, EFAULT = -39, -75, -14
O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_LARGEFILE = 0, 1, 2, 0o100, 0o1000, 0o100000
EXIT, FORK, READ, WRITE, OPEN, CLOSE, UNLINK, EXECVE, CHDIR = 1, 2, 3, 4, 5, 6, 10, 11, 12
LSEEK, MKDIR, RMDIR, PIPE, FCNTL, GETCWD, LLSEEK, CAPGET, MMAP2 = (
    19,
    39,
    40,
    42,
    55,
    183,
    140,
    184,
    192,
)
WAITPID, MUNMAP, VFORK, SETRESUID = 7, 91, 190, 208
SETPIPE, GETPIPE = 1031, 1032
SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2


@dataclass
class Script:
    """Writes the program. `answers` are what the calls must answer, in order; None: not compared."""

    text: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    answers: list[int | None] = field(default_factory=list)

    def call(self, answer: int | None, number: int, *args: int | str) -> None:
        """One call; a text argument is a label, an operand that begins with `(`, or a "path"."""
        for register, arg in zip(("ebx", "ecx", "edx", "esi", "edi", "ebp"), args, strict=False):
            self.text.append(f"movl {self.operand(arg)}, %{register}")
        self.text += [f"movl ${number}, %eax", "int $0x80"]
        self.keep("%eax", answer)

    def operand(self, arg: int | str) -> str:
        if isinstance(arg, int):
            return f"${arg & 0xFFFFFFFF}"
        if arg.startswith("="):  # a word of memory
            return arg[1:]
        if not arg.startswith('"'):
            return f"${arg}"
        self.data.append(f"path{len(self.data)}: .asciz {arg}")
        return f"$path{len(self.data) - 1}"

    def keep(self, operand: str, answer: int | None) -> None:
        """Write down a register or a word of memory."""
        if not operand.startswith("%"):
            self.text.append(f"movl {operand}, %eax")
        self.text.append(f"movl %eax, results + {4 * len(self.answers)}")
        self.answers.append(answer)

    def source(self, after: str = "") -> str:
        size = 4 * len(self.answers)
        return "\n".join(
            [
                ".globl _start\n.text\n_start: movl 4(%esp), %eax\nmovl %eax, self",
                *self.text,
                f"movl $4, %eax\nmovl $1, %ebx\nmovl $results, %ecx\nmovl ${size}, %edx",
                "int $0x80\nmovl $1, %eax\nxorl %ebx, %ebx\nint $0x80",
                after,
                ".data\nself: .long 0\nwords: .long 0, 0, 0, 0, 0, 0, 0, 0",
                *self.data,
                f".bss\n.balign 4096\npage: .zero 4096\nresults: .zero {size}\n",
            ]
        )


def image(directory: Path, text: str, name: str = "calls") -> bytes:
    path = directory / f"{name}.S"
    path.write_text(text)
    return build(path)[0]


def on_both(
    script: Script, directory: Path, files: dict[str, bytes] | None = None, after: str = ""
) -> None:
    """The answers here, there, and what they must be."""
    program = image(directory, script.source(after))
    files = files or {}
    path = directory / "calls"
    path.write_bytes(program)
    path.chmod(0o755)
    session = Session(path, files={f"/{name}": data for name, data in files.items()})
    assert session.run(50_000_000).kind == "finished"
    assert session.stats.program_status == 0
    assert leaked_frames(session.kernel) == 0
    compare(script, session.stdout, "here")
    skip_unless_linux32(directory)
    home = directory / "home"
    home.mkdir()
    for name, data in files.items():
        (home / name).write_bytes(data)
        (home / name).chmod(0o755)
    done = ask_linux([str(path)], cwd=home, env={})
    assert done.returncode == 0
    compare(script, done.stdout, "on Linux")


def compare(script: Script, output: bytes, where: str) -> None:
    got = struct.unpack(f"<{len(script.answers)}i", output)
    assert [
        (n, answer, expected)
        for n, (answer, expected) in enumerate(zip(got, script.answers, strict=True))
        if expected is not None and answer != expected
    ] == [], where


# -- capget ----------------------------------------------------------------------------------------


def test_capget_without_a_place_for_data(tmp_path: Path) -> None:
    s = Script()
    s.data.append("known: .long 0x20080522, 0\nunknown: .long 1, 0\nnobody: .long 0x20080522, -5")
    s.call(0, CAPGET, "known", 0)
    s.call(0, CAPGET, "nobody", 0)  # the pid is not looked at
    s.call(EINVAL, CAPGET, "nobody", "page")
    s.call(EINVAL, CAPGET, "unknown", "page")
    s.keep("unknown", 0x20080522)
    s.text.append("movl $1, unknown")
    s.call(0, CAPGET, "unknown", 0)
    s.keep("unknown", 0x20080522)
    s.call(EFAULT, CAPGET, 0, 0)
    on_both(s, tmp_path)


# -- a program's file ------------------------------------------------------------------------------

SLEEPER = """.globl _start
_start: movl $2, %eax           # a child that runs the same file
        int $0x80
        testl %eax, %eax
        jnz 1f
        movl $3, %eax           # it sleeps until the first pipe has a byte
        movl $3, %ebx
        movl $byte, %ecx
        movl $1, %edx
        int $0x80
1:      movl $1, %eax
        xorl %ebx, %ebx
        int $0x80
        .data
byte:   .long 0
"""


def test_what_runs_is_not_written_and_what_is_written_does_not_run(tmp_path: Path) -> None:
    s = Script()
    other, script = '"other"', '"script"'
    s.call(ETXTBSY, OPEN, "=self", O_WRONLY)
    s.call(ETXTBSY, OPEN, "=self", O_RDWR | O_CREAT, 0o777)
    s.call(ETXTBSY, OPEN, "=self", O_RDONLY | O_TRUNC)
    s.call(3, OPEN, "=self", O_RDONLY)
    s.call(0, CLOSE, 3)
    s.call(3, OPEN, other, O_WRONLY)
    s.call(4, OPEN, other, O_RDWR)  # two writers
    s.call(ETXTBSY, EXECVE, other, 0, 0)
    s.call(ETXTBSY, EXECVE, script, 0, 0)  # its interpreter is written to
    s.call(0, CLOSE, 3)
    s.call(ETXTBSY, EXECVE, other, 0, 0)
    s.call(None, MMAP2, 0, 4096, 3, 1, 4, 0)
    s.text.append("movl %eax, words")
    s.call(0, CLOSE, 4)
    s.call(ETXTBSY, EXECVE, other, 0, 0)  # the mapping holds the open file
    s.call(0, MUNMAP, "=words", 4096)
    s.call(3, OPEN, script, O_WRONLY)
    s.call(ETXTBSY, EXECVE, script, 0, 0)
    s.call(0, CLOSE, 3)
    on_both(s, tmp_path, files(tmp_path))


def files(tmp_path: Path) -> dict[str, bytes]:
    return {"other": image(tmp_path, SLEEPER, "other"), "script": b"#!other\n"}


def test_every_process_that_runs_a_file_keeps_writers_away(tmp_path: Path) -> None:
    s = Script()
    s.call(0, PIPE, "words")  # 3, 4: what the sleeper reads
    s.call(0, PIPE, "words")  # 5, 6: its end is the end of the sleeper
    s.text += ["movl $190, %eax\nint $0x80\ntestl %eax, %eax\njz becomes_other\nmovl %eax, words"]
    s.call(0, CLOSE, 3)
    s.call(0, CLOSE, 6)
    s.call(None, WAITPID, "=words", 0, 0)
    s.call(ETXTBSY, OPEN, '"other"', O_WRONLY)  # the copy of the one that exec'd
    s.call(1, WRITE, 4, "page", 1)
    s.call(0, READ, 5, "page", 1)
    s.call(3, OPEN, '"other"', O_WRONLY)
    s.call(ETXTBSY, EXECVE, '"other"', 0, 0)
    after = """becomes_other:
        movl $11, %eax
        movl $other_name, %ebx
        xorl %ecx, %ecx
        xorl %edx, %edx
        int $0x80
        movl $1, %eax
        int $0x80"""
    s.data.append('other_name: .asciz "other"')
    on_both(s, tmp_path, files(tmp_path), after)


# -- directories that are gone ---------------------------------------------------------------------


def test_the_way_out_of_a_removed_directory(tmp_path: Path) -> None:
    s = Script()
    s.call(0, MKDIR, '"outer"', 0o755)
    s.call(0, MKDIR, '"outer/inner"', 0o755)
    s.call(EINVAL, RMDIR, '"outer/."')
    s.call(ENOTEMPTY, RMDIR, '"outer/.."')
    s.call(EBUSY, RMDIR, '"/"')
    s.call(ENOTEMPTY, RMDIR, '"outer"')
    s.call(0, CHDIR, '"outer/inner"')
    s.call(0, RMDIR, '"../inner"')
    s.call(ENOENT, GETCWD, "page", 4096)
    s.call(ENOENT, OPEN, '"new"', O_RDWR | O_CREAT, 0o644)
    s.call(ENOENT, MKDIR, '"new"', 0o755)
    s.call(0, CHDIR, '"."')
    s.call(ENOENT, GETCWD, "page", 4096)
    s.call(0, RMDIR, '"../../outer"')
    s.call(0, CHDIR, '".."')
    s.call(ENOENT, GETCWD, "page", 4096)
    s.call(ENOENT, MKDIR, '"new"', 0o755)
    s.call(0, CHDIR, '".."')
    s.call(None, GETCWD, "page", 4096)
    s.call(0, MKDIR, '"outer"', 0o755)
    s.call(0, RMDIR, '"outer"')
    on_both(s, tmp_path)


# -- offsets beyond 2 GiB --------------------------------------------------------------------------


def test_offsets_have_64_bits(tmp_path: Path) -> None:
    s = Script()
    top = 0x7FFFFFFF
    s.call(3, OPEN, '"file"', O_RDWR | O_CREAT, 0o644)
    s.call(top, LSEEK, 3, top, SEEK_SET)
    s.call(EINVAL, LSEEK, 3, -1, SEEK_SET)
    s.call(0, LLSEEK, 3, 0, 1, "words", SEEK_CUR)
    s.keep("words", -(1 << 31))
    s.keep("words + 4", 0)
    s.call(EFBIG, WRITE, 3, "page", 1)  # opened without O_LARGEFILE
    s.call(0, WRITE, 3, "page", 0)
    s.call(0, READ, 3, "page", 1)
    s.call(0, LLSEEK, 3, 0x12, 0x34, "words", SEEK_SET)
    s.keep("words", 0x34)
    s.keep("words + 4", 0x12)
    s.call(0, LLSEEK, 3, -1, -0x40, "words", SEEK_CUR)  # back by 64
    s.keep("words", -12)
    s.keep("words + 4", 0x11)
    s.call(EINVAL, LLSEEK, 3, -1, -0x40, "words", SEEK_END)
    s.call(EINVAL, LLSEEK, 3, 0, 0, "words", 77)
    s.call(EFAULT, LLSEEK, 3, 0, 99, 0, SEEK_SET)
    s.call(99, LSEEK, 3, 0, SEEK_CUR)  # it has been set
    s.call(EBADF, LLSEEK, 9, 0, 0, "words", SEEK_SET)
    s.call(0, PIPE, "words")
    s.call(-29, LLSEEK, 4, 0, 0, "words", SEEK_SET)
    on_both(s, tmp_path)


def test_lseek_cannot_say_more_than_off_t(tmp_path: Path) -> None:
    """By sys_lseek of a 32-bit kernel; a 64-bit one answers its 32-bit programs with the low word."""
    s = Script()
    s.call(3, OPEN, '"file"', O_RDWR | O_CREAT, 0o644)
    s.call(0x7FFFFFFF, LSEEK, 3, 0x7FFFFFFF, SEEK_SET)
    s.call(EOVERFLOW, LSEEK, 3, 1, SEEK_CUR)
    s.call(0, LLSEEK, 3, 0, 0, "words", SEEK_CUR)  # the offset has been set
    s.keep("words", -(1 << 31))
    s.call(0x7FFFFFFF, LSEEK, 3, -1, SEEK_CUR)
    s.call(0, LLSEEK, 3, 0x7FF, -1, "words", SEEK_SET)  # s_maxbytes
    s.call(EINVAL, LLSEEK, 3, 0x800, 0, "words", SEEK_SET)
    s.call(0x7FFFFFFE, LSEEK, 3, 0x7FFFFFFE, SEEK_SET)
    here(s, tmp_path)


def here(s: Script, tmp_path: Path, config: Config | None = None) -> None:
    """What only this kernel can be asked."""
    path = tmp_path / "calls"
    path.write_bytes(image(tmp_path, s.source()))
    session = Session(path, config=config)
    assert session.run(50_000_000).kind == "finished"
    compare(s, session.stdout, "here")


# -- the size of a pipe ----------------------------------------------------------------------------


def test_the_size_of_a_pipe(tmp_path: Path) -> None:
    s = Script()
    s.data.append(".balign 4\nbig: .zero 3 * 4096")
    s.call(0, PIPE, "words")
    s.call(65536, FCNTL, 3, GETPIPE, 0)
    s.call(65536, FCNTL, 4, GETPIPE, 0)
    for size, rounded in (
        (0, 4096),
        (1, 4096),
        (4097, 8192),
        (3 * 4096, 16384),
        (1 << 20, 1 << 20),
    ):
        s.call(rounded, FCNTL, 3, SETPIPE, size)
        s.call(rounded, FCNTL, 4, GETPIPE, 0)
    s.call(EINVAL, FCNTL, 3, SETPIPE, 0x80000001)
    s.call(EINVAL, FCNTL, 3, SETPIPE, -1)
    s.call(16384, FCNTL, 3, SETPIPE, 16384)
    s.call(3 * 4096, WRITE, 4, "big", 3 * 4096)
    s.call(EBUSY, FCNTL, 3, SETPIPE, 8192)
    s.call(0, FCNTL, 4, 4, 0o4000)  # O_NONBLOCK
    s.call(4096, WRITE, 4, "big", 2 * 4096)  # it is full
    s.call(-11, WRITE, 4, "big", 1)
    s.call(32768, FCNTL, 3, SETPIPE, 32768)
    s.call(3 * 4096, WRITE, 4, "big", 3 * 4096)
    s.call(3 * 4096, READ, 3, "big", 3 * 4096)
    s.call(16384, FCNTL, 3, SETPIPE, 16384)
    s.call(5, OPEN, '"file"', O_RDWR | O_CREAT, 0o644)
    s.call(EBADF, FCNTL, 5, GETPIPE, 0)
    s.call(EBADF, FCNTL, 5, SETPIPE, 4096)
    s.call(0, SETRESUID, 1000, 1000, 1000)
    s.call(EPERM, FCNTL, 3, SETPIPE, (1 << 20) + 1)
    s.call(1 << 20, FCNTL, 3, SETPIPE, 1 << 20)
    on_both(s, tmp_path)


def test_a_bigger_pipe_than_pipe_max_size(tmp_path: Path) -> None:
    """fcntl(2): for the privileged, who are not root in every container; and as far as kmalloc goes."""
    s = Script()
    s.call(0, PIPE, "words")
    s.call(2 << 20, FCNTL, 3, SETPIPE, 2 << 20)
    s.call(-12, FCNTL, 3, SETPIPE, 1 << 31)
    s.call(2 << 20, FCNTL, 3, GETPIPE, 0)
    s.call(0, SETRESUID, 1000, 1000, 1000)
    s.call(8192, FCNTL, 3, SETPIPE, 8192)
    s.call(EPERM, FCNTL, 3, SETPIPE, 8193)
    here(s, tmp_path, Config(sysctl=(("fs.pipe-max-size", "5000"),)))


def test_a_writer_goes_on_when_the_pipe_grows(tmp_path: Path) -> None:
    s = Script()
    s.data.append(".balign 4\nbig: .zero 8192")
    s.call(0, PIPE, "words")
    s.call(4096, FCNTL, 3, SETPIPE, 4096)
    s.text += ["movl $2, %eax\nint $0x80\ntestl %eax, %eax\njz grower\nmovl %eax, words"]
    s.call(8192, WRITE, 4, "big", 8192)  # sleeps until there is room
    s.call(None, WAITPID, "=words", 0, 0)
    after = """grower:
        movl $158, %eax             # let the writer fall asleep
        int $0x80
        movl $162, %eax
        movl $instant, %ebx
        xorl %ecx, %ecx
        int $0x80
        movl $55, %eax
        movl $3, %ebx
        movl $1031, %ecx
        movl $8192, %edx
        int $0x80
        movl $1, %eax
        xorl %ebx, %ebx
        int $0x80"""
    s.data.append(".balign 4\ninstant: .long 0, 1000000")
    on_both(s, tmp_path, after=after)
