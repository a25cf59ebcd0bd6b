"""What a program promises in its header; comparison.py says whether a run kept it.

A header is the block of `#` comment lines at the top of a source file:

    # title: TEXT                              what the program shows, one line
    # expect stdout: LINE                      one line of standard output; repeatable
    # expect stdout-any-order: LINE            the same, see below
    # expect stderr: LINE                      one line of standard error; repeatable, in order
    # expect status: N                         exit status, 0 to 255
    # expect signal: SIGSEGV                   the signal that kills the program
    # expect report PATH: VALUE                a value of the run's report, see `ReportPath`
    # expect outputs: N                        how many different standard outputs there are in all orders
    # expect output-possible: TEXT             some order has this standard output; \\n is a newline in it
    # expect output-impossible: TEXT           none has
    # expect deadlock: never                   in no order does every task sleep for ever; or `possible`
    # explore: WORD...                         options of `toykernel explore` for these four
    # args: WORD...                            the program's arguments, quoted as for a shell
    # options: WORD...                         options of `toykernel run`, quoted as for a shell
    # with: FILE...                            what is linked to it, beside its file
    # native: no REASON                        cannot run on a real Linux

In C (.c) the comments at the top are `//` and `/* */`; the `#` may be left out.

Lines of standard output are compared in the order of the header. Neighbouring `stdout-any-order`
lines form a group: that many lines of output must be these, in any order. So output of processes
that run side by side can be followed by a line that must come last.

What a header does not mention is expected to be nothing: no output, status 0, no signal. The report
is compared only where the header names a path. A header that only says what is so in all orders of its tasks
says nothing of a single run. Any other comment line is prose.
"""

import difflib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from toykernel.harness.exit_status import SIGNALED
from toykernel.harness.report_path import ReportPath

# Signal numbers of Linux on the i386 (include/uapi/asm/signal.h); the host's may differ.
SIGNAL_NUMBERS: Mapping[str, int] = {
    "SIGHUP": 1,
    "SIGINT": 2,
    "SIGQUIT": 3,
    "SIGILL": 4,
    "SIGTRAP": 5,
    "SIGABRT": 6,
    "SIGBUS": 7,
    "SIGFPE": 8,
    "SIGKILL": 9,
    "SIGUSR1": 10,
    "SIGSEGV": 11,
    "SIGUSR2": 12,
    "SIGPIPE": 13,
    "SIGALRM": 14,
    "SIGTERM": 15,
    "SIGSTKFLT": 16,
    "SIGCHLD": 17,
    "SIGCONT": 18,
    "SIGSTOP": 19,
    "SIGTSTP": 20,
    "SIGTTIN": 21,
    "SIGTTOU": 22,
    "SIGURG": 23,
    "SIGXCPU": 24,
    "SIGXFSZ": 25,
    "SIGVTALRM": 26,
    "SIGPROF": 27,
    "SIGWINCH": 28,
    "SIGIO": 29,
    "SIGPWR": 30,
    "SIGSYS": 31,
}

#: Of all orders of a program's tasks: toykernel/explore/promises.py compares them.
ORDER_KINDS = ("outputs", "output-possible", "output-impossible", "deadlock")
_RUN_KINDS = ("stdout", "stdout-any-order", "stderr", "status", "signal")
EXPECT_KINDS = (*_RUN_KINDS, "report PATH", *ORDER_KINDS)
KIND_WORDS = (*_RUN_KINDS, "report", *ORDER_KINDS)
KEYS = ("title", "expect", "args", "options", "explore", "with", "native")

_STATEMENT = re.compile(r"#\s*(?P<key>[A-Za-z]+)(?P<rest>[^:]*):(?P<value>.*)")
# A comment that would be a statement if it stood in the header.
_STRAY = re.compile(rf"\s*#\s*expect\s+({'|'.join((*_RUN_KINDS, *ORDER_KINDS))}|report\s.*):")
# An `expect` line without its colon; behind a word that is no kind but meant as one, one more.
_UNFINISHED = re.compile(
    rf"#\s*expect\s+(({'|'.join(KIND_WORDS)})\b"
    r"|(exit|code|return|exit-?(code|status)|return-?code|output|out|err|error)\s+\S+\s*$"
    r"|([\w-]+\s+)?([0-9]+|SIG[A-Z0-9]+)\s*$)"
)


