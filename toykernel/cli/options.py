"""The options that make a machine, one declaration each, shared by every command that makes one.

An option appears in the help text in the order of its table. To add one: declare it in MACHINE (the
guest is different with it) or OBSERVE (only what the host sees is), and read it where it acts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click import BadParameter

from emu.timing.profiles import DEFAULT_PROFILE, PROFILE_NAMES
from toykernel.cli import complete
from toykernel.cli.guest_files import guest_mounts, mount_option
from toykernel.cli.option_types import (
    FILE,
    MAX_MEMORY,
    MIN_MEMORY,
    assignment,
    count,
    file_mapping,
    flags,
    nth_point,
    rlimit,
    size,
)

if TYPE_CHECKING:
    from toykernel.harness.recipe import Recipe
    from toykernel.state import Config

Decorator = Callable[[Any], Any]
TIMING: Decorator = click.option(
    "--timing",
    type=click.Choice(PROFILE_NAMES),
    default=DEFAULT_PROFILE,
    show_default=True,
    help="What instructions cost: see docs/timing.md.",
)
SCHEDULE: Decorator = click.option(
    "--schedule",
    metavar="FILE",
    type=FILE,
    help="Let the tasks run in the order that explore --schedules has written to FILE.",
)
#: Between them a tick has at least 1,000 cycles, and its length fits the timer.
MIN_CPU_HZ, MAX_CPU_HZ = 100_000, 4_000_000_000
MACHINE: tuple[Decorator, ...] = (
    click.option(
        "--memory",
        type=size(MIN_MEMORY, MAX_MEMORY),
        default="16M",
        show_default=True,
        metavar="SIZE",
        help="RAM of the machine, 1M to 3G.",
    ),
    click.option(
        "--cpu",
        type=click.Choice(("486", "pentium", "pentium3", "max")),
        default="max",
        show_default=True,
        help="CPU features that a guest sees.",
    ),
    click.option(
        "--cpu-hz",
        type=click.IntRange(MIN_CPU_HZ, MAX_CPU_HZ),
        default=33_000_000,
        show_default=True,
        metavar="N",
        help="Cycles in a second of the guest's clock: with fewer, what waits for time to pass takes less.",
    ),
    TIMING,
    click.option(
        "--fork",
        type=click.Choice(("cow", "eager")),
        default="cow",
        show_default=True,
        help="Share pages at fork until they are written, or copy them all at once.",
    ),
    click.option(
        "--kernel",
        type=click.Choice(("2.4", "2.6.39", "3.x", "4.x", "6.x")),
        show_default="2.6.39; 6.x for an ELF file that asks for a newer kernel",
        help="Whose rules hold: the differences are listed in docs/kernel-versions.md.",
    ),
    click.option(
        "--sysctl",
        type=assignment,
        multiple=True,
        metavar="NAME=VALUE",
        shell_complete=complete.assignments,
        help="A setting of the kernel, as kernel.pid_max=400. Repeatable.",
    ),
    click.option(
        "--rlimit",
        type=rlimit,
        multiple=True,
        metavar="NAME=SIZE",
        help="Resource limit of the program: stack (default 8M).",
    ),
    click.option(
        "--env",
        type=assignment,
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable of the program's environment, empty otherwise. Repeatable.",
    ),
    click.option(
        "--file",
        type=file_mapping,
        multiple=True,
        metavar="HOST:GUEST",
        help="Put a host file into the guest's file system. Repeatable.",
    ),
    mount_option,
    click.option(
        "--stdin",
        metavar="FILE",
        type=FILE,
        help="The guest's standard input; otherwise run and cycles hand on their own, others nothing.",
    ),
    click.option(
        "--input",
        metavar="FILE",
        type=FILE,
        help="Read again, read by read, what --record-input has written.",
    ),
    SCHEDULE,
)


#: How the names of sources, objects and archives end.
INPUTS = (".S", ".s", ".asm", ".c", ".o", ".a")
#: What a program is made of besides its first file.
SOURCES: tuple[Decorator, ...] = (
    click.option(
        "--with",
        "with_files",
        type=click.Path(),
        multiple=True,
        metavar="FILE",
        help="Link this source, object or archive to PROGRAM. Repeatable.",
    ),
    click.option(
        "-I",
        "include",
        type=click.Path(),
        multiple=True,
        metavar="DIR",
        help="Look for included files there, too. Repeatable.",
    ),
    click.option(
        "-D",
        "macro",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="A macro of the preprocessor. Repeatable.",
    ),
    click.option(
        "--cflags",
        type=flags,
        default="",
        metavar="FLAGS",
        help="Flags of the C compiler, after -g -O1, quoted as for a shell.",
    ),
    click.option(
        "--assembler",
        type=click.Choice(("own", "gnu")),
        default="own",
        envvar="TOYKERNEL_ASSEMBLER",
        help="Assemble and link with our own assembler, or with the installed GNU as and ld "
        "(TOYKERNEL_ASSEMBLER).",
    ),
    click.option(
        "--no-cache",
        is_flag=True,
        help="Assemble anew, and keep nothing: assembled programs are kept by content in "
        "$XDG_CACHE_HOME/toykernel (~/.cache/toykernel).",
    ),
)
#: Options that make things go wrong on purpose.
INJECT: tuple[Decorator, ...] = (
    click.option(
        "--fail-nth",
        type=nth_point,
        metavar="[CALL:]N",
        shell_complete=complete.system_calls,
        help="Let the N-th point inside the system call CALL (fork) fail: an allocation, with ENOMEM, or "
        "in fork, vfork and clone a step of copy_process, with its own error.",
    ),
)


def check_mode(text: str) -> str:
    """`traps`, or `full`."""
    if text not in ("traps", "full"):
        raise BadParameter(f"{text!r}: write --check or --check=full")
    return text


TRACE_SYSTEMS = ("sched", "irq", "syscalls", "exceptions", "page_faults")


def trace_events(text: str) -> tuple[tuple[str, ...], str | None]:
    """SYSTEM,...[=FILE]"""
    names, equals, path = text.partition("=")
    systems = tuple(names.split(","))
    if (equals and not path) or not set(systems) <= set(TRACE_SYSTEMS):
        known = ", ".join(TRACE_SYSTEMS)
        raise BadParameter(f"{text!r}: write some of {known}, with commas, and =FILE behind them")
    return systems, path or None


OBSERVE: tuple[Decorator, ...] = (
    click.option(
        "--strace",
        metavar="[=FILE]",
        type=FILE,
        help="Trace system calls and signals as strace does, to standard error or FILE.",
    ),
    click.option(
        "--cow",
        metavar="[=FILE]",
        type=FILE,
        help="The life of every frame (shared, copied, reused, freed), to standard error or FILE.",
    ),
    click.option(
        "--trace",
        type=trace_events,
        metavar="SYSTEM,...[=FILE]",
        help="Print the kernel's trace events as ftrace does, to standard error or FILE; SYSTEM: "
        f"{', '.join(TRACE_SYSTEMS)}.",
    ),
    click.option(
        "--ftrace",
        metavar="[=FILE]",
        type=FILE,
        help="Trace the kernel's functions as its function_graph tracer does, to standard error or FILE.",
    ),
    click.option(
        "--timeline",
        metavar="FILE",
        type=FILE,
        help="Write the run as Trace Event JSON, for ui.perfetto.dev.",
    ),
    click.option(
        "--events",
        metavar="FILE",
        help="Write what happens as lines of JSON, each event with the state after it: docs/events.md.",
    ),
    click.option(
        "--process-tree",
        metavar="FILE",
        type=FILE,
        help="Draw the run's processes, their times and ends, as an SVG picture.",
    ),
    click.option(
        "--core",
        metavar="FILE|DIR",
        type=FILE,
        help="Write the core file of the first process that a signal kills whose default action that is; "
        "into a directory those of all, as core.PID. RLIMIT_CORE only rules what wait tells.",
    ),
    click.option(
        "--record-input",
        metavar="FILE",
        type=FILE,
        help="Write what the guest reads from standard input, for --input.",
    ),
    click.option(
        "--report",
        metavar="FILE",
        type=FILE,
        help="Write the run's figures as JSON (`-`: to standard output, after the run).",
    ),
    click.option(
        "--summary",
        is_flag=True,
        help="After the run, print the main figures to standard error.",
    ),
    click.option(
        "--check",
        type=check_mode,
        metavar="[=full]",
        help="Check the kernel's invariants: at every trap what it can have touched (full: everything), and "
        "everything now and then and at the end; exit 70 when one is broken.",
    ),
    click.option(
        "--max-cycles",
        type=count,
        metavar="N",
        help="Stop when the clock has reached N cycles, with exit status 124.",
    ),
)


def apply(options: Sequence[Decorator]) -> Decorator:
    """Put a table of options on a command, in its order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class ProgramCommand(click.Command):
    """A command on PROGRAM [ARG...]: what follows PROGRAM is the program's, and is said to be so when
    it looks like an option of ours. `--` before PROGRAM says that it is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = list(args)
        rest = super().parse_args(ctx, args)
        behind: tuple[str, ...] = ctx.params.get("args") or ()
        before = words[: len(words) - len(behind) - 1]
        if ctx.resilient_parsing or before[-1:] == ["--"]:
            return rest
        ours = {name for p in self.params if isinstance(p, click.Option) for name in p.opts}
        meant = next((word for word in behind if word.partition("=")[0] in ours), None)
        if meant is not None:
            from toykernel.cli.console import host_message

            host_message(
                f"{meant} goes to the program; options of {ctx.command_path} stand before PROGRAM "
                "(write -- before PROGRAM when this is meant)"
            )
        source = next(
            (word for word in behind if word.endswith(INPUTS) and Path(word).is_file()), None
        )
        if source is not None and "with_files" in ctx.params:
            from toykernel.cli.console import host_message

            host_message(
                f"{source} goes to the program; to link it, write --with {source} before PROGRAM "
                "(write -- before PROGRAM when this is meant)"
            )
        return rest


class OptionalValueCommand(ProgramCommand):
    """A command whose options in `optional_values` take a value only by `=`, as in `--strace=FILE`."""

    optional_values: Mapping[str, str] = {
        **dict.fromkeys(("--strace", "--cow", "--ftrace"), ""),
        "--check": "traps",
    }

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        taking = {
            name
            for param in self.params
            if isinstance(param, click.Option) and not param.is_flag
            for name in param.opts
        }
        done: list[str] = []
        rest = list(args)
        bare = ""
        while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
            word = rest.pop(0)
            bare = ""
            if word in self.optional_values and word in taking:
                done.append(f"{word}={self.optional_values[word]}")
                bare = word
            else:
                done.append(word)
                if word in taking and rest:
                    done.append(rest.pop(0))
        if (
            bare
            and len(rest) > 1
            and rest[0] != "--"
            and not Path(rest[0]).exists()
            and Path(rest[1]).is_file()
        ):
            raise click.UsageError(
                f"{rest[0]} is not there; {bare} takes a value only behind =, as in {bare}={rest[0]}",
                ctx,
            )
        return super().parse_args(ctx, done + rest)


def machine_config(values: Mapping[str, Any]) -> Config:
    """The kernel's configuration of parsed MACHINE options."""
    from toykernel.profiles import PROFILES
    from toykernel.state import Config

    limits = dict(values["rlimit"])
    return Config(
        memory=values["memory"],
        cpu=values["cpu"],
        cpu_hz=values["cpu_hz"],
        timing=values["timing"],
        eager_fork=values["fork"] == "eager",
        rlimit_stack=limits.get("stack", Config.rlimit_stack),
        profile=PROFILES[values["kernel"]] if values["kernel"] else None,
        scheduler="schedule" if values["schedule"] else values.get("scheduler", ""),
        sysctl=tuple(values["sysctl"]),
        mounts=guest_mounts(values),
    )


def recipe(values: Mapping[str, Any], others: Sequence[str] = ()) -> Recipe:
    """What SOURCES say, and what else stands on the command line. Raises click.BadParameter."""
    from toykernel.harness.recipe import Recipe

    macros: dict[str, str] = {}
    for text in values["macro"]:
        name, equals, value = text.partition("=")
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise BadParameter(f"-D {text}: {name!r} is not the name of a macro")
        macros[name] = value if equals else "1"
    return Recipe(
        others=tuple(Path(name) for name in (*others, *values["with_files"])),
        include=tuple(Path(name) for name in values["include"]),
        macros=macros,
        cflags=values["cflags"],
        assembler=values["assembler"],
        cache=not values["no_cache"],
    )
