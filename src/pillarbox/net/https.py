"""One HTTP exchange with strict limits: no redirects, no proxies, bounded size and time.

The protocol is h11's. The context passed in decides whether the certificate must verify for the
host (RFC 9525); without one, nothing is encrypted.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from typing import Final

import h11

from pillarbox.errors import TemporaryError

__all__ = ["FetchFailed", "Fetched", "Request", "exchange", "fetch", "post"]

_MOST_HEADER: Final = 16 * 1024  # octets
_MOST_WORDS: Final = 200  # characters of an error message


class FetchFailed(TemporaryError):  # noqa: N818 - fetching fails, it does not err
    """The page could not be fetched; ``is_tls`` says whether TLS was the reason."""

    def __init__(self, reason: str, *, is_tls: bool = False) -> None:
        super().__init__(reason)
        self.is_tls = is_tls


@dataclass(frozen=True, slots=True)
class Fetched:
    """The server's response."""

    status: int
    content_type: str
    body: bytes
    location: str = ""  # the target of a redirect, unchanged
    retry_after: str = ""  # when to retry, unchanged


async def fetch(
    host: str,
    address: str,
    path: str,
    context: ssl.SSLContext,
    *,
    port: int = 443,
    most: int,
    patience: float,
) -> Fetched:
    """Return a page.

    Args:
        host: The server's name, for its certificate and the Host field.
        address: Where it is.
        path: What to ask for.
        context: Verifies the certificate.
        port: Where it listens.
        most: Octets of the body; a longer one is a failure.
        patience: Seconds for everything.

    Raises:
        FetchFailed: It could not be fetched.
    """
    request = Request("GET", host, path)
    return await exchange(request, address, context, port=port, most=most, patience=patience)


async def post(
    host: str,
    address: str,
    path: str,
    context: ssl.SSLContext,
    *,
    content: bytes,
    content_type: str,
    port: int = 443,
    most: int,
    patience: float,
) -> Fetched:
    """Post a body, and return the server's response.

    Args:
        host: The server's name, for its certificate and the Host field.
        address: Where it is.
        path: The path to post to.
        context: Verifies the certificate, or does not.
        content: The body.
        content_type: Its media type.
        port: Where the server listens.
        most: Octets of the answer; a longer one is a failure.
        patience: Seconds for everything.

    Raises:
        FetchFailed: There was no answer.
    """
    request = Request("POST", host, path, content, content_type)
    return await exchange(request, address, context, port=port, most=most, patience=patience)


@dataclass(frozen=True, slots=True)
class Request:
    """The request."""

    method: str
    host: str  # for the certificate, and for the Host field
    path: str
    content: bytes = b""
    content_type: str = ""
    authority: str = ""  # the Host field, if it is more than the host: with a port
    fields: tuple[tuple[str, str], ...] = ()  # more header fields
    wants_body: bool = True  # whether the response's body is read at all

    def send(self, http: h11.Connection) -> bytes:
        """Return it in wire format."""
        host = self.authority or self.host
        headers = [("host", host), ("user-agent", "pillarbox"), ("connection", "close")]
        headers += self.fields
        if self.content_type:
            headers.append(("content-type", self.content_type))
            headers.append(("content-length", str(len(self.content))))
        head = h11.Request(method=self.method, target=self.path, headers=headers)
        octets = http.send(head) or b""
        if self.content:
            octets += http.send(h11.Data(data=self.content)) or b""
        return octets + (http.send(h11.EndOfMessage()) or b"")


async def exchange(
    request: Request,
    address: str,
    context: ssl.SSLContext | None,
    *,
    port: int,
    most: int,
    patience: float,
) -> Fetched:
    """Send one request, and return the server's response.

    Args:
        request: The request.
        address: Where the server is.
        context: Verifies the certificate, or does not; None: in the clear.
        port: Where it listens.
        most: Octets of the answer; a longer one is a failure.
        patience: Seconds for everything.

    Raises:
        FetchFailed: There was no answer.
    """
    host = request.host
    try:
        async with asyncio.timeout(patience):
            return await _ask(request, address, context, port, most)
    except TimeoutError as error:
        raise FetchFailed(f"{host} did not answer within {patience:g} s") from error
    except ssl.SSLError as error:
        words = getattr(error, "verify_message", "") or error.reason or str(error)
        raise FetchFailed(f"TLS with {host} failed: {words}", is_tls=True) from error
    except OSError as error:
        raise FetchFailed(f"{_place(host, address)}: {_words(error)}") from error
    except (h11.RemoteProtocolError, h11.LocalProtocolError) as error:
        words = str(error)[:_MOST_WORDS]  # they quote the input
        raise FetchFailed(f"{host} does not speak HTTP: {words}") from error


def _place(host: str, address: str) -> str:
    return host if host == address else f"{host} {address}"


def _words(error: OSError) -> str:
    """Return what went wrong; asyncio only names the failed call."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or "the connection was closed"


async def _ask(
    request: Request, address: str, context: ssl.SSLContext | None, port: int, most: int
) -> Fetched:
    reader, writer = await asyncio.open_connection(
        address, port, ssl=context, server_hostname=request.host if context else None
    )
    try:
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADER)
        writer.write(request.send(http))
        return await _read(reader, http, request, most)
    finally:
        writer.transport.abort()


async def _read(
    reader: asyncio.StreamReader, http: h11.Connection, request: Request, most: int
) -> Fetched:
    host = request.host
    response: h11.Response | None = None
    body = bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            octets = await reader.read(65_536)
            if not octets and not http.trailing_data[0] and response is None:
                break
            http.receive_data(octets)
        elif isinstance(event, h11.Response):
            response = event
            if not request.wants_body:
                break
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > most:
                raise FetchFailed(f"{host} sent more than {most} octets")
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or event is h11.PAUSED:
            break
    if response is None:
        raise FetchFailed(f"{host} closed the connection without an answer")
    said = {name: value.decode("latin-1") for name, value in response.headers}
    return Fetched(
        status=response.status_code,
        content_type=said.get(b"content-type", ""),
        body=bytes(body),
        location=said.get(b"location", ""),
        retry_after=said.get(b"retry-after", ""),
    )
