"""strace's format: against the real strace where there is one, and piece by piece."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from native_linux import skip_unless_linux32

from emu.paging import PTE_A, PTE_D, walk
from toykernel.harness.build import build
from toykernel.harness.expectations import parse_header
from toykernel.harness.session import Session
from toykernel.kernel.siginfo import pack_siginfo
from toykernel.look.memory import peek, peek_string, peek_word
from toykernel.observe.decoding.call import Call
from toykernel.observe.decoding.names_processes import FLAGS
from toykernel.observe.decoding.processes import status_text
from toykernel.observe.decoding.results import result_text
from toykernel.observe.decoding.signals import siginfo_text
from toykernel.observe.decoding.text import quote
from toykernel.observe.strace import Strace, told_info

USERLAND = Path(__file__).parents[2] / "userland"

#: Programs of which two traces of Linux itself are not the same, or not the same as ours, and why.
NOT_COMPARED = {
    **dict.fromkeys(
        (
            *("clone_parent", "cow_by_kernel", "cow_first_writer", "exec_from_thread", "orphan"),
            *("fork_bomb_small", "history_missing_count", "nproc_limit", "signal_flags"),
            *("signal_jobs", "signal_orphan", "signal_reentry", "signal_stop", "signal_threads"),
            *("subreaper", "yield_pingpong", "zombie", "priority_group", "signal_child"),
        ),
        "it depends on who runs first, or how often it looks",
    ),
    **dict.fromkeys(
        ("sleep", "timers", "timers_posix", "signal_restart", "signal_resume"),
        "times are told, and sleeps begin anew under a tracer",
    ),
    **dict.fromkeys(
        ("bad_pointer", "clone_refused_newer", "fork_return"),
        "this machine's kernel answers otherwise than the one that is modelled",
    ),
    **dict.fromkeys(
        ("groups_sessions", "pid_namespace", "pid_wrap"),
        "it tells numbers that are the machine's own",
    ),
    **dict.fromkeys(
        ("pipe_talk", "signal_handler", "signal_order", "signal_traps", "signal_wait"),
        "siginfo in memory is not written, and ignored signals to itself are not told",
    ),
    **dict.fromkeys(
        ("history_held_page", "thread_join", "priority"),
        "vmsplice, set_thread_area and SCHED_RESET_ON_FORK are written otherwise",
    ),
    **dict.fromkeys(("infinite_loop", "inherited_lock"), "it does not end"),
}
COMPARED = sorted(path.stem for path in USERLAND.glob("*.S") if path.stem not in NOT_COMPARED)


def trace(path: Path, *, to_file: bool = True, args: tuple[str, ...] = ()) -> str:
    """Our trace of a program."""
    lines: list[bytes] = []
    session = Session(path, args)
    strace = Strace(session.kernel, lines.append, every_line_has_pid=to_file)
    session.run(5_000_000)
    strace.close()
    return b"".join(lines).decode()


def source(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "program.S"
    path.write_text(text)
    return path


# -- against the real one --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strace_works(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("probe")
    skip_unless_linux32(directory)
    if shutil.which("strace") is None:
        pytest.skip("no strace on this machine: its format cannot be compared")
    probe = subprocess.run(
        ["strace", "-f", "-o", str(directory / "out"), "true"], capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"strace cannot trace here: {probe.stderr.decode().strip()}")


def by_process(text: str) -> list[list[str]]:
    """Each process's lines in order, its interruptions mended, in order of appearance; numbers of
    processes replaced by their rank, so that two machines can be compared."""
    processes: dict[str, list[str]] = {}
    for line in text.splitlines():
        pid, _, rest = line.partition(" ")
        lines = processes.setdefault(pid, [])
        rest = rest.strip()
        resumed = re.match(r"<\.\.\. \w+ resumed>", rest)
        if resumed:
            lines[-1] = (
                lines[-1].removesuffix("<unfinished ...>").rstrip(" ")
                + "\0"
                + rest[resumed.end() :]
            )
        else:
            lines.append(rest)
    ranks = {pid: f"P{n}" for n, pid in enumerate(sorted(processes, key=int))}

    def renamed(line: str) -> str:
        for pattern in PROCESS_NUMBERS:
            line = pattern.sub(lambda m: m[1] + ranks.get(m[2], "somebody else"), line)
        return line

    found = [[renamed(mended(line)) for line in processes[pid]] for pid in ranks]
    places: dict[str, str] = {}  # addresses that mmap and brk have chosen, in order of appearance

    def placed(match: re.Match[str]) -> str:
        page = f"{int(match[0], 16) >> 12:x}"
        return places.setdefault(page, f"A{len(places)}") + match[0][-3:]

    chosen = re.compile(r"0x(?:[b-f][0-9a-f]{7}|[89a][0-9a-f]{6,7})\b(?<!0xc0100000)")
    return [[chosen.sub(placed, line) for line in lines] for lines in found]


#: Where a line names a process; the number is group 2.
PROCESS_NUMBERS = (
    re.compile(
        r"^((?:fork|vfork|clone|getpid|getppid|gettid|getpgrp|getpgid|setsid|getsid|waitpid|wait4|"
        r"sigreturn|rt_sigreturn)"
        r"\(.*\) = )([1-9]\d*)$"
    ),
    re.compile(r"^((?:waitpid|wait4|kill|tkill|tgkill|getpgid|setpgid|getsid)\()([1-9]\d*)"),
    re.compile(r"^((?:kill|waitpid)\(-)([1-9]\d+|[2-9])"),
    re.compile(r"^(setpgid\(\w+, |tgkill\(\w+, |[gs]etpriority\(PRIO_\w+, )([1-9]\d*)"),
    re.compile(r"(parent_tid=\[)(\d+)"),
    re.compile(r"(si_pid=)(\d+)"),
)


def mended(line: str) -> str:
    """A line without what the machines may differ in: columns, times, addresses of the stack."""
    line = line.replace(", \0", ", ").replace(",\0", ", ").replace("\0", "")
    line = re.sub(r"\) += ", ") = ", line)
    line = re.sub(r"(si_[us]time)=\d+(?: /\* [\d.]+ s \*/)?", r"\1=0", line)
    line = re.sub(r'nodename="[^"]*"', 'nodename="host"', line)
    line = re.sub(r"sem(get|ctl|op)\((.*)\) = \d{5,}$", r"sem\1(\2) = 0", line)
    line = re.sub(r"sem(ctl|op)\(\d+", r"sem\1(ID", line)
    line = re.sub(r"0x[0-9a-f]+ /\* \d+ vars? \*/", "ENV", line)
    line = re.sub(r'execve\("[^"]*/(\w+)", \["[^"]*/(\w+)"', r'execve("\1", ["\2"', line)
    return re.sub(r"syscall_0xffffffffffffffff\b", "syscall_0xffffffff", line)


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.usefixtures("strace_works")
def test_the_real_strace_says_the_same(name: str, tmp_path: Path) -> None:
    path = USERLAND / f"{name}.S"
    program, native = tmp_path / name, tmp_path / "native"
    program.write_bytes(build(path)[0])
    program.chmod(0o755)
    args = parse_header(path.read_text(), str(path)).args
    with open(tmp_path / "out", "wb") as out:
        subprocess.run(
            ["strace", "-f", "-o", str(native), f"./{name}", *args], cwd=tmp_path,
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={}, timeout=30, check=False,
        )  # fmt: skip
    theirs, ours = by_process(native.read_text()), by_process(trace(path, args=args))
    for lines in (*theirs, *ours):  # when SIGCHLD arrives is a matter of who runs first
        lines.sort(key=lambda line: line.startswith("--- SIGCHLD"))
    assert ours == theirs


# -- lines -----------------------------------------------------------------------------------------


def test_columns_prefixes_and_interruptions() -> None:
    lines = trace(USERLAND / "fork_sample.S").splitlines()
    assert lines[0].startswith('2     execve("/fork_sample", ["/fork_sample"], 0xbf')
    assert lines[0].endswith(" /* 0 vars */) = 0")
    assert lines[1] == "2     fork()                            = 3"
    assert "2     waitpid(3,  <unfinished ...>" in lines
    assert "3     exit(0)                           = ?" in lines
    assert "3     +++ exited with 0 +++" in lines
    assert "2     <... waitpid resumed>NULL, 0)     = 3" in lines
    assert lines[-1] == "2     +++ exited with 0 +++"


def test_on_a_terminal_the_process_is_named_while_there_are_several() -> None:
    lines = trace(USERLAND / "fork_sample.S", to_file=False).splitlines()
    assert lines[0].startswith("execve(")
    assert lines[1:3] == [
        "fork(strace: Process 3 attached",
        ")                                  = 3",
    ]
    assert lines[3].startswith("[pid     2] write(1, ")
    assert "[pid     3] +++ exited with 0 +++" in lines
    assert lines[-1] == "+++ exited with 0 +++"


def test_a_signal_that_kills(tmp_path: Path) -> None:
    lines = trace(source(tmp_path, ".globl _start\n_start: movl 0xC0100000, %eax\n")).splitlines()
    assert lines[-2:] == [
        "2     --- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0xc0100000} ---",
        "2     +++ killed by SIGSEGV +++",
    ]


def test_a_run_that_stops_in_the_middle_of_a_call() -> None:
    lines: list[bytes] = []
    session = Session(USERLAND / "fork_sample.S")
    strace = Strace(session.kernel, lines.append, every_line_has_pid=True)
    while not strace._line:
        session.step()
    strace.close()
    strace.close()
    assert lines[-1].endswith(b" <detached ...>\n")


def test_init_is_not_part_of_the_trace() -> None:
    assert not [x for x in trace(USERLAND / "orphan.S").splitlines() if x.startswith("1 ")]


def test_tracing_changes_nothing(tmp_path: Path) -> None:
    """Not even an accessed bit: same output, cycles and RAM with and without."""
    plain, traced = Session(USERLAND / "fork_tree.S"), Session(USERLAND / "fork_tree.S")
    strace = Strace(traced.kernel, lambda data: None, every_line_has_pid=True)
    plain.run()
    traced.run()
    strace.close()
    assert traced.stdout == plain.stdout
    assert traced.kernel.machine.clock.cycles == plain.kernel.machine.clock.cycles
    assert traced.kernel.machine.ram.image() == plain.kernel.machine.ram.image()


def test_looking_at_memory_sets_no_bit_and_takes_no_fault(tmp_path: Path) -> None:
    session = Session(source(tmp_path, ".globl _start\n_start: jmp _start\n.bss\nx: .skip 40960\n"))
    session.run(20_000)
    k = session.kernel
    mm = k.current.mm
    assert mm is not None
    assert session.program is not None
    x = session.program.symbols["x"].value + 8192
    assert walk(k.machine.ram, mm.pgd, x).physical is None
    faults, before = dict(session.stats.faults), k.machine.ram.image()
    assert peek(k, mm, x, 4096) == bytes(4096)  # untouched: zeros, and still not there
    assert peek_word(k, mm, session.program.entry) is not None
    assert peek_string(k, mm, x, 10) == (b"", True)
    assert peek(k, mm, 0, 1) is None
    assert peek(k, mm, 0xBFFFFFFF, 2) is None
    assert peek(k, mm, 0xC0100000, 4) is None
    assert peek(k, mm, 0xFFFFFFFF, 4) is None
    assert peek(k, None, x, 1) is None
    assert walk(k.machine.ram, mm.pgd, x).physical is None
    assert (session.stats.faults, k.machine.ram.image()) == (faults, before)
    entry = walk(k.machine.ram, mm.pgd, session.program.entry).pte
    assert entry is not None
    assert not entry & PTE_D
    assert entry & PTE_A


# -- values ----------------------------------------------------------------------------------------


def test_strings_are_quoted_as_strace_quotes() -> None:
    assert quote(b'a\x01b\x012\x00\xff\t"\\\r\v\f~\x7f') == r'"a\1b\0012\0\377\t\"\\\r\v\f~\177"'
    assert quote(b"\x008") == r'"\08"'  # 8 is no octal digit


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0x0700, "{WIFEXITED(s) && WEXITSTATUS(s) == 7}"),
        (0x000B, "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV}"),
        (0x008B, "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}"),
        (0x137F, "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}"),
        (0xFFFF, "{WIFCONTINUED(s)}"),
    ],
)
def test_wait_status(status: int, text: str) -> None:
    assert status_text(status) == text


@pytest.mark.parametrize(
    ("name", "result", "text"),
    [
        ("read", 5, "5"),
        ("brk", 0x804A000, "0x804a000"),
        ("brk", -0x50000000, "0xb0000000"),
        ("wait4", -10, "-1 ECHILD (No child processes)"),
        ("frob", -38, "-1 ENOSYS (Function not implemented)"),
        ("wait4", -512, "? ERESTARTSYS (To be restarted if SA_RESTART is set)"),
        ("getpid", -5000, "-5000"),
    ],
)
def test_results(name: str, result: int, text: str) -> None:
    session = Session(USERLAND / "hello.S")
    call = Call(session.kernel, None, name, [0] * 6, result)
    assert result_text(call) == text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (0, "0"),
        (3, "WNOHANG|WSTOPPED"),
        (0x40, "0x40 /* W??? */"),
        (0x49, "WNOHANG|WCONTINUED|0x40"),
        (0xE0000000, "__WCLONE|__WALL|__WNOTHREAD"),
    ],
)
def test_wait_options(word: int, text: str) -> None:
    assert FLAGS["wait_options"].flags(word) == text


@pytest.mark.parametrize(
    ("sig", "info", "text"),
    [
        (11, {"si_code": 2, "si_addr": 16}, "si_signo=SIGSEGV, si_code=SEGV_ACCERR, si_addr=0x10"),
        (11, {"si_code": 0x80}, "si_signo=SIGSEGV, si_code=SI_KERNEL, si_addr=NULL"),
        (8, {"si_code": 1, "si_addr": 0}, "si_signo=SIGFPE, si_code=FPE_INTDIV, si_addr=NULL"),
        (9, {}, "si_signo=SIGKILL, si_code=SI_KERNEL"),
        (15, {"si_code": 0, "si_pid": 4}, "si_signo=SIGTERM, si_code=SI_USER, si_pid=4, si_uid=0"),
        (
            17,
            {"si_pid": 3, "si_status": 0x8B},
            "si_signo=SIGCHLD, si_code=CLD_DUMPED, si_pid=3, si_uid=0, si_status=SIGSEGV, "
            "si_utime=0, si_stime=0",
        ),
    ],
)
def test_siginfo(sig: int, info: dict[str, int], text: str) -> None:
    assert siginfo_text(pack_siginfo(told_info(sig, info))) == "{" + text + "}"


def test_strings_and_vectors_in_calls(tmp_path: Path) -> None:
    """What the real one wrote for the same calls."""
    program = """
