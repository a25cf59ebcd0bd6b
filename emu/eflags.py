"""Bits of EFLAGS (SDM vol. 1, 3.4.3)."""

from __future__ import annotations

EFLAGS_CF = 1 << 0
EFLAGS_FIXED = 1 << 1
EFLAGS_TF = 1 << 8
EFLAGS_IF = 1 << 9
EFLAGS_DF = 1 << 10
EFLAGS_NT = 1 << 14
EFLAGS_RF = 1 << 16
EFLAGS_VM = 1 << 17
