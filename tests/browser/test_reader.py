from __future__ import annotations

import re

from playwright.sync_api import expect
from tests.console_rig import Console, Visit
from tests.sample_mail import alert, confirmation, invitation, newsletter, receipt


def _send(console: Console, *samples: object) -> list[str]:
    return [
        console.send(one.message, one.sender, one.recipients)  # type: ignore[attr-defined]
        for one in samples
    ]


def test_a_mail_is_shown_as_its_reader_sees_it(console: Console, visit: Visit) -> None:
    """The HTML part stands in a frame, and its subject, people and code above it."""
    _send(console, confirmation())
    visit.go()
    visit.open("481920 is your")
    frame = visit.page.frame_locator("#stage iframe")
    expect(frame.get_by_role("heading", name="Confirm your address")).to_be_visible()
    expect(visit.page.locator(".people-lines")).to_contain_text("ann.lindqvist@example.com")
    expect(visit.page.locator(".chip b")).to_have_text("481920")
    expect(visit.page.locator(".row.is-unread")).to_have_count(0)


def test_a_code_is_copied_with_a_click(console: Console, visit: Visit) -> None:
    """The code above the mail goes to the clipboard."""
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=console.base)
    _send(console, confirmation())
    visit.go()
    visit.open("481920 is your")
    visit.page.locator(".chip[data-copy]").first.click()
    expect(visit.page.locator("#announcer")).to_have_text("Copied")
    assert visit.page.evaluate("navigator.clipboard.readText()") == "481920"


def test_widths_and_colors_of_the_frame(console: Console, visit: Visit) -> None:
    """A mail is shown as on a phone, in its author's dark colors, and darkened by force."""
    _send(console, confirmation())
    visit.go()
    visit.open("481920 is your")
    frame = visit.page.frame_locator("#stage iframe")
    background = "body => getComputedStyle(body).backgroundColor"
    assert frame.locator("body").evaluate(background) == "rgb(244, 241, 234)"
    visit.page.locator("button[data-width=phone]").click()
    box = visit.page.locator("#stage iframe").bounding_box()
    assert box
    assert round(box["width"]) in {375, 377}
    visit.page.locator("button[data-scheme=dark]").click()
    expect(visit.page.locator("#stage iframe")).to_have_attribute("src", re.compile("scheme=dark"))
    frame.get_by_role("heading", name="Confirm your address").wait_for()
    assert frame.locator("body").evaluate(background) == "rgb(22, 21, 19)"
    visit.page.locator("button[data-scheme=inverted]").click()
    expect(visit.page.locator("#stage iframe")).to_have_attribute("src", re.compile("inverted"))
    frame.get_by_role("heading", name="Confirm your address").wait_for()
    assert "invert" in frame.locator("html").evaluate("one => getComputedStyle(one).filter")


def test_inline_pictures_show_and_remote_ones_wait(console: Console, visit: Visit) -> None:
    """A picture of the mail itself is there; one of another host is not asked for until wanted."""
    _send(console, newsletter())
    visit.go()
    visit.open("The Thyme Journal")
    frame = visit.page.frame_locator("#stage iframe")
    expect(frame.locator("img").first).to_have_js_property("naturalWidth", 960)
    assert not visit.foreign
    visit.page.locator("button[data-remote]").click()
    expect(visit.page.locator("button[data-remote]")).to_contain_text("Hide 2 remote images")
    visit.page.wait_for_timeout(300)
    assert sorted(visit.foreign) == [
        "https://cdn.tinderthyme.example/quince-1.jpg",
        "https://cdn.tinderthyme.example/quince-2.jpg",
    ]
    visit.foreign.clear()
    visit.complaints[:] = [one for one in visit.complaints if "ERR_FAILED" not in one]


