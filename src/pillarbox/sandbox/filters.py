"""Content filters that can be asked about a message: rspamd and SpamAssassin.

Both run elsewhere, at addresses that the operator configured. A filter that does not answer is
reported in its verdict, and nothing is raised.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from pillarbox.errors import PermanentError
from pillarbox.net.https import FetchFailed, Request, exchange
from pillarbox.preflight.facts import SpamRule, SpamVerdict

__all__ = ["ContentFilter", "Envelope", "Rspamd", "SpamAssassin", "ask_filters", "content_filters"]

_PATIENCE: Final = 20.0  # seconds
_MOST: Final = 1024 * 1024  # octets of an answer
_RSPAMD: Final = 11333
_SPAMD: Final = 783
_NOT_IN_FIELD: Final = re.compile(r"[^\x20-\x7e]")
_SPAMD_STATUS: Final = re.compile(rb"SPAMD/\d+\.\d+ (\d+) (\S+)")
_SPAMD_SCORE: Final = re.compile(
    rb"^Spam: *\w+ *; *(-?\d+(?:\.\d+)?) */ *(-?\d+(?:\.\d+)?)", re.MULTILINE
)
_SPAMD_RULE: Final = re.compile(
    r"^[ *]*(-?\d{1,4}(?:\.\d{1,2})?) +([A-Z][A-Z0-9_]{1,60}) +(?:\S+: )?([^\r\n]*)", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a filter is told besides the content."""

    reverse_path: str = ""
    recipients: tuple[str, ...] = ()
    client: str = ""  # the peer's address, "" where it says nothing


class ContentFilter(Protocol):
    """Judges content."""

    async def judge(self, content: bytes, envelope: Envelope) -> SpamVerdict:
        """Return its verdict on a message. Raises nothing."""
        ...


class Rspamd:
    """Asks rspamd's worker by HTTP (``/checkv2``)."""

    def __init__(self, url: str) -> None:
        """Ask at ``url``.

        Raises:
            PermanentError: It is no address of a server.
        """
        scheme, self._host, self._port = _taken_apart(url if "//" in url else f"//{url}", _RSPAMD)
        if scheme not in {"", "http"} or not self._host:
            raise PermanentError(f"{url!a} is not a URL such as http://localhost:11333")

    async def judge(self, content: bytes, envelope: Envelope) -> SpamVerdict:
        """Return rspamd's verdict on a message."""
        fields = [("from", _plain(envelope.reverse_path))]
        fields += [("rcpt", _plain(one)) for one in envelope.recipients[:20]]
        if envelope.client:
            fields.append(("ip", _plain(envelope.client)))
        authority = f"{self._host}:{self._port}"
        request = Request(
            "POST", self._host, "/checkv2", content, "message/rfc822", authority, tuple(fields)
        )
        try:
            answer = await exchange(
                request, self._host, None, port=self._port, most=_MOST, patience=_PATIENCE
            )
            if answer.status != 200:  # noqa: PLR2004 - HTTP
                return _unasked("rspamd", f"It answered with status {answer.status}.")
            return _rspamd_verdict(msgspec.json.decode(answer.body))
        except FetchFailed as error:
            return _unasked("rspamd", str(error))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
            return _unasked("rspamd", "Its answer cannot be read.")


def _rspamd_verdict(read: dict[str, Any]) -> SpamVerdict:
    symbols = read.get("symbols") or {}
    return SpamVerdict(
        filter="rspamd",
        score=round(float(read["score"]), 2),
        threshold=float(read["required_score"]),
        rules=tuple(
            SpamRule(name, round(float(one.get("score", 0)), 2), str(one.get("description", "")))
            for name, one in symbols.items()
            if one.get("score")
        ),
    )


class SpamAssassin:
    """Asks spamd by its own protocol (REPORT of SPAMC/1.5)."""

    def __init__(self, address: str) -> None:
        """Ask at ``address``, such as "localhost:783".

        Raises:
            PermanentError: It is no address of a server.
        """
        _, self._host, self._port = _taken_apart(f"//{address}", _SPAMD)
        if not self._host:
            raise PermanentError(f"{address!a} is not an address such as localhost:783")

    async def judge(self, content: bytes, envelope: Envelope) -> SpamVerdict:
        """Return SpamAssassin's verdict on a message."""
        del envelope  # it reads the header alone
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await self._ask(content)
        except TimeoutError:
            return _unasked("SpamAssassin", f"It did not answer within {_PATIENCE:g} s.")
        except OSError as error:
            return _unasked("SpamAssassin", error.strerror or str(error))
        return _spamd_verdict(answer)

    async def _ask(self, content: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(b"REPORT SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(content))
            writer.write(content)
            writer.write_eof()
            answer = bytearray()
            while len(answer) < _MOST and (chunk := await reader.read(65_536)):
                answer += chunk
            return bytes(answer)
        finally:
            writer.transport.abort()


def _spamd_verdict(answer: bytes) -> SpamVerdict:
    status, score = _SPAMD_STATUS.match(answer), _SPAMD_SCORE.search(answer)
    if status is None or score is None:
        return _unasked("SpamAssassin", "Its answer cannot be read.")
    if int(status[1]):
        return _unasked("SpamAssassin", f"It answered {status[2].decode('ascii', 'replace')}.")
    # Before the line of hyphens stand words of the mail itself.
    body = answer.partition(b"\n---- ")[2].decode("utf-8", "replace")
    return SpamVerdict(
        filter="SpamAssassin",
        score=float(score[1]),
        threshold=float(score[2]),
        rules=tuple(
            SpamRule(name, float(points), text.strip())
            for points, name, text in _SPAMD_RULE.findall(body)
            if float(points)
        ),
    )


def _taken_apart(url: str, port: int) -> tuple[str, str, int]:
    """Return the scheme, the host and the port of a URL; no host where it is malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port or port
    except ValueError:
        return "", "", port
    return parts.scheme, parts.hostname or "", port


def content_filters(*, rspamd: str = "", spamassassin: str = "") -> tuple[ContentFilter, ...]:
    """Return the filters that are configured; "" is none.

    Raises:
        PermanentError: An address is none.
    """
    found: list[ContentFilter] = []
    if rspamd:
        found.append(Rspamd(rspamd))
    if spamassassin:
        found.append(SpamAssassin(spamassassin))
    return tuple(found)


async def ask_filters(
    filters: Iterable[ContentFilter], content: bytes, envelope: Envelope
) -> tuple[SpamVerdict, ...]:
    """Ask all filters at once."""
    return tuple(await asyncio.gather(*(one.judge(content, envelope) for one in filters)))


def _unasked(name: str, problem: str) -> SpamVerdict:
    return SpamVerdict(filter=name, score=0.0, threshold=0.0, problem=problem)


def _plain(text: str) -> str:
    return _NOT_IN_FIELD.sub("?", text)
