"""C sources to objects or to a program, by whatever compiler this machine has."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import userland
from toykernel.harness.recipe import CompileError

USERLAND: Final = Path(userland.__file__).parent
INCLUDE: Final = USERLAND / "include"
#: The C library for where no 32-bit one is, its headers, and the numbers of system calls.
LIBRARY: Final = USERLAND / "libc" / "toykernel.c"
START: Final = LIBRARY.with_name("start.c")
_HEADERS: Final = (
    USERLAND / "libc" / "include", INCLUDE, USERLAND / "assembler" / "cpp" / "headers",
)  # fmt: skip
_USUAL: Final = ("-g", "-O1", "-fno-omit-frame-pointer")
#: A compiler that says nothing for so long hangs.
_SECONDS: Final = 120
NO_COMPILER: Final = (
    "no C compiler is here: install gcc or clang, or `pip install 'toykernel[c]'` for zig's, "
    "or name one in TOYKERNEL_CC"
)


@dataclass(frozen=True)
class Compiler:
    """`words` begin its command; with `hosted` it has a C library for 32 bits."""

    words: tuple[str, ...]
    hosted: bool

    @property
    def name(self) -> str:
        """Its command as messages have it."""
        return " ".join(self.words)

    @property
    def is_zig(self) -> bool:
        """Whether it is zig's, whose linker has few options."""
        return any(Path(word).stem in ("zig", "ziglang") for word in self.words)

    @property
    def is_clang(self) -> bool:
        """Whether it is clang, or zig's, which is made of it."""
        return self.is_zig or any("clang" in Path(word).name for word in self.words)

    @property
    def note(self) -> str:
        """What to know of programs that use the small C library."""
        return (
            f"{self.name} has no 32-bit C library here: the small one of toykernel.h takes its place "
            "(docs/building.md)"
        )


def find_compiler(environment: Mapping[str, str]) -> Compiler | None:
    """The first C compiler that is there: $TOYKERNEL_CC, gcc, clang, zig (also as the package
    ziglang); None.
    """
    if chosen := shlex.split(environment.get("TOYKERNEL_CC", "")):
        return Compiler(tuple(chosen), _links(chosen))
    for words in (("gcc", "-m32"), ("clang", "--target=i386-linux-gnu")):
        if shutil.which(words[0], path=environment.get("PATH")):
            hosted = _has_library(words)
            if hosted is not None:  # else it cannot make code for the i386
                return Compiler(words, hosted)
    zig = ("cc", "-target", "x86-linux-musl", "-fno-sanitize=undefined")
    if shutil.which("zig", path=environment.get("PATH")):
        return Compiler(("zig", *zig), hosted=True)
    if find_spec("ziglang") is not None:
        return Compiler((sys.executable, "-m", "ziglang", *zig), hosted=True)
    return None


def _has_library(words: Sequence[str]) -> bool | None:
    """Whether a compiler finds what a static program starts with; None when it does not answer."""
    try:
        done = [
            subprocess.run(
                [*words, f"-print-file-name={name}"], capture_output=True, text=True,
                timeout=_SECONDS, check=True,
            ).stdout.strip()
            for name in ("crt1.o", "libc.a")
        ]  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return all(os.path.isabs(name) for name in done)


def _links(words: Sequence[str]) -> bool:
    """Whether a compiler makes a static program; one that does not run is found out later."""
    with tempfile.TemporaryDirectory(prefix="toykernel-") as folder:
        source = Path(folder, "try.c")
        source.write_text('#include <stdio.h>\nint main(void) { return puts("") < 0; }\n')
        try:
            _run([*words, "-static", str(source), "-o", str(source.with_suffix(""))])
        except CompileError:
            return False
    return True


def compile_object(
    compiler: Compiler,
    source: Path,
    output: Path,
    *,
    include: Sequence[Path] = (),
    macros: Mapping[str, str] | None = None,
    cflags: Sequence[str] = (),
) -> str:
    """One source to a 32-bit object file; what the compiler said of it. `cflags` come after ours.

    Raises CompileError.
    """
    _check_flags(compiler, cflags)
    words = _command(compiler, source, include, macros)
    words += [*cflags, "-c", "-o", str(output)]
    try:
        return _run(words)[1]
    except CompileError as error:
        note = "" if compiler.hosted else f"\ntoykernel: {compiler.note}"
        raise CompileError(f"{error}{note}") from None


def _check_flags(compiler: Compiler, cflags: Sequence[str]) -> None:
    """Raises CompileError for flags with which no program comes out."""
    for flag in cflags:
        if re.match(r"-o(?!\w*=)", flag):
            raise CompileError(
                "--cflags: -o is ours; `toykernel build -o FILE` names the program's file"
            )
        if flag in ("-c", "-S", "-E", "-M", "-MM", "-fsyntax-only", "-shared"):
            raise CompileError(f"--cflags: with {flag} the compiler makes no program")
        if flag.startswith("-flto") and not compiler.hosted:
            raise CompileError(f"--cflags: {flag} leaves no machine code for our linker to link")


def preprocess(
    compiler: Compiler,
    source: Path,
    *,
    include: Sequence[Path] = (),
    macros: Mapping[str, str] | None = None,
    cflags: Sequence[str] = (),
) -> str:
    """A source as `compile_object` gives it to the compiler itself, with all that it includes.

    Raises CompileError.
    """
    return _run([*_command(compiler, source, include, macros), *cflags, "-E"])[0]


def _command(
    compiler: Compiler, source: Path, include: Sequence[Path], macros: Mapping[str, str] | None
) -> list[str]:
    words = [*compiler.words, *_USUAL, "-fno-pie", str(source)]
    words += [word for folder in include for word in ("-I", str(folder))]
    words += [f"-D{name}={value}" for name, value in (macros or {}).items()]
    if compiler.hosted:
        words += ["-idirafter", str(INCLUDE)]
    else:
        words += ["-ffreestanding", "-fno-pic", "-fno-stack-protector", "-nostdinc"]
        folders = [*_HEADERS, Path(_run([*compiler.words, "-print-file-name=include"])[0].strip())]
        words += [word for folder in folders for word in ("-isystem", str(folder))]
    return words


def link_hosted(
    compiler: Compiler, inputs: Sequence[Path], output: Path, flags: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """Objects and archives with the compiler's C library to a static program; what was said of it, and which
    files the linker opened (zig's does not say).

    Raises CompileError.
    """
    words = [*compiler.words, "-static", "-no-pie", "-g", *flags, *map(str, inputs)]
    if compiler.is_clang:
        words.append("-Wno-unused-command-line-argument")  # -no-pie beside -static
    traced = [] if compiler.is_zig else ["-Wl,-t"]
    opened, said = _run([*words, *traced, "-o", str(output)])
    return said, opened.splitlines()


def _run(words: Sequence[str]) -> tuple[str, str]:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CompileError(f"toykernel: `{words[0]}' cannot be run: {error}") from None
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode:
        raise CompileError(said or f"toykernel: `{words[0]}' failed with {done.returncode}")
    return done.stdout.decode(errors="replace"), said
