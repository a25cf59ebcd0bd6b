"""Power on: a machine with a kernel in it, at the kernel's first instruction."""

from __future__ import annotations

import struct
from collections.abc import Callable

from emu.machine import Machine
from toykernel import boot
from toykernel.fs.hostfs import mount_host
from toykernel.fs.rootfs import mount_root, place
from toykernel.gate import make_gates
from toykernel.host import Host
from toykernel.host_mount import HostDirectory
from toykernel.kernel.kconfig import config_text
from toykernel.kernel.pid import PidMap, PidNamespace
from toykernel.kernel.sched import core
from toykernel.kernel.sched.classes import sched_classes
from toykernel.kernel.sched.runqueue import Told
from toykernel.kernel.timekeeping import BOOT_EPOCH
from toykernel.kernel.wait import WaitQueue
from toykernel.profiles import DEFAULT_PROFILE
from toykernel.state import HZ, Config, Kernel
from toykernel.sysctl import set_sysctl
from toykernel.tty.termios import TtyStruct


def power_on(
    files: dict[str, bytes],
    program: str,
    argv: list[bytes],
    envp: list[bytes] | None = None,
    *,
    images: boot.BootImages,
    config: Config | None = None,
    console: Callable[[int, bytes], None] | None = None,
    console_read: Callable[[int, int], bytes] | None = None,
) -> Kernel:
    """A kernel that has not run yet. Two of them live in one process without knowing of each other.

    `program` is a path among `files`; `argv` its arguments, argv[0] included. `console` is handed what the
    guest writes there: stream 1 or 2, and the bytes; `console_read` is Host.console_read.
    `images` are what boots on a machine of this configuration. Raises SysctlError for a setting of `config`.
    """
    config = config or Config()
    profile = config.profile or DEFAULT_PROFILE
    machine = Machine(config.memory, model=config.cpu, native=config.native, timing=config.timing)
    host = Host(
        config,
        profile,
        images,
        sched_classes(config.scheduler or profile.scheduler),
        core.try_to_wake_up,
    )
    if console is not None:
        host.console_write = console
    if console_read is not None:
        host.console_read = console_read
    pids = PidMap(reserved=profile.reserved_pids)
    root = mount_root(files)
    config_file = config_text(HZ).encode()
    place(root, f"boot/config-{profile.release}", config_file, 0o644)
    k = Kernel(host, machine, root, PidNamespace(0, pids), BOOT_EPOCH)
    if config.scheduler == "schedule":
        k.sched.rq.told = Told()
    k.init_argv = [program.encode(errors="surrogateescape"), *argv[1:]]
    k.init_envp = list(envp or [])
    boot.setup_machine(k)
    for name, value in config.sysctl:
        set_sysctl(k, name, value)
    if config.tty:
        window = struct.pack("<4H", 24, 80, 0, 0)  # the same wherever the run is repeated
        k.files.console_tty = TtyStruct(0, "console", 0, WaitQueue("console"), winsize=window)
    host.gates = make_gates(host.symbols)
    for number, (at, guest, writable) in enumerate(config.mounts):
        host.mounts.append(HostDirectory(at))
        mount_host(k, number, guest, read_only=not writable)
    return k