class HeaderError(Exception):
    """A header that cannot be understood; says where and what to write instead."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file = file
        self.line = line
        self.message = message


@dataclass(frozen=True)
class LineGroup:
    """Lines of standard output that stand together; `ordered` says whether in this order.

    `numbers` are the lines of the header that they stand in.
    """

    lines: tuple[str, ...]
    ordered: bool
    numbers: tuple[int, ...] = field(default=(), compare=False)

    def number(self, index: int) -> int:
        """Header line of the line at an index, or of the last one before it; 1 when unknown."""
        return self.numbers[min(index, len(self.numbers) - 1)] if self.numbers else 1


@dataclass(frozen=True)
class ReportExpectation:
    """A path of the report and the value expected there."""

    path: ReportPath
    value: object
    line: int


@dataclass(frozen=True)
class OfAllOrders:
    """What is to be so whatever the order of the tasks: one of ORDER_KINDS and its value."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Expectations:
    """A program's header. `status` and `signal` are None where the header is silent."""

    path: str
    title: str | None = None
    stdout: tuple[LineGroup, ...] = ()
    stderr: tuple[str, ...] = ()
    status: int | None = None
    signal: int | None = None
    report: tuple[ReportExpectation, ...] = ()
    orders: tuple[OfAllOrders, ...] = ()
    explore: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    native_refusal: str | None = None
    stderr_numbers: tuple[int, ...] = field(default=(), compare=False)
    end_number: int = field(default=1, compare=False)  # header line of the status or signal
    options_number: int = field(default=1, compare=False)

    @property
    def expected_status(self) -> int:
        """The exit status to see: as stated, 128 + n for signal n, or 0."""
        if self.status is not None:
            return self.status
        return 0 if self.signal is None else SIGNALED + self.signal

    @property
    def says_anything(self) -> bool:
        """Whether the header has an `expect` line at all."""
        return bool(self.orders) or self.says_how_it_runs

    @property
    def says_how_it_runs(self) -> bool:
        """Whether one of them is about a single run."""
        return bool(
            self.stdout
            or self.stderr
            or self.report
            or self.status is not None
            or self.signal is not None
        )


def signal_name(number: int) -> str:
    """SIGSEGV for 11; `signal 40` for a number without a name."""
    return next((n for n, v in SIGNAL_NUMBERS.items() if v == number), f"signal {number}")


