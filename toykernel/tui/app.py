"""The screen: panels, keys, and a time line to step, click or drag in. All that is done is the Debugger's."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.events import Resize
from textual.widgets import Footer, Input, Static

from toykernel.debug.commands.command import Console
from toykernel.debug.debugger import Debugger, Stopped
from toykernel.debug.errors import DebugError
from toykernel.debug.format import what_text
from toykernel.debug.repl import Repl
from toykernel.debug.travel import Traveller
from toykernel.errors import HostError
from toykernel.history.errors import HistoryError
from toykernel.look.symbols import SymbolError
from toykernel.tui import panels
from toykernel.tui.panels import PANELS, Line, Seen
from toykernel.tui.time_line import TimeLine

#: Cycles after which a run comes back to the screen.
LONG = 100_000_000
_ASKS = {
    "address": "an address or a label; nothing: what comes next",
    "command": "a command of the debugger",
}


class DebuggerApp(App[None]):
    """One debugger on a full screen."""

    CSS = """
    Screen { layout: vertical; }
    Static { text-wrap: nowrap; text-overflow: clip; }
    Static.words { text-wrap: wrap; }
    #head { height: 1; background: $primary; color: $text; }
    #time { height: 1; }
    #upper { height: 11; }
    #code { width: 1fr; height: 100%; border-right: solid $primary; }
    #registers { width: 32; height: 100%; }
    #title { height: 1; background: $surface; }
    #lower { height: 1fr; }
    #said { height: 1; color: $warning; }
    #ask { display: none; height: 1; border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "go('stepi')", "Step"),
        Binding("b", "go('back')", "Back"),
        Binding("n", "go('nexti')", "Over"),
        Binding("p", "go('over_back')", "Over back", show=False),
        Binding("c", "go('cont')", "Cont"),
        Binding("r", "go('cont_back')", "Rev"),
        Binding("right_square_bracket", "event(1)", "Event", key_display="]"),
        Binding("left_square_bracket", "event(-1)", "Event", key_display="["),
        Binding("right", "share(1)", "Later", show=False),
        Binding("left", "share(-1)", "Earlier", show=False),
        Binding("shift+right", "share(10)", "Much later", show=False),
        Binding("shift+left", "share(-10)", "Much earlier", show=False),
        Binding("g", "share_of(0)", "Start", show=False),
        Binding("G", "share_of(1)", "End", show=False),
        Binding("a", "ask('address')", "Addr"),
        Binding("colon", "ask('command')", "Cmd", key_display=":"),
        *(Binding(key, f"show({key})", title, show=False) for key, title, _ in PANELS),
        Binding("q", "quit", "Quit"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, debugger: Debugger) -> None:
        super().__init__()
        self.debugger = debugger
        self.seen = Seen({})
        self.panel = 0
        #: The last cycle that is known: how long the time line is.
        self.end = debugger.machine.clock.cycles
        self.said = ""
        self._asked = ""
        self._until = 0
        self._shown_share: tuple[int, int] | None = (
            None  # of the time line, where the mouse has gone
        )
        self._answers: list[str] = []
        self._repl = Repl(Console(debugger, self._answers.append))
        self.traveller: Traveller = self._repl.console.traveller
        debugger.set_interrupted(lambda: debugger.machine.clock.cycles > self._until)

    def compose(self) -> ComposeResult:
        """The screen from above."""
        yield Static(id="head")
        yield TimeLine(id="time")
        with Horizontal(id="upper"):
            yield Static(id="code")
            yield Static(id="registers")
        yield Static(id="title")
        with VerticalScroll(id="lower"):
            yield Static(id="panel")
        yield Static(id="said")
        yield Input(id="ask")
        yield Footer()

    def on_mount(self) -> None:
        """Show where the machine is."""
        self.show()

    def on_resize(self, event: Resize) -> None:
        """The time line is as wide as the screen."""
        self.show()

    # -- showing -----------------------------------------------------------------------------------

    def show(self) -> None:
        """Everything anew, as the machine is now."""
        debugger, seen = self.debugger, self.seen
        self.end = max(self.end, debugger.machine.clock.cycles)
        self._put("#head", [Line(panels.headline(debugger))])
        self._put("#time", [Line(panels.timeline(debugger, max(self.size.width, 2), self.end))])
        self._put("#code", panels.code(debugger, seen))
        self._put("#registers", panels.registers(debugger, seen))
        titles = " ".join(
            f"[{key} {title}]" if n == self.panel else f"{key} {title}"
            for n, (key, title, _) in enumerate(PANELS)
        )
        self._put("#title", [Line(titles)])
        _, title, panel = PANELS[self.panel]
        self.query_one("#panel").set_class(title in ("Page", "Explain"), "words")
        self._put("#panel", panel(debugger, seen))
        self._put("#said", [Line(self.said)])

    def _put(self, where: str, lines: list[Line]) -> None:
        text = Text()
        for line in lines:
            text.append(line.text + "\n", style="bold reverse" if line.marked else "")
        text.right_crop(1)
        self.query_one(where, Static).update(text)

    # -- doing -------------------------------------------------------------------------------------

    def _do(self, work: Callable[[], object]) -> None:
        """Do something with the machine; show what came of it."""
        self.seen.registers = self.debugger.session.current.cpu_regs
        self.said, self._shown_share = "", None
        self._until = self.debugger.machine.clock.cycles + LONG
        try:
            done = work()
            if isinstance(done, Stopped):
                self.said = self._why(done)
        except (DebugError, HistoryError, SymbolError, HostError) as error:
            self.said = str(error)
        if self.debugger.dead:
            self.said = self.debugger.dead
        self.show()

    def _why(self, stopped: Stopped) -> str:
        """Why it stands still now."""
        if stopped.kind == "interrupted":
            return "the run is long: c goes on"
        if stopped.hits:
            return ", ".join(what_text(hit.breakpoint) for hit in stopped.hits)
        return stopped.detail or " ".join(stopped.lines[-1:])

    def action_go(self, what: str) -> None:
        """A step or a run, forward or back, by its name."""
        debugger, traveller = self.debugger, self.traveller
        work: dict[str, Callable[[], object]] = {
            "stepi": debugger.stepi,
            "nexti": debugger.nexti,
            "cont": debugger.cont,
            "back": lambda: traveller.stepi(1),
            "over_back": lambda: traveller.nexti(1),
            "cont_back": lambda: traveller.cont(()),
        }
        self.seen.event = None
        self._do(work[what])

    def action_event(self, step: int) -> None:
        """To the next event, or to the last one before here."""
        log = self.debugger.history.events
        if self.seen.event is not None:
            number = self.seen.event + step
        else:
            number = log.count if step > 0 else log.count - 1
        before = self.debugger.history.position

        def travel() -> None:
            self.traveller.goto("event", max(number, 0))
            if step < 0 and self.debugger.history.position == before and number > 0:
                self.traveller.goto("event", number - 1)
                self.seen.event = number - 1

        self.seen.event = max(number, 0)
        self._do(travel)
        if self.said:
            self.seen.event = None

    def action_share_of(self, end: int) -> None:
        """To the start of what is known, or to its end."""
        width = max(self.size.width, 2)
        self.go_to_share((width - 1) * end, width)

    def on_time_line_moved(self) -> None:
        """The mouse holds the time line, perhaps farther on already than when it said so."""
        width, column = max(self.size.width, 2), self.query_one(TimeLine).column
        if self._shown_share != (column, width):
            self.go_to_share(column, width)
            self._shown_share = column, width

    def action_share(self, step: int) -> None:
        """So many columns of the time line later or earlier."""
        width = max(self.size.width, 2)
        history = self.debugger.history
        at, before = (
            panels.column(self.debugger.machine.clock.cycles, width, self.end),
            history.position,
        )
        self.go_to_share(at + step, width)
        if (
            step < 0 and history.position == before
        ):  # one step took all the cycles from there to here
            self._do(lambda: self.traveller.stepi(1))

    def go_to_share(self, at: int, width: int) -> None:
        """To the cycle of a column of the time line."""
        at = min(max(at, 0), width - 1)
        cycle = -(-at * self.end // (width - 1))
        self.seen.event = None
        start = self.debugger.history.start.cycles
        if cycle <= start:
            self._do(lambda: self.traveller.goto("start", 0))
        else:
            self._do(lambda: self.traveller.goto("cycle", cycle))

    def action_show(self, key: int) -> None:
        """Another panel in the lower half."""
        self.panel = key - 1
        self.show()

    # -- the address -------------------------------------------------------------------------------

    def action_ask(self, what: str) -> None:
        """Ask for the address of the page walk, or for a command of the debugger."""
        self._asked = what
        box = self.query_one("#ask", Input)
        box.placeholder = _ASKS[what]
        box.display = True
        box.value = ""
        box.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look it up, or do it; the panel that has the answer comes up."""
        text = event.value.strip()
        event.input.display = False
        self.set_focus(None)

        def look() -> None:
            self.seen.address = self.debugger.evaluate(text) if text else None
            self._bring("Page")

        def command() -> None:
            self._answers.clear()
            self._repl.execute(text)
            self.seen.answer = tuple(self._answers)
            self.seen.event = None
            self._bring("Answer")

        self._do(look if self._asked == "address" else command)
        if self._repl.console.leaving:
            self.exit()

    def _bring(self, wanted: str) -> None:
        self.panel = next(n for n, (_, title, _) in enumerate(PANELS) if title == wanted)


def run(debugger: Debugger) -> None:
    """The screen, until it is left. What the guest writes is shown on it, and goes nowhere else."""
    session = debugger.session
    console, session.console = session.console, None
    try:
        DebuggerApp(debugger).run()
    finally:
        session.console = console
