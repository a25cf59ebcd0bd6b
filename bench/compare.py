"""`python -m bench.compare OLD.json NEW.json`: what changed between two runs of the bench.

Times are compared in turns of the reference loop, so a slower computer, or a slower day, does not count;
figures in other units as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

TURN = "a turn of the reference loop"
#: Units in which the machine's own speed is contained.
_TIMES = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
#: Less than this is not told from noise.
NOISE = 0.05


def figures(document: dict[str, Any]) -> dict[str, tuple[float, str]]:
    """Value and unit by name; a figure that is indented belongs to the one above it."""
    found: dict[str, tuple[float, str]] = {}
    above = ""
    for figure in document["figures"]:
        name = figure["name"]
        if name.startswith(" "):
            name = f"{above}: {name.strip()}"
        else:
            above = name
        found[name] = (figure["value"], figure["unit"])
    return found


def rows(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, float, float, str, float]]:
    """Name, both values, unit and new / old, for what is in both."""
    before, after = figures(old), figures(new)
    turns = [side[TURN][0] if TURN in side else 0.0 for side in (before, after)]
    machine = turns[1] / turns[0] if all(turns) else 1.0
    found = []
    for name, (value, unit) in after.items():
        if name not in before or before[name][1] != unit or not before[name][0]:
            continue
        ratio = value / before[name][0]
        if unit in _TIMES and not name.startswith(TURN):
            ratio /= machine
        found.append((name, before[name][0], value, unit, ratio))
    return found


def main() -> int:
    """Print a table of what is in both files; a mark beside what changed by more than noise."""
    parser = argparse.ArgumentParser(prog="bench.compare", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args()
    documents = []
    for path in (options.old, options.new):
        try:
            documents.append(json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            parser.error(f"{path}: {error}")
    table = rows(*documents)
    if not table:
        print("no figure is in both files")
        return 1
    width = max(len(row[0]) for row in table)
    print(f"{'':<{width}}  {'old':>12} {'new':>12} {'':<10} new / old, in turns")
    for name, old, new, unit, ratio in table:
        mark = "" if abs(ratio - 1) <= NOISE else "  less" if ratio < 1 else "  more"
        print(f"{name:<{width}}  {old:>12,.6g} {new:>12,.6g} {unit:<10} {ratio:.2f}{mark}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
