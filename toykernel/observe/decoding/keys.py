"""How strace writes the commands of keyctl."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from toykernel.observe.decoding.basic import buffer_text, string_text
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import hexadecimal, names
from toykernel.observe.decoding.names_processes import VALUES
from toykernel.observe.decoding.text import address, struct_text

_KEYCTL = {
    0: "key int",
    1: "string",
    2: "key buffer uint",
    3: "key",
    7: "key",
    21: "key",
    16: "key",
    8: "key key",
    9: "key key",
    6: "key >key_text uint",
    11: "key >key_data uint",
    17: "key >key_text uint",
    10: "key string string key",
    4: "key id id",
    5: "key key_perms",
    12: "key buffer uint key",
    13: "key uint key",
    14: "reqkey",
    15: "key uint",
    18: "",
    19: "key uint error_word key",
    20: "key iovec uint key",
    22: "id key",
    23: "dh_params >key_data uint kdf_params",
    24: "key hex string >pkey_query",
    28: "pkey_params string pkey_in pkey_in2",
    29: "key string string",
    30: "key key key key_move",
    31: ">key_capabilities uint",
}
_ENCRYPT, _DECRYPT, _SIGN, _VERIFY = range(25, 29)
_OUT = frozenset((_ENCRYPT, _DECRYPT, _SIGN))  # their second buffer is filled
_OPERATIONS = names(
    "KEYCTL_SUPPORTS_???",
    """KEYCTL_SUPPORTS_ENCRYPT=1 KEYCTL_SUPPORTS_DECRYPT=2 KEYCTL_SUPPORTS_SIGN=4
    KEYCTL_SUPPORTS_VERIFY=8""",
)
#: What each byte of the kernel's abilities says.
_CAPABILITIES = (
    names(
        "KEYCTL_CAPS0_???",
        """KEYCTL_CAPS0_CAPABILITIES=1 KEYCTL_CAPS0_PERSISTENT_KEYRINGS=2
        KEYCTL_CAPS0_DIFFIE_HELLMAN=4 KEYCTL_CAPS0_PUBLIC_KEY=8 KEYCTL_CAPS0_BIG_KEY=0x10
        KEYCTL_CAPS0_INVALIDATE=0x20 KEYCTL_CAPS0_RESTRICT_KEYRING=0x40 KEYCTL_CAPS0_MOVE=0x80""",
    ),
    names(
        "KEYCTL_CAPS1_???",
        """KEYCTL_CAPS1_NS_KEYRING_NAME=1 KEYCTL_CAPS1_NS_KEY_TAG=2
        KEYCTL_CAPS1_NOTIFICATIONS=4""",
    ),
)


def save(c: Call) -> None:
    """At the entry: the sizes that an operation of a public key is given."""
    if c.words[0] in (*_OUT, _VERIFY):
        data = c.peek(c.words[1], 40)
        if data is not None:
            c.saved["in"], c.saved["out"] = struct.unpack_from("<4xII", data)


def form(c: Call) -> str:
    """The printers of the arguments, by the command."""
    command = c.words[0]
    if command in _OUT:
        last = ">pkey_out" if "out" in c.saved else "pkey_in2"
        return f"keyctl_commands pkey_params string pkey_in {last}"
    return "keyctl_commands " + _KEYCTL.get(command, "hex hex hex hex")


def _key(serial: int) -> str:
    return VALUES["key_spec"].find(serial) or str(serial - (serial >> 31 << 32))


def _spare(words: tuple[int, ...]) -> list[str]:
    return [f"__spare=[{', '.join(map(hexadecimal, words))}]"] if any(words) else []


def _dh_params(c: Call, i: int) -> str:
    return c.record(
        c.words[i],
        "3I",
        lambda *found: struct_text(
            f"{name}={_key(serial)}"
            for name, serial in zip(("private", "prime", "base"), found, strict=True)
        ),
    )


def _key_data(c: Call, i: int) -> str:
    """What a command has found, as much as there was room for; it answers how much there is."""
    where, room = c.words[i : i + 2]
    return address(where) if c.failed else buffer_text(c, where, min(c.value, room))


def _kdf_params(c: Call, i: int) -> str:
    data = c.peek(c.words[i], 44)
    if data is None:
        return address(c.words[i])
    hash_name, other, length, *spare = struct.unpack("<11I", data)
    other_text = buffer_text(c, other, length) if length else address(other)
    fields = [f"hashname={string_text(c, hash_name)}", f"otherinfo={other_text}"]
    return struct_text([*fields, f"otherinfolen={length}", *_spare(tuple(spare))])


def _pkey_query(c: Call, i: int) -> str:
    def show(operations: int, size: int, *rest: int) -> str:
        fields = [f"supported_ops={_OPERATIONS.flags(operations)}", f"key_size={size}"]
        kinds = ("data", "sig", "enc", "dec")
        fields += [f"max_{n}_size={v}" for n, v in zip(kinds, rest[:4], strict=True)]
        return struct_text([*fields, *_spare(rest[4:])])

    return c.record(c.words[i], "2I4H10I", show)


def _pkey_params(c: Call, i: int) -> str:
    second = "out_len" if c.words[0] in _OUT else "in2_len"

    def show(serial: int, length: int, other: int, *spare: int) -> str:
        fields = [f"key_id={_key(serial)}", f"in_len={length}", f"{second}={other}"]
        return struct_text([*fields, *_spare(spare)])

    return c.record(c.words[i], "10I", show)


def _pkey_buffer(c: Call, where: int, which: str) -> str:
    known = which in c.saved and not c.failed
    return buffer_text(c, where, c.saved[which]) if known else address(where)


def _capabilities(c: Call, i: int) -> str:
    where, room = c.words[i : i + 2]
    if c.failed:
        return address(where)
    place = iter(range(room))

    def show(data: bytes) -> str:
        n = next(place)
        return _CAPABILITIES[n].flags(data[0]) if n < 2 else hexadecimal(data[0])

    return c.array(where, min(room, c.value), 1, show)


PRINTERS: Mapping[str, Printer] = {
    "dh_params": _dh_params,
    "key_data": _key_data,
    "kdf_params": _kdf_params,
    "pkey_query": _pkey_query,
    "pkey_params": _pkey_params,
    "pkey_in": lambda c, i: _pkey_buffer(c, c.words[i], "in"),
    "pkey_in2": lambda c, i: _pkey_buffer(c, c.words[i], "out"),
    "pkey_out": lambda c, i: _pkey_buffer(c, c.words[i], "out"),
    "key_capabilities": _capabilities,
}
