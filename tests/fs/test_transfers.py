"""read, write and what a partly mapped buffer leaves of them; truncation; descriptors. As Linux answers."""

from pathlib import Path

import pytest
from test_native_calls import (
    CLOSE,
    EBADF,
    EFAULT,
    EINVAL,
    FCNTL,
    FORK,
    LSEEK,
    MMAP2,
    MUNMAP,
    O_CREAT,
    O_RDONLY,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
    OPEN,
    PIPE,
    READ,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
    UNLINK,
    WAITPID,
    WRITE,
    Script,
    here,
    on_both,
)

ENOSPC, EEXIST, EMFILE, EAGAIN, ESPIPE = -28, -17, -24, -11, -29
ENODEV, EACCES, ENOTTY, EISDIR = -19, -13, -25, -21
O_EXCL, O_APPEND, O_NONBLOCK, O_CLOEXEC = 0o200, 0o2000, 0o4000, 0o2000000
DUP, DUP2, IOCTL, PIPE2, DUP3, MADVISE = 41, 63, 54, 331, 330, 219
DUPFD, GETFD, SETFD, GETFL, SETFL, DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030
MADV_DONTNEED = 4
PRIVATE, SHARED, FIXED_ANON = 2, 1, 0x32
#: One page that is mapped, and the end of it.
MAPPED, END = 0x30000000, 0x30001000
BIG = ".balign 4096\nbig: .fill 12288, 1, 65"
FALLOCATE = 324


def with_a_page() -> Script:
    """A script that has one page, with nothing behind it."""
    s = Script()
    s.data.append(BIG)
    s.call(MAPPED, MMAP2, MAPPED, 8192, 3, FIXED_ANON, -1, 0)
    s.call(0, MUNMAP, END, 4096)
    return s


# -- buffers that end in nothing -------------------------------------------------------------------


def test_a_file_gives_what_fits_and_moves_on(tmp_path: Path) -> None:
    s = with_a_page()
    s.call(3, OPEN, '"file"', O_RDWR | O_CREAT, 0o644)
    s.call(6000, WRITE, 3, "big", 6000)
    s.call(0, LSEEK, 3, 0, SEEK_SET)
    s.call(4096, READ, 3, MAPPED, 6000)
    s.call(4096, LSEEK, 3, 0, SEEK_CUR)
    s.call(EFAULT, READ, 3, END, 10)
    s.call(4096, LSEEK, 3, 0, SEEK_CUR)
    s.call(100, READ, 3, END - 100, 600)
    s.keep(f"{END - 4}", 0x41414141)
    s.call(4196, LSEEK, 3, 0, SEEK_CUR)
    on_both(s, tmp_path)


def test_a_file_takes_what_can_be_read_and_moves_on(tmp_path: Path) -> None:
    s = with_a_page()
    s.call(3, OPEN, '"file"', O_RDWR | O_CREAT, 0o644)
    s.text.append(f"movl $0x12345678, {END - 4}")
    s.call(256, WRITE, 3, END - 256, 600)
    s.call(256, LSEEK, 3, 0, SEEK_CUR)
    s.call(256, LSEEK, 3, 0, SEEK_END)
    s.call(EFAULT, WRITE, 3, END, 600)
    s.call(256, LSEEK, 3, 0, SEEK_END)
    s.call(252, LSEEK, 3, 252, SEEK_SET)
    s.call(4, READ, 3, "words", 9)
    s.keep("words", 0x12345678)
    on_both(s, tmp_path)


def test_zeros_up_to_the_end_of_the_buffer(tmp_path: Path) -> None:
    s = with_a_page()
    s.text.append(f"movl $-1, {END - 4}")
    s.call(3, OPEN, '"/dev/zero"', O_RDONLY)
    s.call(256, READ, 3, END - 256, 600)
    s.keep(f"{END - 4}", 0)
    s.call(EFAULT, READ, 3, END, 1)
    on_both(s, tmp_path)


def test_a_pipe_gives_whole_buffers_only(tmp_path: Path) -> None:
    s = with_a_page()
    s.call(0, PIPE2, "words", O_NONBLOCK)
    s.call(8192, WRITE, 4, "big", 8192)
    s.call(4096, READ, 3, MAPPED, 8192)
    s.call(4096, READ, 3, "page", 4097)
    s.call(100, WRITE, 4, "big", 100)
    s.call(EFAULT, READ, 3, END - 50, 100)
    s.call(50, READ, 3, END - 50, 50)
    s.call(50, READ, 3, "page", 4096)  # nothing was lost
    s.call(EAGAIN, READ, 3, "page", 1)
    on_both(s, tmp_path)


