"""One pillarbox node: a store, delivery, listeners, and a control socket where it is given one.

Guarantees: services start from the store up and stop from the listeners down, so that no message is
accepted that cannot be stored, and none is delivered whose result cannot be recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from pillarbox import __version__
from pillarbox.clock import Clock, SystemClock
from pillarbox.config.settings import Settings
from pillarbox.control.server import ControlServer
from pillarbox.deliver.deliverer import Deliverer
from pillarbox.deliver.forwarding import EnvelopeOf
from pillarbox.deliver.job import Job
from pillarbox.deliver.reach import Reach
from pillarbox.deliver.security import SecurityPolicies
from pillarbox.deliver.sts import StsPolicies, policy_fetcher
from pillarbox.errors import PillarboxError
from pillarbox.events.log import LogWriter
from pillarbox.events.types import (
    ConfigurationReloaded,
    Event,
    NodeStarted,
    NodeStopped,
    NodeStopping,
)
from pillarbox.intake.domains import read_domains
from pillarbox.intake.door import Door
from pillarbox.intake.guards import Guards
from pillarbox.intake.queues import Queues
from pillarbox.intake.stamp import Stamper
from pillarbox.keyring.ring import KeyRing, make_key_store
from pillarbox.mailauth.resolver import Resolver
from pillarbox.net.dialer import Dialer, SocketDialer
from pillarbox.net.own_addresses import own_addresses
from pillarbox.net.tls import TlsContexts
from pillarbox.node.access import Access
from pillarbox.node.adapters import kind_of_store, make_log, make_resolver, make_store
from pillarbox.node.authenticity import Authenticity
from pillarbox.node.bound import Bound
from pillarbox.node.certificates import Certificates, bind_pages
from pillarbox.node.defects import defect_found
from pillarbox.node.forwarding import Rewriting
from pillarbox.node.guarding import make_guards
from pillarbox.node.judging import Judging
from pillarbox.node.key_care import KeyCare
from pillarbox.node.limiting import Limiting
from pillarbox.node.policy_pages import bind_https
from pillarbox.node.reports import Reporting
from pillarbox.node.sandbox_sockets import catches
from pillarbox.node.upkeep import Upkeep
from pillarbox.policy.notify import addressees
from pillarbox.policy.recipients import LocalDomains
from pillarbox.policy.ruling import Ruling
from pillarbox.receive.catching import Catching
from pillarbox.receive.checks import Checks
from pillarbox.receive.receiver import Receiver
from pillarbox.smtp.envelope import Envelope
from pillarbox.store.group import GroupCommit
from pillarbox.store.history import Teller
from pillarbox.store.ids import IdMaker
from pillarbox.store.port import Store

if TYPE_CHECKING:
    from pillarbox.node.node_sandbox import NodeSandbox
    from pillarbox.sandbox.service import Sandbox

__all__ = ["Log", "Node"]

Log = Callable[[Event, bytes | None], None]
"""Receives every event, with its JSON if that already exists."""

# Threads that compute signatures. More than there are cores, because after each signature a thread
# waits for the event loop to release the GIL, and others can sign meanwhile. On two cores, four
# threads signed 10 to 30 % more messages a second than two, one fewer than two, and eight no more
# than four.
_SIGNERS: Final = 4


class Node:
    """A node, with its outside services passed in or chosen here."""

    def __init__(
        self,
        settings: Settings,
        *,
        reload: Callable[[], Settings] | None = None,
        log: Log | None = None,
        clock: Clock | None = None,
        resolver: Resolver | None = None,
        dialer: Dialer | None = None,
        bound: Bound | None = None,
        control: Callable[[Node], ControlServer] | None = None,
    ) -> None:
        """Prepare a node; ``start`` starts it.

        Args:
            settings: The configuration.
            reload: Reads the configuration again; None: it never changes.
            log: Where events go; None: as configured.
            clock: The time; the machine's if None.
            resolver: Queries DNS; as configured if None.
            dialer: Opens connections; the machine's network if None.
            bound: The sockets; None: they are bound at the start.
            control: Makes what operators steer the node through (``node.steering``); None: nothing.

        Raises:
            PermanentError: Something in the configuration cannot be used.
        """
        self.settings = settings
        self.hostname = settings.node.hostname or socket.getfqdn()
        self.clock = clock or SystemClock()
        self.resolver = resolver or make_resolver(settings, self.clock)
        self.counts: Counter[type[Event]] = Counter()
        self.store: Store = make_store(settings, self.clock.now)
        self.writer: LogWriter | None = None if log else make_log(settings.log)
        self.read_settings = reload
        self.reloading = asyncio.Lock()
        self._log = log or self._write
        self._teller = Teller(self._log)
        self._hearers: Mapping[type[Event], Callable[[Any], None]] = {}
        self._dialer = dialer or SocketDialer()
        self._bound = bound
        self._make_control = control
        self._control: ControlServer | None = None
        self._stop_reason: asyncio.Future[str] | None = None
        self.envelope_of: EnvelopeOf = Job.envelope
        self._upkeep: Upkeep | None = None
        self.catcher: NodeSandbox | None = None  # if a listener catches mail

    # --- life ---------------------------------------------------------------------

    async def start(self) -> None:
        """Open the store, start delivering, then listen.

        Raises:
            PillarboxError: Something cannot be used; what was started has been stopped.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_error)
        began = self.clock.monotonic()
        self._stop_reason = loop.create_future()
        self.settings.node.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as undo:
            await self.store.open()
            undo.push_async_callback(self.store.close)
            await self._start_services(undo)
            undo.pop_all()  # from here on, ``stop`` ends them
        self.key_care = KeyCare(lambda: self.settings, lambda: self.keys, self.clock, self.tell)
        self._upkeep = Upkeep(
            self.store,
            self.clock,
            settings=lambda: self.settings,
            keys=lambda: self.keys,
            adopted=lambda: self.deliverer.changed(()),
            end=self.request_stop,
            on_defect=self.on_defect,
        )
        counts = await self.store.count(now=self.clock.now())
        self.tell(
            NodeStarted(
                at=self.clock.now(),
                node=self.settings.node.name,
                version=__version__,
                store=kind_of_store(self.settings),
                queued=sum(sum(count.ages) for count in counts),
                seconds=round(self.clock.monotonic() - began, 3),
            )
        )

    async def _start_services(self, undo: contextlib.AsyncExitStack) -> None:
        settings = self.settings
        self._group = GroupCommit(self.store)
        self._teller.keep_in(self._group)
        self.ids = IdMaker(settings.node.shard, self.clock.now)
        domains, self.envelope_of = self.read_domains(settings)
        queues = Queues(settings.route, domains.routes)
        self.access = await Access.prepare(settings, self.store, self.clock, self.on_defect)
        undo.push_async_callback(self.access.stop)
        self.limiting = await self._prepare_limiting()
        undo.push_async_callback(self.limiting.stop)
        self.reporting = self._make_reporting(domains)
        undo.push_async_callback(self.reporting.stop)
        self._contexts = TlsContexts()
        self.judging = await self._prepare_judging(domains)
        undo.callback(self.judging.close)
        self.security = self._make_security()
        self.deliverer = self._make_deliverer(queues, domains)
        guards = await make_guards(
            self.store,
            settings,
            directory=settings.node.directory,
            max_message_size=settings.intake.max_message_size,
        )
        undo.push_async_callback(guards.reserve.stop)
        self.door = self._make_door(queues, guards)
        self.receiver = self._make_receiver(domains, await self._prepare_sandbox(undo))
        await self.access.remember(self.receiver.failures, self.store.notes, settings.node.name)
        self.certificates = await self._start_certificates()
        undo.push_async_callback(self.certificates.stop)
        if self._make_control is not None:
            self._control = self._make_control(self)
            await self._control.start()
            undo.push_async_callback(self._control.stop)
        if settings.delivery.paused:
            self.deliverer.pause()
        await self.deliverer.start()
        undo.push_async_callback(self.deliverer.stop, 0.0)
        self.receiver.start()
        if self.catcher is not None:
            await self.catcher.serve(self.receiver.addresses)
        self.reporting.start(self.door, self.resolver, self._contexts)

    @property
    def sandbox(self) -> Sandbox | None:
        """The mail caught by listeners of the kind ``sandbox``; None if there are none."""
        return None if self.catcher is None else self.catcher.sandbox

    async def run(self) -> str:
        """Wait until the node is asked to stop; return the reason."""
        return "not started" if self._stop_reason is None else await self._stop_reason

    def request_stop(self, reason: str) -> None:
        """Make ``run`` return; does not wait."""
        if self._stop_reason is not None and not self._stop_reason.done():
            self._stop_reason.set_result(reason)

    async def stop(self, reason: str) -> None:
        """Stop from the listeners down; contents and deliveries in progress may finish."""
        self.tell(NodeStopping(at=self.clock.now(), reason=reason))
        grace = self.settings.node.shutdown_grace
        if self._upkeep is not None:
            await self._upkeep.stop()
            await self.key_care.stop()
        await asyncio.gather(self.receiver.stop(grace), self.deliverer.stop(grace))
        if self.catcher is not None:
            await self.catcher.close()
        await self.door.guards.reserve.stop()
        await self.certificates.stop()
        await self.reporting.stop()
        self.judging.close()
        self._executor.shutdown(wait=False)
        if self._control is not None:
            await self._control.stop()
        self.tell(NodeStopped(at=self.clock.now(), is_clean=True))
        await self.limiting.stop()
        await self.access.stop()
        await self._group.drain()
        await self.store.close()
        if self.writer is not None:
            self.writer.close()

    # --- what it is made of -------------------------------------------------------

    async def _prepare_limiting(self) -> Limiting:
        return await Limiting.prepare(
            self.settings,
            hostname=self.hostname,
            notes=self.store.notes,
            clock=self.clock,
            key=self.access.key,
            resolver=self.resolver,
            sink=self.tell,
        )

    async def _prepare_sandbox(self, undo: contextlib.AsyncExitStack) -> Catching | None:
        if not catches(self.settings):
            return None
        # Imported late: a node without a sandbox need not load the web pages.
        from pillarbox.node.node_sandbox import NodeSandbox  # noqa: PLC0415

        self.catcher = NodeSandbox(
            self.settings,
            hostname=self.hostname,
            clock=self.clock,
            sink=self.log,
            on_defect=self.on_defect,
            ids=self.ids,
            resolver=self.resolver,
            sockets=None if self._bound is None else self._bound.sandbox,
        )
        undo.push_async_callback(self.catcher.close)
        return await self.catcher.open()

    async def _prepare_judging(self, domains: LocalDomains) -> Judging:
        self.keys = KeyRing(self.settings, await make_key_store(self.settings).load())
        self._executor = ThreadPoolExecutor(_SIGNERS, thread_name_prefix="sign")
        self.authenticity = Authenticity(
            hostname=self.hostname,
            resolver=self.resolver,
            contexts=self._contexts,
            ring=lambda: self.keys,
            executor=self._executor,
            now=self.clock.now,
            sink=self.tell,
            observe=self.reporting.observer,
        )
        return Judging.prepare(
            self.settings,
            domains,
            self.authenticity,
            self.on_defect,
            self.clock.now,
            self.limiting,
            self.reporting.readers,
        )

    def _outward(self, job: Job) -> Envelope:
        return self.envelope_of(job)

    def _consult(self, job: Job) -> Awaitable[Ruling] | None:
        return self.judging.deliveries.consult(job)

    def _checks_of(self, settings: Settings, listener: str) -> Checks:
        return self.judging.checks(settings, listener)

    def _make_reporting(self, domains: LocalDomains) -> Reporting:
        reporting = Reporting(
            self.settings,
            hostname=self.hostname,
            domains=domains,
            notes=self.store.notes,
            clock=self.clock,
            sink=self.tell,
            on_defect=self.on_defect,
        )
        self._hearers = reporting.hearers
        return reporting

    async def report_by(self, reporting: Reporting) -> None:
        """Switch to new reporting services, if they have changed."""
        if reporting is self.reporting:
            return
        before, self.reporting = self.reporting, reporting
        self._hearers = reporting.hearers
        await before.stop()
        reporting.start(self.door, self.resolver, self._contexts)

    async def _start_certificates(self) -> Certificates:
        bound = self._bound
        certificates = Certificates(
            self.settings,
            hostname=self.hostname,
            clock=self.clock,
            sink=self.tell,
            on_fetched=self._read_certificates,
            sockets=bind_pages(self.settings) if bound is None else bound.pages,
            https=bind_https(self.settings) if bound is None else bound.https,
        )
        await certificates.start()
        return certificates

    def _read_certificates(self) -> None:
        try:
            self.receiver.reload(self.settings, self.read_domains(self.settings)[0])
        except PillarboxError as error:  # something else is broken; renewal must continue
            self.tell(ConfigurationReloaded(at=self.clock.now(), error=str(error)))

    def read_domains(self, settings: Settings) -> tuple[LocalDomains, EnvelopeOf]:
        """Read the local domains of a configuration, and the rewriting of mail that they forward.

        Raises:
            PermanentError: A file cannot be read, or something in it cannot be used.
        """
        rewriting = Rewriting.prepare(settings, self.clock.now)
        if rewriting is None:
            return read_domains(settings, None)[0], Job.envelope
        domains, _ = read_domains(settings, rewriting.returned)
        return domains, rewriting.forwarding(settings, domains.is_local).envelope

    def _make_security(self) -> SecurityPolicies:
        settings = self.settings
        fetcher = policy_fetcher(
            self.resolver,
            lambda: self._contexts.verified(self.settings.delivery.tls_ca),
            allow_private=lambda: self.settings.delivery.sts_allow_private,
        )
        sts = StsPolicies(self.resolver, fetcher, self.store.notes, self.clock, self.tell)
        return SecurityPolicies(settings.delivery, settings.tls_domain, self.resolver, sts)

    def _make_deliverer(self, queues: Queues, domains: LocalDomains) -> Deliverer:
        settings = self.settings
        return Deliverer(
            hostname=self.hostname,
            delivery=settings.delivery,
            queue=settings.queue,
            routes=settings.route,
            store=self.store,
            group=self._group,
            reach=Reach(
                resolver=self.resolver,
                dialer=self._dialer,
                security=self.security,
                contexts=self._contexts,
                own_addresses=own_addresses(),
                envelope_of=self._outward,
            ),
            clock=self.clock,
            sink=self.tell,
            ids=self.ids,
            queue_for=queues.queue_for,
            addressees=partial(addressees, local=domains),
            random=Random(),  # noqa: S311 - it spreads retries, it guards nothing
            consult=self._consult,
            sign=self.authenticity.own_signatures(),
        )

    def _make_door(self, queues: Queues, guards: Guards) -> Door:
        return Door(
            store=self.store,
            group=self._group,
            ids=self.ids,
            clock=self.clock,
            stamper=Stamper(self.settings.intake, self.hostname),
            queue_for=queues.queue_for,
            guards=guards,
            sink=self.tell,
            on_kept=self.deliverer.offer,
            inspectors=self.judging.inspectors,
        )

    def _make_receiver(self, domains: LocalDomains, catching: Catching | None) -> Receiver:
        return Receiver(
            self.settings,
            hostname=self.hostname,
            domains=domains,
            door=self.door,
            clock=self.clock,
            sink=self.tell,
            sockets=None if self._bound is None else self._bound.listeners,
            checks=self._checks_of,
            access=self.access.control,
            guesses=self.limiting.guesses,
            rates=self.limiting.rates,
            catching=catching,
        )

    # --- events and defects -------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Process an event: count it, log it, add it to its message's history."""
        kind = type(event)
        self.counts[kind] += 1
        self._teller(event)
        hear = self._hearers.get(kind)
        if hear is not None:
            hear(event)

    def log(self, event: Event) -> None:
        """Log an event that belongs to no message's history, such as those of caught mail."""
        self._log(event, None)

    def _write(self, event: Event, encoded: bytes | None) -> None:
        if self.writer is not None:
            self.writer(event, encoded)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.on_defect(context.get("message", "event loop"), error)
        else:
            loop.default_exception_handler(context)

    def on_defect(self, where: str, error: BaseException) -> None:
        """Report an unexpected error."""
        self.tell(defect_found(where, error, at=self.clock.now()))
