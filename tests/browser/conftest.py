from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is missing")

from playwright.sync_api import Browser, sync_playwright
from tests.console_rig import CHROMIUM, Console, Visit, launch, running_console, visiting


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, started once."""
    if not CHROMIUM:
        pytest.skip("chromium is missing")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


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
