from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser, expect
from tests.console_rig import Console, Visit, running_console, visiting

from pillarbox.config.settings import SandboxReleaseSettings, SandboxWebhookSettings


@contextmanager
def _receiver() -> Iterator[tuple[int, list[bytes]]]:
    """A program that takes calls; gives its port and what it was told."""
    told: list[bytes] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("localhost", 0), Listener)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_mail_is_released_by_the_relay(browser: Browser, console: Console) -> None:
    """A released mail goes to the relay, and what that said of each recipient is shown."""
    release = SandboxReleaseSettings(
        relay=f"smtp://localhost:{console.smtp_port}?tls=never",
        recipients=("@example.com",),
    )
    with (
        running_console(sandbox_release=release) as sender,
        visiting(browser, sender.base) as visit,
    ):
        sender.write("Take me out")
        visit.go()
        visit.open("Take me out")
        visit.page.locator("[data-dialog=release]").click()
        visit.page.locator("#release-to").fill("real@example.com")
        visit.page.get_by_role("button", name="Release", exact=True).click()
        expect(visit.page.locator(".toast")).to_contain_text("Released to real@example.com: ")
        latest = console.run(console.sandbox.latest("Take me out"))
        assert latest is not None
        assert latest.recipients == ("real@example.com",)
        expect(visit.page.locator("#release")).not_to_be_visible()
        visit.page.locator("[data-dialog=release]").click()
        visit.page.locator("#release-to").fill("stranger@example.org")
        visit.page.get_by_role("button", name="Release", exact=True).click()
        expect(visit.page.locator(".toast")).to_contain_text("stranger@example.org")
        visit.complaints[:] = [one for one in visit.complaints if "422" not in one]
        visit.is_clean()
        visit.page.goto(f"{sender.base}/webhooks")
        released = visit.page.locator("#released tbody tr")
        expect(released).to_have_count(1)
        expect(released).to_contain_text("real@example.com 250 2.0.0")


def test_without_a_relay_the_button_explains(console: Console, visit: Visit) -> None:
    """Where nothing can leave, the page says what would have to be set."""
    console.write("Stay")
    visit.go()
    visit.open("Stay")
    visit.page.locator("[data-dialog=release]").click()
    expect(visit.page.locator("#release")).to_contain_text("[sandbox_release]")


def test_deliveries_of_webhooks_are_shown_and_repeated(browser: Browser) -> None:
    """What was sent and answered stands on the page, and can be sent once more."""
    with _receiver() as (port, told):
        hook = SandboxWebhookSettings(url=f"http://localhost:{port}/caught")
        with (
            running_console(sandbox_webhook={"tests": hook}) as console,
            visiting(browser, console.base) as visit,
        ):
            console.write("Tell them")
            visit.go("/webhooks")
            visit.page.wait_for_timeout(200)
            visit.go("/webhooks")
            row = visit.page.locator("tbody tr", has_text="tests").first
            expect(row.locator(".badge")).to_have_text("204")
            row.get_by_text("What was sent and answered").click()
            expect(row.locator("pre").first).to_contain_text("Tell them")
            row.get_by_role("button", name="Again").click()
            expect(visit.page.locator("main tbody tr")).to_have_count(2)
            visit.page.get_by_role("button", name="Test").click()
            expect(visit.page.get_by_text("a test", exact=True)).to_be_visible()
            assert len(told) == 3
            visit.is_clean()
