"""`python -m bench [--json FILE] [--quick]`: measure, print a table, write the figures."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from bench.beside import calls_and_forks, cow_faults, short_blocks
from bench.compiled import compiled
from bench.exploring import explore_workers, exploring, reduction
from bench.figures import Figure, fork, hello, instructions, steps, timing
from bench.machine import speed
from bench.past import back, moments, stepping, with_history
from bench.processes import births, crowds, switches
from bench.remote import remote
from bench.scale import large_scale, scale

Measurement = Callable[[int], list[Figure]]
MEASUREMENTS: tuple[Measurement, ...] = (
    *(
        speed,
        hello,
        calls_and_forks,
        cow_faults,
        fork,
        steps,
        instructions,
        timing,
        short_blocks,
        compiled,
    ),
    *(births, crowds, switches),
    *(moments, back, with_history, stepping),
    *(exploring, reduction, explore_workers),
    *(remote, scale),
)
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def main() -> int:
    """Run every measurement and print the figures; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, rougher figures")
    parser.add_argument(
        "--scale", action="store_true", help="only the large runs: ten minutes, 2 GiB"
    )
    parser.add_argument("--only", metavar="NAME", help="only this measurement, a function's name")
    options = parser.parse_args()
    figures: list[Figure] = []
    wanted = [speed, large_scale] if options.scale else list(MEASUREMENTS)
    if options.only is not None:
        wanted = [one for one in wanted if one in (speed,) or one.__name__ == options.only]
    for measure in wanted:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{measure.__name__.replace('_', ' ')} ...")
            sys.stderr.flush()
        figures += measure(10 if options.quick else 1)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        target = "" if figure.target is None else f"  target {figure.sign} {figure.target:,.12g}"
        missed = "" if figure.met else "  MISSED"
        seconds = figure.value * _UNITS[figure.unit] if figure.unit in _UNITS else 0.0
        turns = f"{seconds / (figures[0].value * 1e-9):>14,.4g} turns" if seconds else " " * 20
        value = f"{figure.value:>14,.6g} {figure.unit:<10}"
        print(f"{figure.name:<{width}}  {value}{turns}{target}{missed}".rstrip())
    if options.json is not None:
        document = {
            "schema": 1,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "figures": [figure.as_dict() for figure in figures],
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
