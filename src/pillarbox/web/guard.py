"""The guard of the application: the checks that every request passes, whatever its route.

In this order: a request id, the real client (behind proxies), the host, the webroot, the origin,
the size and timeout of the body, authentication. The response gets the fields of ``security``
unless the route has set them, and is counted. An error that reaches this point is a defect: it is
reported to ``on_defect``, and the client gets a problem.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from pillarbox.policy.networks import TrustedNetworks
from pillarbox.web.authentication import Authentication
from pillarbox.web.metrics import WebMetrics
from pillarbox.web.problems import Problem, Renderer
from pillarbox.web.proxies import forwarded
from pillarbox.web.security import SAFE_METHODS, answer_headers, is_foreign, is_known_host
from pillarbox.web.settings import WebSettings

__all__ = ["OPEN_PATHS", "Duties", "Guard"]

OPEN_PATHS: Final = frozenset({"/livez", "/readyz"})
"""Answered for any host and without authentication: they reveal nothing but yes or no."""

_SLASHES: Final = re.compile(r"/{2,}")
_MOST_DIGITS: Final = 18  # of a Content-Length
_LIVE_TYPE: Final = b"text/event-stream"
_UNMATCHED: Final = "unmatched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """What the guard needs from the application."""

    settings: WebSettings
    metrics: WebMetrics
    render: Renderer
    on_defect: Callable[[BaseException], None]


class Guard:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, duties: Duties) -> None:
        """Guard ``app``."""
        self._app = app
        self._duties = duties
        self._settings = duties.settings
        self._trusted = TrustedNetworks(duties.settings.trusted_networks)
        self._fields = tuple(answer_headers().items())
        self._authentication = (
            None
            if duties.settings.is_open
            else Authentication(duties.settings.users, duties.settings.tokens)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["request_id"] = f"req_{secrets.token_hex(8)}"
        is_head = scope.get("method") == "HEAD"
        if is_head:  # routes answer GET; the body is dropped on the way out
            scope = {**scope, "method": "GET"}
        fields = _fields(scope)
        answer = _Answer(scope, send, self._fields, self._duties.metrics, is_head=is_head)
        try:
            early = await self._refuse_or_pass(scope, fields)
            if early is None:
                body = _Body(scope, fields, receive, self._settings)
                await self._app(scope, body.receive, answer.send)
            else:
                await early(scope, receive, answer.send)
        except Problem as problem:
            await self._render(scope, receive, answer, problem)
        except (ClientDisconnect, WebSocketDisconnect):
            pass  # the client has disconnected, which is fine
        except Exception as error:  # noqa: BLE001 - the last place where a defect can be told
            self._duties.on_defect(error)
            if answer.has_begun:
                raise _Broken from None
            defect = Problem(500, "Pillarbox has a defect here; see its log for details.")
            await self._render(scope, receive, answer, defect)
        finally:
            answer.finish()

    async def _refuse_or_pass(self, scope: Scope, fields: Mapping[str, str]) -> Response | None:
        """Return a response that ends the request here, None to continue.

        Raises:
            Problem: It is refused.
        """
        self._believe_proxies(scope, fields)
        if "//" in scope["path"]:  # clients append a path to a base URL that ends in a slash
            scope["path"] = _SLASHES.sub("/", scope["path"])
        host = scope["state"]["host"]
        root = self._settings.webroot
        if scope["path"].removeprefix(root) in OPEN_PATHS:
            scope["root_path"] = root if scope["path"].startswith(f"{root}/") else ""
            return None
        if not is_known_host(host, self._settings.hosts):
            raise Problem(
                421,
                f"There is nothing here under the name {host!r}.",
                hint="Use localhost or an IP address, or add the name to the allowed hosts.",
            )
        redirect = self._enter_webroot(scope)
        if redirect is not None:
            return redirect
        self._refuse_foreign(scope, fields, host)
        if self._authentication is not None:
            client = scope["client"][0] if scope.get("client") else ""
            user = await self._authentication.check(fields.get("authorization", ""), client)
            scope["state"]["user"] = user
        return None

    def _believe_proxies(self, scope: Scope, fields: Mapping[str, str]) -> None:
        peer = scope["client"] if scope.get("client") else ("", 0)
        said = forwarded(peer[0], fields, self._trusted)
        scope["state"]["host"] = said.host or fields.get("host", "")
        if said.client:
            scope["client"] = (said.client, 0)
        if said.scheme:
            is_socket = scope["type"] == "websocket"
            scope["scheme"] = said.scheme.replace("http", "ws") if is_socket else said.scheme

    def _enter_webroot(self, scope: Scope) -> Response | None:
        root, path = self._settings.webroot, scope["path"]
        if not root:
            return None
        if path.startswith(f"{root}/"):
            scope["root_path"] = root
            return None
        if path in {"/", root} and scope["type"] == "http":
            return RedirectResponse(f"{root}/", status_code=307)
        raise Problem(404, f"Everything here is under {root}/.")

    def _refuse_foreign(self, scope: Scope, fields: Mapping[str, str], host: str) -> None:
        is_live = scope["type"] == "websocket" or _LIVE_TYPE in fields.get("accept", "").encode()
        if not is_live and scope.get("method") in SAFE_METHODS and not _is_of_a_page(fields):
            return
        if is_foreign(
            host,
            origin=fields.get("origin"),
            fetch_site=fields.get("sec-fetch-site", ""),
            origins=self._settings.origins,
        ):
            raise Problem(
                403,
                "A page of another origin asked for this, which is not allowed.",
                "foreign_origin",
                hint="If the page is yours, add its origin to the allowed origins.",
            )

    async def _render(
        self, scope: Scope, receive: Receive, answer: _Answer, problem: Problem
    ) -> None:
        if answer.has_begun:
            raise _Broken
        response = self._duties.render(HTTPConnection(scope), problem)
        await response(scope, receive, answer.send)


class _Broken(Exception):  # noqa: N818 - it is nobody's error any more
    """A response that has begun cannot be finished: the connection is closed."""


class _Answer:
    """The response: fields are added, the status is counted."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        fields: tuple[tuple[bytes, bytes], ...],
        metrics: WebMetrics,
        *,
        is_head: bool,
    ) -> None:
        self.has_begun = False
        self._scope = scope
        self._send = send
        self._fields = fields
        self._metrics = metrics
        self._is_live = False
        self._is_head = is_head
        self._is_ended = False
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()

    async def send(self, message: Message) -> None:
        """Send a part of the response."""
        kind = message["type"]
        if kind == "http.response.body" and self._is_head:
            await self._end_head(message)
            return
        if kind in {"http.response.start", "websocket.http.response.start"}:
            self.has_begun = True
            self._complete(message)
            self._count(int(message["status"]))
        elif kind in {"websocket.accept", "websocket.close"} and not self.has_begun:
            self.has_begun = True
            self._live(is_live=kind == "websocket.accept")
            self._count(101 if self._is_live else 403)
        await self._send(message)

    async def _end_head(self, message: Message) -> None:
        """End the response after its head; a stream would never end."""
        if not self._is_ended:
            self._is_ended = True
            await self._send({**message, "body": b"", "more_body": False})

    def finish(self) -> None:
        """Note that nothing more is sent."""
        self._live(is_live=False)

    def _complete(self, message: Message) -> None:
        headers = list(message.get("headers", ()))
        names = {name.lower() for name, _ in headers}
        headers.extend(pair for pair in self._fields if pair[0] not in names)
        headers.append((b"date", formatdate(usegmt=True).encode()))
        headers.append((b"x-request-id", self._scope["state"]["request_id"].encode()))
        self._live(is_live=any(value.startswith(_LIVE_TYPE) for _, value in headers))
        message["headers"] = headers

    def _live(self, *, is_live: bool) -> None:
        if is_live and not self._is_live:
            self._metrics.streams.inc()
        elif self._is_live and not is_live:
            self._metrics.streams.dec()
        self._is_live = is_live

    def _count(self, status: int) -> None:
        scope = self._scope
        if scope["path"].removeprefix(scope.get("root_path", "")) in OPEN_PATHS:
            return
        self._metrics.count(
            route=_template(scope),
            method=scope.get("method", "GET"),
            status=status,
            seconds=self._loop.time() - self._started_at,
        )


