"""A real browser for the page: Debian's Chromium, driven by Playwright; without them tests are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from native_linux import ask_linux

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests of a worker."""
    chromium = next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        pytest.skip("NO BROWSER: the page is not tested; .ci/run installs chromium")
    api = pytest.importorskip(
        "playwright.sync_api", reason="NO PLAYWRIGHT: the page is not tested; pip install '.[test]'"
    )
    ask_linux(
        ["cat", "/proc/self/mounts"]
    )  # Chromium asks for its file systems, and waits for an answer
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield found
        found.close()


class Opened:
    """A page in the browser; whatever its console says is kept."""

    def __init__(self, browser: Any, path: Path, fragment: str = "", **context: Any) -> None:
        context.setdefault("viewport", {"width": 1280, "height": 800})
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.requests: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{path.as_uri()}{fragment}")
        self.page.wait_for_selector("html[data-ready]", timeout=20_000)

    @property
    def at(self) -> int:
        """The event that is shown."""
        return int(self.page.evaluate("toykernel.at"))

    def close(self) -> None:
        self.context.close()
        assert self.said == []


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Opens pages, and sees that none has complained at the end."""
    pages: list[Opened] = []

    def open_page(path: Path, fragment: str = "", **context: Any) -> Opened:
        pages.append(Opened(browser, path, fragment, **context))
        return pages[-1]

    yield open_page
    for one in pages:
        one.close()
