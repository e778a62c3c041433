"""Drives a connection to a server: opens it, sends messages over it, and closes it.

A ``Channel`` is an ``asyncio.Protocol`` around a pure ``ClientConnection``. A message on an open
channel costs one write (two if DATA has to be asked for), one future and one ``await``; timeouts
share a single timer, however many replies are awaited.

Guarantees: ``transact`` returns one outcome for each recipient, whatever the server or the network
does, and raises only what the content's reader raises; after a timeout, a protocol violation or a
lost connection, the connection is closed, so that a late reply cannot be mistaken for another.
``open_channel`` raises ``OpenFailed`` and nothing else. A canceled ``transact`` or ``open_channel``
closes the connection.

RFC 5321 §4.5.3.2 (timeouts), RFC 3207 (STARTTLS), RFC 8314 §3.3 (TLS from the start).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from msgspec import structs

from pillarbox.config.settings import DeliverySettings
from pillarbox.errors import PillarboxError, TemporaryError
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.tls import TlsState
from pillarbox.net.transaction import Content, RecipientOutcome, Transaction, TransactionResult
from pillarbox.smtp.client import MAX_SMALL_CONTENT, ClientConnection
from pillarbox.smtp.client_events import (
    CommandAnswered,
    ConnectionEnded,
    MessageSettled,
)
from pillarbox.smtp.client_extensions import Extensions
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.client_sending import Patience
from pillarbox.smtp.reply import Reply

__all__ = ["Channel", "OpenFailed"]

_PIECE: Final = 64 * 1024  # octets of a large content written at a time
_GOODBYE: Final = 5.0  # seconds to wait for the reply to QUIT


class OpenFailed(TemporaryError):  # noqa: N818 - opening fails, it does not err
    """No channel could be opened; ``reply`` is the server's, if that was the reason."""

    def __init__(
        self,
        stage: Stage,
        reason: str,
        reply: Reply | None = None,
        conversation: Sequence[str] = (),
        *,
        result_type: str = "",
    ) -> None:
        super().__init__(f"{stage.value}: {reason}")
        self.result_type = result_type  # for TLS reports (RFC 8460 §4.3)
        self.stage = stage
        self.reason = reason
        self.reply = reply
        self.conversation = tuple(conversation)


