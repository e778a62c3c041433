from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect
from tests.console_rig import Console, Visit, running_console, visiting
from tests.sample_mail import receipt

from pillarbox.config.settings import SandboxSettings


def test_the_connect_page_gives_lines_to_paste(console: Console, visit: Visit) -> None:
    """Each framework has its lines, with the host and port of this sandbox."""
    visit.go("/connect")
    for name in ("Django", "Laravel", "Node", "Rails", "Spring", "PHP", "Python", "Go"):
        visit.page.get_by_role("button", name=name, exact=True).click()
        expect(visit.page.locator(".lines:visible pre")).to_contain_text(str(console.smtp_port))
    visit.page.reload()
    expect(visit.page.get_by_role("button", name="Go", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_rule_is_made_changed_and_removed(visit: Visit) -> None:
    """Failing on purpose is set up on the page, and the rule says in words what it does."""
    visit.go("/rules")
    visit.page.get_by_label("Reply with the code").fill("451")
    visit.page.get_by_label("Recipients like").fill("*@slow.example")
    visit.page.get_by_label("Note").fill("busy provider")
    visit.page.get_by_role("button", name="Add the rule").click()
    card = visit.page.locator("article.card", has_text="busy provider")
    expect(card).to_contain_text("At RCPT to *@slow.example it says 451")
    card.get_by_role("link", name="Change").click()
    expect(visit.page.get_by_label("Reply with the code")).to_have_value("451")
    visit.page.get_by_label("Reply with the code").fill("550")
    visit.page.get_by_role("button", name="Save").click()
    expect(card).to_contain_text("says 550")
    card.get_by_role("button", name="Remove").click()
    expect(visit.page.get_by_text("There are no rules.")).to_be_visible()


def test_a_rule_that_makes_no_sense_is_explained(visit: Visit) -> None:
    """What is wrong is said in a sentence, and what was typed stays."""
    visit.go("/rules")
    visit.page.get_by_label("Note").fill("does nothing")
    visit.page.get_by_role("button", name="Add the rule").click()
    expect(visit.page.get_by_role("alert")).to_be_visible()
    expect(visit.page.get_by_label("Note")).to_have_value("does nothing")
    visit.complaints[:] = [one for one in visit.complaints if "422" not in one]


def test_addresses_that_fail_are_turned_off(visit: Visit) -> None:
    """Addresses such as 550@ can be had as ordinary ones."""
    visit.go("/rules")
    expect(visit.page.locator("main table")).to_contain_text("greylist")
    visit.page.get_by_role("button", name="Turn off").click()
    expect(visit.page.get_by_text("They are turned off")).to_be_visible()
    visit.page.get_by_role("button", name="Turn on").click()
    expect(visit.page.locator("main table")).to_contain_text("greylist")


def test_a_project_is_made_and_takes_its_mail(console: Console, visit: Visit) -> None:
    """A project gets what is meant for it, and the rail counts it."""
    visit.go("/projects")
    visit.page.get_by_label("Name", exact=True).fill("shop")
    visit.page.get_by_label("Title").fill("Web shop")
    visit.page.get_by_label("Domains of recipients").fill("shop.example")
    visit.page.get_by_role("button", name="Create").click()
    card = visit.page.locator("article.card", has_text="Web shop")
    expect(card).to_contain_text("mail to shop.example")
    sample = receipt()
    console.send(sample.message, recipients=("kim@shop.example",))
    console.write("not for the shop")
    expect(visit.page.locator("#rail a", has_text="Web shop").locator(".count")).to_have_text("1")
    visit.page.locator("#rail a", has_text="Web shop").click()
    visit.has_subjects("Your order TT-10432 is confirmed")
    visit.go("/projects")
    card.get_by_role("button", name="Remove").click()
    visit.page.locator("#confirm-yes").click()
    expect(card).to_have_count(0)


def test_a_name_that_no_project_can_have_is_explained(visit: Visit) -> None:
    """The sentence of the refusal stands above the form."""
    visit.go("/projects")
    visit.page.get_by_label("Name", exact=True).fill("No Spaces")
    visit.page.get_by_role("button", name="Create").click()
    expect(visit.page.get_by_role("alert")).to_be_visible()
    visit.complaints[:] = [one for one in visit.complaints if "422" not in one]


def test_the_webhook_page_says_that_nobody_is_told(visit: Visit) -> None:
    """Without a receiver the page says how to name one."""
    visit.go("/webhooks")
    expect(visit.page.get_by_text("There are no webhooks yet.")).to_be_visible()


def test_colors_and_density_are_kept(console: Console, visit: Visit) -> None:
    """What a reader prefers is there again after a reload."""
    console.write("one")
    visit.go()
    visit.page.locator("[data-dialog=preferences]").click()
    visit.page.get_by_role("button", name="Dark", exact=True).click()
    visit.page.get_by_role("button", name="Compact").click()
    visit.page.reload()
    html = visit.page.locator("html")
    expect(html).to_have_attribute("data-theme", "dark")
    expect(html).to_have_attribute("data-density", "compact")
    expect(visit.page.locator(".row .snippet")).to_be_hidden()


def test_no_page_is_wider_than_a_phone(browser: Browser, console: Console) -> None:
    """At 320 pixels nothing is cut off and nothing scrolls sideways (WCAG 1.4.10)."""
    console.send(receipt().message)
    with visiting(browser, console.base, viewport={"width": 320, "height": 640}) as visit:
        for path in ("/", "/connect", "/rules", "/projects", "/webhooks"):
            visit.go(path)
            wide = "document.documentElement.scrollWidth"
            assert visit.page.evaluate(wide) <= 320, path
        visit.go()
        visit.open("Your order")
        for view in ("message", "headers", "files", "checks", "session", "raw"):
            visit.see(view)
            assert visit.page.evaluate(wide) <= 320, view
        visit.page.get_by_role("link", name="Back to the list").click()
        expect(visit.page.locator("#list")).to_be_visible()
        visit.page.locator("#open-rail").click()
        expect(visit.page.locator("#rail")).to_be_visible()
        visit.page.locator("#rail a", has_text="Fail on purpose").click()
        expect(visit.page.get_by_role("heading", name="Fail on purpose")).to_be_visible()
        visit.is_clean()


def test_it_works_below_a_path(browser: Browser) -> None:
    """Behind a proxy the sandbox may stand below a path; every link and script follows."""
    settings = SandboxSettings(
        smtp=("localhost:0",), http=("localhost:0",), pop3=(), webroot="/mail"
    )
    with running_console(settings) as console, visiting(browser, f"{console.base}/mail") as visit:
        console.send(receipt().message)
        visit.go()
        visit.open("Your order")
        frame = visit.page.frame_locator("#stage iframe")
        expect(frame.get_by_role("heading", name="Thank you, Ann.")).to_be_visible()
        visit.see("headers")
        assert re.search(r"/mail/mail/[0-9a-z]{13}/headers$", visit.page.url)
        visit.page.locator("#rail a", has_text="Connect").click()
        expect(visit.page.get_by_role("heading", name="Connect a program")).to_be_visible()
        visit.is_clean()


@pytest.mark.parametrize("path", ["/nothing", "/mail/xyz", "/view/xyz.html", "/static/x/../../x"])
def test_what_is_not_there_is_a_404(console: Console, path: str) -> None:
    """Addresses that lead nowhere are answered as such, with a page for people."""
    import urllib.error
    import urllib.request

    request = urllib.request.Request(console.base + path, headers={"Accept": "text/html"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()
    assert refused.value.code == 404