def test_a_pipe_takes_whole_pages_only(tmp_path: Path) -> None:
    s = with_a_page()
    s.call(0, PIPE2, "words", O_NONBLOCK)
    s.call(4096, WRITE, 4, MAPPED, 6000)
    s.call(4096, READ, 3, "page", 4096)
    s.call(EAGAIN, READ, 3, "page", 1)
    s.call(EFAULT, WRITE, 4, END, 1)
    s.call(10, WRITE, 4, "big", 10)
    s.call(EFAULT, WRITE, 4, END - 50, 100)  # would have gone behind the 10
    s.call(10, READ, 3, "page", 4096)
    on_both(s, tmp_path)


# -- a pipe has buffers, not bytes -----------------------------------------------------------------


def fill(s: Script, size: int, times: int) -> None:
    for _ in range(times):
        s.call(size, WRITE, 4, "big", size)
    s.call(EAGAIN, WRITE, 4, "big", size)


@pytest.mark.parametrize(
    ("size", "times"), [(2100, 16), (2048, 32), (1365, 48), (4095, 16), (1, None), (4096, 16)]
)
def test_writes_that_do_not_fit_take_a_new_buffer(
    tmp_path: Path, size: int, times: int | None
) -> None:
    s = Script()
    s.data.append(BIG)
    s.call(0, PIPE2, "words", O_NONBLOCK)
    if times is None:  # bytes fill every buffer up
        for _ in range(15):
            s.call(4096, WRITE, 4, "big", 4096)
        s.call(4095, WRITE, 4, "big", 4095)
        s.call(1, WRITE, 4, "big", 1)
        s.call(EAGAIN, WRITE, 4, "big", 1)
    else:
        fill(s, size, times)
    on_both(s, tmp_path)


def test_room_in_a_buffer_does_not_come_back_by_reading_from_it(tmp_path: Path) -> None:
    s = Script()
    s.data.append(BIG)
    s.call(0, PIPE2, "words", O_NONBLOCK)
    s.call(4096, FCNTL, 4, 1031, 4096)
    s.call(4000, WRITE, 4, "big", 4000)
    s.call(3000, READ, 3, "page", 3000)
    s.call(EAGAIN, WRITE, 4, "big", 97)
    s.call(96, WRITE, 4, "big", 96)
    s.call(EAGAIN, WRITE, 4, "big", 1)
    s.call(1096, READ, 3, "page", 4096)
    s.call(4096, WRITE, 4, "big", 4096)
    on_both(s, tmp_path)


def test_up_to_a_page_goes_in_whole_or_not_at_all(tmp_path: Path) -> None:
    s = Script()
    s.data.append(BIG)
    s.call(0, PIPE2, "words", O_NONBLOCK)
    s.call(8192, FCNTL, 4, 1031, 8192)
    s.call(4096, WRITE, 4, "big", 4096)
    s.call(4096, WRITE, 4, "big", 8192)  # more than PIPE_BUF: a part
    s.call(EAGAIN, WRITE, 4, "big", 8192)
    s.call(4097, READ, 3, "big", 4097)
    s.call(4096, WRITE, 4, "big", 4096)
    s.call(EAGAIN, WRITE, 4, "big", 4096)
    on_both(s, tmp_path)


def test_the_size_of_a_pipe_is_counted_in_buffers(tmp_path: Path) -> None:
    s = Script()
    s.data.append(BIG)
    s.call(0, PIPE2, "words", O_NONBLOCK)
    for _ in range(3):
        s.call(2100, WRITE, 4, "big", 2100)  # 6,300 bytes in three buffers
    s.call(-16, FCNTL, 4, 1031, 8192)
    s.call(16384, FCNTL, 4, 1031, 12288)
    s.call(2100, READ, 3, "page", 2100)
    s.call(8192, FCNTL, 4, 1031, 8192)
    s.call(EAGAIN, WRITE, 4, "big", 2100)
    s.call(1996, WRITE, 4, "big", 1996)
    on_both(s, tmp_path)


# -- files that become shorter ---------------------------------------------------------------------


def mapped(s: Script, kind: int) -> None:
    """Two pages of A in `file`, mapped at MAPPED and touched."""
    s.data.append(BIG)
    s.call(3, OPEN, '"file"', O_RDWR | O_CREAT, 0o644)
    s.call(8192, WRITE, 3, "big", 8192)
    s.call(MAPPED, MMAP2, MAPPED, 8192, 3, kind | 0x10, 3, 0)
    s.text.append(f"incl {MAPPED}\nincl {END}")


def child_touches(s: Script, address: int, status: int) -> None:
    """A child reads there; its wait status."""
    s.text.append(f"movl ${FORK}, %eax\nint $0x80\ntestl %eax, %eax\njnz 1f")
    s.text.append(f"movl {address}, %ebx\nmovl $1, %eax\nxorl %ebx, %ebx\nint $0x80\n1:")
    s.call(None, WAITPID, -1, "words", 0)
    s.keep("words", status)


