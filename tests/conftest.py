"""What tests of several folders share."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent / "programs"))
sys.path.insert(0, str(Path(__file__).parent / "userland"))

from native_linux import skip_unless_linux32

from toykernel.trace import Tracepoint

# The same examples each time: a change is judged by what it changes. HYPOTHESIS_PROFILE=fresh looks for more.
settings.register_profile("fixed", derandomize=True)
settings.register_profile("fresh", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# A shell that starts a job in the background lets it ignore Ctrl-C; the tests are about not ignoring it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def listeners_do_not_fail(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A run survives a listener that fails; a test whose own listener fails must not."""

    def fail(_tracepoint: object, _listener: object, error: Exception) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Tracepoint, "_switch_off", fail)
        yield patch


@pytest.fixture
def listeners_may_fail(listeners_do_not_fail: pytest.MonkeyPatch) -> None:
    """For tests of what becomes of such a listener."""
    listeners_do_not_fail.undo()


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests assemble does not fill the cache of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def linux32(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips, saying why, where 32-bit programs cannot be built or run."""
    skip_unless_linux32(tmp_path_factory.mktemp("probe"))
