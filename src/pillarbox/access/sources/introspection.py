"""Tokens verified by asking their issuer (token introspection, RFC 7662).

The request goes over HTTPS with our own client credentials, on a thread, with a timeout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.pool import Pool
from pillarbox.access.sources.fetch import Fetcher, check_url
from pillarbox.access.sources.token_claims import judge_claims
from pillarbox.config.settings import SourceSettings
from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.policy.autopsy import Cause
from pillarbox.smtp.sasl.claims import Claim, TokenClaim

__all__ = ["TokenIntrospection"]

_LONGEST_TOKEN: Final = 16 * 1024
_BELIEVED: Final = 60.0  # seconds for which an answer holds: a revocation takes that long


class TokenIntrospection:
    """Judges tokens by asking about them."""

    def __init__(self, name: str, settings: SourceSettings, now: Callable[[], float]) -> None:
        """Ask as ``settings`` say; ``now`` is the wall clock.

        Raises:
            PermanentError: The settings cannot be used.
        """
        self.name = name
        self._settings = settings
        self._now = now
        check_url(settings.url)
        if not settings.client_id:
            raise PermanentError(f"auth_source.{name} needs a client_id")
        self._fetcher = Fetcher(settings.ca, settings.timeout)
        self._pool = Pool(settings.workers, f"introspection {name}")

    def takes(self, claim: Claim) -> bool:
        """Whether it can judge such a claim: only tokens."""
        return isinstance(claim, TokenClaim)

    def at_once(self, claim: Claim) -> Answer | None:
        """Refuse what cannot be a token."""
        if isinstance(claim, TokenClaim) and not 0 < len(claim.token) <= _LONGEST_TOKEN:
            return Denied(Cause.TOKEN_MALFORMED, self.name)
        return None

    async def judge(self, claim: Claim) -> Answer:
        """Ask whether the token is active, and look at what comes with it."""
        if not isinstance(claim, TokenClaim):
            return Denied(Cause.NOBODY_KNOWN, self.name)
        if self._pool.is_full:
            return Denied(Cause.BUSY, self.name)
        settings = self._settings
        form = {"token": claim.token, "token_type_hint": "access_token"}
        try:
            claims = await self._pool.run(
                self._fetcher.post, settings.url, form, settings.client_id, settings.client_secret
            )
        except TemporaryError as error:
            return Denied(Cause.SOURCE_DOWN, self.name, str(error))
        if claims.get("active") is not True:
            return Denied(Cause.TOKEN_INACTIVE, self.name)
        now = self._now()
        claims.setdefault("exp", now + _BELIEVED)  # optional here (RFC 7662 §2.2)
        answer, until = judge_claims(claims, claim, source=self.name, settings=settings, now=now)
        if isinstance(answer, Admitted):
            last = min(until, now + _BELIEVED)
            return replace(answer, is_valid=lambda: self._now() < last)
        return answer

    def refresh(self) -> bool:
        """Nothing to follow."""
        return False

    def close(self) -> None:
        """Give up the threads."""
        self._pool.close()
