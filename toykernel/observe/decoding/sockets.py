"""How strace writes the arguments of calls on sockets: addresses, options, messages."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace

from toykernel.observe.decoding.basic import (
    buffer_text,
    error_text,
    hex_text,
    iovec_text,
    number_at,
)
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import hexadecimal
from toykernel.observe.decoding.names_sockets import FLAGS, VALUES
from toykernel.observe.decoding.text import address, escaped, identifier, quote, struct_text
from toykernel.observe.decoding.times import timespec_text, timeval_text

_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SOCKADDR_STORAGE, _UNIX_SIZE = 128, 110
_SOL_IP, _SOL_SOCKET, _SOL_TCP, _SOL_UDP, _SOL_IPV6, _SOL_RAW = 0, 1, 6, 17, 41, 255
_SOL_PACKET, _SOL_NETLINK = 263, 270
_SO_LINGER, _SO_PEERCRED, _SO_ERROR, _SO_TXREHASH = 13, 17, 4, 74
_SO_FILTERS = (26, 51)  # SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF
#: Options of SOL_SOCKET that are ints.
_INT_OPTIONS = frozenset(
    (
        *(1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 18, 19, 27, 29, 30, 32, 33, 34, 35, 36, 37),
        *(40, 41, 42, 43, 44, 45, 46, 49, 53, 56, 60, 63, 64, 65, 68, 69, 70, 73, 75),
    )
)
_OPTIONS = {
    _SOL_SOCKET: "sock_options", _SOL_IP: "ip_options", _SOL_IPV6: "ipv6_options",
    _SOL_TCP: "tcp_options", _SOL_UDP: "udp_options", _SOL_PACKET: "packet_options",
    _SOL_NETLINK: "netlink_options", _SOL_RAW: "raw_options",
}  # fmt: skip
_IP_MEMBERSHIPS = (35, 36)  # IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP
_OPTMEM_MAX = 131072


def socket_type_text(word: int) -> str:
    """A socket's type and flags."""
    kind = VALUES["socktypes"].find(word & 15)
    rest = word if kind is None else word & ~15
    if kind is not None and not rest:
        return kind
    return (f"{kind}|" if kind else "") + FLAGS["sock_type_flags"].flags(rest)


def _protocol(c: Call, i: int) -> str:
    word = c.words[i]
    if c.words[0] in (_AF_INET, _AF_INET6):
        return VALUES["inet_protocols"].one(word)
    if c.words[0] == _AF_NETLINK:
        return VALUES["netlink_protocols"].one(word)
    return str(word)


def sockaddr_text(c: Call, where: int, length: int) -> str:
    """An address of a socket, of `length` bytes (an int)."""
    if length < 2:
        return address(where)
    data = c.fetch(where, min(length, _SOCKADDR_STORAGE))
    return address(where) if data is None else sockaddr_data(data)


def sockaddr_data(data: bytes) -> str:
    """An address of a socket."""
    family = int.from_bytes(data[:2], "little")
    fields = [f"sa_family={VALUES['addrfams'].one(family)}"]
    if len(data) > 2:
        show, least = _FAMILIES.get(family, (_raw, 0))
        fields += show(data) if len(data) >= least else _raw(data)
    return struct_text(fields)


def _raw(data: bytes) -> list[str]:
    return [f"sa_data={quote(data[2:])}"]


def _unix(data: bytes) -> list[str]:
    path = data[2:_UNIX_SIZE]
    if path[0]:
        return [f'sun_path="{escaped(path.partition(bytes(1))[0])}"']
    return [f"sun_path=@{quote(path[1:])}"]


def _inet(data: bytes) -> list[str]:
    port = int.from_bytes(data[2:4], "big")
    return [f"sin_port=htons({port})", f'sin_addr=inet_addr("{ipaddress.IPv4Address(data[4:8])}")']


def _inet6(data: bytes) -> list[str]:
    port, flow = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big")
    host = ipaddress.IPv6Address(data[8:24])
    mapped = host.ipv4_mapped
    shown = f"::ffff:{mapped}" if mapped else str(host)
    fields = [f"sin6_port=htons({port})", f"sin6_flowinfo=htonl({flow})"]
    fields.append(f'inet_pton(AF_INET6, "{shown}", &sin6_addr)')
    if len(data) > 24:
        fields.append(f"sin6_scope_id={int.from_bytes(data[24:28].ljust(4, bytes(1)), 'little')}")
    return fields


