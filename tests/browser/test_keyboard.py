from __future__ import annotations

from playwright.sync_api import expect
from tests.console_rig import Console, Visit


def _three(console: Console, visit: Visit) -> None:
    for subject in ("one", "two", "three"):
        console.write(subject)
    visit.go()
    visit.has_subjects("three", "two", "one")


def test_moving_and_opening(console: Console, visit: Visit) -> None:
    """The keys j and k move, Enter and o open, Escape goes back to the list."""
    _three(console, visit)
    keys = visit.page.keyboard
    keys.press("j")
    expect(visit.page.locator(".row a:focus")).to_contain_text("three")
    keys.press("j")
    expect(visit.page.locator(".row a:focus")).to_contain_text("two")
    keys.press("o")
    expect(visit.page.locator("#reader h1")).to_have_text("two")
    keys.press("k")
    expect(visit.page.locator("#reader h1")).to_have_text("three")
    keys.press("Escape")
    expect(visit.page.get_by_role("heading", name="No message is open")).to_be_visible()


def test_arrow_keys_and_enter(console: Console, visit: Visit) -> None:
    """Everything works without single letters, too."""
    _three(console, visit)
    visit.page.locator("#row-list a").first.focus()
    visit.page.keyboard.press("ArrowDown")
    visit.page.keyboard.press("ArrowDown")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#reader h1")).to_have_text("one")


def test_selecting_deleting_and_undoing(console: Console, visit: Visit) -> None:
    """The key x selects, # deletes what is selected, z brings it back."""
    _three(console, visit)
    keys = visit.page.keyboard
    keys.press("j")
    keys.press("x")
    keys.press("j")
    keys.press("x")
    expect(visit.page.locator("#picked")).to_have_text("2")
    keys.press("#")
    visit.has_subjects("one")
    keys.press("z")
    visit.has_subjects("three", "two", "one")


def test_marking_as_unread(console: Console, visit: Visit) -> None:
    """The key u turns the read state of the current mail."""
    _three(console, visit)
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("u")
    expect(visit.page.locator(".row.is-unread")).to_have_count(2)
    visit.page.keyboard.press("u")
    expect(visit.page.locator(".row.is-unread")).to_have_count(3)


def test_search_help_and_places(console: Console, visit: Visit) -> None:
    """/ goes to the search, ? shows the keys, g u and g i go to places."""
    _three(console, visit)
    keys = visit.page.keyboard
    keys.press("/")
    expect(visit.page.locator("#search")).to_be_focused()
    keys.type("two")
    visit.has_subjects("two")
    keys.press("Escape")
    keys.press("?")
    expect(visit.page.locator("#help")).to_be_visible()
    keys.press("Escape")
    expect(visit.page.locator("#help")).to_be_hidden()
    keys.press("g")
    keys.press("i")
    visit.has_subjects("three", "two", "one")
    keys.press("g")
    keys.press("u")
    expect(visit.page.locator("#search")).to_have_value("is:unread")


def test_views_by_brackets(console: Console, visit: Visit) -> None:
    """[ and ] turn through the views of a mail."""
    _three(console, visit)
    visit.open("one")
    visit.page.keyboard.press("]")
    expect(visit.page.locator(".tabs a[aria-current]")).to_have_text("Text")
    visit.page.keyboard.press("[")
    expect(visit.page.locator(".tabs a[aria-current]")).to_have_text("Message")


def test_single_keys_can_be_turned_off(console: Console, visit: Visit) -> None:
    """Who dictates or has a tremor turns single keys off (WCAG 2.1.4)."""
    _three(console, visit)
    visit.page.locator("[data-dialog=preferences]").click()
    visit.page.locator("#preferences [data-preference=keys]").uncheck()
    visit.page.keyboard.press("Escape")
    visit.page.keyboard.press("?")
    visit.page.keyboard.press("x")
    expect(visit.page.locator("#help")).to_be_hidden()
    expect(visit.page.locator("#bulk")).to_be_hidden()


def test_a_dialog_gives_the_focus_back(console: Console, visit: Visit) -> None:
    """The focus stays in an open dialog and returns to the button that opened it."""
    _three(console, visit)
    opener = visit.page.locator("[data-dialog=help]")
    opener.focus()
    visit.page.keyboard.press("Enter")
    for _ in range(5):
        visit.page.keyboard.press("Tab")
        within = (
            "document.activeElement === document.body || !!document.activeElement.closest('#help')"
        )
        assert visit.page.evaluate(within)
    visit.page.keyboard.press("Escape")
    expect(opener).to_be_focused()


def test_the_skip_link_leads_to_the_list(console: Console, visit: Visit) -> None:
    """The first Tab offers the way past the bar."""
    _three(console, visit)
    visit.page.keyboard.press("Tab")
    expect(visit.page.locator(".skip")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#list")).to_be_focused()