class Channel(asyncio.Protocol):
    """A connection to one server, for one message at a time.

    Made by ``pillarbox.net.opening.open_channel``.
    """

    def __init__(self, endpoint: Endpoint, options: ChannelOptions, *, is_secure: bool) -> None:
        self.endpoint = endpoint
        self.options = options
        self.tls: TlsState | None = None
        self.tls_failure: OpenFailed | None = None  # why it is in the clear, if TLS was tried
        self.closing_reason = ""  # why it cannot be used any more
        self.closing_reply: Reply | None = None  # a 421, if the server sent one
        self.connection = ClientConnection(
            options.hello_name,
            is_lmtp=options.is_lmtp,
            is_secure=is_secure,
            use_chunking=options.use_chunking,
        )
        self.reopen: Callable[[ChannelOptions], Awaitable[Channel]] | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answers: deque[CommandAnswered] = deque()
        self._settled: asyncio.Future[MessageSettled] | None = None
        self._progress: asyncio.Future[None] | None = None
        self._is_paused = False
        self._patience = _patience(options.timeouts)
        self._deadline: float | None = None
        # Every deadline is at least one tick ahead when set, so a timer that fires on each tick is
        # in time for all of them.
        self._tick = min(self._patience.values())
        self._timer: asyncio.TimerHandle | None = None
        self._seen = 0

    # --- what the driver of deliveries asks -------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether the channel can take a message now."""
        return self.connection.is_ready and self._transport is not None

    @property
    def extensions(self) -> Extensions:
        """What the server offers."""
        return self.connection.extensions

    @property
    def greeting_lines(self) -> tuple[str, ...]:
        """The text of the server's greeting."""
        greeting = self.connection.greeting
        return greeting.lines if greeting is not None else ()

    @property
    def opening(self) -> Sequence[str]:
        """The conversation before the first message."""
        return self.connection.record

    @property
    def peer_address(self) -> str:
        """The address of the server, as dialed."""
        return self.endpoint.address

    async def transact(self, transaction: Transaction) -> TransactionResult:
        """Send a message and return its outcomes; the channel must not be in use.

        Raises:
            PillarboxError: The reader could not read the content; no recipient got the message, and
                the connection is closed.
        """
        content = transaction.content
        octets = content.octets
        if octets is not None and len(octets) > MAX_SMALL_CONTENT:
            octets = None
        if not self.is_usable:
            return self._unusable(transaction)
        settled = self._settled = self._loop.create_future()
        self.connection.send(
            transaction.envelope, content.size, octets, has_8bit=transaction.has_8bit
        )
        self._pass_on()
        try:
            if octets is None:
                await self._send_content(content)
            event = await settled
        except PillarboxError as error:
            self.close(f"the content could not be read: {error}")
            raise
        except BaseException:
            self.close("canceled by us")
            raise
        result = TransactionResult(
            outcomes=event.outcomes,
            is_reusable=event.is_reusable,
            chunking_failed=event.chunking_failed,
            dsn_passed_on=event.dsn_passed_on,
            conversation=event.conversation,
        )
        if event.chunking_failed and self.reopen is not None:
            return await self._send_without_chunking(transaction, result)
        return result

    async def quit(self) -> None:
        """Send QUIT if possible, wait briefly for the reply, and close."""
        if self.is_usable:
            progress = self._progress = self._loop.create_future()
            self.connection.quit()
            self._pass_on()
            try:
                async with asyncio.timeout(_GOODBYE):
                    await progress
            except TimeoutError:
                pass
        self.close("closed by us")

    def close(self, reason: str = "closed by us") -> None:
        """Close at once, without QUIT."""
        self.connection.fail(reason)
        self._pass_on()

    # --- opening ----------------------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport; None once the connection is closed."""
        return self._transport

    def attach(self, transport: asyncio.Transport) -> None:
        """Use ``transport`` from now on (TLS replaces the dialed one)."""
        self._transport = transport

    async def answer(self) -> Reply:
        """Write the pending commands and return the server's replies.

        Raises:
            OpenFailed: The connection ended instead.
        """
        stage = self.connection.stage
        self._pass_on()
        self._set_deadline()
        while not self._answers:
            if self.connection.is_closed:
                raise OpenFailed(stage, self.closing_reason, self.closing_reply, self.opening)
            self._progress = self._loop.create_future()
            await self._progress
        return self._answers.popleft().reply

    # --- asyncio.Protocol -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the transport, unless TLS has already replaced it."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Process data from the server."""
        self.connection.receive_data(data)
        self._pass_on()

    def eof_received(self) -> bool | None:
        """Let the transport close: SMTP has no use for half-open connections."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed."""
        words = "closed the connection"
        if isinstance(exc, ConnectionResetError):
            words = "reset the connection"
        elif exc is not None:
            words = f"lost the connection: {exc}"
        self._transport = None
        self.connection.fail(f"the server {words}")
        self._pass_on()

    def pause_writing(self) -> None:
        """Stop sending content: the transport's buffer is full."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Resume sending content."""
        self._is_paused = False
        self._wake()

    # --- inside -----------------------------------------------------------------------

    def _pass_on(self) -> None:
        """Write pending output, dispatch events, and set the next deadline."""
        connection, transport = self.connection, self._transport
        octets = connection.data_to_send()
        if octets and transport is not None:
            transport.write(octets)
        while (event := connection.next_event()) is not None:
            if isinstance(event, MessageSettled):
                if self._settled is not None and not self._settled.done():
                    self._settled.set_result(event)
                self._settled = None
            elif isinstance(event, CommandAnswered):
                self._answers.append(event)
            elif isinstance(event, ConnectionEnded):
                self._on_ended(event)
            self._wake()
        if octets or connection.answers != self._seen:
            self._seen = connection.answers
            self._set_deadline()

    def _on_ended(self, event: ConnectionEnded) -> None:
        if not self.closing_reason:
            self.closing_reason, self.closing_reply = event.reason, event.reply
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport, self._transport = self._transport, None
        if transport is not None and event.is_orderly:
            transport.close()
        elif transport is not None:
            transport.abort()

    def _wake(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None and not progress.done():
            progress.set_result(None)

    def _unusable(self, transaction: Transaction) -> TransactionResult:
        """Return the result for a message whose connection was already closed."""
        reason = self.closing_reason or "the connection is not ready"
        outcome = RecipientOutcome(
            is_delivered=False, stage=Stage.MAIL, reply=self.closing_reply, reason=reason
        )
        return TransactionResult(
            outcomes=(outcome,) * len(transaction.envelope.recipients), is_reusable=False
        )

    # --- contents that do not go in one flight ----------------------------------------

    async def _send_content(self, content: Content) -> None:
        """Send a large content piece by piece, as fast as the server takes it."""
        connection = self.connection
        while self._settled is not None and not connection.wants_content:
            self._progress = self._loop.create_future()
            await self._progress
        pieces = _pieces(content)
        try:
            async for piece in pieces:
                connection.send_content(piece)
                self._pass_on()
                while self._is_paused and connection.wants_content:
                    self._progress = self._loop.create_future()
                    await self._progress
                if not connection.wants_content:
                    break
            connection.end_content()
            self._pass_on()
        finally:
            aclose = getattr(pieces, "aclose", None)
            if aclose is not None:
                await aclose()

    async def _send_without_chunking(
        self, transaction: Transaction, failed: TransactionResult
    ) -> TransactionResult:
        """Send a message again, with DATA: the server offered CHUNKING but does not support it."""
        if self.reopen is None:
            return failed
        try:
            channel = await self.reopen(replace(self.options, use_chunking=False))
        except OpenFailed:
            return failed
        result = await channel.transact(transaction)
        await channel.quit()
        said = (*failed.conversation, *channel.opening, *result.conversation)
        return structs.replace(result, is_reusable=False, chunking_failed=True, conversation=said)

    # --- time -------------------------------------------------------------------------

    def _set_deadline(self) -> None:
        patience = self.connection.patience
        if patience is None:
            self._deadline = None
            return
        now = self._loop.time()
        self._deadline = now + self._patience[patience]
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._tick, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        deadline, transport = self._deadline, self._transport
        if deadline is None:
            return
        now = self._loop.time()
        if now < deadline:
            self._timer = self._loop.call_at(min(deadline, now + self._tick), self._on_timer)
            return
        patience = self.connection.patience or Patience.COMMAND
        words = "take the content" if patience is Patience.BLOCK else "answer"
        self.connection.fail(
            f"the server did not {words} within {self._patience[patience]:g} s",
            is_all_written=transport is None or transport.get_write_buffer_size() == 0,
        )
        self._pass_on()


def _patience(timeouts: DeliverySettings) -> dict[Patience, float]:
    return {
        Patience.GREETING: timeouts.greeting_timeout,
        Patience.COMMAND: timeouts.command_timeout,
        Patience.DATA: timeouts.data_timeout,
        Patience.BLOCK: timeouts.block_timeout,
        Patience.FINAL: timeouts.final_timeout,
    }


async def _slices(octets: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(octets), _PIECE):
        yield octets[start : start + _PIECE]


def _pieces(content: Content) -> AsyncIterator[bytes]:
    if content.octets is not None:
        return _slices(content.octets)
    if content.read is None:
        raise ValueError("a content needs its octets or a way to read them")
    return content.read()
