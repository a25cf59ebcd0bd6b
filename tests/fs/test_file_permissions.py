"""Who may do what with a file: the bits, root's capabilities, the sticky bit; as Linux answers."""

from pathlib import Path

from test_native_calls import (
    CHDIR,
    CLOSE,
    MKDIR,
    O_CREAT,
    O_RDONLY,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
    OPEN,
    RMDIR,
    SETRESUID,
    UNLINK,
    Script,
    on_both,
)

EPERM, EACCES = -1, -13
ACCESS, UMASK, SETRESGID = 33, 60, 210
R, W, X = 4, 2, 1


def files(s: Script) -> None:
    """Of root's: one for each set of bits, in a directory that everybody may search."""
    s.call(None, UMASK, 0)
    s.call(0, MKDIR, '"d"', 0o755)
    s.call(0, MKDIR, '"closed"', 0o700)
    for name, mode in (("d/r", 0o644), ("d/w", 0o602), ("d/none", 0o600), ("closed/f", 0o666)):
        s.call(3, OPEN, f'"{name}"', O_RDWR | O_CREAT, mode)
        s.call(0, CLOSE, 3)


def test_another_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    s = Script()
    files(s)
    s.call(0, MKDIR, '"all"', 0o1777)
    s.call(3, OPEN, '"all/roots"', O_RDWR | O_CREAT, 0o666)
    s.call(0, CLOSE, 3)
    s.call(0, SETRESGID, 1000, 1000, 1000)
    s.call(0, SETRESUID, 1000, 1000, 1000)
    s.call(3, OPEN, '"d/r"', O_RDONLY)
    s.call(0, CLOSE, 3)
    s.call(EACCES, OPEN, '"d/r"', O_WRONLY)
    s.call(EACCES, OPEN, '"d/r"', O_RDONLY | O_TRUNC)
    s.call(3, OPEN, '"d/w"', O_WRONLY)
    s.call(0, CLOSE, 3)
    s.call(EACCES, OPEN, '"d/w"', O_RDWR)
    s.call(EACCES, OPEN, '"d/none"', O_RDONLY)
    s.call(EACCES, OPEN, '"closed/f"', O_RDONLY)
    s.call(EACCES, OPEN, '"closed/gone"', O_RDONLY)
    s.call(EACCES, CHDIR, '"closed"')
    s.call(EACCES, OPEN, '"d/new"', O_RDWR | O_CREAT, 0o644)
    s.call(EACCES, MKDIR, '"d/new"', 0o755)
    s.call(EACCES, UNLINK, '"d/r"')
    s.call(EPERM, UNLINK, '"all/roots"')  # the sticky bit
    s.call(3, OPEN, '"all/own"', O_RDWR | O_CREAT, 0)  # its mode is not looked at now
    s.call(EACCES, OPEN, '"all/own"', O_RDONLY)
    s.call(0, UNLINK, '"all/own"')
    s.call(0, MKDIR, '"all/d"', 0o755)
    s.call(0, RMDIR, '"all/d"')
    for name, mode, answer in (
        ("d/r", R, 0),
        ("d/r", R | W, EACCES),
        ("d/w", W, 0),
        ("d", R | X, 0),
        ("closed", 0, 0),
        ("closed/f", 0, EACCES),
    ):
        s.call(answer, ACCESS, f'"{name}"', mode)
    on_both(s, tmp_path)


def test_root(tmp_path: Path) -> None:
    s = Script()
    files(s)
    s.call(3, OPEN, '"d/none"', O_RDWR)
    s.call(4, OPEN, '"closed/f"', O_RDWR)
    s.call(0, ACCESS, '"d/none"', R | W)
    s.call(EACCES, ACCESS, '"d/none"', X)  # executable for nobody
    s.call(0, ACCESS, '"closed"', X)
    s.call(0o0, UMASK, 0o077)
    s.call(0o077, UMASK, 0o022)
    on_both(s, tmp_path)
