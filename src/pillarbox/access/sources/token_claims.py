"""Validates the claims of a token: its issuer, audience, times and scope.

RFC 7519 §4.1 (iss, aud, exp, nbf, iat), RFC 8693 §4.2 (scope), RFC 7662 §2.2 (the same names).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.config.settings import SourceSettings
from pillarbox.policy.autopsy import Cause
from pillarbox.smtp.sasl.claims import TokenClaim

__all__ = ["judge_claims"]

_LAST_TIME: Final = 1e12  # seconds; far beyond any year
_LONGEST: Final = 320  # characters of an identity


def judge_claims(
    claims: Mapping[str, Any],
    claim: TokenClaim,
    *,
    source: str,
    settings: SourceSettings,
    now: float,
) -> tuple[Answer, float]:
    """Return what follows from the claims of a token, and until when (wall clock).

    Args:
        claims: Of a token that is what it says: its signature or its issuer was asked.
        claim: What the client said with it.
        source: The name of who asks.
        settings: What is demanded.
        now: The wall clock.
    """
    wrong = (
        _wrong_time(claims, settings.clock_skew, now)
        or _wrong_issuer(claims, settings.issuer)
        or _wrong_audience(claims, settings.audiences)
        or _wrong_scope(claims, settings.scope)
    )
    if wrong is not None:
        return Denied(wrong[0], source, wrong[1]), now
    identity = claims.get(settings.identity_claim)
    if not isinstance(identity, str) or not identity.isprintable() or len(identity) > _LONGEST:
        detail = f"it has no claim `{settings.identity_claim}` that could be a name"
        return Denied(Cause.TOKEN_USER, source, detail), now
    if not identity or (claim.identity and claim.identity.casefold() != identity.casefold()):
        return Denied(Cause.TOKEN_USER, source, "", identity), now
    until = _number(claims, "exp")
    admitted = Admitted(identity=identity, source=source, claimed=claim.identity)
    return admitted, now if until is None else until


def _wrong_time(claims: Mapping[str, Any], skew: float, now: float) -> tuple[Cause, str] | None:
    until, since, made = (_number(claims, name) for name in ("exp", "nbf", "iat"))
    if until is None:
        return Cause.TOKEN_EXPIRED, "it says not until when it is valid (exp)"
    if now >= until + skew:
        return Cause.TOKEN_EXPIRED, f"{now - until:.0f} s ago"
    if made is not None and made > now + skew:
        return Cause.CLOCK_SKEW, f"it was made {made - now:.0f} s from now"
    if since is not None and since > now + skew:
        return Cause.TOKEN_EARLY, f"it will be in {since - now:.0f} s"
    return None


def _wrong_issuer(claims: Mapping[str, Any], issuer: str) -> tuple[Cause, str] | None:
    if not issuer or claims.get("iss") == issuer:
        return None
    return Cause.TOKEN_ISSUER, f"{_shown(claims.get('iss'))} and not {issuer}"


def _wrong_audience(
    claims: Mapping[str, Any], audiences: tuple[str, ...]
) -> tuple[Cause, str] | None:
    found = claims.get("aud", ())
    named = [found] if isinstance(found, str) else found
    named = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    if not audiences or not set(named).isdisjoint(audiences):
        return None
    return Cause.TOKEN_AUDIENCE, f"{_shown(', '.join(named))} and not {', '.join(audiences)}"


def _wrong_scope(claims: Mapping[str, Any], scope: str) -> tuple[Cause, str] | None:
    found = claims.get("scope", claims.get("scp", ""))
    scopes = found.split() if isinstance(found, str) else found
    if not scope or (isinstance(scopes, list) and scope in scopes):
        return None
    return Cause.TOKEN_SCOPE, scope


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    # A time that cannot be read is one that is not given; NaN fails every comparison.
    return float(value) if abs(value) < _LAST_TIME else None


def _shown(value: object) -> str:
    return f"`{str(value)[:100]}`" if value else "nothing"
