"""How strace writes times, clocks and futex operations."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import hexadecimal
from toykernel.observe.decoding.names_signals import FLAGS, VALUES
from toykernel.observe.decoding.signals import clock_ticks
from toykernel.observe.decoding.text import address, moment, struct_text


def timespec_text(data: bytes) -> str:
    """A struct timespec of 8 or 16 bytes."""
    seconds, ns = struct.unpack("<ii" if len(data) == 8 else "<qq", data)
    return f"{{tv_sec={seconds}, tv_nsec={ns % (1 << 4 * len(data))}}}"


def timeval_text(data: bytes) -> str:
    """A struct timeval."""
    seconds, us = struct.unpack("<ii", data)
    return f"{{tv_sec={seconds}, tv_usec={us % (1 << 32)}}}"


def time_at(c: Call, where: int, size: int, show: Callable[[bytes], str]) -> str:
    """A time in memory."""
    data = c.fetch(where, size)
    return address(where) if data is None else show(data)


def time_always(c: Call, where: int, size: int, show: Callable[[bytes], str]) -> str:
    """A time that the call has read, whatever it answered."""
    data = c.peek(where, size)
    return address(where) if data is None else show(data)


def _time(size: int, show: Callable[[bytes], str], *, always: bool = False) -> Printer:
    read = time_always if always else time_at
    return lambda c, i: read(c, c.words[i], size, show)


def _pair(size: int, show: Callable[[bytes], str]) -> Printer:
    def text(data: bytes) -> str:
        return f"{{it_interval={show(data[:size])}, it_value={show(data[size:])}}}"

    return _time(2 * size, text)


def _remaining(size: int) -> Printer:
    """What is left of a sleep: told only when a signal has ended it."""

    def text(c: Call, i: int) -> str:
        relative = c.name == "nanosleep" or not c.words[1]
        if c.restarts and relative:
            return time_always(c, c.words[i], size, timespec_text)
        return address(c.words[i])

    return text


def clock_text(clock: int) -> str:
    """A clock by its name; one without is a number."""
    return VALUES["clocks"].one(clock & 0xFFFFFFFF)


def _dated(c: Call, i: int) -> str:
    return c.record(c.words[i], "i", lambda seconds: f"[{seconds}{moment(seconds)}]")


def _timezone(c: Call, i: int) -> str:
    return c.record(
        c.words[i], "ii", lambda west, dst: f"{{tz_minuteswest={west}, tz_dsttime={dst}}}"
    )


_TIMEX = (
    *("modes", "offset", "freq", "maxerror", "esterror", "status", "constant", "precision"),
    *("tolerance", "tv_sec", "tv_usec", "tick", "ppsfreq", "jitter", "shift", "stabil", "jitcnt"),
    *("calcnt", "errcnt", "stbcnt", "tai"),
)


def _timex(layout: str) -> Printer:
    def text(c: Call, i: int) -> str:
        found = c.unpack(c.words[i], layout)
        if found is None:
            return address(c.words[i])
        values = dict(zip(_TIMEX, found, strict=True))
        fields = [f"modes={FLAGS['adjtimex_modes'].flags(values['modes'])}"]
        fields += [f"{name}={values[name]}" for name in _TIMEX[1:5]]
        fields.append(f"status={FLAGS['adjtimex_status'].flags(values['status'])}")
        fields += [f"{name}={values[name]}" for name in _TIMEX[6:9]]
        wide = 1 << (64 if "q" in layout else 32)
        fields.append(f"time={{tv_sec={values['tv_sec']}, tv_usec={values['tv_usec'] % wide}}}")
        fields += [f"{name}={values[name]}" for name in _TIMEX[11:]]
        return struct_text(fields)

    return text


def _tms(c: Call, i: int) -> str:
    names = ("tms_utime", "tms_stime", "tms_cutime", "tms_cstime")
    return c.record(
        c.words[i],
        "4i",
        lambda *ticks: struct_text(
            f"{n}={clock_ticks(t)}" for n, t in zip(names, ticks, strict=True)
        ),
    )


def _wake_op(c: Call, i: int) -> str:
    word = c.words[i]
    operation, compare = word >> 28 & 7, word >> 24 & 0xF
    shift = "FUTEX_OP_OPARG_SHIFT<<28|" if word >> 28 & 8 else ""
    named, comment = VALUES["futexwakeops"].find(operation), ""
    if named is None:
        comment = " /* FUTEX_OP_??? */"
    compared, unknown = VALUES["futexwakecmps"].find(compare), ""
    if compared is None:
        unknown = " /* FUTEX_OP_CMP_??? */"
    return (
        f"{shift}{named or hexadecimal(operation)}<<28{comment}"
        f"|{hexadecimal(word >> 12 & 0xFFF)}<<12"
        f"|{compared or hexadecimal(compare)}<<24{unknown}|{hexadecimal(word & 0xFFF)}"
    )


def waiter_text(data: bytes) -> str:
    """A struct futex_waitv."""
    value, where, flags, reserved = struct.unpack("<QQII", data)
    fields = [f"val={hexadecimal(value)}", f"uaddr={address(where)}"]
    fields.append(f"flags={FLAGS['futex_waiter'].flags(flags)}")
    return struct_text([*fields, *([f"__reserved={reserved:#x}"] if reserved else [])])


def _waiters(c: Call, i: int) -> str:
    return c.array(c.words[i], c.words[i + 1], 24, waiter_text)


PRINTERS: Mapping[str, Printer] = {
    "clock": lambda c, i: clock_text(c.signed(i)),
    "timespec": _time(8, timespec_text),
    "timespec64": _time(16, timespec_text),
    "timespec_read": _time(8, timespec_text, always=True),
    "timespec64_read": _time(16, timespec_text, always=True),
    "timeval": _time(8, timeval_text),
    "itimerval": _pair(8, timeval_text),
    "itimerspec": _pair(8, timespec_text),
    "itimerspec64": _pair(16, timespec_text),
    "remaining": _remaining(8),
    "remaining64": _remaining(16),
    "dated": _dated,
    "timezone": _timezone,
    "timex": _timex("I4iI3iii10i44x"),
    "timex64": _timex("I4x4qI4x3qqq3qi4x5qi44x"),
    "tms": _tms,
    "wake_op": _wake_op,
    "waiters": _waiters,
}
