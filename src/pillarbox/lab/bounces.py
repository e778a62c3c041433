"""Late bounces: some servers accept a message and return it afterward.

A lab server that accepted a message for ``bounce-later@`` sends a delivery status notification to
its sender two seconds later, by SMTP to the mail exchangers in the zone. What cannot be sent is
lost, as with many real servers.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from pillarbox.config.settings import TlsMode
from pillarbox.errors import PillarboxError
from pillarbox.lab.clock import LabClock
from pillarbox.lab.servers import Caught, LabServer
from pillarbox.mailauth.resolver import MxRecord, Resolver
from pillarbox.net.dialer import Dialer
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.opening import open_channel
from pillarbox.net.tls import TlsContexts
from pillarbox.net.transaction import Content, Transaction
from pillarbox.policy.late_bounce import LATER, late_bounce
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Notify, Recipient

__all__ = ["Bouncer"]


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
        """Schedule the bounce of an accepted message; returns at once."""
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
        await asyncio.sleep(LATER)
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
        return late_bounce(
            hostname=server.hostname,
            name=str(next(self._numbers)),
            now=self._clock.now(),
            envelope=caught.envelope,
            recipients=tuple(
                recipient
                for recipient in caught.envelope.recipients
                if server.behavior(recipient.address.local_part).bounces
            ),
            sender=sender,
            content=caught.content,
        )

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
