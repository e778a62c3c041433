"""The sandbox with everything around it, in any running event loop.

``SandboxParts`` is what a sandbox needs, whoever receives its mail: the inbox behind its own door,
the service, the pages and the API, POP3. ``SandboxNode`` adds listeners, and is all of ``pillarbox
sandbox``; a full node gives the parts to its own receiver instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pillarbox.clock import Clock, SystemClock
from pillarbox.config.settings import (
    GuessSettings,
    IntakeSettings,
    ListenerKind,
    ListenerSettings,
    SandboxSettings,
    Settings,
    TlsSettings,
)
from pillarbox.errors import PermanentError
from pillarbox.events.event import Event, Sink
from pillarbox.inbox.sqlite import SqliteInbox
from pillarbox.intake.door import Door
from pillarbox.intake.guards import Guards
from pillarbox.intake.stamp import Stamper
from pillarbox.mailauth.resolver import Resolver
from pillarbox.net.tls import TlsContexts
from pillarbox.node.adapters import make_resolver
from pillarbox.node.guarding import make_guards
from pillarbox.node.sandbox_outward import SandboxOutward
from pillarbox.node.sandbox_sockets import SandboxSockets, addresses, bind_sandbox
from pillarbox.policy.failing import Tally
from pillarbox.policy.queue import QueueKey
from pillarbox.policy.recipients import LocalDomains
from pillarbox.receive.catching import Catching
from pillarbox.receive.certificates import certificate_files
from pillarbox.receive.guesses import Guesses
from pillarbox.receive.receiver import Receiver
from pillarbox.receive.tls import server_context
from pillarbox.sandbox.chaos import Chaos, parse_chaos, set_chaos
from pillarbox.sandbox.failing import Failing
from pillarbox.sandbox.filters import content_filters
from pillarbox.sandbox.info import Addresses
from pillarbox.sandbox.ingest import Ingestion
from pillarbox.sandbox.judging import Judging
from pillarbox.sandbox.logins import Logins, mechanisms, read_logins
from pillarbox.sandbox.projects import Projects, configured_projects
from pillarbox.sandbox.recording import Book
from pillarbox.sandbox.service import Sandbox
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.server import ServerOptions
from pillarbox.store.group import GroupCommit
from pillarbox.store.ids import IdMaker

if TYPE_CHECKING:
    from pillarbox.web.server import WebServer

__all__ = ["OnDefect", "SandboxNode", "SandboxParts"]

OnDefect = Callable[[str, BaseException], None]

_HOSTNAME: Final = "localhost"
_BANNER: Final = "ESMTP pillarbox sandbox: mail is caught here"
_SMTP: Final = "sandbox"
_SMTPS: Final = "sandbox-tls"
# A sandbox has one user, who tests: protection against strangers would only be confusing.
_MOST_CONNECTIONS: Final = 10_000
_MOST_IN_A_MINUTE: Final = 10_000_000
_LENIENT: Final = GuessSettings(
    ban_after=0, free_failures=1_000_000, account_failures=0, spray_addresses=0
)
_MAX_HEADER: Final = 1024 * 1024  # octets
_MAX_FIELDS: Final = 10_000
_NOWHERE: Final = QueueKey("", "", "", "")  # caught mail waits in no queue
_GRACE: Final = 2.0  # seconds for contents in transfer at the stop
_LOOK_EVERY: Final = 1.0  # seconds between checks for a failed disk
_PAGES_PATIENCE: Final = 1.0  # seconds for requests then


class SandboxParts:
    """A sandbox without listeners. ``open`` it, hand ``catching`` to a receiver, ``serve``."""

    def __init__(
        self,
        settings: Settings,
        *,
        hostname: str = _HOSTNAME,
        database: Path | None,
        clock: Clock,
        sink: Sink,
        on_defect: OnDefect,
        ids: IdMaker | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        """Prepare a sandbox.

        Args:
            settings: The configuration.
            hostname: The name in trace fields.
            database: Where caught mail is stored; None: in memory.
            clock: The time.
            sink: Receives events from the listeners.
            on_defect: Called with unexpected errors.
            ids: Creates ids for mail; None: its own.
            resolver: Who answers for DNS when a mail is judged; as configured if None.

        Raises:
            PermanentError: Something in the configuration cannot be used.
        """
        own = settings.sandbox
        self.settings = settings
        self._hostname = hostname
        self._clock = clock
        self._on_defect = on_defect
        self._ids = ids or IdMaker(settings.node.shard, clock.now)
        self._database = database
        self.inbox = SqliteInbox(database, now=clock.now)
        self.projects = Projects(configured_projects(settings.sandbox_project))
        self.logins = Logins(own.logins, read_logins(own), self.projects)
        self.access = self.logins.control()
        self.book = Book(clock.now, sink)
        self.sandbox = Sandbox(
            own,
            inbox=self.inbox,
            projects=self.projects,
            book=self.book,
            clock=clock,
            database=database,
            on_defect=on_defect,
        )
        self.outward = SandboxOutward(self.sandbox, settings, on_defect)
        self.offered = own
        """The settings for what listeners offer, from their next reload on."""
        self._chaos = _read_chaos(own.chaos)
        self.failing = self.sandbox.failing = self._make_failing()
        self._resolver = resolver or make_resolver(settings, clock)
        self.sandbox.judging = self.make_judging(own)
        self._web: WebServer | None = None
        self._writing: tuple[GroupCommit, Guards] | None = None  # while the door is open
        self.catching: Catching
        """The service behind the listeners; available once the inbox is open."""

    async def open(self) -> None:
        """Open the inbox and its door.

        Raises:
            PillarboxError: It cannot be opened.
        """
        settings, own = self.settings, self.settings.sandbox
        await self.sandbox.start()
        await self.failing.load()
        if own.chaos:
            await set_chaos(self.failing, self._chaos)
        group = GroupCommit(self.inbox)
        guards = await make_guards(
            self.inbox,
            settings,
            directory=Path() if self._database is None else self._database.parent,
            max_message_size=own.max_message_size,
        )
        self._writing = group, guards
        intake = IntakeSettings(
            max_message_size=own.max_message_size,
            max_hops=settings.intake.max_hops,
            max_header_size=max(settings.intake.max_header_size, _MAX_HEADER),
            max_header_fields=max(settings.intake.max_header_fields, _MAX_FIELDS),
        )
        door = Door(
            store=self.inbox,
            group=group,
            ids=self._ids,
            clock=self._clock,
            stamper=Stamper(intake, self._hostname),
            queue_for=_nowhere,
            guards=guards,
            sink=self.book.hear,
            on_kept=_noted,
        )
        self.sandbox.ingestion = Ingestion(
            door, self._clock, hostname=self._hostname, max_size=lambda: own.max_message_size
        )
        self.catching = Catching(
            door=door,
            access=self.access,
            guesses=Guesses(_LENIENT),
            limits=replace(
                settings.limits,
                connections_per_client=_MOST_CONNECTIONS,
                connection_rate_per_client=_MOST_IN_A_MINUTE,
            ),
            sink=self.book.hear,
            options=self._options,
            observe=self.book.observe,
            failing=self.failing,
        )

    async def serve(
        self,
        sockets: SandboxSockets,
        smtp: tuple[str, ...],
        smtps: tuple[str, ...],
        *,
        starttls: bool,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        """Serve the caught mail.

        Args:
            sockets: The bound sockets.
            smtp: The addresses that catch mail, for display.
            smtps: Those with implicit TLS.
            starttls: Whether the others offer STARTTLS.
            tls: Returns the context for STLS of POP3; None: it is not offered.
        """
        self.sandbox.addresses = Addresses(
            smtp=smtp, smtps=smtps, http=addresses(sockets.http), pop3=addresses(sockets.pop3)
        )
        self.sandbox.offers_starttls = starttls
        await self.outward.start(sockets.pop3, tls)
        if sockets.http:
            # Imported late: a sandbox that only catches, as in many tests, need not load it.
            from pillarbox.node.sandbox_web import make_web_server  # noqa: PLC0415

            self._web = make_web_server(self.sandbox, sockets.http, self._on_defect)
            await self._web.start()

    async def close(self) -> None:
        """Stop serving, and close the inbox; stop the listeners first. Safe to call twice."""
        if self._web is not None:
            await self._web.stop(patience=_PAGES_PATIENCE)
        await self.outward.stop()
        if self._writing is not None:
            group, guards = self._writing
            self._writing = None
            await group.drain()
            await guards.reserve.stop()
        await self.sandbox.stop()
        self.access.close()

    def _make_failing(self) -> Failing:
        return Failing(
            self.inbox,
            now=self._clock.now,
            project_of=self.projects.choose,
            tallies=self.sandbox.journal("tally", Tally),
            by_address=self.settings.sandbox.fail_by_address,
            on_change=self.sandbox.rules_changed,
            give_back=self.outward.bounces.give_back,
        )

    def make_judging(self, own: SandboxSettings) -> Judging:
        """Return the configured assessment of mail.

        Raises:
            PermanentError: A filter's address cannot be used.
        """
        return Judging(
            self.inbox,
            now=self._clock.now,
            resolver=self._resolver,
            tls=TlsContexts().verified,
            filters=content_filters(rspamd=own.rspamd, spamassassin=own.spamassassin),
        )

    def _options(self, usual: ServerOptions) -> ServerOptions:
        own = self.offered
        return replace(
            usual,
            banner=_BANNER,
            max_message_size=own.max_message_size,
            auth_mechanisms=mechanisms(own.logins),
            auth_before_tls=True,
            require_auth=own.needs_login,
            require_tls=own.require_tls and usual.starttls,
            normalize_line_ends=True,
        )


class SandboxNode:
    """``pillarbox sandbox``: all of it, in the running loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        sink: Sink | None = None,
        on_defect: OnDefect | None = None,
        sockets: SandboxSockets | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        """Prepare a sandbox; ``start`` starts it.

        Args:
            settings: The configuration; only the sandbox's sections matter.
            clock: The time; the machine's if None.
            sink: Receives events; None: they are dropped.
            on_defect: Called with unexpected errors; the loop's handler if None.
            sockets: Bound sockets; None: they are bound at the start.
            resolver: Who answers for DNS when a mail is judged; as configured if None.

        Raises:
            PermanentError: Something in the configuration cannot be used.
        """
        self.settings = settings
        self._clock = clock or SystemClock()
        self._sink = sink or _unheard
        self._on_defect = on_defect or _tell_loop
        self._sockets = sockets
        self._receiver: Receiver | None = None
        self._parts = SandboxParts(
            settings,
            database=settings.sandbox.database,
            clock=self._clock,
            sink=self._sink,
            on_defect=self._on_defect,
            resolver=resolver,
        )
        self._tls: Callable[[], ssl.SSLContext] | None = None
        self._directory: Path | None = None
        self.certificate: Path | None = None
        """PEM file with the server's certificate; a client that trusts it can verify it."""

    @property
    def sandbox(self) -> Sandbox:
        """The caught mail."""
        return self._parts.sandbox

    @property
    def addresses(self) -> Addresses:
        """The listening addresses, once it has started."""
        return self._parts.sandbox.addresses

    async def start(self) -> None:
        """Start to catch and show mail.

        Raises:
            PillarboxError: Something cannot be used; then nothing runs.
        """
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(self.stop)
            sockets = self._sockets or bind_sandbox(self.settings.sandbox, is_alone=True)
            undo.callback(sockets.close)
            await self._parts.open()
            self._receiver = self._make_receiver(sockets)
            self._receiver.start()
            await self._parts.serve(
                sockets,
                addresses(sockets.smtp),
                addresses(sockets.smtps),
                starttls=self._tls is not None,
                tls=self._tls,
            )
            undo.pop_all()

    async def failed(self) -> None:
        """Wait until the disk has failed, so that nothing more can be stored."""
        while not self._parts.inbox.has_failed:  # noqa: ASYNC110 - the state of a disk is looked at
            await asyncio.sleep(_LOOK_EVERY)

    async def stop(self) -> None:
        """Stop from the listeners down. Safe to call twice."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            await receiver.stop(_GRACE)
        await self._parts.close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _make_receiver(self, sockets: SandboxSockets) -> Receiver:
        own = self.settings.sandbox
        bound = {_SMTP: sockets.smtp, _SMTPS: sockets.smtps}
        listeners = {
            name: ListenerSettings(
                kind=ListenerKind.SANDBOX,
                bind=(),
                starttls=own.offers_starttls,
                implicit_tls=name == _SMTPS,
            )
            for name, each in bound.items()
            if each
        }
        self._directory = Path(tempfile.mkdtemp(prefix="pillarbox-sandbox-"))
        settings = replace(
            self.settings,
            node=replace(self.settings.node, directory=self._directory, hostname=_HOSTNAME),
            tls=TlsSettings(certificate=own.certificate, key=own.key),
            certificate={},
            listener=listeners,
            auth=replace(self.settings.auth, sources=(), file=None),
            auth_source={},
            rule={},
            owner={},
        )
        files = certificate_files(settings, _HOSTNAME, self._clock.now())
        if files:
            self.certificate = files[0].certificate
            if own.offers_starttls:
                self._tls = partial(server_context, files[0])
        return Receiver(
            settings,
            hostname=_HOSTNAME,
            domains=LocalDomains([]),
            door=self._parts.catching.door,
            clock=self._clock,
            sink=self._sink,
            sockets={name: each for name, each in bound.items() if each},
            catching=self._parts.catching,
        )


def _read_chaos(text: str) -> Chaos:
    try:
        return parse_chaos(text)
    except PermanentError as error:
        raise PermanentError(f"sandbox.chaos: {error}") from error


def _nowhere(sender: ReversePath, recipient: Mailbox) -> QueueKey:
    del sender, recipient
    return _NOWHERE


def _noted(message: object) -> None:
    """Do nothing: the inbox has already notified all listeners."""
    del message


def _unheard(event: Event) -> None:
    del event


def _tell_loop(where: str, error: BaseException) -> None:
    context = {"message": where, "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
