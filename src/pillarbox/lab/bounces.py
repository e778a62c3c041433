"""Bounces that come later: some servers take a message, and give it back afterward.

A lab server that took a message for ``bounce-later@`` has a delivery status notification sent
to its sender, two seconds later, by SMTP to the mail exchangers that the zone names. What
cannot be sent is gone, as it is from many real servers.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

from pillarbox.config.settings import TlsMode
from pillarbox.errors import PillarboxError
from pillarbox.lab.clock import LabClock
from pillarbox.lab.servers import Caught, LabServer
from pillarbox.mailauth.resolver import MxRecord, Resolver
from pillarbox.message.dsn import Action, Original, RecipientReport, Report, build_dsn
from pillarbox.message.header import scan_header
from pillarbox.message.identification import read_message_id
from pillarbox.net.dialer import Dialer
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.opening import open_channel
from pillarbox.net.tls import TlsContexts
from pillarbox.net.transaction import Content, Transaction
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Notify, Recipient
from pillarbox.smtp.reply import EnhancedCode

__all__ = ["Bouncer"]

_LATER: Final = 2.0  # seconds
_NO_SUCH_RECIPIENT: Final = EnhancedCode(5, 1, 1)
_WHY: Final = "550 5.1.1 No such recipient after all, as this address asks"


class Bouncer:
    """Sends the bounces of a lab."""

    def __init__(self, resolver: Resolver, dialer: Dialer, clock: LabClock) -> None:
        """Find mail exchangers by ``resolver``, and connect to them by ``dialer``."""
        self._resolver = resolver
        self._dialer = dialer
        self._clock = clock
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def bounce(self, server: LabServer, caught: Caught) -> None:
        """Have what a server took given back to its sender; returns at once."""
        sender = caught.envelope.reverse_path
        if sender is None:
            return
        task = asyncio.get_running_loop().create_task(self._bounce(server, caught, sender))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Send no more."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bounce(self, server: LabServer, caught: Caught, sender: Mailbox) -> None:
        await asyncio.sleep(_LATER)
        try:
            content = self._content(server, caught, sender)
            for record in await self._exchangers(sender):
                addresses = (await self._resolver.addresses(record.host)).records
                if addresses:
                    endpoint = Endpoint(record.host, addresses[0])
                    await self._send(server.hostname, endpoint, sender, content)
                    return
        except PillarboxError:
            return

    def _content(self, server: LabServer, caught: Caught, sender: Mailbox) -> bytes:
        now = self._clock.now()
        header = scan_header(caught.content)
        recipients = tuple(
            RecipientReport(
                recipient=recipient,
                action=Action.FAILED,
                status=_NO_SUCH_RECIPIENT,
                diagnostic=_WHY,
                last_attempt_at=now,
            )
            for recipient in caught.envelope.recipients
            if server.behavior(recipient.address.local_part).bounces
        )
        report = Report(
            message_id=f"<bounce-{next(self._numbers)}@{server.hostname}>",
            hostname=server.hostname,
            author=Mailbox("postmaster", server.hostname),
            to=sender,
            at=now,
            arrived_at=now - _LATER,
            recipients=recipients,
            original=Original(
                octets=caught.content,
                header_size=header.size,
                is_whole=True,
                message_id=read_message_id(header),
            ),
            envelope_id=caught.envelope.envelope_id,
            ret=caught.envelope.ret,
        )
        return build_dsn(report).content

    async def _exchangers(self, sender: Mailbox) -> Sequence[MxRecord]:
        answer = await self._resolver.mx(sender.ascii_domain)
        implicit = [MxRecord(0, sender.ascii_domain)]  # RFC 5321 §5.1
        return sorted(answer.records, key=lambda record: record.preference) or implicit

    async def _send(
        self, hostname: str, endpoint: Endpoint, sender: Mailbox, content: bytes
    ) -> None:
        options = ChannelOptions(hello_name=hostname, tls=TlsMode.NONE)
        channel = await open_channel(endpoint, options, self._dialer, TlsContexts())
        envelope = Envelope(reverse_path=None, recipients=(Recipient(sender, notify=Notify.NEVER),))
        await channel.transact(
            Transaction(envelope=envelope, content=Content(len(content), content))
        )
        await channel.quit()
