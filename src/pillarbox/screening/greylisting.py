"""Greylisting as a check: unknown clients must retry, and those that do are known from then on.

Only a keyed hash of each triplet is stored, in memory and, in batches, in the store; all nodes of a
store share it. While the store is down, mail passes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from math import ceil
from typing import Final

from pillarbox.config.settings import GreylistSettings
from pillarbox.errors import PillarboxError
from pillarbox.mailauth import spf
from pillarbox.mailauth.resolver import Resolver
from pillarbox.policy.greylist import Greylisted, GreylistPolicy, Seen, judge_triplet
from pillarbox.policy.networks import parse_address
from pillarbox.policy.ruling import PASSED, Action, Ruling
from pillarbox.receive.checks import Stage, Visit
from pillarbox.screening.cache import Recent, is_left_alone, networks
from pillarbox.smtp.reply import Reply
from pillarbox.store.notes import Note, NoteStore

__all__ = ["GreylistMemory", "Greylisting"]

_TRIPLETS: Final = 100_000
_MOST_WAITING: Final = 20_000
_AT_ONCE: Final = 2_000
_HASH_OCTETS: Final = 16
_KIND: Final = "greylist"
_NETWORKS: Final = "greylist-network"
_VALUE: Final = struct.Struct(">d?")
_RENEW: Final = 86_400.0  # seconds; expiry is extended once a day


class GreylistMemory:
    """What is known about triplets and networks."""

    def __init__(self, notes: NoteStore, key: bytes, now: Callable[[], float]) -> None:
        """Store it in ``notes``, under hashes with ``key``; ``now`` is the wall clock."""
        self._notes = notes
        self._key = key
        self.now = now
        self._seen: Recent[tuple[Seen, float]] = Recent(_TRIPLETS)
        self._returns: Recent[int] = Recent(_TRIPLETS)  # of networks
        self._waiting: dict[str, Note] = {}
        self._counts: dict[str, Note] = {}

    def hash(self, *parts: str) -> str:
        """Return the storage key of a triplet or a network."""
        text = "\n".join(parts).encode(errors="surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=_HASH_OCTETS).hexdigest()

    async def seen(self, key: str) -> Seen | None:
        """Return what is known about a triplet."""
        now = self.now()
        known = self._seen.get(key, now)
        if known is not None:
            return known[0]
        note = await self._notes.get(_KIND, key, now=now)
        if note is None:
            return None
        first_at, has_passed = _VALUE.unpack(note.value)
        seen = Seen(first_at, has_passed)
        self._seen.put(key, (seen, note.expires_at), note.expires_at)
        return seen

    def remember(self, key: str, judged: Greylisted) -> None:
        """Remember a triplet; it is written to the store soon, if that is worthwhile."""
        known = self._seen.get(key, self.now())
        is_same = known is not None and known[0] == judged.seen
        if known is not None and is_same and judged.expires_at - known[1] < _RENEW:
            return
        self._seen.put(key, (judged.seen, judged.expires_at), judged.expires_at)
        if len(self._waiting) < _MOST_WAITING:
            value = _VALUE.pack(judged.seen.first_at, judged.seen.has_passed)
            self._waiting[key] = Note(
                kind=_KIND, key=key, value=value, expires_at=judged.expires_at
            )

    async def returns(self, network: str) -> int:
        """Return how many triplets a network has retried."""
        now = self.now()
        count = self._returns.get(network, now)
        if count is None:
            note = await self._notes.get(_NETWORKS, network, now=now)
            count = 0 if note is None else note.amount
            ends_at = now + 60.0 if note is None else note.expires_at
            self._returns.put(network, count, ends_at)
        return count

    def returned(self, network: str, lifetime: float) -> None:
        """Count one more retried triplet of a network."""
        now = self.now()
        self._returns.put(network, (self._returns.get(network, now) or 0) + 1, now + lifetime)
        waiting = self._counts.get(network)
        amount = 1 if waiting is None else waiting.amount + 1
        if waiting is not None or len(self._counts) < _MOST_WAITING:
            self._counts[network] = Note(
                kind=_NETWORKS, key=network, amount=amount, expires_at=now + lifetime
            )

    async def settle(self) -> None:
        """Write changes to the store.

        Raises:
            StoreUnavailable: The store is down; the next call writes them.
        """
        some = [self._waiting[key] for key in list(self._waiting)[:_AT_ONCE]]
        if some:
            await self._notes.put(some)
            for note in some:
                if self._waiting.get(note.key) is note:
                    del self._waiting[note.key]
        counts = list(self._counts.values())
        if counts:
            amounts = await self._notes.add(counts, now=self.now())
            for note, amount in zip(counts, amounts, strict=True):
                if self._counts.get(note.key) is note:
                    del self._counts[note.key]
                self._returns.put(note.key, amount, note.expires_at)


class Greylisting:
    """Asks unknown clients to retry."""

    name = "greylist"
    stages = frozenset({Stage.RCPT})

    def __init__(
        self,
        settings: GreylistSettings,
        memory: GreylistMemory,
        resolver: Resolver,
        patience: float,
        is_allowed: Callable[[str], bool],
    ) -> None:
        """Prepare the check.

        Args:
            settings: The delays and lifetimes.
            memory: The known triplets and networks.
            resolver: Asks DNS for SPF.
            patience: Seconds.
            is_allowed: Whether a client is on an allow list.
        """
        self.patience = patience
        self._settings = settings
        self._memory = memory
        self._resolver = resolver
        self._is_allowed = is_allowed
        self._exempt = networks(settings.except_networks)
        self._policy = GreylistPolicy(
            delay=settings.delay,
            window=settings.window,
            lifetime=settings.lifetime,
            believe_after=settings.believe_after,
        )

    async def rule(self, visit: Visit) -> Ruling:
        """Check whether a triplet has to be retried."""
        recipient = visit.recipient
        if recipient is None or is_left_alone(visit, self._exempt):
            return PASSED
        if self._is_allowed(visit.client):
            return PASSED
        network = _network(visit.client)
        sender, address = str(visit.sender or "").lower(), str(recipient.address).lower()
        memory = self._memory
        try:
            host = memory.hash(network)
            least = self._policy.believe_after
            if least and await memory.returns(host) >= least:
                return PASSED
            key = memory.hash(network, sender, address)
            seen = await memory.seen(key)
        except PillarboxError as error:
            return Ruling(action=Action.NOTE, by=self.name, reason=f"not asked: {error}")
        judged = judge_triplet(seen, self._policy, memory.now())
        evidence = (f"client {network}", f"sender <{sender}>", f"recipient <{address}>")
        if judged.wait and self._settings.skip_spf_pass and await self._passes_spf(visit):
            return PASSED
        memory.remember(key, judged)
        if judged.wait:
            return _deferred(judged, seen, evidence)
        if not judged.is_return:
            return PASSED
        memory.returned(host, self._policy.lifetime)
        after = memory.now() - judged.seen.first_at
        reason = f"it came again after {after:.0f} s"
        return Ruling(action=Action.NOTE, by=self.name, reason=reason, evidence=evidence)

    async def _passes_spf(self, visit: Visit) -> bool:
        found = await spf.check_sender(visit.client, visit.sender, visit.helo, self._resolver)
        return found.result is spf.Result.PASS


def _deferred(judged: Greylisted, seen: Seen | None, evidence: tuple[str, ...]) -> Ruling:
    seconds = ceil(judged.wait)
    text = f"Greylisted, try again in {seconds} second{'' if seconds == 1 else 's'}"
    return Ruling(
        action=Action.DEFER,
        by=Greylisting.name,
        reply=Reply.of(451, "4.7.1", text),
        reason="it is not known" if seen is None else "it came again too soon",
        evidence=evidence,
    )


def _network(client: str) -> str:
    """Return the network of a client: a mail system may send from any of its addresses."""
    address = parse_address(client)
    if address is None:
        return client
    if address.version == 4:  # noqa: PLR2004 - IPv4
        return f"{client.rpartition('.')[0]}.0/24"
    return f"{address.exploded[:19]}::/64"
