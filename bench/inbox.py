"""The list of a sandbox with 100,000 mails: how long it takes to open, and to search.

Each query is asked several times as the page asks it: fifty rows, how many match, and how many of
them are unread. The inbox is in a file, as one of this size would be.
"""

from __future__ import annotations

import asyncio
import random
import resource
import tempfile
import time
import zlib
from itertools import accumulate
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.rows import Row, show
from pillarbox.inbox.sqlite import SqliteInbox
from pillarbox.inbox.values import Selection
from pillarbox.policy.queue import QueueKey
from pillarbox.search.language import parse_query
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Recipient
from pillarbox.store.ids import IdMaker
from pillarbox.store.port import Batch, KeptMessage, KeptRecipient

__all__ = ["inbox"]

_MAILS: Final = 100_000
_BATCH: Final = 100  # mails of a commit
_TEXT: Final = 2_000  # octets of a mail
_TIMES: Final = 7
_VOCABULARY: Final = 20_000
_NOW: Final = 1_800_000_000.0
_BOB: Final = Mailbox("bob", "example.org")

_QUERIES: Final = {
    "open": "",
    "a word of every mail": "hello",
    "a rare word": "number77777",
    "the beginning of words": "nu",
    "a phrase": '"your number"',
    "no such word": "-hello",
    "from": "from:ann42@",
    "to and not from": "to:bob1 -from:ann1",
    "a text of no field": "addressed:nobody",
    "tag": "tag:t3",
    "not tag": "-tag:t3",
    "unread": "is:unread",
    "before": f"before:{int(_NOW) + _MAILS // 2}",
    "larger": "larger:2k",
    "a word, by size": "hello order:largest",
}


def inbox() -> list[Row]:
    """Fill an inbox and ask it."""
    with tempfile.TemporaryDirectory(prefix="pillarbox-bench-inbox-") as folder:
        return asyncio.run(_measure(Path(folder) / "inbox.db"))


async def _measure(path: Path) -> list[Row]:
    box = SqliteInbox(path, now=lambda: _NOW)
    await box.open()
    try:
        rows = [await _fill(box)]
        for name, text in _QUERIES.items():
            query = parse_query(text, now=_NOW)
            taken = []
            for _ in range(_TIMES):
                began = time.perf_counter()
                page = await box.find(query)
                taken.append(time.perf_counter() - began)
            rows.append(_row(taken, f"{name}: {page.total:,}"))
        return rows
    finally:
        await box.close()


async def _fill(box: SqliteInbox) -> Row:
    ids, texts = IdMaker(0, lambda: _NOW), _Texts()
    taken = 0.0
    for number in range(0, _MAILS, _BATCH):
        mails = [
            _kept(ids, texts.mail(each), _NOW + each) for each in range(number, number + _BATCH)
        ]
        began = time.perf_counter()
        await box.commit(Batch(keep=mails))
        taken += time.perf_counter() - began
    every_other = frozenset(s.id for s in (await box.find(limit=_MAILS)).summaries[::2])
    await box.mark(Selection(ids=every_other), is_read=True)
    await box.find(parse_query("hello", now=_NOW))  # all is indexed before it is asked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = _MAILS / taken
    return Row(
        target="pillarbox",
        phase="keep 100,000 mails",
        size=_TEXT,
        rate_median=rate,
        rate_min=rate,
        rate_max=rate,
        rss_mib=peak,
    )


def _row(taken: list[float], note: str) -> Row:
    ordered = sorted(taken)
    return Row(
        target="pillarbox",
        phase="find in 100,000 mails",
        p50_ms=ordered[len(ordered) // 2] * 1000,
        p99_ms=ordered[-1] * 1000,
        note=note,
    )


class _Texts:
    """Mails of words that are as unevenly frequent as those of a language."""

    def __init__(self) -> None:
        chance = random.Random(1)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._words = [
            "".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(_VOCABULARY)
        ]
        weights = list(accumulate(1 / (rank + 1) for rank in range(_VOCABULARY)))
        self._bodies = [
            " ".join(chance.choices(self._words, cum_weights=weights, k=_TEXT // 6)).encode()
            for _ in range(300)
        ]

    def mail(self, number: int) -> bytes:
        """Return a mail that differs from all others."""
        return (
            b"From: Ann <ann%d@example.com>\r\nTo: Bob <bob%d@example.org>\r\n"
            b"Subject: Order %d of %b\r\nMessage-ID: <%d@example.com>\r\nX-Tags: t%d\r\n\r\n"
            b"Hello, your number is number%d.\r\n%b\r\n"
            % (
                *(number % 97, number % 1009, number, self._words[number % 5000].encode()),
                *(number, number % 7, number, self._bodies[number % len(self._bodies)]),
            )
        )


def _kept(ids: IdMaker, content: bytes, at: float) -> KeptMessage:
    return KeptMessage(
        id=ids.next(),
        accepted_at=at,
        envelope=Envelope(
            reverse_path=Mailbox("ann", "example.com"), recipients=(Recipient(_BOB),)
        ),
        recipients=(KeptRecipient(index=0, queue=QueueKey("", "example.org", "inbox", "")),),
        size=len(content),
        content=content,
        checksum=zlib.crc32(content),
        header_size=content.index(b"\r\n\r\n") + 4,
    )


if __name__ == "__main__":
    show(inbox(), Console(width=160))
