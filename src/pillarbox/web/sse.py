"""Server-sent events: a stream of changes to a page, for as long as it listens.

A comment is sent now and then, so that proxies keep the stream open and a disconnected client is
noticed. When the server stops, the streams end, and browsers reconnect automatically.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import StreamingResponse

__all__ = ["HEARTBEAT_SECONDS", "ServerSent", "event_stream"]

HEARTBEAT_SECONDS: Final = 15.0
_HEARTBEAT: Final = b": still here\n\n"
_RETRY: Final = b"retry: 1000\n\n"  # milliseconds until a browser reconnects


@dataclass(frozen=True, slots=True)
class ServerSent:
    """One event of a stream."""

    data: str
    event: str = ""  # its name; "" is "message"
    id: str = ""  # sent back by the client when it reconnects (``Last-Event-ID``)

    def encode(self) -> bytes:
        """Return the event in wire format."""
        lines = [
            f"{name}: {value}" for name, value in (("event", self.event), ("id", self.id)) if value
        ]
        lines.extend(f"data: {line}" for line in self.data.splitlines() or [""])
        return ("\n".join(lines) + "\n\n").encode()


def event_stream(
    events: AsyncIterator[ServerSent],
    stopping: asyncio.Event,
    *,
    heartbeat: float = HEARTBEAT_SECONDS,
) -> StreamingResponse:
    """Return a response that sends ``events`` until they end, the client leaves, or we stop."""
    return StreamingResponse(
        _octets(events, stopping, heartbeat),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would buffer events
    )


async def _octets(
    events: AsyncIterator[ServerSent], stopping: asyncio.Event, heartbeat: float
) -> AsyncGenerator[bytes, None]:
    yield _RETRY
    stop: asyncio.Future[Any] = asyncio.ensure_future(stopping.wait())
    coming: asyncio.Future[Any] | None = None
    try:
        while not stop.done():
            coming = coming or asyncio.ensure_future(anext(events))
            await asyncio.wait({coming, stop}, timeout=heartbeat, return_when="FIRST_COMPLETED")
            if coming.done():
                event, coming = coming.result(), None
                yield event.encode()
            elif not stop.done():
                yield _HEARTBEAT
    except StopAsyncIteration:
        pass
    finally:
        await _end(events, coming, stop)


async def _end(
    events: AsyncIterator[ServerSent],
    coming: asyncio.Future[Any] | None,
    stop: asyncio.Future[Any],
) -> None:
    stop.cancel()
    if coming is not None:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await coming
    if isinstance(events, AsyncGenerator):
        await events.aclose()
