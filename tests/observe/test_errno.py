"""Error numbers have Linux's names and strace's texts, whatever the host has."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from native_linux import skip_unless_linux32

from toykernel import errno
from toykernel.harness.build import build
from toykernel.observe.decoding.results import error_text

#: asm-generic/errno-base.h and errno.h, from 1 to 133; 41 and 58 are synonyms' places and have no name.
HEADER = """
EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK
EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE
EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM
ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC
EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO
EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX
ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT
EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL
ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN
ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN
ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED
EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON
"""
#: What strace 6.1 writes for them, by injected error: the three that hosts' tables call otherwise,
#: numbers without a name, and the kernel's own.
STRACE = {
    11: "-1 EAGAIN (Resource temporarily unavailable)",
    35: "-1 EDEADLK (Resource deadlock avoided)",
    41: "-1 (errno 41)",
    58: "-1 (errno 58)",
    95: "-1 EOPNOTSUPP (Operation not supported)",
    133: "-1 EHWPOISON (Memory page has hardware error)",
    134: "-1 (errno 134)",
    512: "? ERESTARTSYS (To be restarted if SA_RESTART is set)",
    513: "? ERESTARTNOINTR (To be restarted)",
    514: "? ERESTARTNOHAND (To be restarted if no handler)",
    515: "-1 ENOIOCTLCMD (Unknown error 515)",
    516: "? ERESTART_RESTARTBLOCK (Interrupted by signal)",
}


def test_every_number_has_its_name():
    for number, name in enumerate(HEADER.split(), start=1):
        assert errno.name(number) == (str(number) if name == "-" else name)
        if name != "-":
            assert getattr(errno, name) == number
    assert {n for n in errno.NAMES if n > 133} == {512, 513, 514, 515, 516}
    assert len(errno.NAMES) == 131 + 5


@pytest.mark.parametrize("number", STRACE)
def test_how_strace_writes_it(number: int) -> None:
    assert error_text(-number) == STRACE[number]


def test_the_host_is_not_asked() -> None:
    root = Path(errno.__file__).parent
    host = {"cli", "host_files.py"}  # which are about the host's files
    kernel = [p for p in root.rglob("*.py") if not host & set(p.relative_to(root).parts)]
    asks = re.compile(r"^(import errno|from errno import)|os\.strerror|errorcode", re.MULTILINE)
    assert [p for p in kernel if asks.search(p.read_text())] == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
def test_native(tmp_path: Path) -> None:
    """Every number that a call can answer, and the restart codes, by injection into getpid."""
    skip_unless_linux32(tmp_path)
    source, path = tmp_path / "pid.S", tmp_path / "pid"
    source.write_text(
        '.include "linux.inc"\n.text\n.globl _start\n_start:\n'
        'sys_getpid\nsys_exit $0\n.include "print.inc"\n'
    )
    path.write_bytes(build(source)[0])
    path.chmod(0o755)
    numbers = [*range(1, 135), *range(512, 517)]
    native = {}
    for number in numbers:
        command = ["strace", "-e", f"inject=getpid:error={number}", path]
        lines = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=False
        ).stderr.splitlines()
        for line in lines:
            if match := re.match(r"getpid\(\) += (.*) \(INJECTED\)$", line):
                native[number] = match[1]
    if not native:
        pytest.skip("this host does not let strace trace")
    assert native == {number: error_text(-number) for number in numbers}
