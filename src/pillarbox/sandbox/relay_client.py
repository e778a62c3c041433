"""One message handed to the relay that the sandbox releases mail by."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pillarbox.config.endpoints import is_loopback
from pillarbox.config.mail_url import MailUrl
from pillarbox.config.settings import DeliverySettings
from pillarbox.net.channel import Channel, OpenFailed
from pillarbox.net.dialer import Dialer, SocketDialer
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.opening import open_channel
from pillarbox.net.tls import TlsContexts
from pillarbox.net.transaction import Content, Transaction, TransactionResult
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.envelope import Envelope

__all__ = ["RelayClient"]

_PATIENCE: Final = 30.0  # seconds: somebody waits in front of the page


class RelayClient:
    """Sends by one relay; each message over a connection of its own."""

    def __init__(self, relay: MailUrl, hello_name: str, dialer: Dialer | None = None) -> None:
        """Send by ``relay``, and greet it with ``hello_name``."""
        self.relay = relay
        self._dialer = dialer or SocketDialer()
        self._contexts = TlsContexts()
        patience = relay.timeout or _PATIENCE
        timeouts = DeliverySettings()
        self._options = ChannelOptions(
            hello_name=hello_name,
            tls=relay.tls,
            tls_name=relay.tls_name,
            tls_ca=relay.ca,
            user=relay.user,
            password=relay.password,
            auth_in_clear=is_loopback(relay.host),
            timeouts=replace(
                timeouts,
                connect_timeout=min(patience, timeouts.connect_timeout),
                greeting_timeout=min(patience, timeouts.greeting_timeout),
                command_timeout=min(patience, timeouts.command_timeout),
            ),
        )

    async def send(
        self, envelope: Envelope, content: bytes
    ) -> tuple[TransactionResult, Sequence[str]]:
        """Send a message.

        Returns:
            What came of it, and everything that was said, secrets masked.

        Raises:
            OpenFailed: The relay cannot be reached, or takes no mail from us.
        """
        channel = await self._open()
        try:
            result = await channel.transact(
                Transaction(
                    envelope=envelope,
                    content=Content(len(content), content),
                    has_8bit=not content.isascii(),
                )
            )
            return result, (*channel.opening, *result.conversation)
        finally:
            await channel.quit()

    async def _open(self) -> Channel:
        """Open a connection to the first address that answers."""
        relay = self.relay
        failure: OpenFailed | None = None
        for address in await self._addresses():
            endpoint = Endpoint(relay.host, address, relay.port)
            try:
                return await open_channel(endpoint, self._options, self._dialer, self._contexts)
            except OpenFailed as failed:
                if failed.stage is not Stage.CONNECT:
                    raise
                failure = failure or failed
        raise failure or OpenFailed(Stage.RESOLVE, f"{relay.host} has no address")

    async def _addresses(self) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        relay = self.relay
        try:
            async with asyncio.timeout(self._options.timeouts.connect_timeout):
                found = await loop.getaddrinfo(relay.host, relay.port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise OpenFailed(Stage.RESOLVE, f"{relay.host}: DNS did not answer") from error
        except socket.gaierror as error:
            raise OpenFailed(Stage.RESOLVE, f"{relay.host}: {error.strerror}") from error
        return tuple(dict.fromkeys(str(each[4][0]) for each in found))
