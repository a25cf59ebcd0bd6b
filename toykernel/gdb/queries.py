"""q and Q packets: what there is, and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.gdb.errors import RemoteError
from toykernel.gdb.objects import READABLE, thread_text
from toykernel.gdb.packets import PACKET_SIZE
from toykernel.gdb.signals import from_gdb
from toykernel.gdb.threads import parse_thread

if TYPE_CHECKING:
    from toykernel.gdb.stub import Stub

_FEATURES = (
    *("QStartNoAckMode+", "multiprocess+", "fork-events+", "vfork-events+", "exec-events+"),
    *(
        "no-resumed+",
        "swbreak+",
        "hwbreak+",
        "ConditionalBreakpoints+",
        "vContSupported+",
        "QThreadEvents+",
    ),
    *("QPassSignals+", "QProgramSignals+", "QCatchSyscalls+", "QStartupWithShell+"),
    *("QEnvironmentHexEncoded+", "QEnvironmentReset+", "QEnvironmentUnset+", "QSetWorkingDir+"),
    *(f"qXfer:{name}:read+" for name in READABLE),
)
_BACKWARDS = ("ReverseStep+", "ReverseContinue+")


def query(stub: Stub, text: bytes) -> bytes:
    """Of q, without it; b"" for what is not known."""
    if text.startswith(b"Supported"):
        return _supported(stub, text[len(b"Supported") :].lstrip(b":"))
    if text == b"C":
        return f"QC{stub.name(stub.task())}".encode()
    if text.startswith(b"Attached"):
        tgid = int(text.partition(b":")[2] or b"%x" % stub.task().tgid, 16)
        return b"1" if stub.attached_to_running(tgid) else b"0"
    if text == b"fThreadInfo":
        names = [stub.name(task) for task in stub.target.processes.tasks()]
        names += [f"p{tgid:x}.{tgid:x}" for tgid in sorted(stub.target.processes.unborn)]
        return b"m" + ",".join(names).encode() if names else b"l"
    if text == b"sThreadInfo":
        return b"l"
    if text.startswith(b"ThreadExtraInfo,"):
        task = stub.task(parse_thread(text.partition(b",")[2].decode()))
        return thread_text(stub.target, task).encode().hex().encode()
    if text.startswith(b"Symbol:"):
        return b"OK"
    if text.startswith(b"Rcmd,"):
        return _monitor(stub, bytes.fromhex(text[5:].decode()).decode(errors="replace"))
    return b""


def _supported(stub: Stub, text: bytes) -> bytes:
    stub.features = frozenset(text.decode(errors="replace").split(";"))
    stub.target.processes.features = stub.features
    stub.multiprocess = "multiprocess+" in stub.features
    known = [f"PacketSize={PACKET_SIZE:x}", *_FEATURES]
    if stub.target.history is not None:
        known += _BACKWARDS
    return ";".join(known).encode()


def _monitor(stub: Stub, line: str) -> bytes:
    try:
        pid = stub.task().pid
    except RemoteError:
        pid = stub.target.k.current.pid
    for text in stub.monitor.run(line, pid):
        stub.print(f"{text}\n".encode(errors="replace"))
    return b"OK"


def change(stub: Stub, text: bytes) -> bytes:
    """Of Q, without it; b"" for what is not known. Raises RemoteError."""
    name, _, rest = text.partition(b":")
    resumer, launch = stub.target.resumer, stub.launch
    match name:
        case b"StartNoAckMode" | b"ProgramSignals" | b"StartupWithShell":
            pass
        case b"NonStop":
            if rest != b"0":
                raise RemoteError
        case b"ThreadEvents":
            stub.target.processes.thread_events = rest == b"1"
        case b"PassSignals":
            numbers = [from_gdb(int(word, 16)) for word in rest.split(b";") if word]
            resumer.pass_signals = frozenset(numbers)
        case b"CatchSyscalls":
            wanted, *calls = rest.split(b";")
            chosen = frozenset(int(call, 16) for call in calls) if wanted == b"1" else None
            resumer.catch[stub.task().tgid] = chosen
        case b"EnvironmentHexEncoded":
            key, _, value = _hex(rest).partition("=")
            launch.env[key] = value
            launch.unset.discard(key)
        case b"EnvironmentUnset":
            launch.unset.add(_hex(rest))
            launch.env.pop(_hex(rest), None)
        case b"EnvironmentReset":
            launch.env.clear()
            launch.unset.clear()
        case b"SetWorkingDir":
            launch.directory = _hex(rest)
        case _:
            return b""
    return b"OK"


def _hex(text: bytes) -> str:
    return bytes.fromhex(text.decode()).decode(errors="surrogateescape")
