from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is missing")

from playwright.sync_api import Browser, sync_playwright
from tests.console_rig import CHROMIUM, Console, Visit, launch, running_console, visiting


@dataclass(frozen=True, slots=True)
class Started:
    """Chromium, and the event loop by which Playwright talks to it."""

    browser: Browser
    loop: asyncio.AbstractEventLoop

    @contextmanager
    def talking(self) -> Iterator[Browser]:
        """Let Playwright's loop be the running one, for as long as a test uses the browser.

        Between two calls its loop counts as running in this thread, and every other test of
        this process that calls ``asyncio.run`` would be refused.
        """
        asyncio._set_running_loop(self.loop)
        try:
            yield self.browser
        finally:
            asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def started() -> Iterator[Started]:
    """The machine's Chromium, started once."""
    if not CHROMIUM:
        pytest.skip("chromium is missing")
    playwright = sync_playwright().start()
    started = Started(launch(playwright), asyncio.get_running_loop())
    asyncio._set_running_loop(None)
    yield started
    with started.talking():
        started.browser.close()
        playwright.stop()


@pytest.fixture
def browser(started: Started) -> Iterator[Browser]:
    """The machine's Chromium, for one test."""
    with started.talking() as browser:
        yield browser


@pytest.fixture(scope="session")
def shared_console() -> Iterator[Console]:
    """One sandbox for all tests of a process."""
    with running_console() as console:
        yield console


@pytest.fixture
def console(shared_console: Console) -> Console:
    """A sandbox without mail and rules."""
    shared_console.empty()
    shared_console.run(shared_console.sandbox.failing.clear())
    return shared_console


@pytest.fixture
def visit(browser: Browser, console: Console) -> Iterator[Visit]:
    """A browser's window; nothing odd may have happened in it when the test is over."""
    with visiting(browser, console.base) as visit:
        yield visit
        visit.is_clean()
    assert not console.defects, console.defects
