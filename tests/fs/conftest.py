"""A kernel to call functions of."""

from collections.abc import Iterator

import pytest
from trees import booted

from toykernel.check.invariants import check_all
from toykernel.state import Kernel


@pytest.fixture
def k() -> Iterator[Kernel]:
    """A kernel in whose first program's name calls can be made; sound afterwards, whatever they did."""
    session = booted()
    yield session.kernel
    check_all(session.kernel)
