"""The reverse-path of forwarded mail: a local address that leads back to the sender.

A forwarder that keeps the original sender fails SPF at the next server (``mailauth.srs``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec.structs import replace

from pillarbox.deliver.job import Job
from pillarbox.mailauth.srs import SenderRewriter
from pillarbox.smtp.envelope import Envelope

__all__ = ["EnvelopeOf", "Forwarding"]

EnvelopeOf = Callable[[Job], Envelope]
"""Returns the envelope for sending a job."""


class Forwarding:
    """Rewrites the senders of forwarded mail (SRS)."""

    def __init__(
        self,
        rewriter: SenderRewriter,
        *,
        is_local: Callable[[str], bool],
        origins: Collection[str],
        now: Callable[[], float],
    ) -> None:
        """Prepare rewriting.

        Args:
            rewriter: Makes the addresses.
            is_local: Whether a domain is ours.
            origins: Listeners for mail from outside; mail from other listeners is submitted, not
                forwarded.
            now: The wall clock, seconds since 1970.
        """
        self._rewriter = rewriter
        self._is_local = is_local
        self._origins = frozenset(origins)
        self._now = now

    def envelope(self, job: Job) -> Envelope:
        """Return the envelope for sending a job."""
        envelope, message = job.envelope(), job.message
        sender = envelope.reverse_path
        if sender is None or message.identity or message.origin not in self._origins:
            return envelope
        if self._is_local(sender.ascii_domain):
            return envelope
        if all(self._is_local(each.queue.destination) for each in job.recipients):
            return envelope
        return replace(envelope, reverse_path=self._rewriter.forward(sender, now=self._now()))
