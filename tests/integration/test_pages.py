"""Pages: served to whoever comes to read one, and fetched with all limits."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import trustme

from pillarbox.authenticity.logo import PublicLogos
from pillarbox.deliver.sts import policy_fetcher
from pillarbox.dns.zone import ZoneResolver
from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.net import pages as pages_module
from pillarbox.net.https import Fetched, FetchFailed, fetch
from pillarbox.net.pages import Page, PageServer

T = TypeVar("T")
AUTHORITY = trustme.CA()
HOST = "mta-sts.example.test"
POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.test\r\nmax_age: 86400\r\n"


def page(host: str, path: str) -> Page | None:
    """Find a page of this site."""
    if host != HOST:
        return None
    return {
        "/.well-known/mta-sts.txt": Page(POLICY, "text/plain"),
        "/large": Page(b"x" * 5_000),
    }.get(path)


def server_context(name: str = HOST) -> ssl.SSLContext:
    """Return the context of a server with a certificate for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    """Return a context that trusts our authority."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def serving(test: Callable[[int], Awaitable[T]], tls: ssl.SSLContext | None = None) -> T:
    """Run a test while pages are served on a port."""

    async def main() -> T:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            server = PageServer([sock], page, None if tls is None else lambda: tls)
            await server.start()
            try:
                return await test(sock.getsockname()[1])
            finally:
                await server.stop()

    return asyncio.run(main())


def get(path: str, **options: object) -> Callable[[int], Awaitable[Fetched]]:
    """Return what fetches a path."""

    async def run(port: int) -> Fetched:
        limits: dict[str, object] = {"most": 1_000, "patience": 5.0, **options}
        return await fetch(HOST, "127.0.0.1", path, client_context(), port=port, **limits)  # type: ignore[arg-type]

    return run


def test_a_page_is_served_and_fetched() -> None:
    """With its type, over verified TLS."""
    found = serving(get("/.well-known/mta-sts.txt"), server_context())
    assert found == Fetched(200, "text/plain", POLICY)
    assert serving(get("/none"), server_context()).status == 404


@pytest.mark.parametrize(
    ("tls", "path", "why"),
    [
        (server_context("other.test"), "/large", "TLS with"),
        (None, "/large", "TLS with"),
        (server_context(), "/large", "more than 1000 octets"),
    ],
)
def test_what_is_not_as_it_has_to_be_is_not_taken(
    tls: ssl.SSLContext | None, path: str, why: str
) -> None:
    """A certificate for another name, no TLS, a page that is too long."""
    with pytest.raises(FetchFailed, match=why):
        serving(get(path), tls)


def test_a_server_that_says_nothing_costs_its_time_only() -> None:
    """The whole fetch has one time-out."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            await fetch(
                HOST,
                "127.0.0.1",
                "/",
                client_context(),
                port=sock.getsockname()[1],
                most=1_000,
                patience=0.1,
            )

    with pytest.raises(FetchFailed, match=r"within 0\.1 s"):
        asyncio.run(main())


def test_a_client_that_begins_no_tls_is_turned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is as short as that of one that asks for nothing."""
    monkeypatch.setattr(pages_module, "_PATIENCE", 0.1)

    async def wait(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        said = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return said

    assert serving(wait, server_context()) == b""


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /large HTTP/1.1\r\nHost: mta-sts.example.test\r\n\r\n", b"200"),
        (b"HEAD /large HTTP/1.1\r\nHost: MTA-STS.example.test:80\r\n\r\n", b"200"),
        (b"HEAD /none HTTP/1.1\r\nHost: mta-sts.example.test\r\n\r\n", b"404"),
        (b"GET /large?x HTTP/1.1\r\nHost: mta-sts.example.test\r\n\r\n", b"200"),
        (b"GET /large HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"404"),
        (b"POST /large HTTP/1.1\r\nHost: mta-sts.example.test\r\n\r\n", b"405"),
        (b"MAIL FROM:<a@b>\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: " + b"x" * 20_000, b"431"),
    ],
)
def test_requests_get_their_answers(request_line: bytes, status: bytes) -> None:
    """Whatever is asked, and however."""

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_line)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer

    answer = serving(ask)
    assert answer.split(b" ")[1] == status
    if request_line.startswith(b"HEAD"):
        assert answer.endswith(b"\r\n\r\n")


def test_policies_are_not_fetched_from_machines_inside() -> None:
    """A zone cannot have us knock at private addresses, unless that is allowed."""
    resolver = ZoneResolver(f"$ORIGIN .\n{HOST}. 300 A 127.0.0.1\n")

    async def ask(port: int) -> Fetched:
        closed = policy_fetcher(resolver, client_context, port=port)
        with pytest.raises(FetchFailed, match="no address that may be asked"):
            await closed("example.test")
        return await policy_fetcher(
            resolver, client_context, port=port, allow_private=lambda: True
        )("example.test")

    assert serving(ask, server_context()).body == POLICY


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://mta-sts.example.test/logo.svg", "only https"),
        ("https://mta-sts.example.test:8443/logo.svg", "only https"),
        ("https://user@mta-sts.example.test/logo.svg", "only https"),
        ("https://none.example.test/logo.svg", "no public address"),
        ("https://mta-sts.example.test/none", "answered 404"),
        ("https://mta-sts.example.test/large", "more than 1000 octets"),
    ],
)
def test_a_logo_that_must_not_or_cannot_be_had_is_not_fetched(url: str, why: str) -> None:
    """Whatever a record says, only one public page over HTTPS is asked for."""
    resolver = ZoneResolver(f"$ORIGIN .\n{HOST}. 300 A 127.0.0.1\n")

    async def ask(port: int) -> bytes:
        logos = PublicLogos(resolver, client_context, may_dial=lambda _: True, port=port)
        return await logos.fetch(url, max_size=1_000)

    with pytest.raises(PillarboxError, match=why):
        serving(ask, server_context())


def test_a_logo_is_fetched_from_public_addresses_only() -> None:
    """A zone cannot have us knock at machines inside."""
    resolver = ZoneResolver(f"$ORIGIN .\n{HOST}. 300 A 127.0.0.1\n")
    url = f"https://{HOST}/.well-known/mta-sts.txt"

    async def ask(port: int) -> bytes:
        with pytest.raises(PermanentError, match="no public address"):
            await PublicLogos(resolver, client_context, port=port).fetch(url, max_size=1_000)
        open_to_all = PublicLogos(resolver, client_context, may_dial=lambda _: True, port=port)
        return await open_to_all.fetch(url, max_size=1_000)

    assert serving(ask, server_context()) == POLICY
