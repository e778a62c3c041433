"""Connections are opened, and what is in the way is told in words and by type."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path

import pytest
import uvloop

from pillarbox.net.dialer import (
    DialError,
    OutOfDescriptors,
    PeerRefused,
    PeerReset,
    PeerTimedOut,
    PeerUnreachable,
    SocketDialer,
    SourceUnavailable,
    dial_error,
)
from pillarbox.net.endpoint import Endpoint

LOOPS = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


def closed_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def connect(address: str, port: int, *, source: str = "", limit: float = 5.0) -> None:
    transport = await SocketDialer().connect(
        asyncio.Protocol, address, port, source=source, timeout=limit
    )
    transport.close()


@LOOPS
def test_nobody_listens(loop: object, tmp_path: Path) -> None:
    """A closed port and a missing socket are refusals."""

    async def main() -> None:
        with pytest.raises(PeerRefused, match=r"127\.0\.0\.1 port [0-9]+: connection refused"):
            await connect("127.0.0.1", closed_port())
        with pytest.raises(PeerRefused, match="no such socket"):
            await connect(str(tmp_path / "missing"), 0)

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(main())


@LOOPS
def test_the_source_address_must_be_ours(loop: object) -> None:
    """An address of somebody else's cannot be connected from."""

    async def main() -> None:
        with pytest.raises(SourceUnavailable, match="source address is not available"):
            await connect("127.0.0.1", closed_port(), source="192.0.2.1")

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(main())


@LOOPS
def test_the_source_address_is_used(loop: object) -> None:
    """The peer sees the connection come from the address that was asked for."""

    class Listener(asyncio.Protocol):
        def __init__(self, seen: asyncio.Future[str]) -> None:
            self.seen = seen

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.seen.set_result(transport.get_extra_info("peername")[0])
            transport.close()

    async def main() -> str:
        running = asyncio.get_running_loop()
        seen: asyncio.Future[str] = running.create_future()
        server = await running.create_server(lambda: Listener(seen), "127.0.0.1", 0)
        await connect("127.0.0.1", server.sockets[0].getsockname()[1], source="127.0.0.9")
        try:
            return await seen
        finally:
            server.close()

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        assert runner.run(main()) == "127.0.0.9"


def test_a_peer_that_does_not_answer_times_out() -> None:
    """A listener whose backlog is full does not answer; the dialer stops waiting."""

    async def main() -> None:
        with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            address, port = listener.getsockname()
            for sock in (first, second):
                sock.setblocking(False)
                sock.connect_ex((address, port))
            with pytest.raises(PeerTimedOut, match="connection timed out"):
                await connect(address, port, limit=0.1)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ECONNREFUSED, PeerRefused),
        (errno.ECONNRESET, PeerReset),
        (errno.ETIMEDOUT, PeerTimedOut),
        (errno.EHOSTUNREACH, PeerUnreachable),
        (errno.ENETUNREACH, PeerUnreachable),
        (errno.EADDRNOTAVAIL, SourceUnavailable),
        (errno.EMFILE, OutOfDescriptors),
        (errno.ENFILE, OutOfDescriptors),
        (errno.EIO, DialError),
    ],
)
def test_each_kind_of_failure_is_a_type(number: int, kind: type[DialError]) -> None:
    """What the operating system says is told apart, with words behind the address."""
    error = dial_error(OSError(number, os.strerror(number)), "192.0.2.1 port 25")
    assert type(error) is kind
    assert str(error).startswith("192.0.2.1 port 25: ")


def test_an_endpoint_says_where_it_is() -> None:
    """Name, address and port, with brackets where the address has colons."""
    assert str(Endpoint("mx.test", "192.0.2.1")) == "mx.test 192.0.2.1:25"
    assert str(Endpoint("mx.test", "2001:db8::1", 587)) == "mx.test [2001:db8::1]:587"
    assert str(Endpoint("store", "/run/lmtp", 0)) == "/run/lmtp"
