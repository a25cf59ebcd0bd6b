"""How strace writes ioctl: the request by name, terminals' settings, numbers in memory."""

from __future__ import annotations

from toykernel.observe.decoding.basic import buffer_text, number_at
from toykernel.observe.decoding.call import Call
from toykernel.observe.decoding.names import hexadecimal
from toykernel.observe.decoding.names_ioctl import FLAGS, REQUESTS, VALUES
from toykernel.observe.decoding.text import struct_text

_TYPE_TTY, _FICLONE = 0x54, 0x40049409
_DIRECTIONS = ("_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE")
_DELAYS = (
    ("nldly", 0o400), ("crdly", 0o3000), ("tabdly", 0o14000), ("bsdly", 0o20000),
    ("vtdly", 0o40000), ("ffdly", 0o100000),
)  # fmt: skip
_CBAUD, _CIBAUD, _CSIZE = 0o10017, 0o2003600000, 0o60
_NONE = frozenset((0x540C, 0x540D, 0x541D, 0x541F, 0x5422, 0x5427, 0x5428, 0x5437, 0x5450, 0x5451))
#: What a terminal's request points to, and whether the call fills it in.
_POINTED = {
    0x5401: ("termios", True), 0x5402: ("termios", False), 0x5403: ("termios", False),
    0x5404: ("termios", False), 0x5456: ("termios", True), 0x5457: ("termios", False),
    0x5405: ("termio", True), 0x5406: ("termio", False), 0x5407: ("termio", False),
    0x5408: ("termio", False), 0x802C542A: ("termios2", True), 0x402C542B: ("termios2", False),
    0x402C542C: ("termios2", False), 0x402C542D: ("termios2", False),
    0x5413: ("winsize", True), 0x5414: ("winsize", False), 0x540A: ("tcxonc", False),
    0x540B: ("tcflsh", False), 0x5409: ("int", False), 0x5425: ("int", False),
    0x540E: ("int", False), 0x5415: ("modem", True), 0x5416: ("modem", False),
    0x5417: ("modem", False), 0x5418: ("modem", False), 0x540F: ("number", True),
    0x5429: ("number", True), 0x5424: ("number", True), 0x5419: ("number", True),
    0x80045430: ("number", True), 0x541B: ("number", True), 0x5411: ("number", True),
    0x80045440: ("number", True), 0x80045432: ("number", True), 0x5410: ("number", False),
    0x5423: ("number", False), 0x5421: ("number", False), 0x5452: ("number", False),
    0x5420: ("number", False), 0x541A: ("number", False), 0x40045431: ("number", False),
    0x5412: ("char", False),
}  # fmt: skip


def request_text(word: int) -> str:
    """A request's name, or what its number is made of."""
    found = REQUESTS.find(word)
    if found is not None:
        return found.replace("/", " or ")
    direction, size = _DIRECTIONS[word >> 30], word >> 16 & 0x3FFF
    kind, number = word >> 8 & 0xFF, word & 0xFF
    return f"_IOC({direction}, {', '.join(map(hexadecimal, (kind, number, size)))})"


def form(c: Call) -> str:
    """The printers of an ioctl's arguments."""
    word = c.words[1]
    if word >> 8 & 0xFF == _TYPE_TTY:
        if word in _NONE:
            return "fd ioctl_request"
        if word in _POINTED:
            return f"fd ioctl_request {'+' if _POINTED[word][1] else ''}ioctl_argument"
    if word in (0x125F, 0x1261, 0xC0045877, 0xC0045878):
        return "fd ioctl_request"
    if word == _FICLONE:
        return "fd ioctl_request fd"
    return "fd ioctl_request hex"


def argument_text(c: Call, i: int) -> str:
    """What a terminal's request is given."""
    where, kind = c.words[i], _POINTED[c.words[1]][0]
    if kind in ("termios", "termios2"):
        size = 36 if kind == "termios" else 44
        return c.record(where, f"4I{size - 16}x", _termios)
    if kind == "termio":
        return c.record(where, "4H10x", _termios)
    if kind == "winsize":
        return c.record(where, "4H", _winsize)
    if kind in ("tcxonc", "tcflsh"):
        return VALUES[kind].one(where)
    if kind == "modem":
        return c.record(where, "I", lambda word: f"[{FLAGS['modem_flags'].flags(word)}]")
    if kind == "char":
        return buffer_text(c, where, 1)
    return number_at(c, where) if kind == "number" else str(c.signed(i))


def _termios(iflag: int, oflag: int, cflag: int, lflag: int) -> str:
    output = []
    for table, mask in _DELAYS:
        output.append(VALUES[table].one(oflag & mask))
        oflag &= ~mask
    control = [VALUES["baud"].one(cflag & _CBAUD)]
    if cflag & _CIBAUD:
        control.append(f"{VALUES['baud'].one((cflag & _CIBAUD) >> 16)}<<IBSHIFT")
    control.append(VALUES["csize"].one(cflag & _CSIZE))
    rest = cflag & ~(_CBAUD | _CIBAUD | _CSIZE)
    return struct_text(
        [
            f"c_iflag={FLAGS['term_iflags'].flags(iflag)}",
            f"c_oflag={'|'.join([*output, FLAGS['term_oflags'].flags(oflag)])}",
            f"c_cflag={'|'.join([*control, FLAGS['term_cflags'].flags(rest)])}",
            f"c_lflag={FLAGS['term_lflags'].flags(lflag)}",
            "...",
        ]
    )


def _winsize(rows: int, columns: int, width: int, height: int) -> str:
    return f"{{ws_row={rows}, ws_col={columns}, ws_xpixel={width}, ws_ypixel={height}}}"


__all__ = ["argument_text", "form", "request_text"]
