"""The port for whatever inspects a whole message before it is accepted.

An inspector that judges (SPF, DKIM, DMARC, a hook) or signs gets the header first, then the body
as it arrives, and concludes with a judgment: accept, hold or refuse, and which fields to add. By
then a large body is in the store and no longer in memory, so no inspector sees it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pillarbox.intake.draft import Draft
from pillarbox.policy.ruling import Action, Ruling, strictest
from pillarbox.smtp.reply import Reply

__all__ = ["UNDISTURBED", "Inspection", "Inspector", "Inspectors", "Judgement", "judge"]

_PATIENCE: Final = 120.0  # seconds; a client waits ten minutes for the reply (RFC 5321 §4.5.3.2.6)
_TOO_SLOW: Final = Ruling(
    action=Action.DEFER,
    by="inspection",
    reply=Reply.of(451, "4.3.0", "The message could not be checked in time, try again later"),
    reason=f"checking the message took more than {_PATIENCE:.0f} s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The conclusion of inspectors about a message."""

    rulings: tuple[Ruling, ...] = ()
    fields: bytes = b""  # header fields to put on top, each with its CRLF
    cuts: tuple[slice, ...] = ()  # what to take out of the header that they saw
    is_sender_doubtful: bool = False  # nobody may be told of what becomes of the message

    @property
    def ruling(self) -> Ruling:
        """The strictest ruling."""
        return strictest(self.rulings)

    def joined(self, other: Judgement) -> Judgement:
        """Return both as one; the other's fields go on top."""
        return Judgement(
            rulings=self.rulings + other.rulings,
            fields=other.fields + self.fields,
            cuts=self.cuts + other.cuts,
            is_sender_doubtful=self.is_sender_doubtful or other.is_sender_doubtful,
        )

    def apply(self, header: bytes) -> bytes:
        """Return the inspected header as it is to be stored."""
        if self.cuts:
            cuts = sorted(self.cuts, key=lambda cut: int(cut.start))
            starts = (0, *(cut.stop for cut in cuts))
            stops = (*(cut.start for cut in cuts), len(header))
            header = b"".join(header[a:b] for a, b in zip(starts, stops, strict=True))
        return header


UNDISTURBED: Final = Judgement()
"""Nothing to say, nothing to add."""


class Inspection(Protocol):
    """One message under inspection."""

    def feed(self, body: bytes) -> None:
        """Inspect the next octets of the body, cut anywhere."""
        ...

    async def conclude(self, earlier: Judgement) -> Judgement:
        """Judge the message, whose last octets have been fed.

        Args:
            earlier: The conclusions of the inspectors before this one.
        """
        ...


class Inspector(Protocol):
    """Inspects messages."""

    def begin(self, draft: Draft, header: bytes) -> Inspection | None:
        """Begin with a message, or ignore it.

        Args:
            draft: The message's id, envelope and origin.
            header: The whole header with its empty line, as the message arrived or, if it
                originates here, as it was completed; without our trace field.
        """
        ...


class _Several:
    """Several inspections of one message, concluded in turn."""

    __slots__ = ("_inspections",)

    def __init__(self, inspections: Sequence[Inspection]) -> None:
        self._inspections = inspections

    def feed(self, body: bytes) -> None:
        for inspection in self._inspections:
            inspection.feed(body)

    async def conclude(self, earlier: Judgement) -> Judgement:
        said = earlier
        for inspection in self._inspections:
            said = said.joined(await inspection.conclude(said))
            if said.ruling.turns_away:
                break
        return said


class Inspectors:
    """Several inspectors, asked in order until one turns the message away."""

    __slots__ = ("_inspectors",)

    def __init__(self, inspectors: Sequence[Inspector]) -> None:
        """Ask these, in this order."""
        self._inspectors = tuple(inspectors)

    def begin(self, draft: Draft, header: bytes) -> Inspection | None:
        """Begin with a message; None if no inspector wants to see it."""
        begun = [each.begin(draft, header) for each in self._inspectors]
        inspections = [each for each in begun if each is not None]
        if len(inspections) < 2:  # noqa: PLR2004 - one needs nobody to hold it together
            return inspections[0] if inspections else None
        return _Several(inspections)


async def judge(inspection: Inspection) -> Judgement:
    """Return the conclusion of an inspection, within a bounded time."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await inspection.conclude(UNDISTURBED)
    except TimeoutError:
        return Judgement(rulings=(_TOO_SLOW,))
