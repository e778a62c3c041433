"""Matches waiting jobs with carriers: sites, connections, workers, results.

A worker is a long-lived task that holds one carrier of one site and pulls jobs that are marked on
disk; there is no task, lock or wait per message. The outcome of a job goes to the recorder; what it
reveals about the site goes to the site.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from pillarbox.clock import Clock
from pillarbox.config.settings import DeliverySettings, QueueSettings
from pillarbox.deliver.consult import Consult
from pillarbox.deliver.content import content_of
from pillarbox.deliver.failures import DEFECT, LONG_LINE, UNREADABLE, turned_away
from pillarbox.deliver.job import Job
from pillarbox.deliver.reach import Reach
from pillarbox.deliver.recorder import Recorder
from pillarbox.deliver.results import is_for_another_transaction, was_gone
from pillarbox.deliver.settling import Settler, part_of
from pillarbox.deliver.sites import Site
from pillarbox.deliver.slots import Slots
from pillarbox.deliver.steady import SteadyClock
from pillarbox.deliver.transport import Carrier, NoCarrier, Peer
from pillarbox.deliver.verdict import Judge, Ruling
from pillarbox.events.types import AttemptMade, MessageDamaged, Sink, SiteBackedOff, SiteRecovered
from pillarbox.net.transaction import RecipientOutcome, Transaction, TransactionResult
from pillarbox.policy.notify import action_for_delivery
from pillarbox.policy.replies import Scope, classify
from pillarbox.policy.ruling import Action
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.envelope import Notify
from pillarbox.store.port import BodyDamaged, KeptRecipient, Store, StoreUnavailable

__all__ = ["Dispatcher", "Shared"]

_TURN: Final = 50  # messages after which a worker yields its slot to a waiting site


@dataclass(frozen=True, slots=True)
class Shared:
    """Objects shared by the parts of delivery."""

    store: Store
    recorder: Recorder
    judge: Judge
    settler: Settler
    clock: Clock
    steady: SteadyClock
    random: Random
    sink: Sink
    consult: Consult | None
    reach: Reach


@dataclass(slots=True)
class _Hands:
    """The state of a worker."""

    site: Site
    carrier: Carrier | None = None
    carried: int = 0  # messages with this carrier
    turn: int = 0  # messages in this turn


class Dispatcher:
    """Runs the workers of all sites."""

    def __init__(self, delivery: DeliverySettings, queue: QueueSettings, shared: Shared) -> None:
        """Deliver with the ``shared`` objects, within the limits of the settings."""
        self._delivery = delivery
        self._queue = queue
        self._store = shared.store
        self._recorder = shared.recorder
        self._judge = shared.judge
        self._settler = shared.settler
        self._clock = shared.clock
        self._steady = shared.steady
        self._random = shared.random
        self._sink = shared.sink
        self._consult = shared.consult
        self._envelope_of = shared.reach.envelope_of
        self._slots = Slots(delivery.connections)
        self._workers: set[asyncio.Task[None]] = set()
        self.is_paused = delivery.paused
        self._is_stopping = False

    @property
    def connections(self) -> int:
        """How many slots are in use."""
        return self._slots.used

    def use(self, delivery: DeliverySettings, queue: QueueSettings) -> None:
        """Use new settings."""
        self._delivery, self._queue = delivery, queue
        self._slots.limit = delivery.connections
        self._judge.use(queue)

    # --- what moves a site on -------------------------------------------------------

    def serve(self, site: Site) -> None:
        """Advance a site: mark its next jobs, wake or start workers, or defer if it is closed."""
        if site.is_retired:
            self._put_back_all(site)
        if self._is_stopping:
            return
        # A site that never failed needs no clock; reading the loop's costs a system call.
        if site.closed_until and site.is_closed(self._clock.monotonic()):
            if site.lanes or site.ready:
                self._defer_all(site)
            return
        if site.lanes and not self.is_paused and (room := site.room()):
            jobs = site.take(room)
            if jobs:
                self._mark(site, jobs)
        if site.ready:
            self._staff(site)

    def _mark(self, site: Site, jobs: Sequence[Job]) -> None:
        """Mark jobs, then let the site's workers try them."""
        site.marking += len(jobs)

        def marked(jobs: Sequence[Job]) -> None:
            site.marking -= len(jobs)
            if self._is_stopping or site.is_retired:  # the mark came too late for an attempt
                for job in jobs:
                    self._put_back(job)
                return
            site.ready.extend(jobs)
            self.serve(site)

        self._recorder.start(jobs, marked)

    def _staff(self, site: Site) -> None:
        site.wake()
        while site.wants_worker() and self._slots.take(site, self._lane(site)):
            self._hire(site)

    def _lane(self, site: Site) -> str:
        return site.ready[0].recipients[0].queue.lane

    def _hire(self, site: Site) -> None:
        site.hired()
        task = asyncio.get_running_loop().create_task(self._work(site), name=f"deliver: {site.key}")
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)

    def _slot_is_free(self) -> None:
        if self._is_stopping:
            return
        while (site := self._slots.next()) is not None:
            if site.wants_worker():
                self._hire(site)
            else:
                self._slots.release()

    def retire(self, site: Site) -> None:
        """Retire a site: messages in progress finish, waiting ones can go to another site."""
        site.is_retired = True
        site.lanes.detach()
        self._put_back_all(site)
        site.dismiss()

    async def stop(self, sites: Sequence[Site], grace: float) -> None:
        """Let the messages in progress finish, for ``grace`` seconds at most."""
        self.is_paused = self._is_stopping = True
        for site in sites:
            self._put_back_all(site)
            site.dismiss()
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for site in sites:  # what the workers did not finish
            self._put_back_all(site)
        await self._settler.drain()

    def _put_back_all(self, site: Site) -> None:
        while site.ready:
            self._put_back(site.ready.popleft())

    def _put_back(self, job: Job) -> None:
        self._recorder.settle(
            [self._judge.untouched(job, recipient) for recipient in job.recipients], (), job
        )

    # --- a worker -------------------------------------------------------------------

    async def _work(self, site: Site) -> None:
        hands = _Hands(site)
        site.begin()
        try:
            while await self._next_job(hands):
                job = site.ready.popleft()
                self.serve(site)
                await self._deliver(hands, job)
                hands.turn += 1
        finally:
            site.workers -= 1
            await asyncio.shield(self._let_go(hands))
            self._slots.release()
            self._slot_is_free()
            self.serve(site)

    async def _next_job(self, hands: _Hands) -> bool:
        """Wait until a job is ready; return whether the worker continues."""
        site = hands.site
        if site.workers > site.allowed:
            return False
        if hands.turn >= _TURN and self._slots.is_contested:
            return False
        while not site.ready:
            if hands.carrier is None or self.is_paused:
                return False
            if not await site.wait(self._delivery.idle_timeout):
                return False
        return True

    async def _let_go(self, hands: _Hands) -> None:
        carrier, hands.carrier = hands.carrier, None
        if carrier is not None:
            hands.site.connected -= 1
            await carrier.close()

    async def _deliver(self, hands: _Hands, job: Job) -> None:
        """Try a job; afterward, every recipient is settled, or the job is queued again."""
        site = hands.site
        if job.message.has_long_lines and not site.transport.takes_long_lines:
            self._settle_all(job, LONG_LINE, Peer())
            return
        if self._consult is not None and not await self._may_go(job, self._consult):
            return
        try:
            content = await content_of(job.message, self._store)
            carrier = await self._carrier(hands)
            job = self._fitted(site, job, carrier.bounds.recipients)
            transaction = Transaction(
                envelope=self._envelope_of(job), content=content, has_8bit=job.message.has_8bit
            )
            await self._carry(hands, carrier, job, transaction)
        except NoCarrier as failure:
            self._not_opened(site, job, failure)
        except BodyDamaged as damage:
            await self._let_go(hands)
            reason = f"the stored content is damaged: {damage}"
            self._sink(MessageDamaged(at=self._clock.now(), message=job.id_text, reason=reason))
            self.hold(job, reason)
        except StoreUnavailable:
            due = self._steady.now() + self._delivery.site_backoff
            self._settle_all(job, UNREADABLE, Peer(), was_tried=False, not_before=due)
        except Exception as error:  # noqa: BLE001 - a defect of ours costs one attempt, no mail
            await self._let_go(hands)
            _report(error, job)
            self._settle_all(job, DEFECT, Peer())

    async def _may_go(self, job: Job, consult: Consult) -> bool:
        """Ask the consultant; a job that may not go is settled."""
        asked = consult(job)
        if asked is None:
            return True
        ruling = await asked
        if ruling.reply is not None:
            self._settle_all(job, turned_away(ruling), Peer())
        elif ruling.action is Action.HOLD:
            self.hold(job, f"{ruling.by}: {ruling.reason}")
        else:
            return True
        return False

    async def _carry(
        self, hands: _Hands, carrier: Carrier, job: Job, transaction: Transaction
    ) -> None:
        is_reused = hands.carried > 0
        started = self._clock.monotonic()
        result = await carrier.carry(transaction)
        if is_reused and was_gone(result):
            # The peer closed the connection while it was idle: nothing was tried yet.
            await self._let_go(hands)
            carrier = await self._carrier(hands)
            result = await carrier.carry(transaction)
        hands.carried += 1
        ended = self._clock.monotonic()
        if not result.is_reusable:
            await self._let_go(hands)
        await self._conclude(hands.site, job, result, carrier.peer, started, ended)

    async def _carrier(self, hands: _Hands) -> Carrier:
        site, carrier = hands.site, hands.carrier
        if carrier is not None and (not carrier.is_usable or _is_used_up(hands, carrier)):
            await self._let_go(hands)
        if hands.carrier is None:
            hands.carrier = await site.transport.open()
            site.bounds = hands.carrier.bounds
            site.connected += 1
            hands.carried = 0
        return hands.carrier

    def _fitted(self, site: Site, job: Job, most: int | None) -> Job:
        """Leave recipients beyond the server's limit to the next transaction."""
        if most is None or len(job.recipients) <= most:
            return job
        return self._split(site, job, job.recipients[most:])

    # --- what comes of it -----------------------------------------------------------

    async def _conclude(
        self,
        site: Site,
        job: Job,
        result: TransactionResult,
        peer: Peer,
        started: float,
        ended: float,
    ) -> None:
        """Settle the outcomes of an attempt, recipient by recipient."""
        now = self._clock.now()
        self._tell_attempt(job, peer, ended - started, result.conversation, now)
        delivered: list[Ruling] = []
        failed: list[Ruling] = []
        again: list[KeptRecipient] = []
        is_success_told = False
        recipients = job.message.envelope.recipients
        for kept, outcome in zip(job.recipients, result.outcomes, strict=True):
            if outcome.is_delivered:
                ruling = self._judge.delivered(job, kept, outcome, peer, now)
                notify = recipients[kept.index].notify
                if notify is not None and Notify.SUCCESS in notify:
                    is_success_told = True
                    action = action_for_delivery(
                        is_final=site.transport.is_final, dsn_passed_on=result.dsn_passed_on
                    )
                    ruling = ruling._replace(action=action)
                delivered.append(ruling)
            elif is_for_another_transaction(outcome, result):
                again.append(kept)
            else:
                failed.append(self._judge.failed(job, kept, outcome, peer))
        if again:
            job = self._split(site, job, again)
        if delivered:
            done = part_of(job, [ruling.recipient for ruling in delivered], 0)
            await self._settler.delivered(done, delivered, is_success_told=is_success_told)
        if failed:
            job = part_of(job, [ruling.recipient for ruling in failed], job.octets)
            self._settler.settle(job, failed)
        self._judge_site(site, failed, ended, some_taken=bool(delivered))

    def _split(self, site: Site, job: Job, again: Sequence[KeptRecipient]) -> Job:
        """Move excess recipients to a separate job, which is already marked."""
        site.ready.appendleft(Job(job.message, tuple(again), job.octets))
        left = tuple(kept for kept in job.recipients if kept not in again)
        return Job(job.message, left, 0)

    def _judge_site(
        self, site: Site, rulings: Sequence[Ruling], now: float, *, some_taken: bool
    ) -> None:
        blaming = next((ruling for ruling in rulings if ruling.blames_site), None)
        if blaming is not None:
            if not site.shrink(now, self._delivery.site_backoff):
                self._back_off(site, blaming.settlement.last_reply)
        elif (some_taken or rulings) and site.succeeded(now):
            self._sink(SiteRecovered(at=self._clock.now(), site=site.key))

    def _not_opened(self, site: Site, job: Job, failure: NoCarrier) -> None:
        outcome = failure.outcome
        now = self._clock.monotonic()
        verdict = classify(outcome.stage, outcome.reply)
        if site.connected > 0 and not verdict.is_permanent:
            # Other connections work, so the site just allows no more of them.
            site.limit_to_connected(now, self._delivery.site_backoff)
            site.ready.appendleft(job)
            site.wake()
            return
        self._tell_attempt(
            job,
            failure.peer,
            0.0,
            failure.conversation or (f"* {outcome.reason}",),
            self._clock.now(),
        )
        reopen_at = 0.0
        if verdict.scope is Scope.SITE and not verdict.is_permanent:
            reopen_at = self._back_off(site, outcome.reason)
        self._settle_all(job, outcome, failure.peer, not_before=reopen_at)

    def _back_off(self, site: Site, reason: str) -> float:
        """Close a site for a while; return the wall-clock time of the next try."""
        seconds = site.close(
            self._clock.monotonic(),
            first=self._delivery.site_backoff,
            longest=self._queue.max_retry,
            jitter=self._random.random(),
            reason=reason,
        )
        self._sink(
            SiteBackedOff(
                at=self._clock.now(), site=site.key, reason=reason, seconds=round(seconds, 3)
            )
        )
        if site.lanes or site.ready:
            self._defer_all(site)
        return self._steady.now() + seconds

    def _defer_all(self, site: Site) -> None:
        """Defer the jobs of a closed site, untried, until the site is tried again."""
        jobs = [*site.ready, *(Job(*found) for found in site.lanes.drain())]
        site.ready.clear()
        outcome = RecipientOutcome(
            is_delivered=False, stage=Stage.CONNECT, reply=None, reason=site.reason
        )
        self._defer(site, jobs, outcome)

    def _defer(self, site: Site, jobs: Sequence[Job], outcome: RecipientOutcome) -> None:
        wait = max(site.closed_until - self._clock.monotonic(), 0.0)
        # Add some jitter, so that the jobs do not all become due at once.
        due = self._steady.now() + wait * (1 + self._random.random() / 10)
        self._settle_untried(jobs, outcome, was_tried=False, not_before=due)

    def fail(self, jobs: Sequence[Job], outcome: RecipientOutcome) -> None:
        """Settle jobs whose destination is known to fail.

        It counts as an attempt, so that the waits for a name server grow as well.
        """
        self._settle_untried(jobs, outcome, was_tried=True, not_before=0.0)

    def _settle_untried(
        self, jobs: Sequence[Job], outcome: RecipientOutcome, *, was_tried: bool, not_before: float
    ) -> None:
        for job in jobs:
            self._settle_all(job, outcome, Peer(), was_tried=was_tried, not_before=not_before)

    def hold(self, job: Job, reason: str) -> None:
        """Hold the recipients of a job until somebody releases them."""
        self._settler.settle(
            job, [self._judge.held(job, recipient, reason) for recipient in job.recipients]
        )

    def _settle_all(
        self,
        job: Job,
        outcome: RecipientOutcome,
        peer: Peer,
        *,
        was_tried: bool = True,
        not_before: float = 0.0,
    ) -> None:
        rulings = [
            self._judge.failed(job, kept, outcome, peer, was_tried=was_tried, not_before=not_before)
            for kept in job.recipients
        ]
        self._settler.settle(job, rulings)

    def _tell_attempt(
        self, job: Job, peer: Peer, seconds: float, conversation: Sequence[str], now: float
    ) -> None:
        self._sink(
            AttemptMade(
                at=now,
                message=job.id_text,
                recipients=list(job.addresses.values()),
                route=job.recipients[0].queue.route,
                host=peer.host,
                address=peer.address,
                source=peer.source,
                tls=peer.tls,
                seconds=round(seconds, 6),
                conversation=list(conversation),
            )
        )


def _is_used_up(hands: _Hands, carrier: Carrier) -> bool:
    """Whether a connection has carried as many messages as we, or its server, allow."""
    limits = hands.site.route.messages_per_connection, carrier.bounds.messages
    return any(limit and limit <= hands.carried for limit in limits)


def _report(error: Exception, job: Job) -> None:
    """Report a defect through the event loop's handler."""
    context = {"message": f"delivering {job.id_text} failed", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
