"""What a test of a guest program imports (docs/testing.md, docs/explore.md); toykernel/harness/testing.py and
toykernel/explore/testing.py have the code."""

from toykernel.explore.testing import Orders, explore
from toykernel.harness.testing import LIMIT, Address, Run, boot

__all__ = ["LIMIT", "Address", "Orders", "Run", "boot", "explore"]
