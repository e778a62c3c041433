"""Rewrites the reverse-path of forwarded mail, and reverses it for bounces (SRS).

A forwarder that keeps the reverse-path fails SPF at the next server. So the path becomes a local
address that contains the old one, a day and a keyed hash: ``SRS0=hash=day=host=user``. A path that
another forwarder rewrote becomes ``SRS1=hash=host==...`` and does not grow further. Bounces to such
an address are passed back only while the hash matches and the day is recent, so that nobody can
send through us to arbitrary addresses. Case does not count, because some servers fold it. There is
no RFC; the form is that of the SRS paper and of libsrs2, with a stronger hash.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.smtp.address import Mailbox, ReversePath

__all__ = ["SenderRewriter", "SrsRefused", "is_rewritten"]

_HASH_SIZE: Final = 6  # characters of base32: 30 bits, and a guess costs a session
_DAYS: Final = 1024  # the day is stored modulo this, in two characters of base32
_DAY: Final = 86_400.0  # seconds
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_MIN_SECRET: Final = 16  # octets
_MAX_LOCAL: Final = 64
_LONGEST: Final = 512  # longest local part that is examined
# The first separator may be "=", "+" or "-": programs on the way may have changed it.
_FIRST: Final = re.compile(
    r"SRS0[=+-]([^=]+)=([a-z2-7]{2})=([^=]+)=(.+)", re.IGNORECASE | re.DOTALL
)
_AGAIN: Final = re.compile(r"SRS1[=+-]([^=]+)=([^=]+)=([=+-].+)", re.IGNORECASE | re.DOTALL)
_ANY: Final = re.compile(r"SRS[01][=+-]", re.IGNORECASE)


class SrsRefused(PermanentError):  # noqa: N818 - reads as what it says
    """A rewritten address that we do not accept mail for; the message says why."""


def is_rewritten(address: Mailbox) -> bool:
    """Whether an address looks like an SRS address."""
    return _ANY.match(address.local_part) is not None


class SenderRewriter:
    """Rewrites with the first secret, and verifies with all of them."""

    def __init__(
        self, domain: str, secrets: Sequence[bytes], *, max_age: float = 21 * _DAY
    ) -> None:
        """Rewrite into addresses of a domain.

        Args:
            domain: Our domain; its mail must come to us, and its SPF record must permit us to send.
            secrets: The one in use, then older ones whose bounces may still arrive. To rotate, add
                a new one at the front, and remove the last one after ``max_age``.
            max_age: Seconds for which bounces are accepted, counted in whole days; it must exceed
                the time that mail spends in other servers' queues.

        Raises:
            PermanentError: There is no secret, or one is too short to be secure.
        """
        if not secrets or min(map(len, secrets)) < _MIN_SECRET:
            raise PermanentError(f"a secret for SRS needs at least {_MIN_SECRET} octets")
        self._domain = domain
        self._secrets = tuple(secrets)
        self._max_days = min(int(max_age / _DAY), _DAYS // 2)

    def forward(self, sender: ReversePath, *, now: float) -> ReversePath:
        """Return the reverse-path for a message that is forwarded.

        Args:
            sender: Its reverse-path on arrival. The null reverse-path is unchanged, and so is one
                that would exceed the 64 octets that every server accepts (RFC 5321 §4.5.3.1.1):
                unchanged, it only fails SPF, whereas a longer one may be refused outright.
            now: Seconds since 1970.
        """
        if sender is None:
            return None
        made = self._rewritten(sender, now)
        return sender if len(made.local_part.encode("utf-8", "replace")) > _MAX_LOCAL else made

    def _rewritten(self, sender: Mailbox, now: float) -> Mailbox:
        local = sender.local_part
        if (again := _AGAIN.fullmatch(local[:_LONGEST])) is not None:
            # The first forwarder stays in the address; the ones between are dropped.
            return self._again(again[2], again[3])
        if _FIRST.fullmatch(local[:_LONGEST]) is not None:
            return self._again(sender.domain, local[len("SRS0") :])
        day = _day(now)
        digest = self._hash(self._secrets[0], "SRS0", day, sender.domain, local)
        return Mailbox(f"SRS0={digest}={day}={sender.domain}={local}", self._domain)

    def reverse(self, address: Mailbox, *, now: float) -> Mailbox:
        """Return the original address for a bounce to a rewritten one.

        Args:
            address: The recipient, in our domain.
            now: Seconds since 1970.

        Raises:
            SrsRefused: We did not create it, or it has expired.
        """
        local = address.local_part
        if len(local) > _LONGEST:
            raise SrsRefused("the address is too long")
        if (again := _AGAIN.fullmatch(local)) is not None:
            self._check(again[1], "SRS1", again[2], again[3])
            return Mailbox(f"SRS0{again[3]}", again[2])
        first = _FIRST.fullmatch(local)
        if first is None:
            raise SrsRefused("the address is no rewritten one")
        digest, day, domain, user = first.groups()
        self._check(digest, "SRS0", day, domain, user)
        age = (int(now / _DAY) - _day_number(day)) % _DAYS
        # Another of our nodes may have a clock that is ahead.
        if age > self._max_days and age != _DAYS - 1:
            raise SrsRefused(f"the address is {age} days old; {self._max_days} are allowed")
        return Mailbox(user, domain)

    def _again(self, host: str, rest: str) -> Mailbox:
        digest = self._hash(self._secrets[0], "SRS1", host, rest)
        return Mailbox(f"SRS1={digest}={host}={rest}", self._domain)

    def _check(self, digest: str, *parts: str) -> None:
        given = digest.lower().encode("utf-8", "surrogatepass")
        fits = [
            hmac.compare_digest(given, self._hash(secret, *parts).encode())
            for secret in self._secrets
        ]
        if not any(fits):
            raise SrsRefused("the hash in the address is not ours")

    @staticmethod
    def _hash(secret: bytes, *parts: str) -> str:
        text = "=".join(parts).lower().encode("utf-8", "surrogatepass")
        digest = hmac.digest(secret, text, "sha256")
        return base64.b32encode(digest)[:_HASH_SIZE].decode().lower()


def _day(now: float) -> str:
    number = int(now / _DAY) % _DAYS
    return _BASE32[number >> 5] + _BASE32[number & 31]


def _day_number(day: str) -> int:
    folded = day.lower()
    return _BASE32.index(folded[0]) << 5 | _BASE32.index(folded[1])
