"""What the door does to the header of a message, once per message.

It is checked for loops and limits, completed if the message originates here, and gets this hop's
trace field on top (RFC 5321 §4.4, §6.3; RFC 6409 §8).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pillarbox.config.settings import IntakeSettings
from pillarbox.intake.draft import Draft, Origin
from pillarbox.intake.inspection import Judgement
from pillarbox.intake.refusals import LOOP
from pillarbox.message.header import Header, HeaderLimits, HeaderRefused, scan_header
from pillarbox.message.identification import make_message_id, read_message_id
from pillarbox.message.submission import check_submission, fix_submission
from pillarbox.policy.authors import check_authors
from pillarbox.smtp.address import ascii_domain
from pillarbox.smtp.reply import Reply

__all__ = ["Stamped", "Stamper"]


class Stamped(Struct, frozen=True, gc=False):
    """A message, or its start with the whole header, as it is to be stored."""

    octets: bytes
    trace_size: int  # octets of our own trace field, which stands first
    header_size: int
    message_id_header: str
    is_tls_optional: bool = False  # it says so itself: TLS-Required: No (RFC 8689 §3)

    @property
    def header(self) -> bytes:
        """The header with its empty line, without our trace field."""
        return self.octets[self.trace_size : self.header_size]

    @property
    def body(self) -> bytes:
        """What follows the header, or its start."""
        return self.octets[self.header_size :]

    @property
    def without_body(self) -> Stamped:
        """The header alone."""
        return replace(self, octets=self.octets[: self.header_size])

    def judged(self, judgement: Judgement) -> Stamped:
        """Return the message with the fields that its inspectors add and without those they remove."""
        trace = self.octets[: self.trace_size]
        top = b"".join((judgement.fields, trace, judgement.apply(self.header)))
        return replace(
            self,
            octets=top + self.body,
            trace_size=len(judgement.fields) + len(trace),
            header_size=len(top),
        )


_MOST_ROUNDS: Final = 10
"""Times that a message may come here: a forward that leads back is noticed after so many."""


class Stamper:
    """Stamps messages for one node."""

    def __init__(self, settings: IntakeSettings, hostname: str) -> None:
        """Enforce the limits in ``settings``; ``hostname`` makes the Message-ID."""
        self._hostname = hostname
        self._max_hops = settings.max_hops
        self._by = f" by {ascii_domain(hostname)} with ".encode()
        self.limits = HeaderLimits(
            max_size=settings.max_header_size, max_fields=settings.max_header_fields
        )

    def stamp(self, start: bytes, draft: Draft) -> Stamped | Reply:
        """Return the message as it is to be stored, or the reply that refuses it.

        Args:
            start: The content, or its first octets with the whole header.
            draft: The message's id, envelope and origin.
        """
        try:
            header = scan_header(start, self.limits)
        except HeaderRefused as refused:
            return refused.reply
        if self._has_come_round(header):
            return LOOP
        body = len(start) - header.size
        message_id = read_message_id(header)
        refusal = _refusal_of_authors(header, draft.origin)
        if refusal is not None:
            return refusal
        if draft.origin.is_submission:
            made = make_message_id(draft.shown, self._hostname)
            if b"message-id" not in header:
                message_id = made.decode("ascii")
            start = fix_submission(header, message_id=made, at=draft.at).apply(start)
        elif header.first_field:  # an mbox line would end the header below our trace field
            start = start[header.first_field :]
        trace = self._trace(draft)
        octets = trace + start
        is_tls_optional = b"tls-required" in header and _says_no(header)
        return Stamped(octets, len(trace), len(octets) - body, message_id, is_tls_optional)

    def _has_come_round(self, header: Header) -> bool:
        """Whether a message has had too many hops, or too many of them here (RFC 5321 §6.3)."""
        hops = header.count(b"received")
        if hops <= _MOST_ROUNDS:
            return False
        if hops > self._max_hops:
            return True
        return sum(map(self._is_ours, header.get_all(b"received"))) > _MOST_ROUNDS

    def _is_ours(self, trace: bytes) -> bool:
        return self._by in b" ".join(trace.split())

    @staticmethod
    def _trace(draft: Draft) -> bytes:
        recipients = draft.envelope.recipients
        only = recipients[0].address if len(recipients) == 1 else None
        return draft.origin.trace.field(
            queue_id=draft.shown, at=draft.at, recipient=only, is_utf8=draft.envelope.smtputf8
        )


def _says_no(header: Header) -> bool:
    """Whether the one TLS-Required field has its only defined value (RFC 8689 §3)."""
    values = header.get_all(b"tls-required")
    return [value.strip().lower() for value in values] == [b"no"]


def _refusal_of_authors(header: Header, origin: Origin) -> Reply | None:
    """Return why a message must not name its authors, or None."""
    if origin.senders is not None:
        return check_authors(header, origin.senders)
    return check_submission(header) if origin.is_submission else None
