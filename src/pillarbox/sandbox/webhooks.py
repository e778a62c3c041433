"""Webhooks: programs that are told about new mail, with retries and a log of deliveries.

Everything is bounded: five retries within a quarter of an hour, four concurrent calls to one
receiver, and a limited number of deliveries in memory; beyond it, the oldest is given up. Nobody
who brings mail waits for any of this. A receiver that answers 410 is not called again until a test
succeeds. Where the inbox is a file, all of this survives a restart, and undelivered calls are
retried.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from pillarbox.config.settings import SandboxWebhookSettings
from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.inbox.values import Summary
from pillarbox.sandbox.caught_mail import CaughtMail
from pillarbox.sandbox.matching import matching
from pillarbox.sandbox.webhook_call import (
    Answer,
    Endpoint,
    call,
    received_event,
    test_event,
)
from pillarbox.sandbox.webhook_endpoints import WebhookEndpoints
from pillarbox.store.port import MessageId

__all__ = ["Delivery", "Webhooks"]

_WAITS: Final = (1.0, 5.0, 30.0, 120.0, 600.0)  # seconds between tries
_LONGEST_WAIT: Final = 900.0
_JITTER: Final = 0.1
_AT_ONCE: Final = 4  # calls to one receiver
_MOST_DELIVERIES: Final = 2_000  # in memory, those of the log included
_MOST_OCTETS: Final = 16 * 1024 * 1024  # of their events
_GONE: Final = 410
_NAME: Final = "dlv_"  # and a number


class Delivery(Struct, frozen=True, kw_only=True):
    """One event for one receiver, and what came of it so far."""

    id: str
    event: str  # its name, by which a receiver knows a repetition
    at: float  # when it began, seconds since 1970
    endpoint: str
    url: str
    project: str  # "" for a test
    mail: MessageId | None
    request_body: bytes
    attempt: int = 0  # how often it was tried
    status: int | None = None  # of the last answer; None: there was none
    problem: str = ""  # "" for a success
    response: str = ""  # the beginning of the last answer
    seconds: float = 0.0  # that the last try took
    next_try: float | None = None  # seconds since 1970
    is_done: bool = False  # it succeeded, or was given up

    @property
    def has_succeeded(self) -> bool:
        """Whether the receiver has taken it."""
        return self.is_done and not self.problem


class Webhooks:
    """Tells receivers of new mail."""

    def __init__(
        self,
        sandbox: CaughtMail,
        settings: Mapping[str, SandboxWebhookSettings],
        *,
        on_defect: Callable[[str, BaseException], None] = lambda _where, _error: None,
    ) -> None:
        """Prepare; nothing is called before ``start``.

        Args:
            sandbox: Whose mail is told of.
            settings: The receivers of the configuration, by name.
            on_defect: Hears of errors that nobody expects.

        Raises:
            PermanentError: A secret, an URL or a search cannot be used.
        """
        self._sandbox = sandbox
        self._endpoints = WebhookEndpoints(sandbox, settings)
        self._on_defect = on_defect
        self._log: OrderedDict[str, Delivery] = OrderedDict()
        self._done: deque[str] = deque()  # of the log, in the order in which they ended
        self._octets = 0
        self._numbers = itertools.count(1)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._disabled: dict[str, str] = {}  # URLs that do not want to be called, by receiver
        self._journal = sandbox.journal("delivery", Delivery)
        self._disablings = sandbox.journal("webhook-gone", str)
        self._is_on = self._listens = False
        self.given_up = 0
        """Deliveries that were not tried to the end because too many waited."""

    # --- life ------------------------------------------------------------------------

    async def start(self) -> None:
        """Tell of what is caught from now on."""
        await self._endpoints.load()
        if not self._listens:
            await self._resume()
            self._sandbox.on_caught(self._caught)
        self._listens = self._is_on = True

    async def stop(self) -> None:
        """Tell nobody any more. Safe to call twice."""
        self._is_on = False
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _resume(self) -> None:
        """Bring in what was kept, and go on with what was not delivered before a restart."""
        self._disabled = await self._disablings.load()
        kept = await self._journal.load()
        self._numbers = itertools.count(1 + max(map(_number, kept), default=0))
        by_name = {endpoint.name: endpoint for endpoint in self._endpoints.all()}
        for delivery in kept.values():
            self._remember(delivery)
            endpoint = by_name.get(delivery.endpoint)
            if delivery.is_done:
                self._done.append(delivery.id)
            elif endpoint is None or endpoint.url != delivery.url:
                gone = "it was not delivered before a restart, and its webhook has changed since"
                self._note(replace(delivery, problem=gone, is_done=True, next_try=None))
            else:
                self._run(delivery.id, self._deliver_later(endpoint, delivery))

    # --- for people ------------------------------------------------------------------

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return who is told of new mail."""
        return self._endpoints.all()

    def use(self, settings: Mapping[str, SandboxWebhookSettings]) -> None:
        """Tell those of another configuration, which ``check_webhooks`` has seen."""
        self._endpoints.use(settings)

    def is_disabled(self, endpoint: Endpoint) -> bool:
        """Whether it has asked not to be called any more."""
        return self._disabled.get(endpoint.name) == endpoint.url

    def disable(self, endpoint: Endpoint) -> None:
        """Call a receiver no more until a test succeeds."""
        self._disabled[endpoint.name] = endpoint.url
        self._disablings.note(endpoint.name, endpoint.url)

    def deliveries(self, limit: int = 100) -> tuple[Delivery, ...]:
        """Return the last deliveries, the newest first."""
        return tuple(itertools.islice(reversed(self._log.values()), limit))

    async def test(self, name: str) -> Delivery:
        """Send a receiver an event of no mail, once; return what came of it.

        Raises:
            PermanentError: There is no such receiver.
        """
        endpoint = self._endpoint(name)
        delivery = self._begin(endpoint, test_event(self._sandbox.clock.now()), None)
        return await self._once(endpoint, delivery)

    async def replay(self, delivery_id: str) -> Delivery:
        """Send an event once more; return what came of it.

        Raises:
            PermanentError: It is not known any more, or its receiver is not.
        """
        known = self._log.get(delivery_id)
        if known is None:
            raise PermanentError("This delivery is no longer remembered.")
        endpoint = self._endpoint(known.endpoint)
        delivery = self._begin(endpoint, known.request_body, None, like=known)
        return await self._once(endpoint, delivery)

    def _endpoint(self, name: str) -> Endpoint:
        for endpoint in self._endpoints.all():
            if endpoint.name == name:
                return endpoint
        raise PermanentError(f"There is no webhook {name!r}.")

    # --- new mail --------------------------------------------------------------------

    def _caught(self, summaries: Sequence[Summary]) -> None:
        endpoints = self._endpoints.all() if self._is_on else ()
        for endpoint in endpoints:
            if not self.is_disabled(endpoint):
                name = f"choice {next(self._numbers)}"
                self._run(name, self._choose(endpoint, summaries))

    async def _choose(self, endpoint: Endpoint, summaries: Sequence[Summary]) -> None:
        """Begin to tell a receiver of those mails that it is to be told of."""
        query = self._endpoints.query(endpoint)
        inbox = self._sandbox.inbox
        for summary in await matching(inbox, summaries, query, endpoint.project):
            delivery = self._begin(endpoint, received_event(summary), summary)
            self._run(delivery.id, self._deliver(endpoint, delivery))

    async def _deliver_later(self, endpoint: Endpoint, delivery: Delivery) -> None:
        if delivery.next_try is not None:
            wait = delivery.next_try - self._sandbox.clock.now()
            await asyncio.sleep(min(max(wait, 0.0), _LONGEST_WAIT))
        await self._deliver(endpoint, delivery)

    async def _deliver(self, endpoint: Endpoint, delivery: Delivery) -> None:
        for wait in (*_WAITS[delivery.attempt :], None):
            delivery, answer = await self._try(endpoint, delivery)
            if not answer.problem or answer.is_final or wait is None:
                break
            pause = self._pause(wait, answer)
            delivery = replace(delivery, next_try=self._sandbox.clock.now() + pause)
            self._note(delivery)
            await asyncio.sleep(pause)
        self._note(replace(delivery, is_done=True, next_try=None))

    async def _once(self, endpoint: Endpoint, delivery: Delivery) -> Delivery:
        delivery, _ = await self._try(endpoint, delivery)
        if not delivery.problem:
            self._disabled.pop(endpoint.name, None)
            self._disablings.note(endpoint.name, None)
        delivery = replace(delivery, is_done=True)
        self._note(delivery)
        return delivery

    async def _try(self, endpoint: Endpoint, delivery: Delivery) -> tuple[Delivery, Answer]:
        clock = self._sandbox.clock
        async with self._slots.setdefault(endpoint.name, asyncio.Semaphore(_AT_ONCE)):
            begun = clock.monotonic()
            answer = await call(
                endpoint, name=delivery.event, body=delivery.request_body, now=clock.now()
            )
        if answer.status == _GONE:
            self.disable(endpoint)
        delivery = replace(
            delivery,
            attempt=delivery.attempt + 1,
            status=answer.status,
            problem=answer.problem,
            response=answer.text,
            seconds=round(clock.monotonic() - begun, 3),
            next_try=None,
        )
        self._note(delivery)
        return delivery, answer

    def _pause(self, wait: float, answer: Answer) -> float:
        asked = answer.retry_after or 0.0
        spread = random.uniform(1.0 - _JITTER, 1.0 + _JITTER)  # noqa: S311 - no secret
        return min(max(wait * spread, asked), _LONGEST_WAIT)

    # --- the log, and what runs ------------------------------------------------------

    def _begin(
        self,
        endpoint: Endpoint,
        body: bytes,
        summary: Summary | None,
        *,
        like: Delivery | None = None,
    ) -> Delivery:
        mail, project = (None, "") if summary is None else (summary.id, summary.project)
        delivery = Delivery(
            id=f"{_NAME}{next(self._numbers)}",
            event=f"msg_{secrets.token_hex(12)}" if like is None else like.event,
            at=self._sandbox.clock.now(),
            endpoint=endpoint.name,
            url=endpoint.url,
            project=project if like is None else like.project,
            mail=mail if like is None else like.mail,
            request_body=body,
        )
        self._remember(delivery)
        self._journal.note(delivery.id, delivery)
        return delivery

    def _remember(self, delivery: Delivery) -> None:
        self._log[delivery.id] = delivery
        self._octets += len(delivery.request_body)
        while len(self._log) > _MOST_DELIVERIES or self._octets > _MOST_OCTETS:
            self._make_room()

    def _note(self, delivery: Delivery) -> None:
        if delivery.id in self._log:
            self._log[delivery.id] = delivery
            self._journal.note(delivery.id, delivery)
            if delivery.is_done:
                self._done.append(delivery.id)

    def _make_room(self) -> None:
        """Forget what is done, the oldest first; where nothing is, give up what waits longest."""
        if self._done:
            self._forget(self._done.popleft())
            return
        name = next(iter(self._log))
        self.given_up += 1
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
        self._forget(name)

    def _forget(self, name: str) -> None:
        delivery = self._log.pop(name, None)
        if delivery is not None:
            self._octets -= len(delivery.request_body)
            self._journal.note(name, None)

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[name] = task

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.pop(name, None)
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self._forget(name)
                if not isinstance(error, PillarboxError):
                    self._on_defect("webhook", error)

        task.add_done_callback(ended)


def _number(name: str) -> int:
    digits = name.removeprefix(_NAME)
    return int(digits) if digits.isdecimal() else 0
