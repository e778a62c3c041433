"""Judges caught mail: gathers what takes I/O to find out, lets ``preflight`` judge, stores the
result.

Nothing leaves the machine unless asked for: DNS with ``verify``, the servers behind links with
``follow_links``. Configured content filters are always asked, because they are the operator's own.
What was found out once is stored beside the message, and used the next time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.inbox.port import Inbox
from pillarbox.inbox.values import Summary
from pillarbox.mailauth.resolver import Resolver
from pillarbox.mailauth.verification import Client
from pillarbox.message.mail import Mail, read_mail
from pillarbox.net.guarded import GuardedClient
from pillarbox.policy.public_addresses import is_public_address
from pillarbox.preflight import (
    Assessment,
    AuthenticationFacts,
    Facts,
    SpamVerdict,
    assess,
    from_json,
    to_json,
    web_links,
)
from pillarbox.sandbox.filters import ContentFilter, Envelope, ask_filters
from pillarbox.sandbox.link_answers import ask_links
from pillarbox.sandbox.verdicts import verify_content
from pillarbox.smtp.path import parse_mailbox
from pillarbox.store.port import MessageId

__all__ = ["Judging"]

_LARGE: Final = 64 * 1024  # octets from which on judging would hold up everyone else


class Judging:
    """Judges the messages of one inbox."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        now: Callable[[], float],
        resolver: Resolver | None = None,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        filters: Sequence[ContentFilter] = (),
        client: GuardedClient | None = None,
    ) -> None:
        """Judge what is in ``inbox``.

        Args:
            inbox: Where mail and assessments are kept.
            now: The wall clock, seconds since 1970.
            resolver: Who answers for DNS; None: nobody, and nothing is asked.
            tls: Makes the context that verifies certificates of links.
            filters: Content filters to ask.
            client: Asks for links; None: one that asks public addresses.
        """
        self._inbox = inbox
        self._now = now
        self._resolver = resolver
        self._filters = tuple(filters)
        if client is None and resolver is not None:
            client = GuardedClient(resolver, tls)
        self._client = client

    async def assess(
        self, message: MessageId, *, follow_links: bool = False, verify: bool = False
    ) -> Assessment | None:
        """Judge a mail; None where there is none.

        Args:
            message: Which.
            follow_links: Ask the public servers that its links name.
            verify: Ask DNS, as a receiver would, for SPF, DKIM and DMARC.
        """
        kept = await self._kept(message)
        if kept is not None and not follow_links and not verify:
            return kept
        content = await self._inbox.content(message)
        summary = await self._inbox.summary(message)
        if content is None or summary is None:
            return None
        is_large = len(content) > _LARGE
        mail = await asyncio.to_thread(read_mail, content) if is_large else read_mail(content)
        facts = await self._gather(
            mail, content, summary, kept, follow_links=follow_links, verify=verify
        )
        if is_large:
            found = await asyncio.to_thread(assess, mail, content, facts)
        else:
            found = assess(mail, content, facts)
        await self._inbox.keep_assessment(message, to_json(found))
        return found

    async def _kept(self, message: MessageId) -> Assessment | None:
        octets = await self._inbox.assessment(message)
        return from_json(octets) if octets is not None else None

    async def _gather(
        self,
        mail: Mail,
        content: bytes,
        summary: Summary,
        kept: Assessment | None,
        *,
        follow_links: bool,
        verify: bool,
    ) -> Facts:
        """Gather the requested facts, and reuse what was found before."""
        authentication = None
        if kept is not None and kept.authentication is not None:
            authentication = AuthenticationFacts(methods=kept.authentication)
        if verify and self._resolver is not None:
            authentication = await verify_content(
                content,
                _client(summary),
                self._resolver,
                now=self._now(),
                is_local=not is_public_address(summary.client),
            )
        links = kept.links if kept is not None else None
        if follow_links and self._client is not None:
            links = await ask_links(web_links(mail), self._client)
        return Facts(
            now=summary.at,
            authentication=authentication,
            links=links,
            spam=await self._ask_filters(content, summary, kept),
            is_rehearsal=True,
        )

    async def _ask_filters(
        self, content: bytes, summary: Summary, kept: Assessment | None
    ) -> tuple[SpamVerdict, ...] | None:
        if not self._filters:
            return None
        if kept is not None and kept.spam and not any(one.problem for one in kept.spam):
            return kept.spam
        envelope = Envelope(
            reverse_path=summary.reverse_path,
            recipients=summary.recipients,
            client=summary.client if is_public_address(summary.client) else "",
        )
        return await ask_filters(self._filters, content, envelope)


def _client(summary: Summary) -> Client:
    try:
        path = parse_mailbox(summary.reverse_path) if summary.reverse_path else None
    except PermanentError:
        path = None
    return Client(address=summary.client, reverse_path=path)
