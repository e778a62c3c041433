from __future__ import annotations

from playwright.sync_api import expect
from tests.console_rig import Console, Visit

_DROP = """async (text) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], "dropped.eml"));
  const drag = (kind) => new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true });
  document.body.dispatchEvent(drag("dragenter"));
  if (document.querySelector("#drop-zone").hidden) throw new Error("no zone is shown");
  document.body.dispatchEvent(drag("drop"));
}"""
_AWAY = """
  window.notices = [];
  Object.defineProperty(document, "hidden", { get: () => window.isAway ?? false });
  window.Notification = class extends EventTarget {
    static permission = "granted";
    static requestPermission = async () => "granted";
    constructor(title) { super(); window.notices.push(title); }
  };
"""


def test_a_first_mail_is_a_click_away(console: Console, visit: Visit) -> None:
    """An empty sandbox sends a sample by itself, and takes in files that are dropped on it."""
    del console
    visit.go()
    visit.page.get_by_role("button", name="A sign-in code").click()
    visit.has_subjects("724 118 is your sign-in code")
    visit.page.evaluate(_DROP, "Subject: dropped\r\n\r\nhello\r\n")
    visit.has_subjects("dropped", "724 118 is your sign-in code")
    expect(visit.page.locator(".toast")).to_contain_text("1 message imported")
    expect(visit.page.locator("#drop-zone")).to_be_hidden()


def test_a_search_is_kept(console: Console, visit: Visit) -> None:
    """The bookmark in the search field puts a search into the sidebar, ready to open again."""
    console.write("Your receipt")
    console.write("Your code")
    visit.go()
    expect(visit.page.locator("#save-search")).to_be_hidden()
    visit.page.locator("#search").fill("receipt")
    visit.has_subjects("Your receipt")
    visit.page.locator("#save-search").click()
    entry = visit.page.locator("#rail a", has_text="receipt")
    expect(entry).to_be_visible()
    visit.page.locator("#clear-search").click()
    visit.has_subjects("Your code", "Your receipt")
    entry.click()
    visit.has_subjects("Your receipt")


def test_two_are_compared_by_keys(console: Console, visit: Visit) -> None:
    """Two selected mails are set side by side; with one selected the page says what is missing."""
    console.write("first", text="one\nsame")
    console.write("second", text="two\nsame")
    visit.go()
    visit.has_subjects("second", "first")
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("x")
    visit.page.keyboard.press("c")
    expect(visit.page.locator(".toast")).to_contain_text("Select two")
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("x")
    visit.page.keyboard.press("c")
    expect(visit.page.get_by_role("heading", name="Compare")).to_be_visible()
    expect(visit.page.locator(".diff .is-gone code")).to_have_text("one")
    expect(visit.page.locator(".diff .is-new code")).to_have_text("two")


def test_mail_that_comes_in_unseen_is_told(console: Console, visit: Visit) -> None:
    """While nobody looks, the title counts new mail, and who wants it is notified."""
    visit.page.add_init_script(_AWAY)
    visit.go()
    visit.page.locator("[data-dialog=preferences]").click()
    visit.page.locator("[data-preference=notify]").check()
    visit.page.locator("#preferences [data-close]").click()
    visit.page.evaluate("window.isAway = true")
    console.write("psst")
    expect(visit.page).to_have_title("(1) All mail · pillarbox")
    assert visit.page.evaluate("window.notices") == ["psst"]
    visit.page.evaluate(
        "window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))"
    )
    expect(visit.page).to_have_title("All mail · pillarbox")


def test_a_sandbox_that_is_gone_takes_nothing_from_the_screen(
    console: Console, visit: Visit
) -> None:
    """Without an answer the page says so, and keeps showing what it shows."""
    console.write("still here")
    visit.page.clock.install()
    visit.go()
    visit.page.route("**/*", lambda route: route.abort())
    visit.page.locator(".row a").click()
    expect(visit.page.locator(".toast")).to_contain_text("is not answering")
    assert visit.page.url == f"{visit.base}/"
    visit.has_subjects("still here")
    visit.page.unroute("**/*")
    visit.page.route("**/live", lambda route: route.abort())
    visit.page.reload()
    visit.page.clock.run_for(3_000)
    expect(visit.page.get_by_role("alert")).to_contain_text("is not answering")
    visit.complaints.clear()  # the browser's own words on requests that went nowhere
