"""Sends one message to one given server, for callers that wait for the result.

No queue, no retry, no pool: one connection per message. ``deliver/`` is for all other mail.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.config.endpoints import is_loopback
from pillarbox.config.mail_url import MailUrl
from pillarbox.config.settings import DeliverySettings
from pillarbox.net.channel import Channel, OpenFailed
from pillarbox.net.dialer import Dialer, SocketDialer
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.opening import open_channel
from pillarbox.net.tls import TlsContexts, TlsState
from pillarbox.net.transaction import Content, RecipientOutcome, Transaction
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.envelope import Envelope

__all__ = ["MailClient", "Sent"]

_PATIENCE: Final = 30.0  # seconds: a person is waiting at a page or a terminal
_FINAL: Final = 4  # times as much for the reply to a whole message


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The result for a message."""

    outcomes: tuple[RecipientOutcome, ...]  # in the envelope's order
    endpoint: Endpoint  # the address that answered
    tls: TlsState | None  # None: in the clear
    conversation: Sequence[str]  # with secrets masked: "> EHLO", "< 250", "* note"


class MailClient:
    """Sends to one server; each message over a connection of its own."""

    def __init__(
        self,
        server: MailUrl,
        hello_name: str,
        dialer: Dialer | None = None,
        mechanisms: frozenset[str] = frozenset(),
    ) -> None:
        """Send to a server.

        Args:
            server: The server, and the options for it.
            hello_name: Our EHLO name.
            dialer: Opens connections.
            mechanisms: The allowed SASL mechanisms; empty: all.
        """
        self.server = server
        self._dialer = dialer or SocketDialer()
        self._contexts = TlsContexts()
        patience = server.timeout or _PATIENCE
        timeouts = DeliverySettings()
        self._options = ChannelOptions(
            hello_name=hello_name,
            tls=server.tls,
            tls_name=server.tls_name,
            tls_ca=server.ca,
            user=server.user,
            password=server.password,
            mechanisms=mechanisms,
            auth_in_clear=is_loopback(server.host),
            timeouts=replace(
                timeouts,
                connect_timeout=min(patience, timeouts.connect_timeout),
                greeting_timeout=min(patience, timeouts.greeting_timeout),
                command_timeout=min(patience, timeouts.command_timeout),
                data_timeout=min(patience, timeouts.data_timeout),
                block_timeout=min(patience, timeouts.block_timeout),
                # The one reply that is worth a longer wait: the message may have been accepted.
                final_timeout=min(_FINAL * patience, timeouts.final_timeout),
            ),
        )

    async def send(self, envelope: Envelope, content: bytes) -> Sent:
        """Send a message.

        Raises:
            OpenFailed: The server cannot be reached, or accepts no mail from us.
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
            return Sent(
                outcomes=result.outcomes,
                endpoint=channel.endpoint,
                tls=channel.tls,
                conversation=(*channel.opening, *result.conversation),
            )
        finally:
            await channel.quit()

    async def _open(self) -> Channel:
        """Open a connection to the first address that answers."""
        server = self.server
        failure: OpenFailed | None = None
        for address in await self._addresses():
            endpoint = Endpoint(server.host, address, server.port)
            try:
                return await open_channel(endpoint, self._options, self._dialer, self._contexts)
            except OpenFailed as failed:
                if failed.stage is not Stage.CONNECT:
                    raise
                failure = failure or failed
        raise failure or OpenFailed(Stage.RESOLVE, f"{server.host} has no address")

    async def _addresses(self) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        server = self.server
        try:
            async with asyncio.timeout(self._options.timeouts.connect_timeout):
                found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise OpenFailed(Stage.RESOLVE, f"{server.host}: DNS did not answer") from error
        except socket.gaierror as error:
            raise OpenFailed(Stage.RESOLVE, f"{server.host}: {error.strerror}") from error
        return tuple(dict.fromkeys(str(each[4][0]) for each in found))
