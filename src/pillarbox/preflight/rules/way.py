"""Rules for the route of a message: delays, clocks, transfers in the clear, forwarders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from pillarbox.findings import Level
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.letter import Letter, judged, plural
from pillarbox.preflight.route import Hop, read_route

__all__ = ["RULES", "show_span"]

_one: Final = partial(judged, Aspect.HEADERS)

_SLOW: Final = 15 * 60.0  # seconds at one hop
_SKEWED: Final = 60.0
_LIST_MARKS: Final = (
    b"list-post",
    b"mailing-list",
    b"x-beenthere",
    b"x-mailman-version",
    b"x-google-group-id",
)
_FORWARD_MARKS: Final = (b"x-forwarded-to", b"x-forwarded-for", b"resent-from", b"resent-to")
_SRS: Final = (b"srs0", b"srs1")
_SHOWN: Final = 160


def _time(letter: Letter) -> Iterator[Judged]:
    hops = read_route(letter.header)
    for hop in hops:
        if hop.delay is not None and hop.delay > _SLOW:
            yield _one(
                Level.NOTE,
                150,
                f"It waited {show_span(hop.delay)} before {hop.server or 'a server'} received it",
                "The previous server held it in its queue, or was turned away for a while.",
                "Check the previous server's queue and log for greylisting, a rate limit, or a "
                "wrong clock.",
                evidence=_between(hops, hop),
            )
        elif hop.delay is not None and hop.delay < -_SKEWED:
            yield _one(
                Level.NOTE,
                151,
                f"The clocks of two servers differ by {show_span(-hop.delay)} or more",
                "The delays shown here are off by as much.",
                "Synchronize both clocks with NTP.",
                evidence=_between(hops, hop),
            )


def _clear(letter: Letter) -> Iterator[Judged]:
    hops = read_route(letter.header)
    clear = [hop for hop in hops if not hop.is_local and hop.protection.is_encrypted is False]
    if clear:
        yield _one(
            Level.WARNING,
            152,
            f"It crossed the internet unencrypted at {plural(len(clear), 'hop')}",
            "Anybody on the path could read it; Gmail shows a red open lock.",
            "Have the sending server use STARTTLS wherever it is offered.",
            evidence=tuple(_shown(hop) for hop in clear[:5]),
            tenths=3,
        )
    elif any(not hop.is_local for hop in hops):
        outside = [hop for hop in hops if not hop.is_local]
        if all(hop.protection.is_encrypted for hop in outside):
            yield _one(
                Level.OK,
                153,
                f"It was encrypted at {plural(len(outside), 'hop')} over the internet",
            )


def _list(letter: Letter) -> Iterator[Judged]:
    header = letter.header
    if header.count(b"received") < 2 or not any(name in header for name in _LIST_MARKS):  # noqa: PLR2004 - one hop in, one out
        return
    name = letter.field(b"list-id") or letter.field(b"list-post") or ""
    rewrites = any(field in header for field in (b"x-original-from", b"x-mailfrom")) or (
        " via " in (letter.field(b"from") or "")
    )
    yield _one(
        Level.NOTE,
        155,
        f"It came through a mailing list{f': {name}' if name else ''}"[:_SHOWN],
        "Lists send mail from their own servers (so SPF is about the list), and footers or "
        "subject tags break the author's DKIM signature"
        + (", so this list put itself in From." if rewrites else "."),
        "The author's DMARC passes only if the list changes nothing, or puts itself in From.",
        evidence=_values(
            letter, (b"list-id", b"list-post", b"sender", b"x-original-from", b"arc-seal")
        ),
    )


def _forwarded(letter: Letter) -> Iterator[Judged]:
    header = letter.header
    marks = [name for name in _FORWARD_MARKS if name in header]
    path = (header.get(b"return-path") or b"").lower()
    if path.lstrip(b"<").startswith(_SRS):
        marks.append(b"return-path")
    if header.count(b"delivered-to") > 1:
        marks.append(b"delivered-to")
    if marks:
        yield _one(
            Level.NOTE,
            156,
            "It was forwarded on the way",
            "SPF is then about the forwarder: only DKIM still shows who the author is.",
            "Sign all mail with DKIM for the author's domain; forwarders must change nothing.",
            evidence=_values(letter, tuple(marks)),
        )


def _values(letter: Letter, names: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(
        f"{name.decode().title()}: {letter.field(name)}"[:_SHOWN]
        for name in names
        if name in letter.header
    )


def _between(hops: tuple[Hop, ...], hop: Hop) -> tuple[str, ...]:
    before = hops[: hop.number - 1]
    return tuple(_shown(one) for one in (*before[-1:], hop))


def _shown(hop: Hop) -> str:
    origin = hop.client_name or hop.client or "?"
    address = f" [{hop.address}]" if hop.address else ""
    return f"{origin}{address} -> {hop.server or '?'} {hop.protocol}".rstrip()


def show_span(seconds: float) -> str:
    """Return a time in its largest unit or two: ``2 h 5 min``."""
    left = max(round(seconds), 0)
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count and len(parts) < 2:  # noqa: PLR2004 - two units are enough
            parts.append(f"{count} {name}")
    return " ".join(parts) or "0 s"


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (_time, _clear, _list, _forwarded)
