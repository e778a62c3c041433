from __future__ import annotations

import pytest
from playwright.sync_api import Browser
from tests.console_rig import Console, Visit, visiting
from tests.sample_mail import hostile, invitation, newsletter, samples

Axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing"
).Axe

_SERIOUS = {"serious", "critical"}


def _findings(visit: Visit, where: str) -> list[str]:
    # The mail's own frame is its author's; scripts cannot look into it, and neither can axe.
    results = Axe().run(visit.page, options={"iframes": False, "resultTypes": ["violations"]})
    return [
        f"{where}: {one['id']} ({one['impact']}): {one['nodes'][0]['html'][:160]}"
        for one in results.response["violations"]
        if one["impact"] in _SERIOUS
    ]


_PAGES = (
    *("/", "/?q=is:unread", "/connect", "/rules", "/projects", "/webhooks"),
    *("/new", "/tags", "/settings"),
)
_VIEWS = ("message", "headers", "files", "links", "checks", "session", "raw")
_SHORT = (("/", "/rules"), ("message", "checks", "session"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("scheme", "width", "pages", "views"),
    [
        ("light", 1360, _PAGES, _VIEWS),
        ("dark", 1360, *_SHORT),
        ("light", 390, *_SHORT),
        pytest.param("dark", 1360, _PAGES, _VIEWS, marks=pytest.mark.slow),
        pytest.param("light", 390, _PAGES, _VIEWS, marks=pytest.mark.slow),
        pytest.param("dark", 390, _PAGES, _VIEWS, marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious(
    browser: Browser,
    console: Console,
    scheme: str,
    width: int,
    pages: tuple[str, ...],
    views: tuple[str, ...],
) -> None:
    """Pages and views can be read and used by everyone, on a desktop and on a phone."""
    found: list[str] = []
    size = {"width": width, "height": 850}
    with visiting(browser, console.base, color_scheme=scheme, viewport=size) as visit:
        visit.go()
        found += _findings(visit, "empty")
        for sample in [hostile(), *samples()]:
            console.send(sample.message, sample.sender, sample.recipients)
        for path in pages:
            visit.go(path)
            found += _findings(visit, path)
        visit.page.goto(f"{console.base}/leave?to=https://user@example.com/")
        found += _findings(visit, "leave")
        for sample, shown in ((invitation(), ("files",)), (newsletter(), views)):
            visit.go()
            visit.open(str(sample.message["Subject"]))
            for view in shown:
                visit.see(view)
                if view == "checks":
                    visit.page.locator(".postmark").wait_for()
                found += _findings(visit, view)
        visit.page.locator("[data-dialog=preferences]").click()
        found += _findings(visit, "preferences")
        visit.is_clean()
    assert not found, "\n".join(sorted(set(found)))