.globl _start
_start:
 movl $4,%eax; movl $-1,%ebx; movl $msg,%ecx; movl $60,%edx; int $0x80
 movl $4,%eax; movl $-1,%ebx; movl $msg,%ecx; movl $32,%edx; int $0x80
 movl $4,%eax; movl $-1,%ebx; movl $msg,%ecx; movl $-1,%edx; int $0x80
 movl $4,%eax; movl $1,%ebx; movl $msg,%ecx; movl $0,%edx; int $0x80
 movl $122,%eax; movl $16,%ebx; int $0x80
 movl $11,%eax; movl $path,%ebx; movl $0, %ecx; movl $0, %edx; int $0x80
 movl $11,%eax; movl $path,%ebx; movl $av, %ecx; movl $16, %edx; int $0x80
 movl $11,%eax; movl $0,%ebx; movl $16, %ecx; movl $av, %edx; int $0x80
 movl $252,%eax; movl $300,%ebx; int $0x80
.data
msg: .ascii "a\\001b\\0012\\000\\377\\t\\"\\\\\\r\\013\\f~\\177 01234567890abcdefghijklmnopqrstuvwxyz"
.asciz "abcdefghijklmnopqrstuvwxyz"
path: .asciz "/nonexistent/path/that/is/very/long/indeed/and/more"
.balign 4
av: .long msg, 16, path, 0
"""
    text = trace(source(tmp_path, program))
    av = int(re.findall(r"execve\(NULL, 0x10, (0x[0-9a-f]+) ", text)[0], 16)
    quoted = r'"a\1b\0012\0\377\t\"\\\r\v\f~\177 01234567890abcde"'
    path = '"/nonexistent/path/that/is/very/long/indeed/and/more"'
    vector = r'["a\1b\0012", 0x10, "/nonexistent/path/that/is/very/l"...]'
    bad, absent = "= -1 EBADF (Bad file descriptor)", "= -1 ENOENT (No such file or directory)"
    seen = [line[6:] for line in text.splitlines()[1:]]
    assert seen == [
        f"write(-1, {quoted}..., 60) {bad}",
        f"write(-1, {quoted}, 32) {bad}",
        f"write(-1, {quoted}..., 4294967295) {bad}",
        'write(1, "", 0)                   = 0',
        "uname(0x10)                       = -1 EFAULT (Bad address)",
        f"execve({path}, NULL, NULL) {absent}",
        f"execve({path}, {vector}, 0x10) {absent}",
        f"execve(NULL, 0x10, {av:#x} /* 3 vars */) = -1 EFAULT (Bad address)",
        "exit_group(300)                   = ?",
        "+++ exited with 44 +++",
    ]
