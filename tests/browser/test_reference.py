"""The page of the API's reference."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser
from tests.console_rig import Console, Visit, visiting

Axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing"
).Axe


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 390)])
def test_the_reference_can_be_read_by_everyone(
    browser: Browser, console: Console, scheme: str, width: int
) -> None:
    """Axe finds nothing serious, nothing is wider than the window, and nothing is from elsewhere."""
    size = {"width": width, "height": 850}
    with visiting(browser, console.base, color_scheme=scheme, viewport=size) as visit:
        visit.page.goto(f"{console.base}/api/docs")
        results = Axe().run(visit.page)
        serious = [
            f"{one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in results.response["violations"]
            if one["impact"] in {"serious", "critical"}
        ]
        assert not serious, "\n".join(serious)
        widest = visit.page.evaluate("document.querySelector('main').scrollWidth")
        assert widest <= width
        visit.is_clean()


def test_a_command_is_copied(visit: Visit) -> None:
    """The button beside an example says that it has copied it."""
    visit.page.goto(f"{visit.base}/api/docs#get-api-sandbox-v1-messages-wait")
    visit.page.locator("article:target .copy").click()
    visit.page.locator("#announcer", has_text="Copied").wait_for(state="attached")