def _netlink(data: bytes) -> list[str]:
    pad, pid, groups = struct.unpack_from("<HiI", data, 2)
    fields = [f"nl_pad={pad:#x}"] if pad else []
    return [
        *fields,
        f"nl_pid={pid}",
        f"nl_groups={groups:#08x}" if groups else "nl_groups=00000000",
    ]


_FAMILIES: Mapping[int, tuple[Callable[[bytes], list[str]], int]] = {
    _AF_UNIX: (_unix, 3),
    _AF_INET: (_inet, 16),
    _AF_INET6: (_inet6, 24),
    _AF_NETLINK: (_netlink, 12),
}


def _int(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def save_length(c: Call, where: int, length_at: int) -> bool:
    """At the entry: keep the length that the caller gives; whether there is one."""
    if c.result is None:
        found = c.word(length_at) if where else None
        c.saved["length"] = 0 if found is None else _int(found)
        c.saved["length_there"] = found is not None
    return bool(c.saved.get("length_there"))


def _answered(c: Call, i: int) -> int | None:
    """The length that the call has stored."""
    found = None if c.failed else c.word(c.words[i + 1])
    return None if found is None else _int(found)


def _name_out(c: Call, i: int) -> str:
    """An address that a call fills, of which the caller gave the room."""
    where = c.words[i]
    if not c.saved.get("length_there"):
        return address(where)
    now = _answered(c, i)
    if now is None:
        return address(where)
    return sockaddr_text(c, where, min(c.saved["length"], now))


def _length_out(c: Call, i: int) -> str:
    if not c.saved.get("length_there"):
        return address(c.words[i])
    given, now = c.saved["length"], _answered(c, i - 1)
    return f"[{given}]" if now in (None, given) else f"[{given} => {now}]"


def _from_out(c: Call, i: int) -> str:
    """recvfrom's address: there only when its length can be read at the end, too."""
    there = c.words[i] and c.words[i + 1] and c.word(c.words[i + 1]) is not None
    if not there or c.failed:
        return address(c.words[i])
    now = _answered(c, i) or 0
    return sockaddr_text(c, c.words[i], min(c.saved.get("length", 0), now))


def _from_length_out(c: Call, i: int) -> str:
    if not c.words[i - 1] or not c.words[i] or c.word(c.words[i]) is None:
        return address(c.words[i])
    given, now = c.saved.get("length", 0), _answered(c, i - 1)
    return f"[{given}]" if now in (None, given) else f"[{given} => {now}]"


def _option(c: Call, i: int) -> str:
    level, name = c.words[1], c.words[i]
    table = _OPTIONS.get(level)
    if table is None:
        return str(name)
    found = VALUES[table].find(name)
    if found is None and level in (_SOL_SOCKET, _SOL_IP, _SOL_IPV6):
        own = table if table.startswith("sock") else f"sock_{table}"
        found = VALUES[f"{c.name[:3]}{own}"].find(name)
    return found or VALUES[table].one(name)


def _linger(c: Call, where: int, length: int) -> str:
    data = c.fetch(where, min(length, 8))
    if data is None:
        return address(where)
    fields = []
    for n, name in enumerate(("l_onoff", "l_linger")):
        part = data[4 * n : 4 * n + 4]
        if len(part) == 4:
            fields.append(f"{name}={int.from_bytes(part, 'little', signed=True)}")
        elif part:
            fields.append(f"{name}={''.join(chr(92) + f'x{b:02x}' for b in part)}")
    return struct_text(fields)


def _credentials(data: bytes) -> str:
    pid, uid, gid = struct.unpack("<iII", data[:12])
    return f"{{pid={pid}, uid={identifier(uid)}, gid={identifier(gid)}}}"


def _rehash(c: Call, where: int) -> str:
    return c.record(where, "I", lambda n: f"[{VALUES['txrehash'].one(n)}]")


def _membership(c: Call, where: int) -> str:
    """struct ip_mreq: a group and the interface that joins it."""
    return c.record(
        where,
        "4s4s",
        lambda group, ours: struct_text(
            f'{name}=inet_addr("{".".join(map(str, number))}")'
            for name, number in (("imr_multiaddr", group), ("imr_interface", ours))
        ),
    )


def _set_option(c: Call, i: int) -> str:
    level, name, where, length = c.words[1], c.words[2], c.words[i], c.signed(i + 1)
    if where and level == _SOL_SOCKET:
        if name == _SO_LINGER:
            return address(where) if length < 8 else _linger(c, where, 8)
        if name in _SO_FILTERS:
            return filter_program(c, where) if length == 8 else address(where)
        if name == _SO_TXREHASH and length >= 4:
            return _rehash(c, where)
        if name in _INT_OPTIONS or name == _SO_TXREHASH:
            return address(where) if length < 4 else number_at(c, where)
    if level == _SOL_IP and name in _IP_MEMBERSHIPS:
        return address(where) if length < 8 else _membership(c, where)
    if where and level == _SOL_NETLINK:
        return address(where) if length < 4 else number_at(c, where)
    return number_at(c, where) if length == 4 else buffer_text(c, where, length)


def _get_option(c: Call, i: int) -> str:
    where, now = c.words[i], _answered(c, i)
    if not c.saved.get("length_there") or now is None:
        return address(where)
    if c.saved["length"] <= 0 or now <= 0:
        return address(where)
    level, name = c.words[1], c.words[2]
    if where and level == _SOL_SOCKET:
        if name == _SO_LINGER:
            return _linger(c, where, now)
        if name == _SO_PEERCRED and now >= 12:
            return c.record(where, "12s", _credentials)
        if name == _SO_ERROR and now >= 4:
            return c.record(where, "I", lambda n: f"[{error_text(n)}]")
        if name == _SO_TXREHASH and now >= 4:
            return _rehash(c, where)
        if name in _INT_OPTIONS or name in (_SO_ERROR, _SO_TXREHASH):
            return number_at(c, where) if now >= 4 else hex_text(c, where, now)
    if where and level == _SOL_NETLINK:
        return number_at(c, where)
    return number_at(c, where) if now == 4 else buffer_text(c, where, now)


def filter_program(c: Call, where: int) -> str:
    """A struct sock_fprog: how many instructions, and where they are."""
    return c.record(where, "H2xI", lambda n, code: f"{{len={n}, filter={address(code)}}}")


def _rights(data: bytes) -> str:
    numbers = struct.unpack(f"<{len(data) // 4}i", data[: len(data) // 4 * 4])
    return "[" + ", ".join([*map(str, numbers[:32]), *(["..."] if len(numbers) > 32 else [])]) + "]"


_CONTROL: Mapping[int, tuple[Callable[[bytes], str], int]] = {
    1: (_rights, 4),
    2: (_credentials, 12),
    29: (lambda data: timeval_text(data[:8]) if len(data) >= 8 else "???", 1),
    35: (lambda data: timespec_text(data[:8]) if len(data) >= 8 else "???", 1),
    64: (lambda data: timespec_text(data[:16]) if len(data) >= 16 else "???", 1),
}


def _control_text(c: Call, where: int, length: int) -> str:
    size = min(length, _OPTMEM_MAX)
    data = c.peek(where, size) if size >= 12 else None
    if data is None:
        return address(where)
    shown, at = [], 0
    while len(data) - at >= 12:
        told, level, kind = struct.unpack_from("<Iii", data, at)
        usable = min(told, len(data) - at)
        body = data[at + 12 : at + usable] if usable > 12 else b""
        shown_level = VALUES["socketlayers"].one(level & 0xFFFFFFFF, "SOL_???")
        fields = [f"cmsg_len={told}", f"cmsg_level={shown_level}"]
        if level == _SOL_SOCKET:
            fields.append(f"cmsg_type={VALUES['scmvals'].one(kind)}")
            show = _CONTROL.get(kind)
            if show and len(body) >= show[1]:
                fields.append(f"cmsg_data={show[0](body)}")
        elif level == _SOL_IP:
            fields.append(f"cmsg_type={VALUES['ip_cmsg'].one(kind)}")
        else:
            fields.append(f"cmsg_type={hexadecimal(kind & 0xFFFFFFFF)}")
        shown.append(struct_text(fields))
        if usable < 12:
            at += 12
            break
        step = told + 3 & ~3
        if step >= len(data) - at:
            at = len(data)
            break
        at += step
    if at < len(data):
        shown.append(f"... /* {where + at:#x} */")
    elif size < length:
        shown.append("...")
    return "[" + ", ".join(shown) + "]"


def msghdr_text(c: Call, data: bytes, limit: int | None, room: int | None = None) -> str:
    """A struct msghdr; `limit` bytes of its data, `room`: what the caller gave for the name."""
    name, name_length, pieces, count, control, length, flags = struct.unpack("<IiIIIII", data)
    shown = name_length if room is None else min(name_length, room)
    fields = [f"msg_name={sockaddr_text(c, name, shown)}"]
    changed = f"{room} => " if room is not None and room != name_length else ""
    fields.append(f"msg_namelen={changed}{name_length}")
    fields.append(f"msg_iov={iovec_text(c, pieces, count, limit=limit)}")
    fields.append(f"msg_iovlen={count}")
    if length:
        fields.append(f"msg_control={_control_text(c, control, length)}")
    fields += [f"msg_controllen={length}", f"msg_flags={FLAGS['msg_flags'].flags(flags)}"]
    return struct_text(fields)


def _message_in(c: Call, i: int) -> str:
    data = c.peek(c.words[i], 28)
    return address(c.words[i]) if data is None else msghdr_text(c, data, None)


def _message_out(c: Call, i: int) -> str:
    where = c.words[i]
    data = c.peek(where, 28)
    if c.result is None:
        c.saved["there"] = data is not None
        c.saved["room"] = 0 if data is None else int.from_bytes(data[4:8], "little", signed=True)
    if not c.saved["there"]:
        return address(where)
    if c.failed:
        return f"{{msg_namelen={c.saved['room']}}}"
    return address(where) if data is None else msghdr_text(c, data, c.value, c.saved["room"])


def _messages(c: Call, i: int, count: int, *, told: int, rooms: bool) -> str:
    index = 0

    def show(data: bytes) -> str:
        nonlocal index
        if rooms and index >= count:
            return "..."
        room = c.saved.get(f"room{index}") if rooms else None
        length = int.from_bytes(data[28:], "little")
        limit = length if rooms else None
        text = f"{{msg_hdr={msghdr_text(c, data[:28], limit, room)}"
        index += 1
        return text + (f", msg_len={length}}}" if index <= told else "}")

    return c.array(c.words[i], c.words[i + 1], 32, show, always=not rooms)


def _messages_in(c: Call, i: int) -> str:
    told = 0 if c.failed else c.value
    return _messages(replace(c, result=None), i, c.words[i + 1], told=told, rooms=False)


def save_rooms(c: Call) -> None:
    """At recvmmsg's entry: how much room each message's name has, and the timeout."""
    count = 0
    while count < min(c.words[2], 1024):
        data = c.peek(c.words[1] + 32 * count, 32)
        if data is None:
            break
        c.saved[f"room{count}"] = int.from_bytes(data[4:8], "little", signed=True)
        count += 1
    c.saved["rooms"] = count
    size = 16 if c.name.endswith("64") else 8
    timeout = c.peek(c.words[4], size)
    if timeout is not None:
        c.saved["seconds"], c.saved["ns"] = struct.unpack("<ii" if size == 8 else "<qq", timeout)


def _messages_out(c: Call, i: int) -> str:
    told = c.value & 0xFFFFFFFF
    where = c.words[i]
    if c.failed:
        return address(where)
    return _messages(replaced(c, i + 1, told), i, c.saved["rooms"], told=told, rooms=True)


def replaced(c: Call, index: int, word: int) -> Call:
    """The call with another word at a place."""
    return replace(c, words=[*c.words[:index], word, *c.words[index + 1 :]])


def _first_timeout(c: Call, i: int) -> str:
    """recvmmsg's timeout as it was at the entry."""
    if "seconds" not in c.saved:
        return address(c.words[i])
    wide = 1 << (64 if c.name.endswith("64") else 32)
    return f"{{tv_sec={c.saved['seconds']}, tv_nsec={c.saved['ns'] % wide}}}"


PRINTERS: Mapping[str, Printer] = {
    "socket_type": lambda c, i: socket_type_text(c.words[i]),
    "protocol": _protocol,
    "sockaddr": lambda c, i: sockaddr_text(c, c.words[i], c.signed(i + 1)),
    "name_out": _name_out,
    "length_out": _length_out,
    "from_out": _from_out,
    "from_length_out": _from_length_out,
    "option": _option,
    "set_option": _set_option,
    "get_option": _get_option,
    "message_in": _message_in,
    "message_out": _message_out,
    "messages_in": _messages_in,
    "messages_out": _messages_out,
    "first_timeout": _first_timeout,
    "received": lambda c, i: (
        address(c.words[i])
        if c.failed
        else buffer_text(c, c.words[i], min(c.value, c.words[i + 1]))
    ),
    "filter_program": lambda c, i: filter_program(c, c.words[i]),
}
