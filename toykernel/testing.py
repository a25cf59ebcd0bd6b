"""What a test of a guest program imports (docs/testing.md); toykernel/harness/testing.py has the code."""

from toykernel.harness.testing import LIMIT, Address, Run, boot

__all__ = ["LIMIT", "Address", "Run", "boot"]
