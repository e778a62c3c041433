"""Take a picture of every page and state of the sandbox: ``make screenshots``.

A sandbox with the mail of an invented shop is driven through Chromium; the pictures go to
``docs/screenshots``. Where pngquant is installed they are made small.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from tests.console_rig import CHROMIUM, Console, Visit, launch, running_console, visiting
from tests.sample_mail import hostile, many, samples

from pillarbox.config.settings import SandboxSettings, SandboxWebhookSettings
from pillarbox.policy.behavior import Break, SessionStage
from pillarbox.policy.failing import FailingRule
from pillarbox.sandbox.projects import Project

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1360, "height": 850}}
DARK = {"color_scheme": "dark"}
CODE, ORDER, EVENT, JOURNAL = "481920 is your", "Your order", "Invitation", "The Thyme Journal"


@dataclass(frozen=True)
class Picture:
    """One picture, and how to come to what it shows."""

    name: str
    steps: Callable[[Visit], None]
    options: dict[str, Any] = field(default_factory=lambda: DESKTOP)


def at(path: str) -> Callable[[Visit], None]:
    """Return steps that go to a page."""
    return lambda visit: visit.go(path)


def mail(subject: str, view: str = "", *clicks: str) -> Callable[[Visit], None]:
    """Return steps that open a mail, turn to a view, and click on things."""

    def steps(visit: Visit) -> None:
        visit.go()
        visit.open(subject, view)
        if view == "checks":
            visit.page.locator(".postmark").wait_for()
        if not view:
            visit.page.locator("#verdict .badge").wait_for()
        for click in clicks:
            visit.page.locator(click).first.click()

    return steps


def search(text: str) -> Callable[[Visit], None]:
    """Return steps that type a search."""

    def steps(visit: Visit) -> None:
        visit.go()
        visit.page.locator("#search").fill(text)
        visit.page.wait_for_timeout(600)

    return steps


def clicking(path: str, *clicks: str) -> Callable[[Visit], None]:
    """Return steps that go to a page and click on things."""

    def steps(visit: Visit) -> None:
        visit.go(path)
        for click in clicks:
            visit.page.locator(click).first.click(force=True)

    return steps


def scrolled(subject: str, view: str, target: str) -> Callable[[Visit], None]:
    """Return steps that show what stands further down in a view."""

    def steps(visit: Visit) -> None:
        mail(subject, view)(visit)
        visit.page.locator(target).first.evaluate("one => one.scrollIntoView()")

    return steps


def plainly(path: str) -> Callable[[Visit], None]:
    """Return steps that go to a page without a live channel."""

    def steps(visit: Visit) -> None:
        visit.page.goto(visit.base + path)

    return steps


def compared() -> Callable[[Visit], None]:
    """Return steps that set two mails side by side."""

    def steps(visit: Visit) -> None:
        visit.go()
        for row in (0, 1):
            visit.page.locator(".pick").nth(row).click(force=True)
        visit.page.locator("[data-bulk=compare]").click()
        visit.page.locator(".diff").first.wait_for()

    return steps


def dropping(visit: Visit) -> None:
    """Drag a file over the list."""
    visit.go()
    visit.page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.items.add(new File([""], "mail.eml"));
          document.body.dispatchEvent(new DragEvent("dragenter", { dataTransfer: carried, bubbles: true }));
        }"""
    )


EMPTY = (
    Picture("empty", at("/")),
    Picture("empty-dark", at("/"), DESKTOP | DARK),
    Picture("empty-phone", at("/"), PHONE),
)
FULL = (
    Picture("list", at("/")),
    Picture("message", mail(CODE)),
    Picture("message-dark", mail(CODE, "", "button[data-scheme=dark]"), DESKTOP | DARK),
    Picture("message-on-a-phone", mail(ORDER, "", "button[data-width=phone]")),
    Picture("message-forced-dark", mail(ORDER, "", "button[data-scheme=inverted]")),
    Picture("message-inline-pictures", mail(JOURNAL)),
    Picture("text", mail("[warning] disk")),
    Picture("source-dark", mail(ORDER, "source"), DESKTOP | DARK),
    Picture("headers", mail(ORDER, "headers")),
    Picture("parts", mail(JOURNAL, "parts")),
    Picture("files", mail(EVENT, "files")),
    Picture("links", mail(CODE, "links")),
    Picture("checks", mail(JOURNAL, "checks")),
    Picture("checks-dark", mail(JOURNAL, "checks"), DESKTOP | DARK),
    Picture("checks-clients", scrolled(JOURNAL, "checks", ".support")),
    Picture("session", mail(CODE, "session")),
    Picture("raw", mail(CODE, "raw")),
    Picture("hostile", mail("Your account is locked")),
    Picture("leaving", plainly("/leave?to=https://bank.example@evil.example/login")),
    Picture("search", search("tag:orders")),
    Picture("search-help", clicking("/", "#open-search-help")),
    Picture("search-error", search("form:ann")),
    Picture("selected", clicking("/", ".pick >> nth=1", ".pick >> nth=2", ".pick >> nth=4")),
    Picture("compact-dark", clicking("/", "[data-dialog=preferences]", "[data-set-density=compact]", "#preferences [data-close]"), DESKTOP | DARK),
    Picture("release", mail(ORDER, "", "[data-dialog=release]")),
    Picture("keyboard", clicking("/", "[data-dialog=help]")),
    Picture("preferences-dark", clicking("/", "[data-dialog=preferences]"), DESKTOP | DARK),
    Picture("rules", at("/rules")),
    Picture("projects", at("/projects")),
    Picture("connect-dark", at("/connect"), DESKTOP | DARK),
    Picture("webhooks", at("/webhooks")),
    Picture("new", at("/new")),
    Picture("tags", at("/tags")),
    Picture("settings-dark", at("/settings"), DESKTOP | DARK),
    Picture("compare", compared()),
    Picture("dropping", dropping),
    Picture("without-scripts", plainly("/"), DESKTOP | {"java_script_enabled": False}),
    Picture("tablet", mail(ORDER), {"viewport": {"width": 820, "height": 1180}}),
    Picture("forced-colors", mail(EVENT), DESKTOP | DARK | {"forced_colors": "active"}),
    Picture("not-there", plainly("/mail/0000000000000")),
    Picture("phone-list", at("/"), PHONE),
    Picture("phone-message", mail(ORDER), PHONE),
    Picture("phone-checks-dark", mail(JOURNAL, "checks"), PHONE | DARK),
    Picture("phone-connect-dark", at("/connect"), PHONE | DARK),
    Picture("phone-rail", clicking("/", "#open-rail"), PHONE),
)  # fmt: skip
MANY = (Picture("ten-thousand", at("/")), Picture("ten-thousand-dark", at("/"), DESKTOP | DARK))


