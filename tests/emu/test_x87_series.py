"""Series in fixed point: right to the bits that are promised, and the same to the last bit in C."""

from __future__ import annotations

import random
import shutil
import subprocess
from decimal import Decimal, getcontext
from pathlib import Path

import pytest

from emu.x87 import series
from emu.x87.series import FRACTION, LN2, ONE, PI, TWO_BY_LN2

EMU = Path(__file__).parents[2] / "emu"
PROGRAM = r"""
#include <stdint.h>
#include <stdio.h>
typedef unsigned __int128 u128;
#include "_x87_series.h"

static u128 number(const char *text)
{
    u128 n = 0;

    for (; *text; text++)
        n = n << 4 | (u128)(*text < 'a' ? *text - '0' : *text - 'a' + 10);
    return n;
}

static void say(u128 n)
{
    printf("%016llx%016llx\n", (unsigned long long)(n >> 64), (unsigned long long)n);
}

int main(void)
{
    char which, a[40], b[40];
    int n;

    say(FIXED_LN2), say(FIXED_TWO_BY_LN2), say(FIXED_PI);
    for (n = 0; n < 17; n++)
        say(FIXED(ARCTANGENTS[n].high, ARCTANGENTS[n].low));
    while (scanf(" %c %39s %39s %d", &which, a, b, &n) == 4)
        switch (which) {
        case 'e': say(exp2_ratio(number(a), n)); break;
        case 'h': say(atanh_ratio(number(a))); break;
        case 't': say(atan_ratio(number(a))); break;
        case 'l': say(log2_ratio(number(a), n, number(b))); break;
        case 's': say(sine_series(number(a), 32)); break;
        case 'c': say(sine_series(number(a), 33)); break;
        case 'a': say(arctangent(number(a))); break;
        }
    return 0;
}
"""


def arguments() -> list[tuple[str, int, int, int]]:
    r = random.Random(1)
    found = []
    for n in range(40):
        part = ONE >> r.randrange(20) if n % 4 else ONE
        found += [
            ("e", r.randrange(part * 7 // 10), 0, n & 1),
            ("h", r.randrange(part // 9), 0, 0),
            ("t", r.randrange(part >> 10), 0, 0),
            ("l", r.randrange(ONE // 3), ONE + r.randrange(ONE), -(n % 5)),
            ("s", r.randrange(part * 62 // 100), 0, 0),
            ("c", r.randrange(part * 62 // 100), 0, 0),
            ("a", r.randrange(ONE >> 5, ONE + 1), 0, 0),
        ]
    return [*found, ("a", ONE, 0, 0), ("a", ONE >> 5, 0, 0), ("h", ONE >> 5, 0, 0), ("t", 0, 0, 0)]


def ours(which: str, a: int, b: int, n: int) -> int:
    match which:
        case "e":
            return series.exp2_ratio(a, negative=bool(n))
        case "h":
            return series.atanh_ratio(a)
        case "t":
            return series.atan_ratio(a)
        case "l":
            return series.log2_ratio(a, n, b)
        case "s":
            return series.sine_ratio(a)
        case "c":
            return series.cosine(a)
        case _:
            return series.arctangent(a)


def test_the_same_in_c(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "series.c").write_text(PROGRAM, encoding="ascii")
    command = [compiler, "-O1", "-w", f"-I{EMU}", "-o", tmp_path / "series", tmp_path / "series.c"]
    subprocess.run(command, check=True, timeout=120)
    asked = arguments()
    text = "".join(f"{which} {a:x} {b:x} {n}\n" for which, a, b, n in asked)
    done = subprocess.run(
        [tmp_path / "series"], input=text, capture_output=True, text=True, check=True, timeout=60
    )
    told = [int(line, 16) for line in done.stdout.split()]
    constants = [LN2, TWO_BY_LN2, PI, *(arctangent_of(n) for n in range(17))]
    assert told[:20] == constants
    for one, other in zip(asked, told[20:], strict=True):
        assert ours(*one) == other, one


def arctangent_of(n: int) -> int:
    """atan(n / 16), rounded down; by Machin-like halving, apart from the series at hand."""
    getcontext().prec = 60
    return int(_atan(Decimal(n) / 16) * ONE)


def _atan(x: Decimal) -> Decimal:
    doubled = 0
    while x > Decimal("0.001"):
        x = x / (1 + (1 + x * x).sqrt())
        doubled += 1
    total, power, k = Decimal(0), x, 1
    while abs(power) > Decimal(10) ** -58:
        total += power / k if k % 4 == 1 else -power / k
        power *= x * x
        k += 2
    return total * 2**doubled


def _near(found: int, right: Decimal) -> bool:
    """Within 2**-115 of the result."""
    return abs(Decimal(found) / ONE - right) <= abs(right) / 2**115


def test_constants() -> None:
    getcontext().prec = 60
    assert FRACTION == 126
    assert int(Decimal(2).ln() * ONE) == LN2
    assert int(2 / Decimal(2).ln() * ONE) == TWO_BY_LN2
    assert int(4 * _atan(Decimal(1)) * ONE) == PI
    for n in range(1, 17):  # of a whole sixteenth the arctangent is the table's own
        assert series.arctangent(n * ONE // 16) == arctangent_of(n)


def test_values() -> None:
    getcontext().prec = 60
    for text in ("0.0001", "0.3", "0.69"):
        t = Decimal(text)
        fixed = int(t * ONE)
        t = Decimal(fixed) / ONE
        assert _near(series.exp2_ratio(fixed, negative=False), (t.exp() - 1) / t)
        assert _near(series.exp2_ratio(fixed, negative=True), (1 - (-t).exp()) / t)
    for text in ("0.001", "0.1", "0.17", "0.18", "0.33"):
        z = Decimal(text)
        right = ((1 + z) / (1 - z)).ln()
        assert _near(series.atanh_ratio(int(z * z * ONE)), right / 2 / z)
        found = series.log2_ratio(int(z * ONE), 0, ONE)
        assert _near(found, right / Decimal(2).ln())
    for text in ("0.032", "0.04", "0.5", "0.71", "0.99999"):
        q = Decimal(int(Decimal(text) * ONE)) / ONE
        assert _near(series.arctangent(int(q * ONE)), _atan(q))
    for text in ("0.0001", "0.3", "0.78"):
        r = Decimal(text)
        square = int(r * r * ONE)
        sine = cosine = Decimal(0)
        term = Decimal(1)
        for k in range(1, 60):
            if k % 2:
                cosine += term
            else:
                sine += term
            term *= (r if k % 2 else -r) / k
        assert _near(series.sine_ratio(square), sine / r)
        assert _near(series.cosine(square), cosine)
