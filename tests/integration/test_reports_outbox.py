"""Reports leave by HTTPS to who wants them so, and never to machines inside."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import h11
import pytest
import trustme

from pillarbox.dns.zone import ZoneResolver
from pillarbox.net.tls import TlsContexts
from pillarbox.reports.outbox import HttpsOutbox
from pillarbox.reports.sending import NotSent

TYPE = "application/tlsrpt+gzip"
CONTENT = b"\x1f\x8b" + bytes(range(256)) * 1_000


class Collector:
    """Takes reports by HTTPS, with a certificate that nobody trusts."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[tuple[bytes, bytes, dict[bytes, bytes], bytes]] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a request, and answer."""
        http = h11.Connection(h11.SERVER)
        body, request = b"", None
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                break
        assert request is not None
        self.requests.append((request.method, request.target, dict(request.headers), body))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


def posting(
    test: Callable[[HttpsOutbox, Collector, int], Awaitable[None]],
    *,
    answer: bytes = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n",
    may_ask: Callable[[str], bool] = lambda _: True,
) -> None:
    """Run a test with somebody who takes reports."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("other.test").configure_cert(context)

    async def main() -> None:
        collector = Collector(answer)
        server = await asyncio.start_server(collector.take, "127.0.0.1", 0, ssl=context)
        zone = "$TTL 60\nr.test. A 127.0.0.1\n;! timeout slow.test\n"
        resolver = ZoneResolver(zone, timeout=0.05)
        outbox = HttpsOutbox(resolver, TlsContexts().opportunistic, may_ask)
        async with server:
            await test(outbox, collector, server.sockets[0].getsockname()[1])

    asyncio.run(main())


def test_a_report_is_posted() -> None:
    """With its type and all its octets, whatever certificate is shown (RFC 8460 §3, §5.4)."""

    async def test(outbox: HttpsOutbox, collector: Collector, port: int) -> None:
        await outbox(f"https://r.test:{port}/v1/tls?x=1", TYPE, CONTENT)
        ((method, target, headers, body),) = collector.requests
        assert (method, target, headers[b"host"]) == (b"POST", b"/v1/tls?x=1", b"r.test")
        assert headers[b"content-type"] == TYPE.encode()
        assert body == CONTENT

    posting(test)


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(301, False), (404, True), (413, True), (429, False), (500, False), (503, False)],
)
def test_an_answer_that_is_no_success_is_told(status: int, is_final: bool) -> None:
    """What is wrong for good is not tried again; no redirect is followed."""

    async def test(outbox: HttpsOutbox, collector: Collector, port: int) -> None:
        with pytest.raises(NotSent, match=f"answered {status}") as failed:
            await outbox(f"https://r.test:{port}/", TYPE, CONTENT)
        assert failed.value.is_final is is_final
        assert len(collector.requests) == 1

    answer = f"HTTP/1.1 {status} No\r\nlocation: https://r.test/\r\ncontent-length: 0\r\n\r\n"
    posting(test, answer=answer.encode())


def test_nobody_has_us_knock_at_machines_inside() -> None:
    """A record can name any host; one at a private address is not asked."""

    async def test(outbox: HttpsOutbox, collector: Collector, port: int) -> None:
        with pytest.raises(NotSent, match="no address that may be asked") as failed:
            await outbox(f"https://r.test:{port}/", TYPE, CONTENT)
        assert failed.value.is_final
        assert not collector.requests

    posting(test, may_ask=lambda _: False)


def test_a_host_that_is_not_known_now_may_be_later() -> None:
    """DNS that does not answer, and a port at which nobody listens, are tried again."""

    async def test(outbox: HttpsOutbox, collector: Collector, port: int) -> None:
        del collector, port
        for uri in ("https://slow.test/", "https://r.test:1/"):
            with pytest.raises(NotSent) as failed:
                await outbox(uri, TYPE, CONTENT)
            assert not failed.value.is_final

    posting(test)
