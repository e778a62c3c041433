"""Renews certificates that are due, and retries those that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from pillarbox.acme.wanted import Wanted
from pillarbox.clock import Clock
from pillarbox.errors import TemporaryError
from pillarbox.events.types import CertificateFetched, CertificateNotFetched, Sink

__all__ = ["Fetch", "Renewal"]

_FIRST_RETRY: Final = 300.0  # seconds; authorities count failures by the hour
_LONGEST_RETRY: Final = 12 * 3600.0
_LONGEST_SLEEP: Final = 3600.0  # so that a moved clock is noticed


class Fetch(Protocol):
    """Fetches a certificate."""

    def fetch(self, wanted: Wanted) -> None:
        """Write the certificate and its key; takes seconds to minutes.

        Raises:
            TemporaryError: It did not work now; the reason says what the authority said.
        """
        ...


class Renewal:
    """Renews some certificates before they expire."""

    def __init__(
        self,
        wanted: Sequence[Wanted],
        authority: Fetch,
        *,
        renew_before: float,
        clock: Clock,
        sink: Sink,
        on_fetched: Callable[[], None],
    ) -> None:
        """Prepare; nothing is fetched yet.

        Args:
            wanted: The certificates.
            authority: Where they come from; called in a thread.
            renew_before: Seconds before expiry at which one is renewed.
            clock: The time.
            sink: Receives events about renewals and failures.
            on_fetched: Called after each new certificate.
        """
        self._wanted = tuple(wanted)
        self._authority = authority
        self._renew_before = renew_before
        self._clock = clock
        self._sink = sink
        self._on_fetched = on_fetched
        self._failures: dict[Wanted, int] = {}
        self._not_before: dict[Wanted, float] = {}

    async def run(self) -> None:
        """Run forever."""
        while True:  # noqa: ASYNC110 - it is time that is waited for
            await asyncio.sleep(max(await self.turn(), 1.0))

    async def turn(self) -> float:
        """Renew what is due, one after the other; return the seconds until the next round."""
        waits = [_LONGEST_SLEEP]
        for wanted in self._wanted:
            due_at = max(wanted.due_at(self._renew_before), self._not_before.get(wanted, 0.0))
            if due_at <= self._clock.now():
                await self._fetch(wanted)
                due_at = max(wanted.due_at(self._renew_before), self._not_before.get(wanted, 0.0))
            waits.append(due_at - self._clock.now())
        return min(waits)

    async def _fetch(self, wanted: Wanted) -> None:
        try:
            await asyncio.to_thread(self._authority.fetch, wanted)
        except Exception as error:  # noqa: BLE001 - nothing ends renewal for ever
            said = str(error) if isinstance(error, TemporaryError) else _with_type(error)
            failures = self._failures.get(wanted, 0)
            wait = min(_FIRST_RETRY * 2**failures, _LONGEST_RETRY)
            self._failures[wanted] = min(failures + 1, 16)
            now = self._clock.now()
            self._not_before[wanted] = now + wait
            self._sink(
                CertificateNotFetched(
                    at=now, name=wanted.label, reason=said, next_attempt_at=now + wait
                )
            )
            return
        self._failures.pop(wanted, None)
        self._not_before.pop(wanted, None)
        self._sink(
            CertificateFetched(at=self._clock.now(), name=wanted.label, names=list(wanted.names))
        )
        self._on_fetched()


def _with_type(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
