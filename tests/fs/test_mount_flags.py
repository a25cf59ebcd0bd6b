"""What becomes of mount(2)'s flags: each with each, at first and by MS_REMOUNT (do_mount)."""

import itertools

from trees import Here

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.fs.namei import path_lookup
from toykernel.fs.namespace import sys_mount, sys_umount2
from toykernel.fs.proc.task_files import mounts
from toykernel.mm.mmap import sys_mmap2
from toykernel.state import Kernel

NOATIME, NODIRATIME, RELATIME, STRICTATIME = 1 << 10, 1 << 11, 1 << 21, 1 << 24
REMOUNT, BIND = 32, 4096
WORDS = {1: "ro", 2: "nosuid", 4: "nodev", 8: "noexec", 256: "nosymfollow"}
TIMES = [
    sum(chosen)
    for n in range(5)
    for chosen in itertools.combinations((NOATIME, NODIRATIME, RELATIME, STRICTATIME), n)
]


def times(flags: int) -> list[str]:
    """MS_STRICTATIME leaves neither of noatime and relatime, which else is what is not noatime."""
    words = []
    if not flags & STRICTATIME:
        words.append("noatime" if flags & NOATIME else "relatime")
    return sorted(words + ["nodiratime"] * bool(flags & NODIRATIME))


class Mounting:
    def __init__(self, k: Kernel) -> None:
        self.k = k
        Here(k).mkdir("m")
        self.page = sys_mmap2(k, 0, 4096, 3, 0x22, 0xFFFFFFFF, 0)
        copy_to_user(k, self.page, b"/home/m\0tmpfs\0")

    def mount(self, flags: int) -> list[str]:
        """Mounts, or mounts again; the words that /proc/mounts has."""
        assert sys_mount(self.k, 0, self.page, self.page + 8, flags, 0) == 0
        return self.words()

    def words(self) -> list[str]:
        line = next(
            line for line in mounts(self.k, self.k.current).splitlines() if " /home/m " in line
        )
        return line.split()[3].split(",")

    def end(self) -> None:
        assert sys_umount2(self.k, self.page, 0) == 0


def of_time(words: list[str]) -> list[str]:
    return sorted(word for word in words if "atime" in word)


def test_times_of_reading(k: Kernel) -> None:
    at = Mounting(k)
    for first in TIMES:
        for again, bind in itertools.product(TIMES, (0, BIND)):
            assert of_time(at.mount(first)) == times(first)
            # Without any of them those there were stay.
            assert of_time(at.mount(REMOUNT | bind | again)) == times(again or first), (
                first,
                again,
            )
            at.end()


def test_what_is_forbidden(k: Kernel) -> None:
    at = Mounting(k)
    for first, again in itertools.product(range(16), (0, 256, *range(16))):
        for flags in (first, REMOUNT | BIND | again):
            words = at.mount(flags)
            shown = flags | first & 1  # the file system itself is read-only, whatever its mount is
            wanted = {word for bit, word in WORDS.items() if shown & bit}
            assert {word for word in words if word in WORDS.values()} == wanted, (first, again)
            assert words[0] == ("ro" if shown & 1 else "rw")
        assert path_lookup(k, "/home/m").found().dentry.inode.i_sb.read_only is bool(first & 1)
        at.end()
