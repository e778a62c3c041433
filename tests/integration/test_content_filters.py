"""What content filters say, in values; what fails is said, and nothing is raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pillarbox.errors import PermanentError
from pillarbox.preflight import SpamRule, SpamVerdict
from pillarbox.sandbox.filters import (
    ContentFilter,
    Envelope,
    Rspamd,
    SpamAssassin,
    ask_filters,
    content_filters,
)

_MAIL = b"From: a@a.net\r\nSubject: s\r\n\r\nhello\r\n"
_ENVELOPE = Envelope(reverse_path="a@a.net\r\nX: y", recipients=("b@b.net",), client="8.8.8.8")
_REPORT = (
    b"SPAMD/1.1 0 EX_OK\r\nContent-length: 400\r\nSpam: True ; 6.2 / 5.0\r\n\r\n"
    b"Content analysis details:   (6.2 points, 5.0 required)\r\n\r\n"
    b" pts rule name              description\r\n"
    b"---- ---------------------- --------------------------------------------------\r\n"
    b" 5.0 GTUBE                  BODY: Generic Test for Unsolicited Bulk Email\r\n"
    b" 1.2 MISSING_HEADERS        Missing To: header\r\n"
    b"-0.0 NO_RELAYS              Informational: message was not relayed via SMTP\r\n"
)


@asynccontextmanager
async def _answering(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(65_536))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()
        await server.wait_closed()


def _ask(kind: type[Rspamd | SpamAssassin], answer: bytes) -> tuple[SpamVerdict, list[bytes]]:
    async def run() -> tuple[SpamVerdict, list[bytes]]:
        async with _answering(answer) as (port, seen):
            one: ContentFilter = kind(f"127.0.0.1:{port}")
            return await one.judge(_MAIL, _ENVELOPE), seen

    return asyncio.run(run())


def _http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def test_rspamd_is_told_the_envelope_and_its_answer_is_read() -> None:
    """Score, threshold and the symbols with points are taken; a field cannot be broken out of."""
    body = (
        b'{"score": 7.125, "required_score": 15.0, "action": "add header", "symbols": '
        b'{"MISSING_TO": {"name": "MISSING_TO", "score": 2.0, "description": "No To"},'
        b'"ASN": {"name": "ASN", "score": 0.0}}}'
    )
    verdict, seen = _ask(Rspamd, _http(body))

    assert verdict == SpamVerdict(
        filter="rspamd",
        score=7.12,
        threshold=15.0,
        rules=(SpamRule("MISSING_TO", 2.0, "No To"),),
    )
    assert seen[0].startswith(b"POST /checkv2 HTTP/1.1\r\n")
    assert b"\r\nfrom: a@a.net??X: y\r\nrcpt: b@b.net\r\nip: 8.8.8.8\r\n" in seen[0]
    assert seen[0].endswith(_MAIL)


def test_spamassassin_is_asked_by_its_own_protocol() -> None:
    """Score, threshold and the rules of the report are taken."""
    verdict, seen = _ask(SpamAssassin, _REPORT)

    assert (verdict.score, verdict.threshold) == (6.2, 5.0)
    assert verdict.rules == (
        SpamRule("GTUBE", 5.0, "Generic Test for Unsolicited Bulk Email"),
        SpamRule("MISSING_HEADERS", 1.2, "Missing To: header"),
    )
    assert seen[0] == b"REPORT SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(_MAIL) + _MAIL


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Rspamd, b""),
        (Rspamd, b"no HTTP"),
        (Rspamd, _http(b"{}")),
        (Rspamd, _http(b"[]")),
        (Rspamd, _http(b'{"score": "x", "required_score": 1}')),
        (Rspamd, _http(b'{"score": 1, "required_score": 1, "symbols": [1]}')),
        (Rspamd, _http(b"", b"403 Forbidden")),
        (SpamAssassin, b""),
        (SpamAssassin, b"rubbish"),
        (SpamAssassin, b"SPAMD/1.0 76 Bad header line\r\nSpam: x ; 1 / 5\r\n\r\n"),
    ],
)
def test_a_filter_that_says_nothing_sound_is_said_so(
    kind: type[Rspamd | SpamAssassin], answer: bytes
) -> None:
    """Rubbish is a problem of the filter, and no verdict on the mail."""
    assert _ask(kind, answer)[0].problem


def test_a_filter_that_is_not_there_is_said_so() -> None:
    """A refused connection is a problem in words; the other filter is heard all the same."""

    async def run() -> tuple[SpamVerdict, ...]:
        async with _answering(_REPORT) as (port, _):
            filters = content_filters(rspamd="http://127.0.0.1:1", spamassassin=f"127.0.0.1:{port}")
            return await ask_filters(filters, _MAIL, Envelope())

    rspamd, spamassassin = asyncio.run(run())

    assert "refused" in rspamd.problem.lower()
    assert spamassassin.score == 6.2


@pytest.mark.parametrize(
    "address", ["https://localhost:11333", "ftp://a", "//", "http://[", "http://a:99999"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """A typing error in the settings is told at once."""
    with pytest.raises(PermanentError):
        content_filters(rspamd=address)


def test_without_settings_there_is_no_filter() -> None:
    """Nobody is asked who was not named."""
    assert content_filters() == ()
