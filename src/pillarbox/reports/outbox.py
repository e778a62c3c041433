"""How reports leave a node: through its own door, like any mail, or by HTTPS where requested."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from pillarbox.intake.door import SMALL_CONTENT, Door
from pillarbox.intake.draft import Kept, Origin
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.message.trace import ReceivedTrace, Session
from pillarbox.net.https import FetchFailed, post
from pillarbox.reports.sending import NotSent
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Notify, Recipient
from pillarbox.smtp.events import ContentFacts
from pillarbox.smtp.reply import Reply

__all__ = ["HttpsOutbox", "MailOutbox"]

_NAME: Final = "reports"  # as the origin of a message
_MOST_ANSWER: Final = 64 * 1024  # octets
_PATIENCE: Final = 60.0  # seconds
_MOST_ADDRESSES: Final = 4
_OK: Final = range(200, 300)
_NEVER: Final = range(400, 500)  # what is wrong will not be right the next time
_LATER: Final = frozenset({408, 425, 429})


class MailOutbox:
    """Submits reports as mail of the node itself; they are signed like all that is submitted."""

    def __init__(self, door: Door, hostname: str) -> None:
        """Submit through ``door``; ``hostname`` stands in the trace field."""
        self._door = door
        session = Session(helo=hostname, address="", hostname=hostname, is_extended=True)
        self._origin = Origin(name=_NAME, is_submission=True, trace=ReceivedTrace(session))

    async def __call__(self, content: bytes, sender: Mailbox, to: Mailbox) -> None:
        """Submit a message; returns when it is on disk.

        Raises:
            NotSent: The door did not take it.
        """
        answered: asyncio.Future[Kept | Reply] = asyncio.get_running_loop().create_future()
        # Nobody reads what becomes of a report, so nobody is told (RFC 3461 §4.1).
        recipient = Recipient(to, notify=Notify.NEVER)
        envelope = Envelope(reverse_path=sender, recipients=(recipient,))
        facts = ContentFacts(len(content), has_8bit=False, has_nul=False, has_long_lines=False)
        if len(content) <= SMALL_CONTENT:
            self._door.keep(self._origin, envelope, content, facts, answered.set_result)
        else:
            large = self._door.begin_large(self._origin, envelope, lambda: None)
            large.feed(content)
            self._door.keep_large(large, facts, answered.set_result)
        answer = await answered
        if isinstance(answer, Reply):
            raise NotSent(f"it was not taken here: {answer}", is_final=answer.code >= 500)  # noqa: PLR2004 - 5yz


class HttpsOutbox:
    """Posts reports (RFC 8460 §5.4)."""

    def __init__(
        self,
        resolver: Resolver,
        context: Callable[[], ssl.SSLContext],
        may_ask: Callable[[str], bool],
    ) -> None:
        """Post over the network.

        Args:
            resolver: Knows where hosts are.
            context: Makes a TLS context. It need not verify: the report may be about just
                that (RFC 8460 §3 leaves it to us).
            may_ask: Whether an address may be posted to: a record in a stranger's zone must
                not have us knock at machines inside.
        """
        self._resolver = resolver
        self._context = context
        self._may_ask = may_ask

    async def __call__(self, uri: str, media_type: str, content: bytes) -> None:
        """Post a report to a URI.

        Raises:
            NotSent: It was not taken.
        """
        parts = urlsplit(uri)
        host = parts.hostname or ""
        answer = await self._resolver.addresses(host)
        if answer.outcome is Outcome.UNAVAILABLE:
            raise NotSent(f"{host}: {answer.reason or 'no answer'}")
        addresses = list(filter(self._may_ask, answer.records))
        if not addresses:
            raise NotSent(f"{host} has no address that may be asked", is_final=True)
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        failure = NotSent(f"{host} cannot be reached")
        for address in addresses[:_MOST_ADDRESSES]:
            try:
                answered = await post(
                    host,
                    address,
                    path,
                    self._context(),
                    content=content,
                    content_type=media_type,
                    port=parts.port or 443,
                    most=_MOST_ANSWER,
                    patience=_PATIENCE,
                )
            except FetchFailed as error:
                failure = NotSent(str(error))
                continue
            if answered.status in _OK:
                return
            is_final = answered.status in _NEVER and answered.status not in _LATER
            raise NotSent(f"{host} answered {answered.status}", is_final=is_final)
        raise failure
