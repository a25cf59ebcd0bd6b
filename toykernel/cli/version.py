"""What runs here: versions, the engine, its hooks, the table of clocks."""

from __future__ import annotations

from toykernel.cli.console import host_message

#: A run of so many instructions takes seconds with hooks in Python.
LONG_RUN = 1_000_000
WITHOUT_C = (
    "the hooks of the CPU run in Python here, about three times slower; with a C compiler and Python's "
    "headers, installing toykernel again builds them"
)


def version_text() -> str:
    """Our version, the engine's and Python's, the kind of hooks, the table of clocks: a line each."""
    import platform
    from importlib.metadata import version

    import toykernel
    from emu.cpu import load_native
    from emu.timing.profiles import DEFAULT_PROFILE
    from emu.timing.tables import table_hash

    hooks = "native" if load_native() is not None else "Python (no C extension)"
    return (
        f"toykernel {toykernel.__version__}\n"
        f"engine  unicorn {version('unicorn')}, hooks {hooks}\n"
        f"timing  {DEFAULT_PROFILE} by default, table {table_hash()[:12]}\n"
        f"Python  {platform.python_version()} on {platform.machine()}"
    )


def say_slow(hooks: str, instructions: int) -> None:
    """After a long run without the C extension: that it could have been shorter."""
    if hooks == "python" and instructions >= LONG_RUN:
        host_message(WITHOUT_C)
