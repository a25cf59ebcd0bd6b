"""The devices by themselves: 8259A command sequences (data sheet), timer, serial line, power."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.devices import Device
from emu.devices.pic import InterruptController
from emu.devices.power import PowerSwitch
from emu.devices.serial import SerialConsole
from emu.devices.timer import Timer


def pic(mask: int = 0) -> InterruptController:
    """Initialized as a kernel does: base 0x20, single, 8086 mode."""
    controller = InterruptController()
    for port, value in ((0x20, 0x13), (0x21, 0x20), (0x21, 0x01), (0x21, mask)):
        controller.write(port, 1, value)
    return controller


# -- interrupt controller --------------------------------------------------------------------------


def test_power_on_masks_everything() -> None:
    controller = InterruptController()
    controller.request(0)
    assert controller.pending() is None


def test_initialization_sequence() -> None:
    controller = pic(0xFB)
    assert (controller.base, controller.read(0x21, 1)) == (0x20, 0xFB)
    controller.write(0x20, 1, 0x11)  # cascaded: ICW3 is one byte more
    for value in (0x48 | 3, 0x04, 0x01):
        controller.write(0x21, 1, value)
    assert (controller.base, controller.mask) == (0x48, 0)
    controller.write(0x21, 1, 0x5A)
    assert controller.mask == 0x5A


def test_initialization_forgets_requests_and_service() -> None:
    controller = pic()
    controller.request(1)
    controller.acknowledge()
    controller.request(0)
    controller.write(0x20, 1, 0x13)
    assert (controller.requested, controller.in_service, controller.mask) == (0, 0, 0)


def test_the_most_urgent_line_first() -> None:
    controller = pic()
    for line in (5, 1, 3):
        controller.request(line)
    assert controller.pending() == 1
    assert controller.acknowledge() == 0x21
    assert controller.pending() is None  # 3 and 5 wait for EOI
    controller.write(0x20, 1, 0x20)
    assert controller.acknowledge() == 0x23


def test_nesting_and_eoi() -> None:
    controller = pic()
    controller.request(4)
    assert controller.acknowledge() == 0x24
    controller.request(4)
    assert controller.pending() is None
    controller.request(2)
    assert controller.acknowledge() == 0x22
    assert controller.in_service == 0x14
    controller.write(0x20, 1, 0x20)  # ends the most urgent one
    assert controller.in_service == 0x10
    assert controller.pending() is None
    controller.write(0x20, 1, 0x20)
    assert controller.pending() == 4


def test_specific_eoi() -> None:
    controller = pic()
    controller.request(4)
    controller.acknowledge()
    controller.request(2)
    controller.acknowledge()
    controller.write(0x20, 1, 0x64)
    assert controller.in_service == 0x04


def test_eoi_with_nothing_in_service() -> None:
    controller = pic()
    controller.write(0x20, 1, 0x20)
    assert controller.in_service == 0


def test_a_masked_request_is_kept() -> None:
    controller = pic(0x02)
    controller.request(1)
    assert controller.pending() is None
    controller.write(0x21, 1, 0)
    assert controller.pending() == 1


def test_spurious_interrupt() -> None:
    controller = pic()
    assert controller.acknowledge() == 0x27
    assert controller.in_service == 0


def test_automatic_eoi() -> None:
    controller = InterruptController()
    for port, value in ((0x20, 0x13), (0x21, 0x20), (0x21, 0x03)):
        controller.write(port, 1, value)
    controller.request(3)
    assert controller.acknowledge() == 0x23
    assert controller.in_service == 0


def test_reading_request_and_service_registers() -> None:
    controller = pic()
    controller.request(0)
    controller.acknowledge()
    controller.request(6)
    assert controller.read(0x20, 1) == 0x40
    controller.write(0x20, 1, 0x0B)
    assert controller.read(0x20, 1) == 0x01
    controller.write(0x20, 1, 0x0A)
    assert controller.read(0x20, 1) == 0x40


@given(st.lists(st.tuples(st.sampled_from("ram"), st.integers(0, 7)), max_size=40))
def test_a_line_never_interrupts_a_more_urgent_one(steps: list[tuple[str, int]]) -> None:
    controller = pic()
    for kind, line in steps:
        if kind == "r":
            controller.request(line)
        elif kind == "m":
            controller.write(0x20, 1, 0x20)
        elif (ready := controller.pending()) is not None:
            before = controller.in_service
            assert controller.accepts(ready)
            assert not before & (2 << ready) - 1
            assert controller.acknowledge() == 0x20 + ready


# -- timer -----------------------------------------------------------------------------------------


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0


def timer() -> tuple[Timer, InterruptController, Clock]:
    clock, controller = Clock(), pic()
    return Timer(controller, lambda: clock.now), controller, clock


def test_timer_period() -> None:
    device, controller, clock = timer()
    assert device.deadline() is None
    clock.now = 5
    device.write(0x40, 4, 100)
    assert (device.deadline(), device.read(0x40, 4), device.read(0x44, 4)) == (105, 100, 100)
    clock.now = 105
    device.tick(105)
    assert (device.deadline(), controller.pending(), device.ticks) == (205, 0, 1)


def test_a_late_tick_does_not_move_the_next() -> None:
    device, _, clock = timer()
    device.write(0x40, 4, 100)
    clock.now = 130
    device.tick(130)
    assert device.deadline() == 200


def test_periods_that_passed_unseen_are_lost() -> None:
    device, _, _ = timer()
    device.write(0x40, 4, 100)
    device.tick(350)
    assert (device.deadline(), device.ticks) == (400, 1)
    device.tick(400)
    device.tick(600)
    assert device.deadline() == 700


def test_timer_one_shot_and_stop() -> None:
    device, _, clock = timer()
    device.write(0x44, 4, 30)
    assert device.deadline() == 30
    clock.now = 10
    assert device.read(0x44, 4) == 20
    device.tick(30)
    assert device.deadline() is None
    device.write(0x40, 4, 7)
    device.write(0x40, 4, 0)
    assert (device.deadline(), device.read(0x44, 4)) == (None, 0)


# -- serial line and power -------------------------------------------------------------------------


def test_serial_line() -> None:
    out = bytearray()
    device = SerialConsole(out.extend)
    assert device.read(0x3FD, 1) == 0x60
    assert device.read(0x3F8, 1) == 0
    device.receive(b"a")
    device.receive(b"b")
    assert device.read(0x3FD, 1) == 0x61
    assert (device.read(0x3F8, 1), device.read(0x3F8, 1)) == (ord("a"), ord("b"))
    assert device.read(0x3FD, 1) == 0x60
    device.write(0x3F8, 1, 0x141)
    device.write(0x3FD, 1, 0x42)  # the status register is read-only
    device.send(b"xyz")
    assert out == b"Axyz"


def test_power_switch() -> None:
    device = PowerSwitch()
    assert device.status is None
    device.write(0xF4, 4, 0x12A)
    assert device.status == 0x2A


# -- all -------------------------------------------------------------------------------------------

MAKERS: dict[str, Callable[[], Device]] = {
    "pic": pic,
    "timer": lambda: timer()[0],
    "serial": lambda: SerialConsole(lambda data: None),
    "power": PowerSwitch,
}


@pytest.mark.parametrize("name", MAKERS)
def test_save_and_load(name: str) -> None:
    used, fresh = MAKERS[name](), MAKERS[name]()
    for port in used.ports:
        used.write(port, 1, 0x13)
    if isinstance(used, InterruptController):
        used.request(3)
    if isinstance(used, SerialConsole):
        used.receive(b"waiting")
    assert used.save() != fresh.save()
    saved = used.save()
    fresh.load(saved)
    assert fresh.save() == used.save() == saved
    for port in fresh.ports:  # what was saved is no longer tied to the device
        fresh.write(port, 1, 0x77)
    assert used.save() == saved
