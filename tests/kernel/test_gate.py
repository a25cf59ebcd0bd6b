"""Gates that are answered in the middle of a run: whatever comes up there, the run notices."""

from __future__ import annotations

from typing import Any

import pytest
from native_linux import USERLAND

from emu.errors import BusError
from emu.events import Stop
from toykernel.errors import StopRun
from toykernel.harness.session import Session
from toykernel.state import Config

SAMPLE = USERLAND / "fork_sample.S"


def entries(session: Session) -> list[int]:
    """Limits of every entry into the engine, from now on."""
    cpu = session.kernel.machine.cpu
    inner, seen = cpu.run, list[int]()

    def counted(*limits: int) -> int:
        seen.append(limits[0])
        return inner(*limits)

    cpu.run = counted  # type: ignore[method-assign]
    return seen


@pytest.mark.parametrize("timing", ["off", "i486"])
def test_calls_do_not_end_the_run(timing: str) -> None:
    session = Session(USERLAND / "fork_loop.S", config=Config(timing=timing))
    gates: list[str] = []
    session.kernel.host.trace.gate.append(lambda _task, name: gates.append(name))
    seen = entries(session)
    session.run()
    assert len(gates) > 5 * len(seen)


def test_a_listener_that_comes_in_a_gate_hears_the_next_trap() -> None:
    session = Session(SAMPLE)
    machine = session.kernel.machine
    heard: list[Any] = []
    before: list[int] = []

    def begin(_task: object, name: str) -> None:
        if name == "sys_fork" and not before:
            before.append(machine.position.deliveries)
            machine.trap_listeners.append(heard.append)

    session.kernel.host.trace.gate.append(begin)
    session.run()
    assert len(heard) == machine.position.deliveries - before[0] > 5


def test_what_a_gate_raises_is_raised_by_the_run() -> None:
    for error in (BusError(1 << 40, 4, 1 << 24), StopRun("enough"), KeyboardInterrupt()):
        session = Session(SAMPLE)

        class Refuses(dict[int, Any]):
            def __getitem__(self, address: int, error: BaseException = error) -> Any:
                raise error

        session.kernel.host.gates = Refuses(session.kernel.host.gates)
        with pytest.raises(type(error)):
            session.run()


def test_a_step_ends_at_its_gate() -> None:
    session = Session(SAMPLE)
    machine = session.kernel.machine
    while (event := machine.step()).stop is Stop.STEP:
        pass
    assert event.stop is Stop.GATE
