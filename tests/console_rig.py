"""The whole sandbox with its pages in a thread, and a browser that tells of everything odd."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import smtplib
import threading
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Dialog, Error, Page, Playwright, Route

from pillarbox.config.settings import SandboxSettings, Settings
from pillarbox.inbox.values import Selection
from pillarbox.node.sandbox import SandboxNode
from pillarbox.sandbox.service import Sandbox

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
_T = TypeVar("_T")
_PATIENCE = 60.0
# Nothing but this machine can be found, whatever a page tries that is not a request of it.
_ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []
_ARGUMENTS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"]


@dataclass
class Console:
    """A sandbox that runs, and where its pages are."""

    node: SandboxNode
    loop: asyncio.AbstractEventLoop
    defects: list[BaseException]

    @property
    def sandbox(self) -> Sandbox:
        return self.node.sandbox

    @property
    def base(self) -> str:
        return f"http://{self.node.addresses.http[0]}"

    @property
    def smtp_port(self) -> int:
        return int(self.node.addresses.smtp[0].rpartition(":")[2])

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run something where the sandbox runs."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_PATIENCE)

    def send(
        self,
        message: EmailMessage | bytes,
        sender: str = "app@example.com",
        recipients: tuple[str, ...] = ("ann@example.com",),
        name: str = "client.example",
    ) -> str:
        """Send a mail by SMTP; return its id."""
        octets = message if isinstance(message, bytes) else message.as_bytes()
        with smtplib.SMTP("localhost", self.smtp_port, name, timeout=_PATIENCE) as client:
            client.ehlo()
            client.mail(sender)
            for recipient in recipients:
                client.rcpt(recipient)
            code, text = client.data(octets)
            assert code == 250, text
        return text.decode().rpartition(" ")[2]

    def send_all(self, messages: Iterable[EmailMessage]) -> None:
        """Send many mails in one session."""
        with smtplib.SMTP("localhost", self.smtp_port, timeout=_PATIENCE) as client:
            for message in messages:
                client.send_message(message, "app@example.com", ["ann@example.com"])

    def write(self, subject: str, text: str = "It works.", html: str = "", **fields: str) -> str:
        """Send a small mail; return its id."""
        message = EmailMessage()
        message["From"] = fields.pop("author", "App <app@example.com>")
        message["To"] = fields.pop("to", "ann@example.com")
        message["Subject"] = subject
        for name, value in fields.items():
            message[name.replace("_", "-")] = value
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
        return self.send(message)

    def empty(self) -> None:
        """Remove every mail, so that another test can begin anew."""
        self.run(self.sandbox.remove(Selection()))


@contextmanager
def running_console(settings: SandboxSettings | None = None, **sections: Any) -> Iterator[Console]:
    """Run a sandbox with pages in a thread of its own.

    Args:
        settings: Of the sandbox.
        **sections: Further sections of the configuration, such as ``sandbox_release``.
    """
    chosen = settings or SandboxSettings(smtp=("localhost:0",), http=("localhost:0",), pop3=())
    defects: list[BaseException] = []
    ready = threading.Event()
    started: list[tuple[SandboxNode, asyncio.AbstractEventLoop, asyncio.Event]] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        node = SandboxNode(
            Settings(sandbox=chosen, **sections), on_defect=lambda _, error: defects.append(error)
        )
        await node.start()
        stop = asyncio.Event()
        started.append((node, asyncio.get_running_loop(), stop))
        ready.set()
        await stop.wait()
        await node.stop()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - it is raised in the test
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(_PATIENCE)
        if failed:
            raise failed[0]
        node, loop, _ = started[0]
        yield Console(node, loop, defects)
    finally:
        if started:
            started[0][1].call_soon_threadsafe(started[0][2].set)
        thread.join(_PATIENCE)
    assert not defects, defects


@dataclass
class Visit:
    """A reader's browser: where it is, and everything that should not happen there."""

    page: Page
    context: BrowserContext
    base: str
    foreign: list[str] = field(default_factory=list)  # requests to other hosts
    dialogs: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # of the console, and errors of scripts

    def go(self, path: str = "/") -> None:
        """Open a page of the sandbox, and wait until its script runs."""
        self.page.goto(self.base + path)
        self.page.locator("#live[data-state=on]").wait_for(state="attached")

    def open(self, subject: str, view: str = "") -> None:
        """Open a mail by its subject in the list."""
        self.page.locator(".row a", has_text=subject).first.click()
        self.page.locator("#reader h1", has_text=subject).wait_for()
        if view:
            self.see(view)

    def see(self, view: str) -> None:
        """Turn to another view of the mail."""
        self.page.locator(f".tabs a[data-tab={view}]").click()
        self.page.locator(f".tabs a[data-tab={view}][aria-current]").wait_for()

    def subjects(self) -> list[str]:
        """Return the subjects in the list, from the top."""
        texts = self.page.locator("#row-list .subject").all_inner_texts()
        return [text.removeprefix("Unread: ").strip() for text in texts]

    def has_subjects(self, *expected: str) -> None:
        """Wait until the list shows these and no others."""
        self.page.wait_for_function(
            """expected => JSON.stringify([...document.querySelectorAll('#row-list .subject')]
                 .map(one => one.textContent.replace('Unread: ', '').trim())) === expected""",
            arg=_json(expected),
        )

    def is_clean(self) -> None:
        """Check that nothing odd happened so far."""
        assert not self.dialogs, self.dialogs
        assert not self.foreign, self.foreign
        assert not self.complaints, self.complaints


def _json(values: tuple[str, ...]) -> str:
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))


@contextmanager
def visiting(
    browser: Browser, base: str, *, complains: bool = True, **options: Any
) -> Iterator[Visit]:
    """Open a browser's window on a sandbox.

    Args:
        browser: Which browser.
        base: Where the sandbox is.
        complains: Whether what the console says is held against the page.
        **options: Of the context, such as ``color_scheme``.
    """
    options = {"viewport": {"width": 1360, "height": 850}, "locale": "en-GB", **options}
    context = browser.new_context(timezone_id="UTC", **options)
    visit = Visit(context.new_page(), context, base)
    ours = urlsplit(base).netloc

    def stop(route: Route) -> None:
        visit.foreign.append(route.request.url)
        route.abort()

    def dismiss(dialog: Dialog) -> None:
        visit.dialogs.append(dialog.message)
        dialog.dismiss()

    def follow(page: Page) -> None:
        page.on("dialog", dismiss)
        if complains:
            page.on("pageerror", lambda error: visit.complaints.append(f"{error}"))
            page.on(
                "console",
                lambda said: (
                    visit.complaints.append(f"{said.type}: {said.text}")
                    if said.type in {"error", "warning"}
                    else None
                ),
            )

    # What is ours passes by Playwright's own side, which is much quicker than by this one.
    context.route(re.compile(rf"^(?:https?|wss?)://(?!{re.escape(ours)}/)"), stop)
    context.on("page", follow)
    follow(visit.page)
    visit.page.set_default_timeout(10_000)
    try:
        yield visit
    finally:
        with suppress(Error):  # the browser may have gone before
            context.close()


def launch(playwright: Playwright) -> Browser:
    """Start the machine's Chromium."""
    return playwright.chromium.launch(executable_path=str(Path(CHROMIUM)), args=_ARGUMENTS)
