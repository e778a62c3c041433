"""The ledger: what was sent, what was acknowledged, what arrived, and what that amounts to.

The book knows nothing of how the mail moves. A message is *lost* when it was acknowledged
and neither arrived nor was reported to its sender; *corrupt* when it arrived with another
body; *doubled* when it arrived again without an excuse; a *ghost* when it arrived and was
never sent. The excuse for a second copy is that the process which had to remember the
first died within ``REMEMBERING`` seconds of the first one's 250, or that the sink itself
kept that 250 back.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field

REMEMBERING = 5.0
"""Seconds that a machine with other work may need to write down a delivery."""

_MARK = re.compile(rb"^X-Ledger: ([0-9a-z-]+)\r$", re.MULTILINE)
_ALPHABET = bytes(range(33, 127)) + b" " * 10


def make_message(uid: str, size: int) -> tuple[bytes, str]:
    """Return a message of about ``size`` octets that only depends on its arguments, and its digest.

    Some of its lines begin with dots.
    """
    source = random.Random(uid)
    lines = [b"." * source.randrange(3) + bytes(source.choices(_ALPHABET, k=70)) for _ in range(16)]
    body = b"\r\n".join([uid.encode(), *(lines[n % 16] for n in range(max(size // 73, 1))), b""])
    header = f"From: <a@ledger.example>\r\nX-Ledger: {uid}\r\nSubject: {uid}\r\n\r\n".encode()
    return header + body, digest(body)


def digest(body: bytes) -> str:
    """Return the fingerprint of a message's body."""
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, slots=True)
class Arrival:
    """One copy of a message at the sink."""

    at: float  # monotonic seconds, when it was answered
    digest: str
    was_answered: bool  # whether the sink sent the 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of all messages."""

    sent: int
    acknowledged: int
    arrived: int
    lost: tuple[str, ...]
    corrupt: tuple[str, ...]
    doubled: tuple[str, ...]  # without an excuse
    ghosts: tuple[str, ...]
    excused: int  # second copies after a kill
    repeated: int  # second copies because the sink did not answer
    recovered: int  # arrived, though never acknowledged
    bounced: int
    refusals: Counter[int]  # replies other than 250, by code
    kills: int

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.corrupt or self.doubled or self.ghosts)

    def __str__(self) -> str:
        counts = (
            f"{self.sent} sent, {self.acknowledged} acknowledged, {self.arrived} arrived, "
            f"{self.bounced} bounced, {self.recovered} recovered, {self.kills} kills: "
            f"{len(self.lost)} lost, {len(self.corrupt)} corrupt, {len(self.doubled)} doubled, "
            f"{len(self.ghosts)} ghosts; {self.excused} second copies after a kill, "
            f"{self.repeated} after a lost 250; refusals {dict(self.refusals)}"
        )
        bad = (*self.lost, *self.corrupt, *self.doubled, *self.ghosts)
        return counts + (f"; for example {', '.join(bad[:5])}" if bad else "")


@dataclass(slots=True)
class Book:
    """What injectors and sinks write down while the test runs."""

    sent: dict[str, str] = field(default_factory=dict)  # uid -> digest
    acknowledged: dict[str, float] = field(default_factory=dict)
    arrivals: dict[str, list[Arrival]] = field(default_factory=dict)
    bounced: set[str] = field(default_factory=set)
    strangers: list[str] = field(default_factory=list)  # what carries no mark of ours
    refusals: Counter[int] = field(default_factory=Counter)
    kills: list[float] = field(default_factory=list)

    def arrive(self, content: bytes, *, is_dsn: bool, was_answered: bool = True) -> None:
        """Write down what the sink got; a DSN counts for the message that it reports on."""
        marks = _MARK.findall(content)
        if not marks:
            self.strangers.append(content[:200].decode("utf-8", "replace"))
            return
        uid = marks[0].decode()
        if is_dsn:
            self.bounced.add(uid)
            return
        body = content.partition(b"\r\n\r\n")[2]
        copy = Arrival(time.monotonic(), digest(body), was_answered)
        self.arrivals.setdefault(uid, []).append(copy)

    def outstanding(self) -> set[str]:
        """Return what was acknowledged and has not been heard of since."""
        return self.acknowledged.keys() - self.arrivals.keys() - self.bounced

    def verdict(self) -> Verdict:
        """Judge; call it when nothing moves any more."""
        again = [(uid, before) for uid, copies in self.arrivals.items() for before in copies[:-1]]
        repeated = [uid for uid, before in again if not before.was_answered]
        answered = [(uid, before) for uid, before in again if before.was_answered]
        doubled = [uid for uid, before in answered if not self._is_excused(before)]
        known = self.sent.keys()
        return Verdict(
            sent=len(self.sent),
            acknowledged=len(self.acknowledged),
            arrived=len(self.arrivals),
            lost=tuple(sorted(self.outstanding())),
            corrupt=tuple(
                uid
                for uid, copies in self.arrivals.items()
                if uid in known and any(copy.digest != self.sent[uid] for copy in copies)
            ),
            doubled=tuple(doubled),
            ghosts=(*(self.arrivals.keys() - known), *(self.bounced - known), *self.strangers),
            excused=len(answered) - len(doubled),
            repeated=len(repeated),
            recovered=len(self.arrivals.keys() - self.acknowledged.keys()),
            bounced=len(self.bounced),
            refusals=self.refusals,
            kills=len(self.kills),
        )

    def _is_excused(self, copy: Arrival) -> bool:
        return any(-0.1 < kill - copy.at < REMEMBERING for kill in self.kills)
