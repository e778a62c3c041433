"""Imports messages from the API, a file or a local program, as if they came by SMTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pillarbox.clock import Clock
from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.inbox.values import DEFAULT_PROJECT
from pillarbox.intake.door import SMALL_CONTENT, Door
from pillarbox.intake.draft import Answer, Kept, Origin
from pillarbox.message.summary import MailSummary, summarize
from pillarbox.message.trace import ReceivedTrace, Session
from pillarbox.sandbox.tagging import FOR_PROJECT
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.envelope import BodyType, Envelope, Recipient
from pillarbox.smtp.events import ContentFacts
from pillarbox.smtp.line_ends import has_only_crlf
from pillarbox.smtp.path import parse_mailbox
from pillarbox.smtp.reply import Reply
from pillarbox.store.port import INLINE_BODY, MessageId

__all__ = ["Ingestion", "has_long_line"]

_NAME: Final = "api"
_MOST_RECIPIENTS: Final = 1_000
_LONG_LINE: Final = 998  # RFC 5322 §2.1.1
_NULL: Final = "<>"  # RFC 5321 §4.5.5
_ASIDE: Final = 128 * 1024  # octets from which on reading would hold up everyone else
_PIECE: Final = 1024 * 1024  # octets
_NOBODY: Final = Mailbox("undisclosed", "invalid")  # RFC 6761 §6.4: nobody's domain


class Ingestion:
    """Brings mail to the door."""

    def __init__(
        self, door: Door, clock: Clock, *, hostname: str, max_size: Callable[[], int]
    ) -> None:
        """Bring mail to ``door``.

        Args:
            door: The sandbox's.
            clock: The time.
            hostname: Ours, for the trace field.
            max_size: Octets that a message may have.
        """
        self._door = door
        self._clock = clock
        self._max_size = max_size
        self._trace = ReceivedTrace(Session(helo=hostname, address="", hostname=hostname))

    async def take(
        self,
        octets: bytes,
        *,
        reverse_path: str,
        recipients: Sequence[str],
        project: str | None,
    ) -> MessageId:
        """Have a message kept.

        Args:
            octets: The message; line ends become CRLF.
            reverse_path: Its sender; "": the first author; "<>": nobody.
            recipients: Whom it is for; empty: whom its header names.
            project: Where it goes; None: as its recipients say.

        Raises:
            PermanentError: An address is none, or the message is refused.
            TemporaryError: It cannot be kept now.
        """
        if len(octets) > self._max_size():
            raise self._too_large(len(octets))
        if len(octets) < _ASIDE:
            content, envelope, facts = _read(octets, reverse_path, recipients)
        else:
            content, envelope, facts = await asyncio.to_thread(
                _read, octets, reverse_path, recipients
            )
        if len(content) > self._max_size():
            raise self._too_large(len(content))
        is_chosen = project is not None and project != DEFAULT_PROJECT
        origin = Origin(
            name=f"{FOR_PROJECT}{project}" if is_chosen else _NAME,
            is_submission=False,
            trace=self._trace,
        )
        outcome = await self._through_the_door(origin, envelope, content, facts)
        if isinstance(outcome, Kept):
            return outcome.message
        kind = TemporaryError if outcome.is_transient else PermanentError
        raise kind(f"The message was refused: {outcome}")

    def _too_large(self, size: int) -> PermanentError:
        return PermanentError(
            f"The message has {size:,} octets, and may have {self._max_size():,}."
        )

    async def _through_the_door(
        self, origin: Origin, envelope: Envelope, content: bytes, facts: ContentFacts
    ) -> Kept | Reply:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Kept | Reply] = loop.create_future()
        answer: Answer = answered.set_result
        refusal = self._door.guards.refusal(self._clock.monotonic())
        if refusal is not None:
            return refusal
        if len(content) <= SMALL_CONTENT:
            self._door.keep(origin, envelope, content, facts, answer)
            return await answered
        has_room = asyncio.Event()
        large = self._door.begin_large(origin, envelope, has_room.set)
        for start in range(0, len(content), INLINE_BODY):
            large.feed(content[start : start + INLINE_BODY])
            if large.is_congested:
                has_room.clear()
                await has_room.wait()
        self._door.keep_large(large, facts, answer)
        return await answered


def _read(
    octets: bytes, reverse_path: str, recipients: Sequence[str]
) -> tuple[bytes, Envelope, ContentFacts]:
    """Return a message with CRLF line ends, and what SMTP would have said of it."""
    content = _with_crlf(octets)
    if not content or content.isspace():
        raise PermanentError("There is no message: the body is empty.")
    facts = ContentFacts(
        size=len(content),
        has_8bit=not content.isascii(),
        has_nul=b"\0" in content,
        has_long_lines=has_long_line(content),
    )
    return content, _envelope(content, reverse_path, recipients), facts


def _with_crlf(octets: bytes) -> bytes:
    # Piece by piece, so that no other thread waits long for the interpreter.
    pieces = []
    start = 0
    while start < len(octets):
        end = octets.find(b"\n", start + _PIECE) + 1 or len(octets)
        piece = octets[start:end]
        if not has_only_crlf(piece):
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        pieces.append(piece)
        start = end
    content = b"".join(pieces)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def has_long_line(content: bytes) -> bool:
    """Whether a line is longer than SMTP likes; without making a list of millions of them."""
    start, last = 0, len(content)
    while start < last:
        end = content.rfind(b"\r\n", start, start + _LONG_LINE + 2)
        if end < 0:
            return True
        start = end + 2
    return False


def _envelope(content: bytes, reverse_path: str, recipients: Sequence[str]) -> Envelope:
    found = list(_given(recipients))
    sender: ReversePath = None
    if reverse_path and reverse_path != _NULL:
        sender = parse_mailbox(reverse_path)
    if not (found and reverse_path):
        summary = summarize(content)
        found = found or list(_named(summary)) or [_NOBODY]
        if not reverse_path and summary.author is not None:
            sender = _readable(summary.author.address)
    return Envelope(
        reverse_path=sender,
        recipients=tuple(Recipient(mailbox) for mailbox in found[:_MOST_RECIPIENTS]),
        body=BodyType.SEVEN_BIT if content.isascii() else BodyType.EIGHT_BIT_MIME,
    )


def _given(recipients: Sequence[str]) -> Iterable[Mailbox]:
    if len(recipients) > _MOST_RECIPIENTS:
        raise PermanentError(f"There are more than {_MOST_RECIPIENTS:,} recipients.")
    return map(parse_mailbox, recipients)


def _named(summary: MailSummary) -> Iterable[Mailbox]:
    for person in (*summary.to, *summary.cc):
        mailbox = _readable(person.address)
        if mailbox is not None:
            yield mailbox


def _readable(address: str) -> Mailbox | None:
    try:
        return parse_mailbox(address)
    except PermanentError:
        return None
