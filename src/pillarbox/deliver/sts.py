"""The MTA-STS policies of destinations: discovered, fetched, and cached (RFC 8461 §3).

A fetched policy stays in force until it expires, whatever DNS and HTTPS say meanwhile: an attacker
who can block them must not be able to switch it off (§5.1). Concurrent lookups of one domain are
merged.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from pillarbox.clock import Clock
from pillarbox.errors import PillarboxError
from pillarbox.events.types import Sink, StsPolicyFetched, StsPolicyNotFetched
from pillarbox.mailauth.mta_sts import (
    FETCH_SECONDS,
    MAX_POLICY_OCTETS,
    CachedPolicy,
    Policy,
    StsError,
    StsRecord,
    is_policy_media_type,
    needs_fetch,
    parse_policy,
    parse_record,
    policy_host,
    record_name,
)
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.net.addresses import is_public
from pillarbox.net.https import Fetched, FetchFailed, fetch
from pillarbox.store.notes import Note, NoteStore

__all__ = ["FetchPolicy", "StsPolicies", "policy_fetcher"]

_KIND: Final = "mta-sts"
_PATH: Final = "/.well-known/mta-sts.txt"
_OK: Final = 200
_MOST_KNOWN: Final = 10_000  # domains; bounds memory

FetchPolicy = Callable[[str], Awaitable[Fetched]]
"""Fetches the policy page of a domain; raises ``FetchFailed``."""


class _Kept(msgspec.Struct):
    """The stored form of a policy."""

    id: str
    fetched_at: float
    text: bytes


def policy_fetcher(
    resolver: Resolver,
    context: Callable[[], ssl.SSLContext],
    *,
    port: int = 443,
    allow_private: Callable[[], bool] = lambda: False,
) -> FetchPolicy:
    """Return a function that fetches policies over the network.

    Args:
        resolver: Looks up the policy hosts.
        context: Creates the TLS context that verifies them.
        port: Where they listen.
        allow_private: Whether to connect to private addresses, too; if so, a zone can make us
            connect to internal machines.
    """

    async def fetch_policy(domain: str) -> Fetched:
        host = policy_host(domain)
        answer = await resolver.addresses(host)
        addresses = [each for each in answer.records if allow_private() or is_public(each)]
        if not addresses:
            raise FetchFailed(f"{host} has no address that may be asked")
        failure = FetchFailed(f"{host} cannot be reached")
        for address in addresses[:4]:
            try:
                return await fetch(
                    host,
                    address,
                    _PATH,
                    context(),
                    port=port,
                    most=MAX_POLICY_OCTETS,
                    patience=FETCH_SECONDS,
                )
            except FetchFailed as error:
                failure = error
        raise failure

    return fetch_policy


@dataclass(slots=True)
class _Known:
    """What is known about a domain, in memory."""

    policy: CachedPolicy | None = None
    failed_at: float = 0.0
    is_read: bool = False  # from the store


class StsPolicies:
    """The policies of all destinations."""

    def __init__(
        self, resolver: Resolver, fetcher: FetchPolicy, notes: NoteStore, clock: Clock, sink: Sink
    ) -> None:
        """Start empty.

        Args:
            resolver: Asks for the records.
            fetcher: Fetches the pages.
            notes: Stores the policies across restarts.
            clock: The time.
            sink: Receives events about fetches.
        """
        self._resolver = resolver
        self._fetch = fetcher
        self._notes = notes
        self._clock = clock
        self._sink = sink
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[CachedPolicy | None]] = {}

    async def policy(self, domain: str) -> CachedPolicy | None:
        """Return the policy in force for mail to a domain, or None."""
        task = self._asking.get(domain)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._look(domain))
            self._asking[domain] = task
            task.add_done_callback(lambda _: self._asking.pop(domain, None))
        return await asyncio.shield(task)

    async def _look(self, domain: str) -> CachedPolicy | None:
        known = self._known.get(domain)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]  # the store still has them
            known = self._known[domain] = _Known()
        if not known.is_read:
            known.policy = await self._read(domain)
            known.is_read = True
        record = await self._record(domain)
        now = self._clock.now()
        if needs_fetch(known.policy, record, now, failed_at=known.failed_at) and record:
            await self._refresh(domain, record, known)
        policy = known.policy
        if policy is None and record is None:
            self._known.pop(domain, None)  # most domains have none: nothing to remember
            return None
        return policy if policy is not None and policy.is_live(now) else None

    async def _record(self, domain: str) -> StsRecord | None:
        answer = await self._resolver.txt(record_name(domain))
        if answer.outcome is not Outcome.FOUND:
            return None
        with suppress(StsError):  # such a domain counts as having no policy (RFC 8461 §3.1)
            return parse_record(answer.records)
        return None

    async def _refresh(self, domain: str, record: StsRecord, known: _Known) -> None:
        try:
            page = await self._fetch(domain)
            policy = _policy_in(page)
        except (PillarboxError, StsError) as error:  # including a bad CA file of ours
            known.failed_at = self._clock.now()
            self._sink(
                StsPolicyNotFetched(
                    at=known.failed_at, domain=domain, reason=str(error), result=_result(error)
                )
            )
            return
        now = self._clock.now()
        known.policy = CachedPolicy(domain=domain, id=record.id, fetched_at=now, policy=policy)
        self._sink(StsPolicyFetched(at=now, domain=domain, mode=policy.mode.value))
        kept = msgspec.json.encode(_Kept(record.id, now, page.body))
        with suppress(PillarboxError):  # it is in memory; the next start fetches it again
            await self._notes.put(
                [Note(kind=_KIND, key=domain, value=kept, expires_at=known.policy.expires_at)]
            )

    async def _read(self, domain: str) -> CachedPolicy | None:
        try:
            note = await self._notes.get(_KIND, domain, now=self._clock.now())
            if note is None:
                return None
            kept = msgspec.json.decode(note.value, type=_Kept)
            policy = parse_policy(kept.text)
        except (PillarboxError, msgspec.DecodeError, StsError):
            return None
        return CachedPolicy(domain=domain, id=kept.id, fetched_at=kept.fetched_at, policy=policy)


def _result(error: PillarboxError | StsError) -> str:
    """Return the result type for a TLS report (RFC 8460 §4.3.2.2); "" for our own failures."""
    if isinstance(error, StsError):
        return "sts-policy-invalid"
    if isinstance(error, FetchFailed):
        return "sts-webpki-invalid" if error.is_tls else "sts-policy-fetch-error"
    return ""


def _policy_in(page: Fetched) -> Policy:
    """Return the policy that was fetched.

    Raises:
        FetchFailed: The page does not exist.
        StsError: The page is not a valid policy.
    """
    if page.status != _OK:  # a redirect is not followed (§3.3)
        raise FetchFailed(f"the policy host answered {page.status}")
    if not is_policy_media_type(page.content_type):
        raise StsError(f"the policy is of type {page.content_type[:40]!r}")
    return parse_policy(page.body)
