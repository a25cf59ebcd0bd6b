"""What tests of several folders share."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "programs"))

from native_linux import skip_unless_linux32

# A shell that starts a job in the background lets it ignore Ctrl-C; the tests are about not ignoring it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def linux32(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips, saying why, where 32-bit programs cannot be built or run."""
    skip_unless_linux32(tmp_path_factory.mktemp("probe"))
