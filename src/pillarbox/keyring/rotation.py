"""The next step in the life of a domain's keys; called repeatedly, it completes a rotation.

A rotation creates new keys, waits until every authoritative server has their records, lets them
sign in place of the old ones, and destroys the old ones when no mail signed with them can still be
in transit. Each call does what is possible now, and says what it is waiting for.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from pillarbox.config.settings import DkimAlgorithm, DkimDomainSettings
from pillarbox.errors import PermanentError
from pillarbox.keyring.inspection import Inspection
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.mailauth.dkim import make_private_key
from pillarbox.mailauth.dkim.algorithm import Algorithm
from pillarbox.policy.key_life import KeyCause, KeyState, settled_at

__all__ = ["Step", "activate", "algorithms_of", "make_keys", "new_selector", "retire", "see"]

_LETTERS = {Algorithm.RSA_SHA256: "r", Algorithm.ED25519_SHA256: "e"}
_READY = frozenset({KeyState.MADE, KeyState.PUBLISHED, KeyState.SEEN})


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one key."""

    before: KeptKey
    after: KeptKey

    @property
    def text(self) -> str:
        """The change in words."""
        return f"{self.after.name}: {self.before.state.value} -> {self.after.state.value}"


def algorithms_of(rules: DkimDomainSettings) -> tuple[Algorithm, ...]:
    """Return the algorithms for which a domain gets keys."""
    match rules.algorithm:
        case DkimAlgorithm.RSA:
            return (Algorithm.RSA_SHA256,)
        case DkimAlgorithm.ED25519:
            return (Algorithm.ED25519_SHA256,)
        case DkimAlgorithm.BOTH:
            return (Algorithm.RSA_SHA256, Algorithm.ED25519_SHA256)


def new_selector(month: str, algorithm: Algorithm, taken: Iterable[str]) -> str:
    """Return a selector that was never used: ``pb202611r``, ``pb202611r2``.

    Args:
        month: The year and month, such as ``202611``.
        algorithm: The algorithm of the key, shown as the last letter.
        taken: The selectors that the domain has or had.
    """
    known = set(taken)
    first = f"pb{month}{_LETTERS[algorithm]}"
    number = 1
    selector = first
    while selector in known:
        number += 1
        selector = f"{first}{number}"
    return selector


def make_keys(
    known: Iterable[KeptKey],
    domain: str,
    algorithms: Iterable[Algorithm],
    *,
    rsa_bits: int,
    now: float,
    selector: str = "",
) -> tuple[KeptKey, ...]:
    """Return new keys for a domain; each takes up to a second of CPU.

    Args:
        known: All existing keys, including retired ones.
        domain: In A-labels and lower case.
        algorithms: One key is made for each.
        rsa_bits: Size of an RSA key.
        now: Seconds since 1970.
        selector: The selector, if only one key is made; otherwise selectors are generated.

    Raises:
        PermanentError: The selector is taken.
    """
    taken = {key.selector for key in known if key.domain == domain}
    if selector in taken:
        raise PermanentError(f"{domain} has or had a key with the selector {selector}")
    month = time.strftime("%Y%m", time.gmtime(now))
    return tuple(
        KeptKey.new(
            domain,
            selector or new_selector(month, algorithm, taken),
            make_private_key(algorithm, rsa_bits),
            now,
        )
        for algorithm in algorithms
    )


def see(inspections: Iterable[Inspection], now: float) -> list[Step]:
    """Return the changes that follow from what the servers publish."""
    steps = []
    for each in inspections:
        after = None if each.cause is None else each.key.after(each.cause, now)
        if after is not None:
            steps.append(Step(each.key, after))
    return steps


def activate(keys: Iterable[KeptKey], now: float) -> list[Step]:
    """Let a domain's fully published keys sign in place of the old ones.

    A new RSA key and a new Ed25519 key start together: neither signs until both are visible
    everywhere.
    """
    keys = tuple(keys)
    ready = [key for key in keys if key.state in _READY]
    if not ready or any(key.state is not KeyState.SEEN for key in ready):
        return []
    begun = [Step(key, key.must(KeyCause.ACTIVATED, now)) for key in ready]
    kinds = {key.algorithm for key in ready}
    replaced = [
        Step(key, key.must(KeyCause.REPLACED, now))
        for key in keys
        if key.state is KeyState.SIGNING and key.algorithm in kinds
    ]
    return begun + replaced


def retire(keys: Iterable[KeptKey], now: float, queue_lifetime: float) -> list[Step]:
    """Destroy the keys whose mail can no longer be in transit."""
    return [
        Step(key, key.must(KeyCause.MAIL_SETTLED, now))
        for key in keys
        if key.state is KeyState.RESTING and settled_at(key.since, queue_lifetime) <= now
    ]