class _Body:
    """The request body: bounded in size by the route, and in time by its size.

    A route may set its limit in ``state`` (``routing.takes_body``).
    """

    def __init__(
        self, scope: Scope, fields: Mapping[str, str], receive: Receive, settings: WebSettings
    ) -> None:
        """Watch the body of a request.

        Raises:
            Problem: It is compressed.
        """
        self._receive = receive
        self._settings = settings
        self._state = scope["state"]
        self._is_whole = scope["type"] != "http" or not _has_body(fields)
        self._octets = 0
        self._started_at = asyncio.get_running_loop().time()
        length = fields.get("content-length", "0")
        self._declared = int(length) if length.isdigit() and len(length) < _MOST_DIGITS else 0
        if fields.get("content-encoding", "identity").lower() != "identity":
            raise Problem(415, "The body must be sent uncompressed.", "packed_body")

    async def receive(self) -> Message:
        """Return the next part of the body, or that the client has disconnected.

        Raises:
            Problem: The body is too large, or does not arrive in time.
        """
        if self._is_whole:
            return await self._receive()
        self._refuse_large(self._declared)
        patience = self._settings.body_patience + self._octets / self._settings.slowest_body
        try:
            async with asyncio.timeout_at(self._started_at + patience):
                message = await self._receive()
        except TimeoutError:
            raise Problem(408, "The body did not arrive in time.") from None
        self._octets += len(message.get("body", b""))
        self._refuse_large(self._octets)
        self._is_whole = not message.get("more_body", False)
        return message

    def _refuse_large(self, octets: int) -> None:
        most = self._state.get("largest_body", self._settings.largest_body)
        if octets > most:
            raise Problem(413, f"The body may have at most {most:,} octets here.")


def _fields(scope: Scope) -> dict[str, str]:
    """Return the fields of a request by lower-case name; repeated ones are joined.

    Two ``Host`` fields are joined into a value that matches no host.
    """
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        text, key = value.decode("latin-1"), name.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _is_of_a_page(fields: Mapping[str, str]) -> bool:
    """Whether a page sends the request, and not a person who follows a link.

    Reading a message may mark it as read, so even an image URL can change something. Over plain
    HTTP, browsers send Sec-Fetch-Mode only to localhost; they always send Origin, but not when a
    link is followed.
    """
    return "origin" in fields or fields.get("sec-fetch-mode", "navigate") != "navigate"


def _template(scope: Scope) -> str:
    """Return the path template of a request; there are few of them."""
    if "route" not in scope:
        return _UNMATCHED
    names = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    for value, name in names.items():
        if "/" in value:
            path = path.replace(value, name)
    return "/".join(names.get(step, step) for step in path.split("/"))


def _has_body(fields: Mapping[str, str]) -> bool:
    return "transfer-encoding" in fields or fields.get("content-length", "0") != "0"
