"""The stub: a packet in, an answer out. What runs, looks and changes is in the other modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from toykernel.errno import EFAULT, EINVAL, ENOENT, ENOTDIR, ESRCH, Errno
from toykernel.errors import HostError
from toykernel.gdb import objects, queries
from toykernel.gdb.actions import parse_action, parse_point
from toykernel.gdb.errors import RemoteError, no_task
from toykernel.gdb.files import Files, fileio_errno, walk
from toykernel.gdb.memory import write_memory
from toykernel.gdb.monitor import Monitor
from toykernel.gdb.packets import PACKET_SIZE, escape, unescape
from toykernel.gdb.resume import Arrived, Plan
from toykernel.gdb.reverse import Reverse
from toykernel.gdb.stops import Stop
from toykernel.gdb.target import Factory, Launch, Target
from toykernel.gdb.threads import ALL, ANY, ThreadId, parse_thread
from toykernel.kernel.siginfo import SIGKILL
from toykernel.kernel.signal import send_signal
from toykernel.look.filled import read_memory
from toykernel.look.program import PROGRAM_PID
from toykernel.look.task import TaskView

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.history.writes import Write
    from toykernel.task import Task

#: Packets whose answer is at most this long are sent whole.
MOST = PACKET_SIZE - 64


class Stub:
    """One client's conversation with one target after the other. `say` prints in the client's console."""

    def __init__(
        self,
        make: Factory,
        target: Target,
        interrupted: Callable[[], bool],
        say: Callable[[bytes], None],
        make_target: Callable[[Session], Target],
    ) -> None:
        self._make, self._make_target = make, make_target
        self._interrupted, self.print = interrupted, say
        self.launch = Launch()
        self.features: frozenset[str] = frozenset()
        self.multiprocess = self.extended = False
        self.general = self.resumed = ThreadId(ANY, ANY)
        self.files = Files()
        self.leaving = False
        self.killed = False
        self.released = False  # a process, by a detach
        self.take(target)
        self._handlers: dict[bytes, Callable[[bytes], bytes | None]] = {
            b"?": self._why,
            b"!": self._extend,
            b"H": self._select,
            b"g": lambda _: self.target.registers.all(self._view()).hex().encode(),
            b"G": self._set_registers,
            b"p": self._register,
            b"P": self._set_register,
            b"m": self._read,
            b"M": self._write_hex,
            b"X": self._write_binary,
            b"Z": lambda rest: self._point(rest, True),
            b"z": lambda rest: self._point(rest, False),
            b"c": lambda rest: self._old_resume(b"c", rest),
            b"C": lambda rest: self._old_resume(b"C", rest),
            b"s": lambda rest: self._old_resume(b"s", rest),
            b"S": lambda rest: self._old_resume(b"S", rest),
            b"b": self._backwards,
            b"T": self._alive,
            b"D": self._detach,
            b"k": self._kill_all,
            b"R": self._restart,
            b"v": self._v,
            b"q": self._q,
            b"Q": self._set,
        }

    def take(self, target: Target) -> None:
        """Another run of the program."""
        self.target = target
        self.files.extra[target.session.guest_path] = target.session.elf
        target.resumer.interrupted = self._interrupted
        target.resumer.say = lambda text: self.print(f"{text}\n".encode())
        target.processes.features = self.features
        self.monitor = Monitor(target, self._travel)
        leader = next(iter(target.processes.tasks()), None)
        pid = leader.pid if leader is not None else 0
        self._last: Stop | Arrived = Stop(pid, pid) if leader is not None else Arrived("finished")
        self.general = ThreadId(pid, pid)
        self.resumed = ThreadId(ANY, ANY)

    def answer(self, packet: bytes) -> bytes | None:
        """What to send, escaped; None for nothing. Raises HostError when the guest's console is gone."""
        handler = self._handlers.get(packet[:1])
        if handler is None:
            return b""
        try:
            return handler(packet[1:])
        except RemoteError as error:
            return b"E%02x" % min(error.number, 255)
        except Errno as error:
            return b"E%02x" % min(error.number, 255)
        except HostError:
            raise
        except (ValueError, OverflowError, IndexError):
            return b"E%02x" % EINVAL

    # -- threads -----------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether the guest is to run on although nothing asks for it: all of it was let go of."""
        target = self.target
        over = target.k.outcome is not None or target.resumer.dead
        return self.released and not target.processes.attached and not over

    def task(self, ident: ThreadId | None = None) -> Task:
        """The living attached thread that is meant; Hg's when none is named. Raises RemoteError(ESRCH)."""
        wanted = ident or self.general
        if wanted.tgid in self.target.processes.unborn:
            return self.target.processes.parent_of_unborn(wanted.tgid)
        tasks = self.target.processes.tasks()
        current = self.target.k.current
        for task in sorted(tasks, key=lambda t: t is not current):
            if wanted.matches(task.tgid, task.pid):
                return task
        raise no_task()

    def _view(self) -> TaskView:
        return self.target.processes.view(self.task().pid)

    def name(self, task: Task) -> str:
        """Its id in packets."""
        return f"p{task.tgid:x}.{task.pid:x}" if self.multiprocess else f"{task.pid:x}"

    def _why(self, _rest: bytes) -> bytes:
        """`?`. Of no process at all, an exit: a client does not take N for an answer here."""
        return self._reply(self._last) if isinstance(self._last, Stop) else b"W00"

    def _extend(self, _rest: bytes) -> bytes:
        self.extended = True
        return b"OK"

    def _select(self, rest: bytes) -> bytes:
        ident = parse_thread(rest[1:].decode())
        if rest[:1] == b"g":
            if ident.pid == ALL:
                ident = ThreadId(ident.tgid, ANY)
            self.task(ident)
            self.general = ident
        elif rest[:1] == b"c":
            self.resumed = ident
        else:
            raise RemoteError
        return b"OK"

    def _alive(self, rest: bytes) -> bytes:
        self.task(parse_thread(rest.decode()))
        return b"OK"

    # -- registers and memory ----------------------------------------------------------------------

    def _register(self, rest: bytes) -> bytes:
        return self.target.registers.one(self._view(), int(rest, 16)).hex().encode()

    def _set_registers(self, rest: bytes) -> bytes:
        self.target.registers.set_all(self._view(), bytes.fromhex(rest.decode()))
        self.target.changed()
        return b"OK"

    def _set_register(self, rest: bytes) -> bytes:
        number, _, value = rest.partition(b"=")
        data = bytes.fromhex(value.decode())
        self.target.registers.set_one(self._view(), int(number, 16), data)
        self.target.changed()
        return b"OK"

    def _read(self, rest: bytes) -> bytes:
        address, size = (int(word, 16) for word in rest.split(b","))
        data = read_memory(self._view(), address, min(size, MOST // 2))
        if size and not data:
            raise RemoteError(EFAULT)
        return data.hex().encode()

    def _write_hex(self, rest: bytes) -> bytes:
        return self._write(rest, lambda text: bytes.fromhex(text.decode()))

    def _write_binary(self, rest: bytes) -> bytes:
        return self._write(rest, unescape)

    def _write(self, rest: bytes, decode: Callable[[bytes], bytes]) -> bytes:
        head, _, text = rest.partition(b":")
        address, size = (int(word, 16) for word in head.split(b","))
        data = decode(text)
        if len(data) != size or address + size > 1 << 32:
            raise RemoteError
        if size:
            write_memory(self.target.k, self.task(), address, data)
            self.target.changed()
        return b"OK"

    def _point(self, rest: bytes, insert: bool) -> bytes:
        parsed = parse_point(rest)
        if parsed is None:
            return b""
        points, where = self.target.points, (self._process(), *parsed[:3])
        if insert:
            points.insert(*where, parsed[3])
        else:
            points.remove(*where)
        return b"OK"

    def _process(self) -> int:
        if self.general.tgid in self.target.processes.unborn:
            return self.general.tgid
        try:
            return self.task().tgid
        except RemoteError:  # it is gone, and gdb takes its breakpoints away
            return self.general.tgid

    # -- running -----------------------------------------------------------------------------------

    def _old_resume(self, kind: bytes, rest: bytes) -> bytes:
        text = kind
        if kind in b"CS":
            sig, _, rest = rest.partition(b";")
            text += sig
        if rest:
            number = [r.name for r in self.target.registers.list].index("eip")
            data = int(rest, 16).to_bytes(4, "little")
            self.target.registers.set_one(self._view(), number, data)
            self.target.changed()
        ident = self.resumed
        if ident.pid in (ALL, ANY) and kind in b"sS":
            ident = ThreadId(self.task().tgid, self.task().pid)
        one = b"" if ident.pid in (ALL, ANY) else f":p{ident.tgid:x}.{ident.pid:x}".encode()
        return self._resume([text + one, b"c"] if one else [text])

    def _resume(self, actions: list[bytes]) -> bytes:
        """vCont: the first action that fits a thread is its own; one without any stands still."""
        plan, held = Plan(), set()
        parsed = [parse_action(action) for action in actions]
        if not self.target.processes.pending:  # or it may have exited, which is still to be told
            for *_, ident in parsed:
                if ident.pid not in (ALL, ANY):
                    self.task(ident)
        threads = [(task.tgid, task.pid) for task in self.target.processes.tasks()]
        threads += [(tgid, tgid) for tgid in sorted(self.target.processes.unborn)]
        for tgid, pid in threads:
            for kind, sig, inside, ident in parsed:
                if ident.matches(tgid, pid):
                    if kind in "sSr" and plan.step is None:
                        plan.step, plan.inside = pid, inside
                    if sig or pid in self.target.resumer.standing:
                        plan.signals[pid] = sig
                    break
            else:
                held.add(pid)
        plan.hold = frozenset(held)
        return self._told(self.target.resumer.resume(plan))

    def _told(self, stop: Stop | Arrived) -> bytes:
        self._last = stop
        self.target.note_attached()
        if isinstance(stop, Stop) and stop.code is None:
            self.general = ThreadId(stop.tgid, stop.pid)
        return self._reply(stop)

    def _reply(self, stop: Stop | Arrived) -> bytes:
        if isinstance(stop, Stop):
            return stop.reply(self.multiprocess, self.features)
        return b"N" if "no-resumed+" in self.features else b"W00"

    def _backwards(self, rest: bytes) -> bytes:
        if self.target.history is None or rest not in (b"s", b"c"):
            return b""
        processes = self.target.processes
        if processes.pending:
            return self._told(processes.pending.popleft())
        reverse, asked = Reverse(self.target), self.general.pid
        selected = self.resumed.matches(self.general.tgid, self.general.pid)
        task = self.task() if selected else self.task(self.resumed)
        with processes.journey():
            stop = reverse.step(task.pid) if rest == b"s" else reverse.run(task.pid)
        if stop.pid != asked:  # the client believes that this one has not moved
            stop = replace(stop, registers=self._expedited(stop.pid))
        return self._told(stop)

    def _expedited(self, pid: int) -> str:
        data = self.target.registers.all(self.target.processes.view(pid))
        return "".join(
            f"{number:x}:{data[r.offset : r.offset + r.size].hex()};"
            for number, r in enumerate(self.target.registers.list)
        )

    def _travel(self, go: Callable[[Reverse], Write | None]) -> Write | None:
        with self.target.processes.journey():
            found = go(Reverse(self.target))
        current = self.target.k.current
        tasks = self.target.processes.tasks()
        if tasks:
            task = current if current in tasks else tasks[0]
            self.general = ThreadId(task.tgid, task.pid)
            self._last = Stop(task.pid, task.tgid)
        return found

    # -- processes ---------------------------------------------------------------------------------

    def _detach(self, rest: bytes) -> bytes:
        if rest.startswith(b";"):
            self.target.processes.detach(int(rest[1:], 16))
        else:
            for tgid in self.target.processes.attached | self.target.processes.unborn:
                self.target.processes.detach(tgid)
        self.target.resumer.parking.let_go()
        self.released = True
        if not self.target.processes.attached and not self.extended:
            self.leaving = True
        return b"OK"

    def _kill_all(self, _rest: bytes) -> bytes:
        self.leaving = self.killed = True
        return b"X09"

    def _kill(self, tgid: int) -> bytes:
        pending = self.target.processes.pending
        if tgid in self.target.processes.unborn:
            self.target.processes.detach(tgid)
            return b"OK"
        told = [stop for stop in pending if stop.tgid == tgid and stop.code is not None]
        if told:  # it is gone already, or not born yet, and the client has not heard of it
            for stop in told:
                pending.remove(stop)
            return b"OK"
        task = self.task(ThreadId(tgid, ANY))
        send_signal(self.target.k, task, SIGKILL, {}, group=True)
        self.target.resumer.parking.into_kernel(tgid)
        self.target.changed()
        self.target.processes.pending.clear()
        for _ in range(64):
            done = self.target.resumer.resume(Plan())
            if tgid not in self.target.processes.attached or isinstance(done, Arrived):
                break
        self.target.processes.pending.clear()
        return b"OK"

    def _restart(self, _rest: bytes) -> bytes | None:
        self._run_again()
        return None

    def _run_again(self) -> None:
        self.monitor.close()
        self.target.close()
        self.take(self._make_target(self._make(self.launch)))
        if self.launch.directory:
            fs, path = self.task().fs, walk(self.target.k, self.launch.directory)
            if fs is None or not path.dentry.inode.is_dir:
                raise RemoteError(ENOTDIR)
            fs.pwd = path
            self.target.changed()

    def _v(self, rest: bytes) -> bytes:
        if rest == b"Cont?":
            return b"vCont;c;C;s;S;t;r"
        if rest.startswith(b"Cont;"):
            return self._resume(rest[5:].split(b";"))
        if rest.startswith(b"Kill;"):
            return self._kill(int(rest[5:], 16))
        if rest.startswith(b"Attach;"):
            task = self.target.processes.attach(int(rest[7:], 16))
            return self._told(Stop(task.pid, task.tgid, 0))
        if rest.startswith(b"Run;"):
            name, *words = [bytes.fromhex(word.decode()) for word in rest[4:].split(b";")]
            if name and name.decode(errors="surrogateescape") not in self._names():
                raise RemoteError(ESRCH)
            self.launch.args = tuple(word.decode(errors="surrogateescape") for word in words)
            self._run_again()
            if not self.target.started:
                raise RemoteError(ENOENT)
            return self._told(self._last)
        if rest.startswith(b"File:"):
            return self._file(rest[5:])
        return b""

    def _names(self) -> tuple[str, ...]:
        session = self.target.session
        return (session.guest_path, session.guest_path[1:], str(session.path))

    def _file(self, rest: bytes) -> bytes:
        try:
            result, data = self.files.answer(self.target.k, rest)
        except RemoteError as error:
            return b"F-1,%x" % fileio_errno(error.number)
        except LookupError:
            return b""
        name = rest.partition(b":")[0]
        if name in (b"pread", b"fstat", b"stat", b"readlink"):
            return b"F%x;" % result + escape(data)
        return b"F%x" % result

    # -- queries -----------------------------------------------------------------------------------

    def _q(self, rest: bytes) -> bytes:
        if rest.startswith(b"Xfer:"):
            return self._xfer(rest[5:])
        return queries.query(self, rest)

    def _xfer(self, rest: bytes) -> bytes:
        name, operation, tail = rest.split(b":", 2)
        if operation != b"read":
            return b""
        annex, _, span = tail.rpartition(b":")
        offset, length = (int(word, 16) for word in span.split(b","))
        what, which = name.decode(), annex.decode()
        try:
            data = objects.read_object(self.target, what, which, self.multiprocess)
            if data is None:
                data = objects.read_task_object(self.target, self.task(), what, which)
        except LookupError:
            return b""
        length = min(length, MOST // 2)
        part = data[offset : offset + length]
        return (b"m" if offset + length < len(data) else b"l") + escape(part)

    def _set(self, rest: bytes) -> bytes:
        return queries.change(self, rest)

    def attached_to_running(self, tgid: int) -> bool:
        """Whether a process was there before the client came (qAttached)."""
        return tgid != PROGRAM_PID
