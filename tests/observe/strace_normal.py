"""Two traces of one program, made comparable: numbers of processes, addresses, times, and who ran first."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Lines = list[str]
_CALL_RESULT = re.compile(r"^(?:fork|vfork|clone|clone3)\(.*\) = ([1-9]\d*)$")
_SUPERSEDED = re.compile(r"^\+\+\+ superseded by execve in pid (\d+)")
#: Where a line names a process; the number is group 2.
_PROCESS_NUMBERS = (
    re.compile(
        r"^((?:fork|vfork|clone3?|getpid|getppid|gettid|getpgrp|getpgid|setsid|getsid|waitpid|wait4|"
        r"set_tid_address|sigreturn|rt_sigreturn)\(.*\) = )([1-9]\d*)$"
    ),
    re.compile(
        r"^((?:waitpid|wait4|t?kill|tgkill|[gs]etpgid|getsid|rt_(?:tg)?sigqueueinfo)\()([1-9]\d*)"
    ),
    re.compile(r"^((?:kill|waitpid)\(-)([1-9]\d+|[2-9])"),
    re.compile(
        r"^(setpgid\([\w.]+, |(?:tgkill|rt_tgsigqueueinfo|waitid)\([\w.]+, |"
        r"[gs]etpriority\(PRIO_\w+, )([1-9]\d*)"
    ),
    re.compile(r"(parent_tid=\[)(\d+)"),
    re.compile(r"(si_pid=)(\d+)"),
    re.compile(r"(superseded by execve in pid )(\d+)"),
)


def _by_pid(text: str) -> dict[str, Lines]:
    """Each process's lines in order, its interruptions mended."""
    processes: dict[str, Lines] = {}
    for line in text.splitlines():
        pid, _, rest = line.partition(" ")
        lines = processes.setdefault(pid, [])
        rest = rest.strip()
        resumed = re.match(r"<\.\.\. \w+ resumed>", rest)
        if not resumed:
            lines.append(rest)
            continue
        begun = next(
            (at for at in reversed(range(len(lines))) if lines[at].endswith("<unfinished ...>")),
            None,
        )
        if begun is None:  # another thread began it: execve
            lines.append(rest)
            continue
        head = lines.pop(begun).removesuffix("<unfinished ...>").rstrip(" ")
        lines.append(head + "\0" + rest[resumed.end() :])
    return processes


def mended(line: str) -> str:
    """A line without what the machines may differ in: columns, times used, the program's place."""
    line = line.replace(", \0", ", ").replace(",\0", ", ").replace("\0", "")
    line = re.sub(r"\) += ", ") = ", line)
    line = re.sub(r"(si_[us]time)=\d+(?: /\* [\d.]+ s \*/)?", r"\1=0", line)
    line = re.sub(r'nodename="[^"]*"', 'nodename="host"', line)
    line = re.sub(r"sem(get|ctl|op)\((.*)\) = \d{5,}$", r"sem\1(\2) = 0", line)
    line = re.sub(r"sem(ctl|op)\(\d+", r"sem\1(ID", line)
    line = re.sub(r"0x[0-9a-f]+ /\* \d+ vars? \*/", "ENV", line)
    line = re.sub(r'execve\("[^"]*/(\w+)", \["[^"]*/(\w+)"', r'execve("\1", ["\2"', line)
    line = re.sub(r"entry_number=(?:6|12)\b", "entry_number=FIRST", line)  # of 32 and 64 bits
    line = re.sub(r"^((?:rt_)?sigreturn\(.*\) = )\d+$", r"\1EAX", line)
    return re.sub(r"syscall_0xffffffffffffffff\b", "syscall_0xffffffff", line)


def by_process(text: str) -> list[Lines]:
    """Each process's lines, in the order of the tree of processes; numbers replaced by places in it."""
    processes = {pid: [mended(x) for x in lines] for pid, lines in _by_pid(text).items()}
    places: dict[str, str] = {}

    def place(pid: str, name: str) -> None:
        places[pid] = name
        found = (_CALL_RESULT.match(line) or _SUPERSEDED.match(line) for line in processes[pid])
        children = [m[1] for m in found if m]
        for n, child in enumerate(children):
            if child in processes and child not in places:
                place(child, f"{name}.{n:02}")

    for pid in processes:
        if pid not in places:
            place(pid, f"P{len([x for x in places.values() if '.' not in x])}")

    def renamed(line: str) -> str:
        for pattern in _PROCESS_NUMBERS:
            line = pattern.sub(lambda m: m[1] + places.get(m[2], "somebody else"), line)
        return line

    ordered = sorted(processes, key=lambda pid: places[pid])
    return _placed([[renamed(line) for line in processes[pid]] for pid in ordered])


def _placed(found: list[Lines]) -> list[Lines]:
    """Addresses that mmap and brk have chosen, in order of appearance."""
    pages: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        page = f"{int(match[0], 16) >> 12:x}"
        return pages.setdefault(page, f"A{len(pages)}") + match[0][-3:]

    chosen = re.compile(r"0x(?:[b-f][0-9a-f]{7}|[89a][0-9a-f]{6,7})\b(?<!0xc0100000)")
    return [[chosen.sub(name, line) for line in lines] for lines in found]


