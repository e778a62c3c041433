from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, expect
from tests.console_rig import Console, Visit, running_console, visiting
from tests.sample_mail import many

from pillarbox.inbox.values import Selection
from pillarbox.store.ids import parse_id


def test_new_mail_appears_without_reload(console: Console, visit: Visit) -> None:
    """A mail that is caught stands on top of the list at once, and is announced."""
    console.write("first")
    visit.go()
    visit.has_subjects("first")
    console.write("second")
    visit.has_subjects("second", "first")
    expect(visit.page.locator("#announcer")).to_have_text("1 new message")
    expect(visit.page.locator("#list-said")).to_have_text("2 messages, 2 unread")
    expect(visit.page.locator("#rail a[aria-current] .count")).to_have_text("2")


def test_the_first_mail_takes_the_place_of_the_welcome(console: Console, visit: Visit) -> None:
    """An empty sandbox teaches how to send; the first mail needs no reload."""
    visit.go()
    expect(visit.page.get_by_role("heading", name="Point a program here")).to_be_visible()
    expect(visit.page.locator(".lines:visible pre")).to_contain_text(
        f"localhost:{console.smtp_port}"
    )
    console.write("hello")
    visit.has_subjects("hello")


def test_new_mail_does_not_move_what_is_read(console: Console, visit: Visit) -> None:
    """Whoever has scrolled keeps the same rows before the eyes when mail comes in above."""
    console.send_all(many(60))
    visit.go()
    rows = visit.page.locator("#rows")
    rows.evaluate("box => { box.scrollTop = 1200 }")
    visit.page.wait_for_timeout(200)
    top = "() => document.elementFromPoint(400, 300).closest('.row').id"
    before = visit.page.evaluate(top)
    console.write("on top")
    visit.page.locator("#row-list .subject", has_text="on top").wait_for(state="attached")
    visit.page.wait_for_timeout(100)
    assert visit.page.evaluate(top) == before


def test_the_list_goes_on_while_scrolling(console: Console, visit: Visit) -> None:
    """Older mail is fetched on the way down, and nothing stands twice."""
    console.send_all(many(150))
    visit.go()
    for _ in range(30):
        visit.page.locator("#rows").evaluate("box => { box.scrollTop = box.scrollHeight }")
        if visit.page.locator(".more").count() == 0:
            break
        visit.page.wait_for_timeout(50)
    ids = visit.page.locator("#row-list .row").evaluate_all("rows => rows.map(row => row.id)")
    assert len(ids) == len(set(ids)) == 150


def test_search_finds_while_typing(console: Console, visit: Visit) -> None:
    """The list follows what is typed, and the address and the title follow the list."""
    console.write("Your receipt")
    console.write("Your code", text="481 920")
    visit.go()
    visit.page.locator("#search").press_sequentially("receipt", delay=10)
    visit.has_subjects("Your receipt")
    assert visit.page.url.endswith("?q=receipt")
    expect(visit.page).to_have_title("Search: receipt · pillarbox")
    visit.page.reload()
    visit.has_subjects("Your receipt")
    visit.page.locator("#clear-search").click()
    visit.has_subjects("Your code", "Your receipt")


def test_a_search_that_means_nothing_says_so(console: Console, visit: Visit) -> None:
    """A word that there is not is named with the closest one that there is."""
    console.write("one")
    visit.go()
    visit.page.locator("#search").fill("is:unread form:app")
    expect(visit.page.locator("#search-error")).to_contain_text("Did you mean")
    visit.page.locator("#search-error a").click()
    expect(visit.page.locator("#search")).to_have_value("is:unread from:app")
    visit.has_subjects("one")
    # Nothing but the answer to the search itself is complained of.
    visit.complaints[:] = [one for one in visit.complaints if "422" not in one]


def test_the_help_puts_a_word_into_the_search(console: Console, visit: Visit) -> None:
    """The words of the language are a click away, with what each means."""
    console.write("one")
    visit.go()
    visit.page.locator("#open-search-help").click()
    visit.page.locator("[data-search='is:unread']").click()
    expect(visit.page.locator("#search")).to_have_value("is:unread")
    visit.has_subjects("one")


def test_picked_mails_are_deleted_and_brought_back(console: Console, visit: Visit) -> None:
    """What was deleted can be brought back with one click, or one key."""
    for subject in ("one", "two", "three"):
        console.write(subject)
    visit.go()
    visit.has_subjects("three", "two", "one")
    boxes = visit.page.locator(".pick")
    boxes.nth(0).check(force=True)
    boxes.nth(2).click(modifiers=["Shift"], force=True)
    expect(visit.page.locator("#picked")).to_have_text("3")
    boxes.nth(1).uncheck(force=True)
    visit.page.locator("[data-bulk=delete]").click()
    visit.has_subjects("two")
    expect(visit.page.locator(".toast")).to_contain_text("2 messages deleted")
    visit.page.locator(".toast button").click()
    visit.has_subjects("three", "two", "one")


