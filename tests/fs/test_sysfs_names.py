"""/sys shows what the kernel has, and nothing of what its configuration leaves out."""

from __future__ import annotations

from toykernel.fs.rootfs import SYSFS
from toykernel.kernel.kconfig import LEFT_OUT


def test_no_directory_of_what_is_left_out() -> None:
    """Programs take the directory for the feature, and give up where its files are missing."""
    assert "TRANSPARENT_HUGEPAGE" in LEFT_OUT.split()
    assert not any("transparent_hugepage" in name for name in SYSFS)
