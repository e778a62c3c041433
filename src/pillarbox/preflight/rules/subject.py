"""Rules for subject and date: what a reader sees first in a list of messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.findings import Level
from pillarbox.message.dates import read_date
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.letter import Letter, judged

__all__ = ["RULES"]

_LONG: Final = 100  # characters; phones show about 40, programs on desks about 80
_LEAST_CAPITALS: Final = 12
_CAPITALS: Final = 0.9  # of all letters
_ANSWER: Final = re.compile(r"(?:re|aw|sv|antw)(?:\[\d+\])?:\s*", re.IGNORECASE)
_SHOUTS: Final = re.compile(r"[!?]{3,}|\${3,}|[!]\s+[!]")
_EARLY: Final = 3_600.0  # seconds that a date may be ahead of the clock of who received it
_LATE: Final = 7 * 86_400.0
_SHOWN: Final = 120


def _missing(letter: Letter) -> Iterator[Judged]:
    if not letter.mail.subject.strip():
        is_there = b"subject" in letter.header
        yield judged(
            Aspect.CONTENT,
            Level.WARNING,
            201,
            "The subject is empty" if is_there else "There is no subject",
            "Readers see “(no subject)” in their list, and filters count it.",
            "Say in a few words what the message is about.",
            tenths=5,
        )


def _form(letter: Letter) -> Iterator[Judged]:
    subject = letter.mail.subject
    shown = (f"Subject: {subject}"[:_SHOWN],)
    if len(subject) > _LONG:
        yield judged(
            Aspect.CONTENT,
            Level.NOTE,
            202,
            f"The subject has {len(subject)} characters",
            "Phones show about 40 of them, mail programs about 80.",
            "Put what matters first.",
            evidence=shown,
        )
    letters = [one for one in subject if one.isalpha()]
    capitals = sum(one.isupper() for one in letters)
    if len(letters) >= _LEAST_CAPITALS and capitals >= _CAPITALS * len(letters):
        yield judged(
            Aspect.CONTENT,
            Level.WARNING,
            203,
            "The subject is all in capitals",
            "It reads like shouting, and SpamAssassin counts it (SUBJ_ALL_CAPS).",
            "Write it as a sentence.",
            tenths=3,
            evidence=shown,
        )
    elif _SHOUTS.search(subject):
        yield judged(
            Aspect.CONTENT,
            Level.NOTE,
            204,
            "The subject shouts: several exclamation marks in a row",
            "Filters count it a little, and readers mind it more.",
            "One mark is enough.",
            evidence=shown,
        )


def _fake_answer(letter: Letter) -> Iterator[Judged]:
    has_thread = b"in-reply-to" in letter.header or b"references" in letter.header
    if _ANSWER.match(letter.mail.subject) and not has_thread:
        yield judged(
            Aspect.CONTENT,
            Level.WARNING,
            205,
            "The subject looks like a reply, but nothing says to which message",
            "Fake replies annoy readers, and filters know the trick.",
            "Leave the prefix out; a real reply has In-Reply-To and References.",
            tenths=3,
            evidence=(f"Subject: {letter.mail.subject}"[:_SHOWN],),
        )


def _date(letter: Letter) -> Iterator[Judged]:
    value = letter.header.get(b"date")
    shown = (f"Date: {letter.field(b'date')}"[:_SHOWN],)
    if not value:
        yield judged(
            Aspect.HEADERS,
            Level.WARNING,
            131,
            "There is no Date",
            "It is required (RFC 5322 §3.6.1); without it, programs show a different time, or "
            "1970.",
            "Let your mail library set it.",
            tenths=5,
        )
    elif letter.mail.date is None:
        yield judged(
            Aspect.HEADERS,
            Level.WARNING,
            132,
            "The Date cannot be read",
            "Programs then show a different time, or 1970, and filters count it.",
            "Write it as: Sat, 21 Nov 2026 10:00:00 +0000",
            tenths=5,
            evidence=shown,
        )
    else:
        yield from _clock(letter, letter.mail.date, shown)


def _clock(letter: Letter, date: float, shown: tuple[str, ...]) -> Iterator[Judged]:
    received = _received_at(letter)
    if received is None:
        return
    if date - received > _EARLY:
        yield judged(
            Aspect.HEADERS,
            Level.WARNING,
            133,
            f"The Date is {_span(date - received)} ahead of when it was received",
            "The message stays at the top of the reader's list, and filters count it "
            "(DATE_IN_FUTURE).",
            "Set the clock of the sending machine, and check its time zone.",
            tenths=5,
            evidence=shown,
        )
    elif received - date > _LATE:
        yield judged(
            Aspect.HEADERS,
            Level.WARNING,
            134,
            f"The Date is {_span(received - date)} before it was received",
            "The message is sorted below old ones, and filters count it (DATE_IN_PAST).",
            "Set Date when the message is sent, not when it is written or from a fixture.",
            tenths=3,
            evidence=shown,
        )


def _received_at(letter: Letter) -> float | None:
    """Return when the first server took it, as it says; otherwise now, if that is known.

    A mail that lies in a file for a year is not late for that.
    """
    fields = letter.header.get_all(b"received")
    if not fields:
        return letter.facts.now
    return read_date(fields[-1].rpartition(b";")[2].strip())


def _span(seconds: float) -> str:
    hours = seconds / 3_600
    if hours < 48:  # noqa: PLR2004 - two days
        return f"{hours:.0f} hours"
    days = hours / 24
    return f"{days:.0f} days" if days < 730 else f"{days / 365.25:.0f} years"  # noqa: PLR2004 - two years


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    _missing,
    _form,
    _fake_answer,
    _date,
)