def test_picked_mails_are_marked_and_tagged(console: Console, visit: Visit) -> None:
    """Read state and tags change for all that are picked, in the list and in the rail."""
    for subject in ("one", "two"):
        console.write(subject)
    visit.go()
    visit.page.locator("#pick-all").check()
    visit.page.locator("[data-bulk=tag]").click()
    visit.page.locator("#tag-add").fill("urgent, shop")
    visit.page.get_by_role("button", name="Apply").click()
    expect(visit.page.locator(".row .tag", has_text="urgent")).to_have_count(2)
    expect(visit.page.locator("#rail a", has_text="urgent").locator(".count")).to_have_text("2")
    visit.page.locator("[data-bulk=read]").click()
    expect(visit.page.locator(".row.is-unread")).to_have_count(0)
    visit.page.keyboard.press("z")
    expect(visit.page.locator(".row.is-unread")).to_have_count(2)


def test_everything_in_a_list_is_deleted_after_a_question(console: Console, visit: Visit) -> None:
    """All that a search finds goes at once, but not without being asked for."""
    console.write("keep me")
    console.write("junk one")
    console.write("junk two")
    visit.go("/?q=junk")
    visit.page.locator("[data-all=delete]").click()
    expect(visit.page.locator("#confirm-title")).to_have_text("Delete 2 messages?")
    visit.page.locator("#confirm button[value=no]").click()
    visit.has_subjects("junk two", "junk one")
    visit.page.locator("[data-all=delete]").click()
    visit.page.locator("#confirm-yes").click()
    expect(visit.page.locator("#empty")).to_contain_text("Nothing matches")
    visit.page.locator("#rail a", has_text="All mail").click()
    visit.has_subjects("keep me")


def test_what_others_do_is_seen(console: Console, visit: Visit) -> None:
    """Deletion and read state by a test or another window show here, too."""
    first, second = console.write("one"), console.write("two")
    visit.go()
    visit.has_subjects("two", "one")
    gone = Selection(ids=frozenset({parse_id(first)}))
    console.run(console.sandbox.remove(gone))
    visit.has_subjects("two")
    read = Selection(ids=frozenset({parse_id(second)}))
    console.run(console.sandbox.mark(read, is_read=True))
    expect(visit.page.locator(".row.is-unread")).to_have_count(0)


def test_the_cap_stands_on_the_page(console: Console, visit: Visit) -> None:
    """How much is kept, and that older mail goes, is never a surprise."""
    console.write("one")
    visit.go()
    expect(visit.page.locator(".rail .foot")).to_contain_text("1 of 10,000; older ones are removed")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_mails_scroll_to_the_end(browser: Browser) -> None:
    """A list of 10,000 goes on to its oldest mail, and a row still opens at once."""
    with running_console() as console, visiting(browser, console.base) as visit:
        console.send_all(many(10_000))
        visit.go()
        started = time.monotonic()
        while visit.page.locator(".more").count() and time.monotonic() - started < 90:
            visit.page.locator("#rows").evaluate("box => { box.scrollTop = box.scrollHeight }")
            visit.page.wait_for_timeout(30)
        assert visit.page.locator("#row-list .row").count() == 10_000
        visit.page.locator(".row a").last.click()
        opened = visit.page.locator("#reader h1", has_text="Order TT-20000 has shipped")
        opened.wait_for(timeout=30_000)  # other tests want the machine, too
        # Back at the top the page lets go of what is far below, when new mail comes in.
        visit.page.go_back()
        visit.page.locator("#rows").evaluate("box => { box.scrollTop = 0 }")
        console.write("on top")
        visit.page.locator("#row-list .subject", has_text="on top").wait_for(timeout=30_000)
        rows = visit.page.locator("#row-list .row")
        ids = rows.evaluate_all("rows => rows.map(row => row.id)")
        assert len(ids) < 1_000
        assert ids == sorted(ids, reverse=True)
        assert visit.page.locator(".more").count() == 1
        visit.is_clean()


def test_an_empty_list_says_so_again(console: Console, visit: Visit) -> None:
    """When the last mail is gone, the list says that there is none; before the first one, too."""
    visit.go()
    visit.page.wait_for_timeout(500)
    expect(visit.page.locator("#empty")).to_contain_text("No mail yet")
    console.write("only")
    visit.has_subjects("only")
    console.empty()
    expect(visit.page.locator("#empty")).to_contain_text("No mail yet")