def fill(console: Console) -> None:
    """Bring in a morning's mail, two projects and two rules."""
    sandbox = console.sandbox
    shop = Project(name="shop", title="Web shop", recipient_domains=("example.net", "example.it"))
    console.run(sandbox.put_project(shop))
    console.run(sandbox.put_project(Project(name="staging", users=("staging-app",))))
    for rule in (
        FailingRule(id="rule-1", stage=SessionStage.RCPT, recipient="*@slow.example", code=451, note="A provider that greylists", count=2),
        FailingRule(id="rule-2", stage=SessionStage.DOT, sender="billing@*", probability=0.1, seed=7, disconnect=Break.RESET, note="One in ten breaks off"),
    ):  # fmt: skip
        console.run(sandbox.failing.put(rule))
    for sample in [hostile(), *samples()]:
        console.send(sample.message, sample.sender, sample.recipients)


class Listener(BaseHTTPRequestHandler):
    """A program that is told of new mail, and says thank you."""

    def do_POST(self) -> None:
        """Take what is told."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *said: object) -> None:
        """Say nothing."""


@contextmanager
def listening() -> Iterator[int]:
    """Run the program that is told; give its port."""
    server = ThreadingHTTPServer(("localhost", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def take(browser: Browser, base: str, picture: Picture) -> Path:
    """Take one picture."""
    with visiting(browser, base, complains=False, **picture.options) as visit:
        picture.steps(visit)
        visit.page.wait_for_timeout(350)
        path = FOLDER / f"{picture.name}.png"
        visit.page.screenshot(path=path)
    return path


def make_small(paths: list[Path]) -> None:
    """Leave out of pictures what nobody sees."""
    if shutil.which("pngquant") is None:
        print("pngquant is missing: the pictures stay large", file=sys.stderr)
        return
    command = [
        "pngquant",
        "--force",
        "--ext",
        ".png",
        "--strip",
        "--speed",
        "1",
        "--quality",
        "70-95",
    ]
    subprocess.run([*command, *map(str, paths)], check=False)  # 98: one is good enough as it is


def main() -> int:
    """Take them all."""
    if not CHROMIUM:
        print("chromium is missing", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = set(sys.argv[1:])
    settings = SandboxSettings(
        smtp=("localhost:0",), http=("localhost:0",), pop3=(), label="demo", max_messages=500
    )
    paths: list[Path] = []
    with ExitStack() as stack:
        browser = launch(stack.enter_context(sync_playwright()))
        stack.callback(browser.close)
        port = stack.enter_context(listening())
        hooks = {
            "tests": SandboxWebhookSettings(url=f"http://localhost:{port}/caught"),
            "chat": SandboxWebhookSettings(url="http://localhost:9/down", search="tag:ops"),
        }
        console = stack.enter_context(running_console(settings, sandbox_webhook=hooks))
        steps = [(EMPTY, lambda: None), (FULL, lambda: fill(console))]
        for pictures, prepare in steps:
            prepare()
            chosen = [one for one in pictures if not wanted or one.name in wanted]
            paths += [take(browser, console.base, one) for one in chosen]
        if not wanted or wanted & {one.name for one in MANY}:
            large = stack.enter_context(running_console())
            large.send_all(many(10_000))
            paths += [take(browser, large.base, one) for one in MANY]
    make_small(paths)
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(paths)} pictures, {size / 1e6:.1f} MB, in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
