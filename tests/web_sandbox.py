"""A sandbox with its API on a port of its own, in a thread, for tests of HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import uvloop
from fastapi import APIRouter, FastAPI

from pillarbox.api import mailhog, mailpit, sandbox as native
from pillarbox.config.settings import SandboxSettings, Settings
from pillarbox.node.sandbox import SandboxNode
from pillarbox.sandbox.service import Sandbox
from pillarbox.web.application import make_application
from pillarbox.web.problems import Renderer
from pillarbox.web.server import WebServer
from pillarbox.web.settings import ConnectionLimits, WebSettings

PREFIX = native.PREFIX
_PATIENCE = 60.0
NewLoop = Callable[[], asyncio.AbstractEventLoop]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningWeb:
    """An application that answers on a port."""

    port: int
    application: FastAPI
    defects: list[BaseException] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request; a body that is no bytes goes out as JSON."""
        sent = {"Host": f"localhost:{self.port}", "Accept": "*/*", **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent = {"Content-Type": "application/json", **sent}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("GET", path, headers=named)

    def connect(self) -> socket.socket:
        """Return a connection on which anything can be said."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE)

    def say(self, octets: bytes, *, ends: bool = False) -> bytes:
        """Send octets as they are, and return everything until the end of the connection."""
        with self.connect() as client:
            client.sendall(octets)
            if ends:
                client.shutdown(socket.SHUT_WR)
            return read_all(client)


@dataclass
class RunningSandbox(RunningWeb):
    """A sandbox whose API answers on a port."""

    smtp_port: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    sandbox: Sandbox | None = None

    def send(self, to: str = "bo@example.com", **options: Any) -> str:
        """Send a mail by SMTP and return its id."""
        return self.send_message(make_message(to=to, **options))

    def send_message(
        self,
        message: EmailMessage | bytes,
        sender: str = "",
        to: str = "bo@example.com",
        user: str = "",
    ) -> str:
        """Send a mail as it is and return its id."""
        octets = message if isinstance(message, bytes) else message.as_bytes()
        recipients = [to] if isinstance(message, bytes) else str(message["To"]).split(", ")
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=_PATIENCE) as client:
            if user:
                client.login(user, "any")
            client.ehlo_or_helo_if_needed()
            client.mail(sender or "ann@example.com")
            for recipient in recipients:
                client.rcpt(recipient)
            code, text = client.data(octets)
            assert code == 250, text
        return text.decode().rpartition(" ")[2]

    def run(self, work: Callable[[], Any]) -> Any:
        """Run a coroutine function where the sandbox runs."""
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(_PATIENCE)


def make_message(
    to: str = "bo@example.com",
    subject: str = "Welcome",
    text: str = "Your code is 481516. See https://example.com/start",
    html: str = "",
    **headers: str,
) -> EmailMessage:
    """Return a small mail; underscores in header names stand for hyphens."""
    message = EmailMessage()
    message["From"] = "Ann Example <ann@example.com>"
    message["To"] = to
    message["Subject"] = subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def read_all(client: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65_536):
            found += chunk
    return found


@contextlib.contextmanager
def web(
    *routers: APIRouter,
    settings: WebSettings | None = None,
    renderers: Mapping[str, Renderer] | None = None,
    limits: ConnectionLimits | None = None,
    new_loop: NewLoop = uvloop.new_event_loop,
) -> Iterator[RunningWeb]:
    """Run an application of these routers."""
    listener = _listener()
    defects: list[BaseException] = []
    application = make_application(
        routers=routers, settings=settings, renderers=renderers, on_defect=defects.append
    )
    server = WebServer(application, [listener], limits=limits)
    with _running(server.start, server.stop, new_loop):
        yield RunningWeb(listener.getsockname()[1], application, defects)


@contextlib.contextmanager
def sandbox_web(
    settings: SandboxSettings | None = None,
    web_settings: WebSettings | None = None,
    limits: ConnectionLimits | None = None,
) -> Iterator[RunningSandbox]:
    """Run a sandbox in memory, and its API."""
    listener = _listener()
    running = RunningSandbox(listener.getsockname()[1], FastAPI())
    started: list[Any] = []

    async def start() -> None:
        chosen = settings or SandboxSettings(smtp=("127.0.0.1:0",), http=(), pop3=())
        node = SandboxNode(
            Settings(sandbox=chosen), on_defect=lambda _, error: running.defects.append(error)
        )
        await node.start()
        running.application = make_application(
            routers=[
                *native.routers(node.sandbox),
                *mailpit.routers(node.sandbox),
                *mailhog.routers(node.sandbox),
            ],
            renderers={**mailpit.RENDERERS, **mailhog.RENDERERS},
            settings=web_settings,
            on_defect=running.defects.append,
        )
        server = WebServer(running.application, [listener], limits=limits)
        await server.start()
        started.extend((server, node))
        running.loop = asyncio.get_running_loop()
        running.sandbox = node.sandbox
        running.smtp_port = int(node.addresses.smtp[0].rpartition(":")[2])

    async def stop() -> None:
        for each in started:
            await each.stop()

    with _running(start, stop):
        yield running


@contextlib.contextmanager
def whole_sandbox(settings: SandboxSettings | None = None) -> Iterator[RunningSandbox]:
    """Run a sandbox as ``pillarbox sandbox`` does: with pages and API, on free ports."""
    running = RunningSandbox(0, FastAPI())
    chosen = settings or SandboxSettings(smtp=("127.0.0.1:0",), http=("127.0.0.1:0",), pop3=())
    started: list[SandboxNode] = []

    async def start() -> None:
        node = SandboxNode(
            Settings(sandbox=chosen), on_defect=lambda _, error: running.defects.append(error)
        )
        await node.start()
        started.append(node)
        running.loop = asyncio.get_running_loop()
        running.sandbox = node.sandbox
        running.port = int(node.addresses.http[0].rpartition(":")[2])
        running.smtp_port = int(node.addresses.smtp[0].rpartition(":")[2])

    async def stop() -> None:
        for node in started:
            await node.stop()

    with _running(start, stop):
        yield running


@contextlib.contextmanager
def _running(
    start: Callable[[], Any],
    stop: Callable[[], Any],
    new_loop: NewLoop = uvloop.new_event_loop,
) -> Iterator[None]:
    """Run something in a loop of its own, beside the test."""
    loop = new_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(_PATIENCE)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(stop(), loop).result(_PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener
