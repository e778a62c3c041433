"""The delivery service: takes committed messages through to their final results.

* A message is in the store before it comes here; whatever happens here, it stays there until its
  result is on disk.
* Nothing is sent before its start mark is on disk; results are written right after, in batches.
  While the store fails, delivery pauses until the store accepts results again.
* Messages that were in flight when the process died are tried one at a time; a message that was in
  flight at three crashes is held.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from pillarbox.clock import Clock
from pillarbox.config.settings import DeliverySettings, QueueSettings, RouteKind, RouteSettings
from pillarbox.deliver.consult import Consult
from pillarbox.deliver.dispatch import Dispatcher, Shared
from pillarbox.deliver.failures import DEFECT
from pillarbox.deliver.job import Job
from pillarbox.deliver.lanes import MailQueue
from pillarbox.deliver.notices import Addressees, Notices, Sign
from pillarbox.deliver.reach import Reach
from pillarbox.deliver.recorder import Recorder
from pillarbox.deliver.resolve import Resolution, Whereabouts
from pillarbox.deliver.routes import SiteMap
from pillarbox.deliver.scheduler import Bounds, Scheduler
from pillarbox.deliver.settling import Settler
from pillarbox.deliver.sites import Site
from pillarbox.deliver.smtp import Dialing
from pillarbox.deliver.steady import SteadyClock
from pillarbox.deliver.suspects import Suspects
from pillarbox.deliver.verdict import Judge, schedule_of
from pillarbox.errors import PermanentError
from pillarbox.events.types import Sink
from pillarbox.intake.keeping_on import keep_on
from pillarbox.policy.queue import QueueFor, QueueKey, RecipientState
from pillarbox.policy.retry import cap_wait
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.client_outcome import RecipientOutcome, Stage
from pillarbox.smtp.reply import Reply
from pillarbox.store.group import GroupCommit
from pillarbox.store.ids import IdMaker
from pillarbox.store.port import Changed, KeptMessage, MessageId, Store, StoreUnavailable

__all__ = ["Deliverer", "DeliveryStatus", "SiteStatus"]

_LOOKUPS_AT_ONCE: Final = 200
_PATIENCE: Final = 0.5
"""Seconds that a message's recipients wait for each other's lookups, to go out together."""
_STORE_DOWN: Final = 1.0  # seconds before a failed store is retried
_HELD: Final = frozenset({RecipientState.HELD, RecipientState.CANCELED})


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """The state of one site."""

    key: str
    connections: int
    allowed: int
    closed_for: float  # seconds until it is tried again; 0: it is open
    reason: str


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """The state of delivery."""

    is_paused: bool
    is_store_down: bool
    in_memory: int  # recipients
    content_in_memory: int  # octets
    connections: int
    unrecorded: int  # results that wait for the store
    sites: tuple[SiteStatus, ...]


class Deliverer:
    """Delivers mail."""

    def __init__(
        self,
        *,
        hostname: str,
        delivery: DeliverySettings,
        queue: QueueSettings,
        routes: Mapping[str, RouteSettings],
        store: Store,
        group: GroupCommit,
        reach: Reach,
        clock: Clock,
        sink: Sink,
        ids: IdMaker,
        queue_for: QueueFor,
        addressees: Addressees,
        random: Random,
        author: Mailbox | None = None,
        consult: Consult | None = None,
        sign: Sign | None = None,
    ) -> None:
        """Deliver from ``store`` through ``routes``; needs the running event loop.

        Args:
            hostname: Our name in EHLO and notifications.
            delivery: Time-outs and limits of connections.
            queue: Lifetimes, retries and memory limits.
            routes: The routes by name.
            store: Where mail is stored.
            group: The group commit of that store.
            reach: How other servers are found and reached.
            clock: The time.
            sink: Receives all events.
            ids: Creates the ids of notifications.
            queue_for: Returns the queue of a notification.
            addressees: Returns who gets a notification for a sender.
            random: Randomizes retries and the order of equal mail exchangers.
            author: The author of notifications; postmaster at our hostname if None.
            consult: Consulted before each delivery; None: no consultant.
            sign: Signs notifications; None: they are not signed.
        """
        self._store = store
        self._routes = routes
        self._delivery = delivery
        self._clock = clock
        steady = SteadyClock(clock)
        self._recorder = Recorder(group, clock, sink, self._recorded)
        bounds = Bounds(queue.in_memory, queue.content_in_memory)
        self._scheduler = Scheduler(store, steady, bounds, self._place)
        author, schedule = author or Mailbox("postmaster", hostname), schedule_of(queue)
        notices = Notices(
            hostname, author, store, schedule, steady, ids, queue_for, addressees, sink, sign
        )
        self._settler = Settler(self._recorder, notices, sink, self._scheduler.is_under_way)
        judge, settler = Judge(queue, steady, random), self._settler
        shared = Shared(
            store, self._recorder, judge, settler, clock, steady, random, sink, consult, reach
        )
        self._dispatcher = Dispatcher(delivery, queue, shared)
        self._sites = SiteMap(
            routes,
            delivery,
            Whereabouts(hostname, reach.own_addresses),
            reach.resolver,
            Dialing(reach.dialer, reach.contexts, clock, random, sink),
            reach.security,
            self._scheduler.queue_idle,
        )
        self._suspects = Suspects(store, self._scheduler, self._dispatcher)
        self._lookups = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life -----------------------------------------------------------------------

    async def start(self) -> None:
        """Start delivering; the store is open.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        await self._suspects.find()
        self._recorder.run()
        self._tasks.add(keep_on(self._scheduler.run, "deliver: reading back"))
        self._spawn(self._suspects.run(), "deliver: suspects")
        self._spawn(self._bring_near(), "deliver: due times")

    async def stop(self, grace: float = 30.0) -> None:
        """Stop; attempts in progress may finish within ``grace`` seconds.

        Untried jobs are queued again; results that cannot be recorded in time stay in flight until
        the next start.
        """
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._dispatcher.stop(self._sites.known(), grace)
        try:
            async with asyncio.timeout(max(grace, 1.0)):
                await self._recorder.drain()
        except TimeoutError:
            pass
        await self._recorder.stop()
        self._sites.close()

    def pause(self) -> None:
        """Start no more attempts; those in progress finish."""
        self._dispatcher.is_paused = True

    def resume(self) -> None:
        """Resume after a pause."""
        self._dispatcher.is_paused = False
        self._move_on()

    def _move_on(self) -> None:
        for site in self._sites.known():
            self._dispatcher.serve(site)
        self._scheduler.place_all()
        self._scheduler.refresh()

    def use(
        self,
        delivery: DeliverySettings,
        queue: QueueSettings,
        routes: Mapping[str, RouteSettings],
        queue_for: QueueFor,
        addressees: Addressees,
    ) -> None:
        """Use new settings: attempts in progress finish under the old ones, the rest use these."""
        was_paused, self._delivery = self._delivery.paused, delivery
        self._routes = routes
        self._scheduler.use(Bounds(queue.in_memory, queue.content_in_memory))
        self._dispatcher.use(delivery, queue)
        self._settler.notices = replace(
            self._settler.notices,
            schedule=schedule_of(queue),
            queue_for=queue_for,
            addressees=addressees,
        )
        for site in self._sites.use(routes, delivery):
            self._dispatcher.retire(site)
        if delivery.paused != was_paused:
            self._dispatcher.is_paused = delivery.paused
        self._move_on()

    # --- what others tell -----------------------------------------------------------

    def offer(self, message: KeptMessage) -> None:
        """Accept a message that was just committed. Never blocks, never fails."""
        self._scheduler.offer(message)

    def changed(self, changes: Sequence[Changed]) -> None:
        """Apply an operator's changes in the store."""
        gone: dict[QueueKey, set[tuple[MessageId, int]]] = {}
        for change in changes:
            if change.moved_from is not None:
                recipient = change.message, change.index
                gone.setdefault(change.moved_from, set()).add(recipient)
            elif change.state in _HELD:
                gone.setdefault(change.queue, set()).add((change.message, change.index))
        for key, recipients in gone.items():
            self._scheduler.forget(key, recipients)
        if any(change.state not in _HELD for change in changes):
            # The operator wants mail to be tried now, even at a closed site.
            for site in self._sites.known():
                site.reopen()
        self._scheduler.refresh()

    def status(self) -> DeliveryStatus:
        """Return the state of delivery."""
        now = self._clock.monotonic()
        return DeliveryStatus(
            is_paused=self._dispatcher.is_paused,
            is_store_down=self._recorder.is_down,
            in_memory=self._scheduler.held,
            content_in_memory=self._scheduler.octets,
            connections=self._dispatcher.connections,
            unrecorded=self._recorder.unrecorded,
            sites=tuple(_site_status(site, now) for site in self._sites.known()),
        )

    async def _bring_near(self) -> None:
        """Correct due times, in case the wall clock jumped back while we were not running."""
        while True:
            now = self._clock.now()
            latest = cap_wait(self._settler.notices.schedule, math.inf, now=now)
            try:
                if not await self._store.bring_near(now=now, latest=latest):
                    return
            except StoreUnavailable:
                await asyncio.sleep(_STORE_DOWN)
            self._scheduler.expect(latest)

    # --- queues and their sites -----------------------------------------------------

    def _place(self, queues: Sequence[MailQueue]) -> None:
        """Attach queues that have new mail to their sites, then advance the sites."""
        sites: dict[str, Site] = {}
        unknown: list[MailQueue] = []
        for queue in queues:
            site = self._site_of(queue, unknown)
            if site is not None:
                sites[site.key] = site
        if unknown and not self._dispatcher.is_paused:
            for queue in unknown:
                queue.is_resolving = True
            self._spawn(self._resolve(unknown), "deliver: resolving")
        for site in sites.values():
            self._dispatcher.serve(site)

    def _site_of(self, queue: MailQueue, unknown: list[MailQueue]) -> Site | None:
        """Return the site of a queue; if that needs DNS, add the queue to ``unknown``."""
        if queue.lanes is not None:
            return self._sites.get(queue.site)
        if queue.is_resolving:
            return None
        route = self._routes.get(queue.key.route)
        if route is None:
            self._fail(queue, _no_route(f"There is no route {queue.key.route!r}"))
            return None
        if route.kind is RouteKind.HOLD:
            for found in list(queue.empty()):
                self._dispatcher.hold(Job(*found), f"route {queue.key.route} holds mail")
            self._scheduler.queue_idle(queue)
            return None
        if route.kind is RouteKind.MX:
            unknown.append(queue)
            return None
        try:
            site = self._sites.fixed(queue.key.route, queue.key.tls_required)
        except PermanentError as error:
            self._fail(queue, _no_route(str(error)))
            return None
        self._attach(queue, site)
        return site

    async def _resolve(self, queues: Sequence[MailQueue]) -> None:
        """Find the sites of a message's queues; a slow lookup delays the others only briefly."""
        if len(queues) == 1:
            self._resolved([await self._look_up(queues[0])])
            return
        loop = asyncio.get_running_loop()
        lookups = [loop.create_task(self._look_up(queue)) for queue in queues]
        try:
            done, late = await asyncio.wait(lookups, timeout=_PATIENCE)
            self._resolved([lookup.result() for lookup in done])
            for lookup in asyncio.as_completed(late):
                self._resolved([await lookup])
        finally:
            for lookup in lookups:
                lookup.cancel()

    async def _look_up(self, queue: MailQueue) -> tuple[MailQueue, Site | Resolution | None]:
        async with self._lookups:
            key = queue.key
            try:
                found = await self._sites.exchangers(key.destination, key.route, key.tls_required)
            except Exception as error:  # noqa: BLE001 - a defect of ours costs one attempt, no mail
                context = {"message": f"finding {key.destination} failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
                found = Resolution(failure=DEFECT)
            return queue, found

    def _resolved(self, found: Sequence[tuple[MailQueue, Site | Resolution | None]]) -> None:
        sites: dict[str, Site] = {}
        changed: list[MailQueue] = []
        for queue, where in found:
            queue.is_resolving = False
            if isinstance(where, Site):
                sites[where.key] = where
                self._attach(queue, where)
            elif where is None:
                changed.append(queue)
            else:
                self._fail(queue, where.failure or _no_route("There is no host"))
        for site in sites.values():
            self._dispatcher.serve(site)
        if changed:
            self._place(changed)

    def _attach(self, queue: MailQueue, site: Site) -> None:
        queue.site = site.key
        site.lanes.attach(queue)

    def _fail(self, queue: MailQueue, outcome: RecipientOutcome) -> None:
        jobs = [Job(*found) for found in queue.empty()]
        self._scheduler.queue_idle(queue)
        self._dispatcher.fail(jobs, outcome)

    def _recorded(self, done: Sequence[Job], new: Sequence[KeptMessage], due: float | None) -> None:
        for job in done:
            self._scheduler.release(job)
            self._suspects.released(job)
            self._settler.released(job)
        for message in new:
            self._scheduler.offer(message)
        if due is not None:
            self._scheduler.expect(due)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _no_route(text: str) -> RecipientOutcome:
    """Return the outcome for a gap in the configuration; mail waits until it is fixed."""
    reply = Reply.of(451, "4.3.5", text)  # RFC 3463 §3.4: system incorrectly configured
    return RecipientOutcome(
        is_delivered=False, stage=Stage.RESOLVE, reply=reply, reason=text, is_local=True
    )


def _site_status(site: Site, now: float) -> SiteStatus:
    return SiteStatus(
        key=site.key,
        connections=site.connected,
        allowed=site.allowed,
        closed_for=round(max(site.closed_until - now, 0.0), 3),
        reason=site.reason if site.is_closed(now) else "",
    )