def test_every_view_of_a_mail(console: Console, visit: Visit) -> None:
    """Text, source, headers, parts, files, links, checks, session and raw show what they are for."""
    _send(console, receipt())
    visit.go()
    visit.open("Your order")
    reader = visit.page.locator("#reader")
    for view, expected in (
        ("text", "Your total was EUR 120.70"),
        ("source", "<td class="),
        ("headers", "Who wrote the mail"),
        ("parts", "multipart/mixed"),
        ("files", "Invoice TT-10432.pdf"),
        ("links", "https://tinderthyme.example/help"),
        ("checks", "of 10"),
        ("session", "RCPT TO:<ann.lindqvist@example.com>"),
        ("raw", "Message-ID:"),
    ):
        visit.see(view)
        expect(reader).to_contain_text(expected, ignore_case=True)
    visit.page.go_back()
    expect(visit.page.locator(".tabs a[data-tab=session][aria-current]")).to_be_visible()


def test_checks_name_what_is_wrong(console: Console, visit: Visit) -> None:
    """Findings say what, why and how to mend it; their number stands on the tab."""
    _send(console, newsletter())
    visit.go()
    visit.open("The Thyme Journal")
    expect(visit.page.locator("#verdict .badge")).to_be_visible()
    visit.see("checks")
    expect(visit.page.locator(".finding", has_text="{{ first_name }}")).to_be_attached()
    visit.page.get_by_text("How the score is calculated").click()
    expect(visit.page.get_by_role("rowheader", name="Score")).to_be_visible()


def test_an_invitation_and_its_files(console: Console, visit: Visit) -> None:
    """Events are shown in words, pictures as pictures, and files have their hashes."""
    _send(console, invitation())
    visit.go()
    visit.open("Invitation", "files")
    expect(visit.page.locator(".event")).to_contain_text("2026-12-04 18:30 to 21:00")
    expect(visit.page.locator(".file img")).to_have_js_property("naturalWidth", 640)
    visit.page.locator(".hashes summary").first.click()
    expect(visit.page.locator(".hashes dd").first).to_have_text(re.compile("^[0-9a-f]{64}$"))
    with visit.page.expect_download() as download:
        visit.page.locator(".file a", has_text="Download").nth(2).click()
    assert download.value.suggested_filename == "guests.csv"


def test_the_envelope_is_told_where_it_differs(console: Console, visit: Visit) -> None:
    """Whom SMTP names and no header field stands in the open."""
    _send(console, alert())
    visit.go()
    visit.open("disk /var")
    lines = visit.page.locator(".people-lines")
    expect(lines).to_contain_text("oncall@example.net")
    expect(lines).to_contain_text("from root@web-03.tinderthyme.example")


def test_a_link_shows_where_it_goes_first(console: Console, visit: Visit) -> None:
    """A link opens a page of ours in a new tab, which knows nothing of the mail's page."""
    _send(console, confirmation())
    visit.go()
    visit.open("481920 is your")
    link = visit.page.frame_locator("#stage iframe").get_by_role("link", name="Confirm my address")
    with visit.context.expect_page() as opened:
        link.click()
    page = opened.value
    expect(page.get_by_role("heading")).to_contain_text("This link goes to tinderthyme.example")
    expect(page.get_by_role("link", name="Go there")).to_have_attribute(
        "href", "https://tinderthyme.example/confirm?token=4fzQ81sKd0aV"
    )
    assert page.evaluate("window.opener") is None
    assert page.evaluate("document.referrer") == ""


def test_deleting_the_open_mail_goes_on_to_the_next(console: Console, visit: Visit) -> None:
    """The reader never shows what is gone."""
    for subject in ("one", "two", "three"):
        console.write(subject)
    visit.go()
    visit.open("two")
    visit.page.locator("[data-one=delete]").click()
    visit.has_subjects("three", "one")
    expect(visit.page.locator("#reader h1")).to_have_text("one")


def test_a_mail_that_is_gone_has_a_page_that_says_so(console: Console, visit: Visit) -> None:
    """An address that leads nowhere says why, and the way back."""
    visit.page.goto(f"{console.base}/mail/0000000000000")
    expect(visit.page.get_by_role("heading", name="Not Found")).to_be_visible()
    visit.page.get_by_role("link", name="Back to the mail").click()
    expect(visit.page.locator("#list")).to_be_visible()
    visit.complaints[:] = [one for one in visit.complaints if "404" not in one]
