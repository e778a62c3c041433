"""The POP3 server of a sandbox: its sockets, sessions and timeouts.

A project is a maildrop. A user whose name is a project's, or who is listed among a project's users,
sees that project; everybody else sees the default one, and nobody sees more than one. A maildrop is
locked during a session (RFC 1939 §3), unless nobody may delete from it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import ssl
from collections.abc import Callable, Mapping, Sequence
from socket import socket
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from pillarbox import __version__
from pillarbox.errors import PillarboxError
from pillarbox.inbox.values import DEFAULT_PROJECT, Selection
from pillarbox.sandbox.pop3.channel import Pop3Channel
from pillarbox.sandbox.pop3.connection import (
    Event,
    LoginAttempted,
    MailWanted,
    Pop3Connection,
    Pop3Options,
    SessionEnded,
    TlsRequested,
    UpdateWanted,
)
from pillarbox.sandbox.pop3.maildrop import Item, Maildrop
from pillarbox.sandbox.projects import Project
from pillarbox.sandbox.users import is_hash, is_right
from pillarbox.store.ids import show_id
from pillarbox.store.port import MessageId

if TYPE_CHECKING:
    from pillarbox.sandbox.service import Sandbox

__all__ = ["Pop3Server"]

_IDLE: Final = 600.0  # seconds; RFC 1939 §3 asks for ten minutes at least
_MOST_SESSIONS: Final = 200
_MOST_MAILS: Final = 100_000  # in one maildrop: the newest
_PAGE: Final = 1_000


class Pop3Server:
    """Hands caught mail to mail programs."""

    def __init__(
        self,
        sandbox: Sandbox,
        sockets: Sequence[socket],
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
        users: Mapping[str, str] | None = None,
        may_delete: bool = True,
        on_defect: Callable[[str, BaseException], None] = lambda _where, _error: None,
    ) -> None:
        """Prepare; ``start`` accepts.

        Args:
            sandbox: Whose mail.
            sockets: Where; bound.
            tls: Returns the context for STLS; None: it is not offered.
            users: Passwords, or argon2id hashes of them, by user; empty: any will do.
            may_delete: Whether DELE removes mail.
            on_defect: Hears of errors that nobody expects.
        """
        self._sandbox = sandbox
        self._sockets = tuple(sockets)
        self._tls = tls
        self._on_defect = on_defect
        self.use(users or {}, may_delete=may_delete)
        self._servers: list[asyncio.Server] = []
        self._sessions: set[Pop3Channel] = set()
        self._locks: dict[str, Pop3Channel] = {}  # by project

    def use(self, users: Mapping[str, str], *, may_delete: bool) -> None:
        """Go by these users in sessions that begin from now on."""
        self._users = dict(users)
        self._options = Pop3Options(
            implementation=f"pillarbox-{__version__}",
            has_tls=self._tls is not None,
            may_delete=may_delete,
        )
        # APOP needs passwords in the clear, and clients that see it offered try nothing else.
        self._offers_apop = not any(map(is_hash, self._users.values()))

    async def start(self) -> None:
        """Accept from now on."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            self._servers.append(
                await loop.create_server(lambda: Pop3Channel(self._serve), sock=sock)
            )

    async def stop(self) -> None:
        """End all sessions; nothing that is marked is deleted. Safe to call twice."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        tasks = [channel.task for channel in self._sessions if channel.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, channel: Pop3Channel) -> None:
        if len(self._sessions) >= _MOST_SESSIONS:
            await channel.send(b"-ERR [SYS/TEMP] Too many sessions\r\n")
            channel.close()
            return
        self._sessions.add(channel)
        try:
            await self._talk(channel)
            channel.close()
        except (OSError, TimeoutError):
            channel.abort()
        except asyncio.CancelledError:
            channel.abort()
            raise
        except Exception as error:  # noqa: BLE001 - a defect ends one session only
            self._on_defect("pop3", error)
            channel.abort()
        finally:
            self._sessions.discard(channel)
            self._unlock(channel)

    def _greeting(self) -> Pop3Options:
        if not self._offers_apop:
            return self._options
        timestamp = f"<{os.getpid()}.{secrets.token_hex(8)}@localhost>"
        return replace(self._options, timestamp=timestamp)

    async def _talk(self, channel: Pop3Channel) -> None:
        options = self._greeting()
        connection = Pop3Connection(options)
        while True:
            async with asyncio.timeout(_IDLE):
                while (event := connection.next_event()) is not None:
                    if isinstance(event, SessionEnded):
                        await channel.send(connection.data_to_send())
                        return
                    await self._answer(connection, event, channel, options)
                    await channel.send(connection.data_to_send())
                await channel.send(connection.data_to_send())
                connection.receive_data(await channel.read())

    async def _answer(
        self,
        connection: Pop3Connection,
        event: Event,
        channel: Pop3Channel,
        options: Pop3Options,
    ) -> None:
        match event:
            case LoginAttempted():
                await self._log_in(connection, event, channel, options.timestamp)
            case MailWanted():
                connection.give(await self._content(event.item.message))
            case UpdateWanted():
                connection.updated(are_gone=await self._remove(event.items))
            case TlsRequested() if self._tls is not None:
                await channel.send(connection.data_to_send())
                await channel.start_tls(self._tls())
                connection.tls_started()

    # --- mail ------------------------------------------------------------------------

    async def _log_in(
        self,
        connection: Pop3Connection,
        event: LoginAttempted,
        channel: Pop3Channel,
        timestamp: str,
    ) -> None:
        project = self._project(event.user)
        if not await self._is_right(event, project, timestamp):
            connection.deny()
            return
        if not self._lock(project.name, channel):
            connection.deny("[IN-USE] Another session has this maildrop open")
            return
        try:
            maildrop = await self._open(project.name)
        except PillarboxError:
            self._unlock(channel)
            connection.deny("[SYS/TEMP] The mail cannot be read now")
        else:
            connection.admit(maildrop)

    def _project(self, user: str) -> Project:
        name, projects = user.lower(), self._sandbox.projects.all()
        for project in projects:
            if name == project.name or name in map(str.lower, project.users):
                return project
        return next(each for each in projects if each.name == DEFAULT_PROJECT)

    def _lock(self, project: str, channel: Pop3Channel) -> bool:
        """Have a session hold a maildrop; return whether it does."""
        if not self._options.may_delete:
            return True
        return self._locks.setdefault(project, channel) is channel

    def _unlock(self, channel: Pop3Channel) -> None:
        self._locks = {name: each for name, each in self._locks.items() if each is not channel}

    async def _is_right(self, event: LoginAttempted, project: Project, timestamp: str) -> bool:
        kept = self._users.get(event.user) or project.password
        if not kept:
            return not self._users
        if event.digest:
            digest = hashlib.md5(f"{timestamp}{kept}".encode(), usedforsecurity=False)
            return hmac.compare_digest(digest.hexdigest(), event.digest.lower())
        if is_hash(kept):  # it is slow to check
            return await asyncio.to_thread(is_right, kept, event.password)
        return is_right(kept, event.password)

    async def _open(self, project: str) -> Maildrop:
        """Return the mails that are there now, oldest first."""
        items: list[Item] = []
        before: MessageId | None = None
        while len(items) < _MOST_MAILS:
            page = await self._sandbox.find(project=project, limit=_PAGE, before=before)
            items += [Item(each.id, each.size, show_id(each.id)) for each in page.summaries]
            if not page.has_more or not page.summaries:
                break
            before = page.summaries[-1].id
        return Maildrop(items[::-1])

    async def _content(self, message: MessageId) -> bytes | None:
        try:
            return await self._sandbox.content(message)
        except PillarboxError:
            return None

    async def _remove(self, items: Sequence[Item]) -> bool:
        try:
            await self._sandbox.remove(Selection(ids=frozenset(item.message for item in items)))
        except PillarboxError:
            return False
        return True