class _Header:
    """The header while it is being read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.line = 0
        self.seen: dict[str, int] = {}
        self.groups: list[tuple[bool, list[str], list[int]]] = []
        self.stderr: list[str] = []
        self.stderr_numbers: list[int] = []
        self.report: list[ReportExpectation] = []
        self.orders: list[OfAllOrders] = []
        self.explore: tuple[str, ...] = ()
        self.title: str | None = None
        self.status: int | None = None
        self.signal: int | None = None
        self.args: tuple[str, ...] = ()
        self.options: tuple[str, ...] = ()
        self.others: tuple[str, ...] = ()
        self.native_refusal: str | None = None

    def error(self, message: str) -> HeaderError:
        return HeaderError(self.path, self.line, message)

    def once(self, what: str) -> None:
        if what in self.seen:
            raise self.error(f"`{what}` was given before, in line {self.seen[what]}")
        self.seen[what] = self.line

    def words(self, key: str, value: str) -> tuple[str, ...]:
        self.once(key)
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise self.error(f"`{key}`: {error}; quote words as for a shell") from None

    def read(self, comment: str) -> None:
        """Take one comment line of the header; prose is passed over."""
        match = _STATEMENT.match(comment)
        if match is None:
            if _UNFINISHED.match(comment):
                kinds = ", ".join(EXPECT_KINDS)
                raise self.error(
                    f"an `expect` line needs a colon: # expect KIND: VALUE, KIND one of {kinds}"
                )
            return
        key, rest, value = match["key"], match["rest"].strip(), match["value"]
        if key == "expect":
            self.read_expect(rest, value)
        elif key in KEYS and not rest:
            self.read_plain(key, value.strip())
        elif (not rest or rest.split()[0] in KIND_WORDS) and (
            near := difflib.get_close_matches(key.lower(), KEYS, n=1, cutoff=0.8)
        ):
            # One word and a colon, or nearly an `expect` line: a slip of the pen must not be prose.
            raise self.error(f"unknown key `{key}`; did you mean `{near[0]}`?")

    def read_plain(self, key: str, value: str) -> None:
        if not value:
            raise self.error(f"`{key}` has no value")
        if key == "title":
            self.once(key)
            self.title = value
        elif key == "args":
            self.args = self.words(key, value)
        elif key == "options":
            self.options = self.words(key, value)
        elif key == "explore":
            self.explore = self.words(key, value)
        elif key == "with":  # may stand there more than once
            self.seen.pop(key, None)
            self.others += self.words(key, value)
        elif key == "native":
            self.once(key)
            word, _, reason = value.partition(" ")
            if word != "no" or not reason.strip():
                raise self.error("write `native: no REASON`, or leave the line out")
            self.native_refusal = reason.strip()
        else:
            raise self.error(f"write `# expect KIND: VALUE`, KIND one of {', '.join(EXPECT_KINDS)}")

    def read_expect(self, kind: str, value: str) -> None:
        text = value.removeprefix(" ")  # the rest is the line as it is printed, blanks included
        word = value.strip()
        if kind in ("stdout", "stdout-any-order"):
            ordered = kind == "stdout"
            if not self.groups or self.groups[-1][0] != ordered:
                self.groups.append((ordered, [], []))
            self.groups[-1][1].append(text)
            self.groups[-1][2].append(self.line)
        elif kind == "stderr":
            self.stderr.append(text)
            self.stderr_numbers.append(self.line)
        elif kind == "status":
            self.once("expect status")
            if not re.fullmatch(r"[0-9]{1,3}", word) or int(word) > 255:
                raise self.error(f"`{word}` is not an exit status (0 to 255)")
            self.status = int(word)
        elif kind == "signal":
            self.once("expect signal")
            if word not in SIGNAL_NUMBERS:
                near = difflib.get_close_matches(word.upper(), SIGNAL_NUMBERS, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise self.error(f"`{word}` is not a signal name{hint}")
            self.signal = SIGNAL_NUMBERS[word]
        elif kind in ORDER_KINDS:
            self.read_order(kind, word, text)
        elif kind.startswith("report") and kind[len("report") :].strip():
            self.read_report(kind[len("report") :].strip(), word)
        else:
            raise self.error(f"unknown kind `expect {kind}`; known: {', '.join(EXPECT_KINDS)}")

    def read_order(self, kind: str, word: str, text: str) -> None:
        if kind in ("outputs", "deadlock"):
            self.once(f"expect {kind}")
        if kind == "outputs" and not re.fullmatch(r"[1-9][0-9]{0,5}", word):
            raise self.error(f"`{word}` is not a number of outputs")
        if kind == "deadlock" and word not in ("never", "possible"):
            raise self.error(f"`{word}`: write never or possible")
        text = text.replace("\\n", "\n") if kind.startswith("output-") else word
        self.orders.append(OfAllOrders(kind, text, self.line))

    def read_report(self, path: str, word: str) -> None:
        self.once(f"expect report {path}")
        if not word:
            raise self.error(f"`expect report {path}` has no value")
        try:
            parsed = ReportPath.parse(path)
        except ValueError as error:
            raise self.error(str(error)) from None
        try:
            value: object = json.loads(word)
        except ValueError:
            value = word  # a bare word is a string
        self.report.append(ReportExpectation(parsed, value, self.line))

    def finish(self) -> Expectations:
        if self.signal is not None and self.status not in (None, SIGNALED + self.signal):
            self.line = self.seen["expect status"]
            raise self.error(
                f"status {self.status} contradicts {signal_name(self.signal)}, which gives "
                f"{SIGNALED + self.signal}; leave the status out"
            )
        return Expectations(
            path=self.path,
            title=self.title,
            stdout=tuple(
                LineGroup(tuple(lines), ordered, tuple(numbers))
                for ordered, lines, numbers in self.groups
            ),
            stderr=tuple(self.stderr),
            status=self.status,
            signal=self.signal,
            report=tuple(self.report),
            orders=tuple(self.orders),
            explore=self.explore,
            args=self.args,
            options=self.options,
            others=self.others,
            native_refusal=self.native_refusal,
            stderr_numbers=tuple(self.stderr_numbers),
            end_number=self.seen.get("expect signal", self.seen.get("expect status", 1)),
            options_number=self.seen.get("options", 1),
        )


def _c_comments(lines: Iterable[str]) -> Iterator[str]:
    """C's comment lines as `#` has them; what is no whole line of comment as it is."""
    inside = False
    for line in lines:
        text = line.strip()
        opens = not inside and text.startswith("/*")
        if opens or inside:
            body, closed, after = text.removeprefix("/*" if opens else "*").partition("*/")
            if not opens and text.startswith("*/"):
                body, closed, after = "", "*/", text.removeprefix("*/")
            inside = not closed
            body = body.rstrip() if closed else body
            yield after if after.strip() else _hashed(body)
        elif text.startswith("//"):
            yield _hashed(text.removeprefix("//"))
        else:
            yield line if not text.startswith("#") else f"code {line}"


def _hashed(comment: str) -> str:
    return f"# {comment.lstrip().removeprefix('#').removeprefix(' ')}"


def parse_header(text: str, path: str) -> Expectations:
    """Read the header of the program `text`; `path` is for messages.

    Raises HeaderError for a malformed or unknown statement, and for an `expect` line below the
    header, which would otherwise be without effect.
    """
    header = _Header(path)
    in_header = True
    lines: Iterable[str] = text.splitlines()
    if path.endswith(".c"):
        lines = _c_comments(lines)
    for header.line, raw in enumerate(lines, start=1):
        if in_header and raw.lstrip().startswith("#"):
            header.read(raw.lstrip())
        elif in_header and raw.strip():
            in_header = False
        if not in_header and _STRAY.match(raw):
            raise header.error("an `expect` line must stand in the comments at the top")
    return header.finish()


def named_with(text: str, path: str) -> tuple[str, ...]:
    """What `# with:` lines of a program's header name, for a run that judges nothing. Raises HeaderError."""
    header = _Header(path)
    lines: Iterable[str] = text.splitlines()
    for header.line, raw in enumerate(
        _c_comments(lines) if path.endswith(".c") else lines, start=1
    ):
        if raw.strip() and not raw.lstrip().startswith("#"):
            break
        match = _STATEMENT.match(raw.lstrip())
        if match is not None and match["key"] == "with" and not match["rest"].strip():
            header.read_plain("with", match["value"].strip())
    return header.others