# -- what else a program may need ------------------------------------------------------------------


def _each(change: Callable[[str], str]) -> Callable[[Lines], Lines]:
    return lambda lines: [change(line) for line in lines]


def _times(line: str) -> str:
    return re.sub(r"(tv_n?u?sec)=\d+", r"\1=T", line)


def _numbers(line: str) -> str:
    line = re.sub(r"^((?:fork|waitpid|getpid|getppid|clone|kill)\(.*\) = )[P\d].*$", r"\1N", line)
    line = re.sub(r"somebody else|P\d[.\d]*", "N", line)
    return re.sub(r"^(waitpid|kill)\(\d+", r"\1(N", line)


def _statuses(line: str) -> str:
    line = re.sub(r"exit\(\d+\)|exited with \d+", "exit N", line)
    return re.sub(r"(WEXITSTATUS\(s\) ==|si_status=) ?\d+", r"\1 N", line)


def _contents(line: str) -> str:
    line = re.sub(r"(FUTEX_WAIT, )\d{10}", r"\1PID", line)
    return re.sub(r'^((?:read|write)\(\d, )"[^"]*", 4\)', r'\1"...", 4)', line)


def _timer_ids(line: str) -> str:
    line = re.sub(r"^(timer_\w+\()\d+", r"\1ID", line)
    line = re.sub(r"si_overrun=\d+|^(timer_getoverrun\(.*\) = )\d+", r"\1OVERRUN", line)
    line = re.sub(r"si_timerid=\w+, (.*), si_int=\d+, si_ptr=\w+", r"si_timerid=ID, \1", line)
    return re.sub(r"^(timer_create\(.*, \[)\d+", r"\1ID", line)


def _stack(line: str) -> str:
    return re.sub(r"\bA\d+[0-9a-f]{3}\b", "STACK", line)


_LOOKS = re.compile(
    r"^(sched_yield|getppid|pause|clock_gettime)\(|^--- SIGCHLD|WNOHANG\) = 0$|^sigreturn\("
)


def _distinct(lines: Lines) -> Lines:
    """Which lines there are at all, whoever ran first and however often it looked."""
    return sorted({line for line in lines if not _LOOKS.search(line)})


def _last_looks(lines: Lines) -> Lines:
    """Of a loop that yields and asks until the answer is another, the last turn."""
    kept: Lines = []
    for line in lines:
        kept.append(line)
        calls = [x.partition("(")[0] for x in kept[-4:]]
        if calls[0] == "sched_yield" and calls[:2] == calls[2:]:
            del kept[-4:-2]
    return kept


def _without_joins(lines: Lines) -> Lines:
    """Without waits for the end of a thread, which may have ended before anybody waits."""
    return [line for line in lines if not re.search(r"FUTEX_WAIT,.*\) = (0$|-1 EAGAIN)", line)]


def _without_yields(lines: Lines) -> Lines:
    """Without the turns of a loop that only yields."""
    return [line for line in lines if not line.startswith("sched_yield(")]


def _uninterrupted(lines: Lines) -> Lines:
    """Without sleeps that begin anew: a tracer is woken by signals which do nothing, and ours is not one."""
    again = ("restart_syscall", "nanosleep")
    return [x for x in lines if "? ERESTART" not in x and not x.startswith(again)]


def _looked(lines: Lines) -> Lines:
    """Without the looks at a priority that is to change, and at a group of its own (it may have one)."""
    return [x for x in lines if not re.match(r"getpriority\(PRIO_PROCESS, P|setpgid\(0, 0\)", x)]


def _without_clone(lines: Lines) -> Lines:
    """Without a call that execve by the thread it makes may cut short."""
    return [line for line in lines if not line.startswith("clone(")]


def _endless(lines: Lines) -> Lines:
    """Without how it was ended: ours is not."""
    ends = (" +++", " = ?", "<unfinished ...>", "<detached ...>")
    return [line for line in lines if not f" {line}".endswith(ends)]


def _children_last(lines: Lines) -> Lines:
    """When SIGCHLD arrives is a matter of who runs first."""
    return sorted(lines, key=lambda line: line.startswith("--- SIGCHLD"))


TIMES, NUMBERS, STATUSES = _each(_times), _each(_numbers), _each(_statuses)
CONTENTS, TIMER_IDS, STACK = _each(_contents), _each(_timer_ids), _each(_stack)
DISTINCT, UNINTERRUPTED, LOOKED = _distinct, _uninterrupted, _looked
ENDLESS, WITHOUT_CLONE = _endless, _without_clone
LAST_LOOKS, WITHOUT_YIELDS, WITHOUT_JOINS = _last_looks, _without_yields, _without_joins


def merged(found: list[Lines]) -> list[Lines]:
    """All processes together: which thread of a group takes a signal is the scheduler's choice."""
    return [_distinct([line for lines in found for line in lines])]


def comparable(text: str, how: Sequence[Callable[[Lines], Lines]]) -> list[Lines]:
    """A trace by process, with what else the program needs."""
    found = by_process(text)
    for change in (*how, _children_last):
        found = [change(lines) for lines in found]
    return found
