"""`monitor`: the commands of `toykernel debug` that look, and going to a place in the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.debug.commands import COMMANDS, GROUPS
from toykernel.debug.commands import find as find_command
from toykernel.debug.commands.breaks import bytes_at
from toykernel.debug.commands.command import Console
from toykernel.debug.debugger import Debugger
from toykernel.debug.errors import DebugError
from toykernel.errors import HostError
from toykernel.history.errors import HistoryError
from toykernel.look.symbols import SymbolError

if TYPE_CHECKING:
    from toykernel.gdb.reverse import Reverse
    from toykernel.gdb.target import Target
    from toykernel.history.writes import Write

Travel = Callable[[Callable[["Reverse"], "Write | None"]], "Write | None"]

#: Groups of `toykernel debug` whose commands change nothing.
_LOOKING = "Looking"
_FLUSH = 'Type "maintenance flush register-cache" to see the registers.'
_HELP = """\
Commands of the stub:
  follow kernel on|off   whether steps go into the kernel and registers are the kernel half's there
  goto cycle|instruction N
                         go to another moment of the run, back or forth
  back-to-write [/SIZE] ADDR|phys ADDR
                         go to right before the last write to these bytes, by whomever
  position               instructions, traps and cycles since power-on
  events [N]             the last N things that happened: traps, calls, faults, forks, exits
  kernel-symbols FILE    write an ELF file with the symbols and lines of the kernel's text;
                         "add-symbol-file target:/boot/vmlinux" has the same without a file
  help                   this text
Commands of `toykernel debug' that look (help NAME tells of one):"""


class Monitor:
    """Answers for one target. `travel` calls a function that goes to another moment."""

    def __init__(self, target: Target, travel: Travel) -> None:
        self._target = target
        self._travel = travel
        self._debugger: Debugger | None = None
        self._pid = 0  # of the thread that is selected in gdb
        self._own: dict[str, Callable[[str], list[str]]] = {
            "help": self._help,
            "follow": self._follow,
            "goto": self._goto,
            "back-to-write": self._back_to_write,
            "position": self._position,
            "events": self._events,
            "kernel-symbols": self._kernel_symbols,
        }

    def close(self) -> None:
        """Listen no more."""
        if self._debugger is not None:
            self._debugger.close()

    def run(self, line: str, pid: int) -> list[str]:
        """The lines that a command answers, as the selected thread sees things."""
        word, _, rest = line.strip().partition(" ")
        self._pid = pid
        if not word:
            return self._help("")
        try:
            own = self._own.get(word)
            if own is not None:
                return own(rest.strip())
            return self._looking(word, rest.strip(), pid)
        except (DebugError, HistoryError, SymbolError) as error:
            return [str(error)]

    def _looking(self, text: str, rest: str, pid: int) -> list[str]:
        word, slash, format_ = text.partition("/")
        command = find_command(word)
        if command not in GROUPS[_LOOKING]:
            raise DebugError(
                f"{command.name} is gdb's own to do; `monitor help' lists what is here"
            )
        if slash and not command.takes_format:
            raise DebugError(f"{command.name} takes no /{format_[:20]}")
        lines: list[str] = []
        looker, save = self._looker(pid), self._target.write_file
        console = Console(looker, lines.append, write_file=save)
        try:
            command.run(console, f"{slash}{format_} {rest}".strip())
        except HostError as error:
            return [error.message]
        return lines

    def _looker(self, pid: int) -> Debugger:
        """The debugger behind the commands, looking at a thread."""
        if self._debugger is None:
            self._debugger = Debugger(self._target.session, history=self._target.history)
            self._target.changed()  # its listeners have nothing from before
        self._debugger.selected = pid
        return self._debugger

    def _help(self, text: str) -> list[str]:
        if text:
            command = next((c for c in COMMANDS if c.name == text), None)
            if command is None or command not in GROUPS[_LOOKING]:
                raise DebugError(f'no command "{text[:40]}"')
            return [f"{command.name} {command.usage}: {command.summary}", *command.help.split("\n")]
        rows = [f"  {f'{c.name} {c.usage}':<22} {c.summary}" for c in GROUPS[_LOOKING]]
        return [*_HELP.split("\n"), *rows]

    def _follow(self, text: str) -> list[str]:
        words = text.split()
        if (
            len(words) not in (1, 2)
            or words[0] != "kernel"
            or words[1:] not in ([], ["on"], ["off"])
        ):
            raise DebugError("follow kernel on, or off")
        if len(words) == 2:
            self._target.follow_kernel(words[1] == "on")
        state = "are followed" if self._target.resumer.kernel_side else "are not followed"
        return [f"Threads {state} into the kernel."]

    def _goto(self, text: str) -> list[str]:
        words = text.split()
        if len(words) != 2 or words[0] not in ("cycle", "instruction") or not words[1].isdecimal():
            raise DebugError("goto cycle N, or goto instruction N")
        if self._target.history is None:
            raise DebugError(f"there is no past: {self._target.why_no_history}")
        unit, number = words[0], min(int(words[1]), 1 << 62)
        self._travel(lambda reverse: reverse.goto(unit, number))
        return [*self._position(""), _FLUSH]

    def _back_to_write(self, text: str) -> list[str]:
        if self._target.history is None:
            raise DebugError(f"there is no past: {self._target.why_no_history}")
        pid = self._pid
        size, address, physical = bytes_at(self._looker(pid), text)
        write = self._travel(lambda reverse: reverse.to_write(address, size, physical, pid))
        if write is None:
            return ["Nobody has written there since history began."]
        old, new = (int.from_bytes(value, "little") for value in (write.old, write.new))
        values = f": {old:#0{2 * size + 2}x} -> {new:#0{2 * size + 2}x}" if size <= 4 else ""
        return [f"Physical {write.physical:#010x} is about to be written{values}", _FLUSH]

    def _position(self, _text: str) -> list[str]:
        here = self._target.k.machine.position
        return [f"{here.instructions} instructions, {here.deliveries} traps, {here.cycles} cycles"]

    def _events(self, text: str) -> list[str]:
        if text and not text.isdecimal():
            raise DebugError(f"{text[:40]} is not a count")
        if self._target.history is None:
            raise DebugError(f"there is no past: {self._target.why_no_history}")
        wanted = min(int(text or 20), 10_000)
        found = list(self._target.history.events.happened())[-wanted:] if wanted else []
        return [
            f"{number:>6} {event.position.cycles:>12} {event.kind:<7} pid {event.pid} at "
            f"{event.eip:#010x}  " + " ".join(f"{name}={value}" for name, value in event.details)
            for number, event in found
        ]

    def _kernel_symbols(self, text: str) -> list[str]:
        from toykernel.harness.images import kernel_symbols

        if not text:
            raise DebugError("kernel-symbols FILE")
        data = kernel_symbols(self._target.k.host.images.layout)
        self._target.write_file(text, data)
        return [f'{len(data)} bytes. Type "add-symbol-file {text}" in gdb.']
