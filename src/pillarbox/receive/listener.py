"""One listener: it accepts connections, within the limits, and keeps track of its sessions.

Connections are accepted by hand, for two reasons: a client over a limit is turned away before
anything is allocated for it, and when the process runs out of file descriptors accepting pauses for
a moment instead of spinning, or losing the listener.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from pillarbox.config.settings import ListenerKind
from pillarbox.events.types import ConnectionRefused
from pillarbox.receive.clients import ClientTable, client_key, plain_address
from pillarbox.receive.refusals import (
    NO_FILES_LEFT,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_FROM_CLIENT,
    TOO_MANY_LOGINS,
)
from pillarbox.receive.service import Service
from pillarbox.receive.session import ClientSession
from pillarbox.smtp.reply import Reply

__all__ = ["Listener"]

_BACKLOG: Final = 1024
_AT_ONCE: Final = 64  # connections accepted before others get their turn
_REST: Final = 0.1  # seconds without accepting after the file descriptors ran out
_OUT_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RESERVED_FILES: Final = 64  # for the store and for delivery
_SUBMISSION_SHARE: Final = 10  # a tenth of the file descriptors is not for strangers
_STRESSED: Final = 0.9


class Listener:
    """Accepts clients on the sockets of one listener."""

    def __init__(self, service: Service, sockets: Sequence[socket.socket]) -> None:
        """Serve clients on ``sockets``, which are bound, once ``start`` is called."""
        self.service = service
        self.sockets = tuple(sockets)
        self.sessions: set[ClientSession] = set()
        self.is_stressed = False
        self._loop = asyncio.get_running_loop()
        limits = service.limits
        self._clients = ClientTable(
            most_open=limits.connections_per_client, rate=limits.connection_rate_per_client
        )
        self._resting: list[asyncio.TimerHandle] = []
        self._setting_up: set[asyncio.Task[object]] = set()
        self._nobody_left: asyncio.Future[None] | None = None
        self._most_files = _most_files(service.kind)

    def start(self) -> None:
        """Accept from now on."""
        for sock in self.sockets:
            sock.listen(_BACKLOG)
            self._loop.add_reader(sock, self._accept, sock)

    def use(self, service: Service) -> None:
        """Serve new clients with a new configuration; existing sessions keep the old one."""
        self.service = service
        limits = service.limits
        self._clients.limit(
            most_open=limits.connections_per_client, rate=limits.connection_rate_per_client
        )

    def stop_accepting(self) -> None:
        """Close the sockets; sessions continue. Safe to call twice."""
        for timer in self._resting:
            timer.cancel()
        sockets, self.sockets = self.sockets, ()
        for sock in sockets:
            self._loop.remove_reader(sock)
            sock.close()

    async def stop(self, grace: float) -> None:
        """End all sessions: idle ones at once, those with a content in progress within a time.

        Args:
            grace: Seconds for which a content may continue.
        """
        self.stop_accepting()
        if self._setting_up:
            await asyncio.wait(self._setting_up)
        for session in tuple(self.sessions):
            session.stop()
        await self._wait_for_all(grace)
        for session in tuple(self.sessions):
            session.abort()
        await self._wait_for_all(1.0)

    # --- what its sessions call --------------------------------------------------------

    def admit(self, client: str) -> Reply | None:
        """Count a client's connection, or return why it is turned away."""
        service = self.service
        if client in service.relay.gates[service.name].trusted:
            return None
        is_mx = service.kind is ListenerKind.MX  # mail to us is no guess
        if not is_mx and service.guesses.turns_away(client, service.clock.now()):
            self._tell_refused(client, TOO_MANY_LOGINS, "banned for failed logins")
            return TOO_MANY_LOGINS
        reason = self._clients.admit(client_key(client), self._loop.time())
        if not reason:
            return None
        self._tell_refused(client, TOO_MANY_FROM_CLIENT, reason)
        return TOO_MANY_FROM_CLIENT

    def opened(self, session: ClientSession) -> None:
        """Note a session that has begun."""
        self.sessions.add(session)
        if not self.is_stressed and self._is_crowded():
            self.is_stressed = True
            for each in self.sessions:
                each.hurry()

    def closed(self, session: ClientSession) -> None:
        """Note a session that has ended."""
        self.sessions.discard(session)
        if session.is_admitted:
            self._clients.release(client_key(session.client))
        self.is_stressed = self.is_stressed and self._is_crowded()
        waiter = self._nobody_left
        if waiter is not None and not self.sessions and not waiter.done():
            waiter.set_result(None)

    def _is_crowded(self) -> bool:
        return len(self.sessions) >= _STRESSED * self.service.limits.connections

    # --- accepting ---------------------------------------------------------------------

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_FILES:
                    self._rest(listening)
                    return
                continue  # this client has gone again
            client = plain_address(address[0])
            if sock.fileno() >= self._most_files:
                self._turn_away(sock, client, NO_FILES_LEFT, "file descriptors")
                self._rest(listening)
                return
            self._let_in(sock, client)

    def _rest(self, listening: socket.socket) -> None:
        self._loop.remove_reader(listening)
        self._resting = [timer for timer in self._resting if timer.when() > self._loop.time()]
        self._resting.append(
            self._loop.call_later(_REST, self._loop.add_reader, listening, self._accept, listening)
        )

    def _let_in(self, sock: socket.socket, client: str) -> None:
        service = self.service
        if len(self.sessions) + len(self._setting_up) >= service.limits.connections:
            self._turn_away(sock, client, TOO_MANY_CONNECTIONS, "connections of the listener")
            return
        is_announced = service.proxies is not None and client in service.proxies
        if not is_announced:
            refusal = self.admit(client)
            if refusal is not None:
                self._send_away(sock, refusal)
                return
        sock.setblocking(False)  # noqa: FBT003 - so it is called
        session = ClientSession(service, self, client, is_admitted=not is_announced)
        task = self._loop.create_task(self._set_up(session, sock))
        self._setting_up.add(task)
        task.add_done_callback(self._setting_up.discard)

    async def _set_up(self, session: ClientSession, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: session, sock)
        except OSError:  # reset before it began
            sock.close()
            if session not in self.sessions and session.is_admitted:
                self._clients.release(client_key(session.client))

    def _turn_away(self, sock: socket.socket, client: str, reply: Reply, reason: str) -> None:
        self._tell_refused(client, reply, reason)
        self._send_away(sock, reply)

    def _send_away(self, sock: socket.socket, reply: Reply) -> None:
        # Nothing has been sent on it yet, so a few octets always fit.
        with sock, suppress(OSError):
            if not self.service.has_implicit_tls:
                sock.send(reply.wire(), socket.MSG_DONTWAIT)

    def _tell_refused(self, client: str, reply: Reply, reason: str) -> None:
        service = self.service
        service.sink(
            ConnectionRefused(
                at=service.clock.now(),
                listener=service.name,
                client=client,
                reply=str(reply),
                reason=reason,
            )
        )

    async def _wait_for_all(self, seconds: float) -> None:
        if self.sessions:
            self._nobody_left = self._loop.create_future()
            await asyncio.wait([self._nobody_left], timeout=seconds)


def _most_files(kind: ListenerKind) -> int:
    """Return the file descriptor number from which on connections are refused.

    The system allocates the lowest free number, so the number of a new connection tells how many
    are in use.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = _RESERVED_FILES
    if kind is ListenerKind.MX:
        kept += limit // _SUBMISSION_SHARE
    return max(limit - kept, limit // 2)