@pytest.mark.parametrize("kind", [SHARED, PRIVATE])
def test_o_trunc_takes_mapped_pages_away(tmp_path: Path, kind: int) -> None:
    """Private copies of them, too: SIGBUS for who touches them, and no byte of them comes back."""
    s = Script()
    mapped(s, kind)
    child_touches(s, MAPPED, 0)
    s.call(4, OPEN, '"file"', O_RDWR | O_TRUNC)
    child_touches(s, MAPPED, 7)
    child_touches(s, END, 7)
    s.call(EFAULT, WRITE, 1, MAPPED, 4)
    s.call(100, LSEEK, 4, 100, SEEK_SET)
    s.call(1, WRITE, 4, "big", 1)
    s.call(0, LSEEK, 4, 0, SEEK_SET)
    s.call(4, READ, 4, "words", 4)
    s.keep("words", 0)
    s.keep(f"{MAPPED}", 0)  # there is a page again: the file's, not the copy
    s.keep(f"{MAPPED + 100}", 65)
    child_touches(s, END, 7)
    on_both(s, tmp_path)


# -- thrown-away pages of a program ----------------------------------------------------------------


def test_dontneed_brings_the_files_bytes_back(tmp_path: Path) -> None:
    s = Script()
    s.data.append(".balign 4096\nown: .long 0xf11e\n.balign 4096")
    for _ in range(2):
        s.text.append("movl $1, own\nmovl $2, page")
        s.call(0, MADVISE, "own", 4096, MADV_DONTNEED)
        s.call(0, MADVISE, "page", 4096, MADV_DONTNEED)
        s.keep("own", 0xF11E)
        s.keep("page", 0)
    s.text.append("movl $3, own\nmovl $4, page")
    s.text.append(f"movl ${FORK}, %eax\nint $0x80\ntestl %eax, %eax\njz thrower")
    s.call(None, WAITPID, -1, "words", 0)
    s.keep("words", 0xF11E & 0xFF00)
    s.keep("own", 3)
    s.keep("page", 4)
    after = f"""thrower:
        movl ${MADVISE}, %eax
        movl $own, %ebx
        movl $4096, %ecx
        movl $4, %edx
        int $0x80
        movzbl own + 1, %ebx
        movl $1, %eax
        int $0x80"""
    on_both(s, tmp_path, after=after)


# -- flags of open, descriptors --------------------------------------------------------------------


def test_open_flags(tmp_path: Path) -> None:
    s = Script()
    s.data.append(BIG)
    s.call(3, OPEN, '"file"', O_WRONLY | O_CREAT | O_EXCL, 0o600)
    s.call(EEXIST, OPEN, '"file"', O_WRONLY | O_CREAT | O_EXCL, 0o600)
    s.call(10, WRITE, 3, "big", 10)
    s.call(EBADF, READ, 3, "page", 1)
    s.call(4, OPEN, '"file"', O_RDWR | O_APPEND)
    s.call(0, LSEEK, 4, 0, SEEK_SET)
    s.call(2, WRITE, 4, "big", 2)
    s.call(12, LSEEK, 4, 0, SEEK_CUR)
    s.call(5, OPEN, '"file"', O_RDONLY)
    s.call(EBADF, WRITE, 5, "big", 1)
    s.call(EBADF, WRITE, 5, "big", 0)
    s.call(12, READ, 5, "page", 4096)
    s.call(0, READ, 5, "page", 4096)
    s.call(6, OPEN, '"file"', O_WRONLY | O_TRUNC)
    s.call(0, LSEEK, 5, 0, SEEK_END)
    s.call(7, OPEN, '"."', O_RDONLY)
    s.call(EISDIR, READ, 7, "page", 1)
    s.call(ENODEV, MMAP2, 0, 4096, 1, SHARED, 7, 0)
    s.call(EACCES, MMAP2, 0, 4096, 1, SHARED, 6, 0)
    s.call(ENOTTY, IOCTL, 5, 0x12345678, 0)
    s.call(EBADF, IOCTL, 99, 0x5401, 0)
    on_both(s, tmp_path)


def test_devices(tmp_path: Path) -> None:
    s = Script()
    s.data.append(BIG)
    s.call(3, OPEN, '"/dev/null"', O_RDWR)
    s.call(4, OPEN, '"/dev/zero"', O_RDWR)
    s.call(5000, WRITE, 3, "big", 5000)
    s.call(5000, WRITE, 4, "big", 5000)
    s.call(0, READ, 3, "page", 10)
    s.call(4, READ, 4, "big", 4)
    s.keep("big", 0)
    s.call(0, LSEEK, 3, 100, SEEK_SET)
    s.call(0, LSEEK, 4, 100, SEEK_SET)
    s.call(ENODEV, MMAP2, 0, 4096, 1, PRIVATE, 3, 0)
    s.call(MAPPED, MMAP2, MAPPED, 4096, 3, PRIVATE | 0x10, 4, 7)
    s.keep(f"{MAPPED}", 0)
    s.call(ENOTTY, IOCTL, 3, 0x5401, 0)
    on_both(s, tmp_path)


