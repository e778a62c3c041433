"""Sites: how many connections each may have now, and when it is in backoff.

A site is a set of hosts that share their fate: the same mail exchangers, or one configured host.
It starts with a few connections, gets more as they succeed, fewer when it asks us to slow down, and
none for a while when it cannot be reached at all; then one connection tries before the others may.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from pillarbox.config.settings import RouteSettings
from pillarbox.deliver.job import Job
from pillarbox.deliver.lanes import Lanes, MailQueue
from pillarbox.deliver.transport import UNBOUNDED, Transport

__all__ = ["Site"]

_FIRST_CONNECTIONS: Final = 5
_AHEAD: Final = 10
"""Jobs marked ahead for each connection, so that it need not wait for the disk."""
_LEAST_AHEAD: Final = 4


class Site:
    """The state of one site, and its waiting jobs."""

    def __init__(
        self,
        key: str,
        route_name: str,
        route: RouteSettings,
        transport: Transport,
        on_idle_queue: Callable[[MailQueue], None],
    ) -> None:
        self.key = key
        self.route_name = route_name
        self.route = route
        self.transport = transport
        self.lanes = Lanes(on_idle_queue)
        self.ready: deque[Job] = deque()  # marked on disk, for the next free connection
        self.marking = 0  # jobs whose mark is being written
        self.workers = 0
        self.connected = 0  # workers with an open carrier
        self.is_waiting = False  # for a slot among all connections
        self.closed_until = 0.0  # monotonic
        self.reason = ""  # why it is closed
        self.bounds = UNBOUNDED  # what its servers announced last
        self.is_retired = False  # replaced by another: nothing new starts here
        self._allowed = min(_FIRST_CONNECTIONS, route.connections)
        self._failures = 0
        self._may_grow_at = 0.0
        self._idle: deque[asyncio.Future[bool]] = deque()
        self._coming = 0  # workers started or woken for a job that they have not taken yet

    @property
    def allowed(self) -> int:
        """Return how many connections it may have now."""
        return 0 if self.is_retired else self._allowed

    @property
    def has_failed(self) -> bool:
        """Whether the last attempt could not reach it."""
        return self._failures > 0

    def is_forgettable(self, now: float) -> bool:
        """Whether it can be dropped without losing state that matters at ``now`` (monotonic)."""
        is_used = self.lanes or self.ready or self.marking or self.workers
        return not is_used and not self.is_closed(now)

    def is_closed(self, now: float) -> bool:
        """Whether it is in backoff at ``now`` (monotonic)."""
        return now < self.closed_until

    # --- work -----------------------------------------------------------------------

    def room(self) -> int:
        """Return how many jobs to mark now: none, or enough to justify a write."""
        target = max(self._allowed * _AHEAD, _LEAST_AHEAD)
        ahead = len(self.ready) + self.marking
        return target - ahead if ahead <= target // 2 else 0

    def take(self, count: int) -> list[Job]:
        """Take up to ``count`` jobs, in fair order."""
        limit = self.route.recipients_per_message
        if self.bounds.recipients is not None:
            limit = min(limit, self.bounds.recipients)
        jobs: list[Job] = []
        while len(jobs) < count and (found := self.lanes.next(limit)) is not None:
            jobs.append(Job(*found))
        return jobs

    def wants_worker(self) -> bool:
        """Whether more connections would help and are allowed."""
        return self.workers < self.allowed and len(self.ready) > len(self._idle) + self._coming

    def hired(self) -> None:
        """Note a worker that will ``begin`` soon."""
        self.workers += 1
        self._coming += 1

    def begin(self) -> None:
        """Note that a new worker has begun."""
        self._coming -= 1

    def wake(self) -> None:
        """Wake as many idle workers as there are unclaimed jobs."""
        for _ in range(min(len(self.ready) - self._coming, len(self._idle))):
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(True)
                self._coming += 1

    def dismiss(self) -> None:
        """End idle workers."""
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(False)

    async def wait(self, seconds: float) -> bool:
        """Wait for a ready job; return whether there was one within ``seconds``.

        Another worker may take it first.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._idle.append(waiter)
        timer = loop.call_later(seconds, _give_up, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            if waiter in self._idle:
                self._idle.remove(waiter)
            elif not waiter.cancelled() and waiter.result():
                self._coming -= 1

    # --- pace -----------------------------------------------------------------------

    def succeeded(self, now: float) -> bool:
        """Note that a message was accepted; return whether the site has recovered."""
        if self._allowed < self.route.connections and now >= self._may_grow_at:
            self._allowed += 1
        recovered = self._failures > 0
        self._failures = 0
        return recovered

    def shrink(self, now: float, pause: float) -> bool:
        """Slow down; return whether that was still possible.

        Args:
            now: Monotonic.
            pause: Seconds before it may grow again.
        """
        if self._allowed <= 1:
            return False
        self._allowed //= 2
        self._may_grow_at = now + pause
        return True

    def limit_to_connected(self, now: float, pause: float) -> None:
        """Limit the site to its current connections: it allows no more."""
        self._allowed = max(self.connected, 1)
        self._may_grow_at = now + pause

    def close(
        self, now: float, *, first: float, longest: float, jitter: float, reason: str
    ) -> float:
        """Close the site; return for how many seconds.

        Args:
            now: Monotonic.
            first: Seconds after the first failure; they double with each further one.
            longest: Seconds at most.
            jitter: A random number in [0, 1), which spreads the wait by a quarter.
            reason: The reason, in words.
        """
        wait = min(first * 2.0 ** min(self._failures, 30), longest)
        wait *= 0.75 + jitter / 2
        self._failures += 1
        self._allowed = 1
        self._may_grow_at = 0.0
        self.closed_until = now + wait
        self.reason = reason
        return wait

    def reopen(self) -> None:
        """Reopen the site now, at an operator's request."""
        self.closed_until = 0.0


def _give_up(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