def test_descriptors_for_one_open_file(tmp_path: Path) -> None:
    s = Script()
    s.data.append(BIG)
    s.call(3, OPEN, '"file"', O_RDWR | O_CREAT, 0o644)
    s.call(4, DUP, 3)
    s.call(9, DUP2, 3, 9)
    s.call(10, DUP3, 3, 10, O_CLOEXEC)
    s.call(EINVAL, DUP3, 3, 3, 0)
    s.call(3, DUP2, 3, 3)
    s.call(EBADF, DUP2, 77, 77)
    s.call(EBADF, DUP2, 3, -1)
    s.call(7, FCNTL, 3, DUPFD, 7)
    s.call(8, FCNTL, 3, DUPFD_CLOEXEC, 7)
    s.call(EINVAL, FCNTL, 3, DUPFD, -1)
    for fd, cloexec in ((3, 0), (4, 0), (7, 0), (8, 1), (9, 0), (10, 1)):
        s.call(cloexec, FCNTL, fd, GETFD, 0)
    s.call(0, FCNTL, 10, SETFD, 0)
    s.call(0, FCNTL, 10, GETFD, 0)
    s.call(5, WRITE, 9, "big", 5)
    s.call(5, LSEEK, 3, 0, SEEK_CUR)  # one offset for all
    s.call(0, FCNTL, 4, SETFL, O_APPEND | O_NONBLOCK)
    s.call(O_RDWR | O_APPEND | O_NONBLOCK, FCNTL, 3, GETFL, 0)  # and one set of flags
    s.call(0, CLOSE, 3)
    s.call(EBADF, CLOSE, 3)
    s.call(EBADF, LSEEK, 3, 0, SEEK_CUR)
    s.call(5, LSEEK, 9, 0, SEEK_CUR)
    on_both(s, tmp_path)


def test_positions(tmp_path: Path) -> None:
    s = Script()
    s.data.append(BIG)
    s.call(3, OPEN, '"file"', O_RDWR | O_CREAT, 0o644)
    s.call(10, WRITE, 3, "big", 10)
    s.call(EINVAL, LSEEK, 3, -11, SEEK_CUR)
    s.call(10, LSEEK, 3, 0, SEEK_CUR)
    s.call(7, LSEEK, 3, -3, SEEK_END)
    s.call(EINVAL, LSEEK, 3, 0, 9)
    s.call(20, LSEEK, 3, 20, SEEK_SET)
    s.call(0, READ, 3, "page", 1)
    s.call(1, WRITE, 3, "big", 1)
    s.call(8, LSEEK, 3, 8, SEEK_SET)
    s.call(4, READ, 3, "words", 4)
    s.keep("words", 0x4141)  # then a hole of zeros
    s.call(0, PIPE, "words")
    s.call(ESPIPE, LSEEK, 4, 0, SEEK_CUR)
    on_both(s, tmp_path)


# -- the room that files have ----------------------------------------------------------------------


def test_a_file_without_a_name_takes_room_until_it_is_closed(tmp_path: Path) -> None:
    """The host's memory is not the guest's to fill: 64 MiB, names or no names."""
    s = Script()
    s.call(3, OPEN, '"/tmp/a"', O_RDWR | O_CREAT, 0o644)
    s.call(0, UNLINK, '"/tmp/a"')
    s.call(0, FALLOCATE, 3, 0, 0, 0, 64 << 20, 0)
    s.call(4, OPEN, '"/tmp/b"', O_RDWR | O_CREAT, 0o644)
    s.call(8 << 20, LSEEK, 4, 8 << 20, SEEK_SET)
    s.call(ENOSPC, WRITE, 4, "page", 1)
    s.call(MAPPED, MMAP2, MAPPED, 4096, 3, SHARED | 0x10, 3, 0)
    s.call(0, CLOSE, 3)
    s.call(ENOSPC, WRITE, 4, "page", 1)  # it is mapped
    s.call(0, MUNMAP, MAPPED, 4096)
    s.call(1, WRITE, 4, "page", 1)
    s.call(3, OPEN, '"/tmp/b"', O_RDWR | O_TRUNC)
    s.call(60 << 20, LSEEK, 3, 60 << 20, SEEK_SET)
    s.call(1, WRITE, 3, "page", 1)
    here(s, tmp_path)
