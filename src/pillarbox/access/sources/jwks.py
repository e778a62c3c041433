"""Tokens verified locally, with the keys that their issuer publishes.

The algorithm must be allowed before a key is looked up, and a key is used only for the algorithms
of its type (RFC 8725 §3.1). Keys are fetched on a thread when a token names an unknown one, at
most every ten seconds, since a stranger can name any key. While the issuer is down, known keys
stay valid for a day.

RFC 7515 (JWS), RFC 7517 (JWKS), RFC 7519 (JWT), OpenID Connect Discovery 1.0 §4.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.pool import Pool
from pillarbox.access.sources.fetch import Fetcher, check_url
from pillarbox.access.sources.token_claims import judge_claims
from pillarbox.config.settings import SourceSettings
from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.policy.autopsy import Cause
from pillarbox.smtp.sasl.claims import Claim, TokenClaim

__all__ = ["ALGORITHMS", "TokenIssuer"]

ALGORITHMS: Final[dict[str, type[Key]]] = {
    "RS256": RSAKey,
    "RS384": RSAKey,
    "RS512": RSAKey,
    "PS256": RSAKey,
    "PS384": RSAKey,
    "PS512": RSAKey,
    "ES256": ECKey,
    "ES384": ECKey,
    "ES512": ECKey,
    "EdDSA": OKPKey,
    "Ed25519": OKPKey,
}
"""What a token may be signed by, and the type of key that it needs."""

_DISCOVERY: Final = "/.well-known/openid-configuration"
_LONGEST_TOKEN: Final = 16 * 1024
_REFETCH: Final = 10.0  # seconds between two fetches that strangers can cause
_STALE: Final = 300.0  # seconds after which keys are fetched anew, by the way
_TOO_OLD: Final = 86_400.0  # seconds after which they are not believed any more


class TokenIssuer:
    """Judges tokens of one issuer."""

    def __init__(self, name: str, settings: SourceSettings, now: Callable[[], float]) -> None:
        """Verify tokens as ``settings`` say; ``now`` is the wall clock.

        Raises:
            PermanentError: The settings cannot be used.
        """
        self.name = name
        self._settings = settings
        self._now = now
        self._algorithms = frozenset(settings.algorithms) & ALGORITHMS.keys()
        if not settings.issuer or not settings.audiences or not self._algorithms:
            raise PermanentError(f"auth_source.{name} needs an issuer, audiences and algorithms")
        check_url(settings.url or settings.issuer)
        self._fetcher = Fetcher(settings.ca, settings.timeout)
        self._pool = Pool(1, f"jwks {name}")
        self._keys: dict[str, Key] = {}
        self._fetched_at = float("-inf")  # with success
        self._asked_at = float("-inf")
        self._defect = "no keys were fetched yet"
        self._fetching: asyncio.Task[None] | None = None

    def takes(self, claim: Claim) -> bool:
        """Whether it can judge such a claim: only tokens."""
        return isinstance(claim, TokenClaim)

    def at_once(self, claim: Claim) -> Answer | None:
        """Judge a token by the keys that are known."""
        if not isinstance(claim, TokenClaim):
            return None
        header = _header(claim.token)
        if header is None:
            return Denied(Cause.TOKEN_MALFORMED, self.name)
        algorithm, key_id = header
        if algorithm not in self._algorithms:
            return Denied(Cause.TOKEN_ALGORITHM, self.name, algorithm[:40])
        key = self._key(algorithm, key_id)
        if key is None or self._now() - self._fetched_at > _STALE:
            return None
        return self._verified(claim, key, algorithm)

    async def judge(self, claim: Claim) -> Answer:
        """Fetch the keys, and judge a token by them."""
        header = _header(claim.token) if isinstance(claim, TokenClaim) else None
        if header is None or not isinstance(claim, TokenClaim):
            return Denied(Cause.TOKEN_MALFORMED, self.name)
        await self._fetch()
        algorithm, key_id = header
        age = self._now() - self._fetched_at
        if age > _TOO_OLD:
            return Denied(Cause.SOURCE_DOWN, self.name, self._defect)
        key = self._key(algorithm, key_id)
        if key is not None:
            return self._verified(claim, key, algorithm)
        if self._defect:  # it may be a new key, which we cannot see
            return Denied(Cause.SOURCE_DOWN, self.name, self._defect)
        return Denied(Cause.TOKEN_KEY, self.name, f"key id {key_id[:80]!r}")

    def refresh(self) -> bool:
        """Nothing to follow."""
        return False

    def close(self) -> None:
        """Give up the thread."""
        self._pool.close()

    # --- keys -----------------------------------------------------------------------

    def _key(self, algorithm: str, key_id: str) -> Key | None:
        if key_id:
            key = self._keys.get(key_id)
            return key if isinstance(key, ALGORITHMS[algorithm]) else None
        # RFC 7515 §4.1.4: the id is optional, where one key is all there is.
        fitting = [key for key in self._keys.values() if isinstance(key, ALGORITHMS[algorithm])]
        return fitting[0] if len(fitting) == 1 else None

    async def _fetch(self) -> None:
        """Fetch the keys; those who come meanwhile wait for the same answer."""
        if self._fetching is None:
            if self._now() - self._asked_at < _REFETCH:
                return
            self._asked_at = self._now()
            self._fetching = asyncio.ensure_future(self._fetch_once())
            self._fetching.add_done_callback(self._fetched)
        await asyncio.shield(self._fetching)

    def _fetched(self, task: asyncio.Task[None]) -> None:
        del task
        self._fetching = None

    async def _fetch_once(self) -> None:
        try:
            answer = await self._pool.run(self._published)
            self._keys = _usable_keys(answer)
        except TemporaryError as error:
            self._defect = str(error)
            return
        self._fetched_at = self._now()
        self._defect = ""

    def _published(self) -> dict[str, Any]:
        url = self._settings.url
        if not url:
            issuer = self._settings.issuer
            found = self._fetcher.get(issuer.rstrip("/") + _DISCOVERY)
            if found.get("issuer") != issuer:
                raise TemporaryError(f"the configuration at {issuer} is of another issuer")
            url = str(found.get("jwks_uri", ""))
        try:
            return self._fetcher.get(url)
        except PermanentError as error:
            raise TemporaryError(str(error)) from None

    # --- tokens ---------------------------------------------------------------------

    def _verified(self, claim: TokenClaim, key: Key, algorithm: str) -> Answer:
        try:
            with warnings.catch_warnings():
                # RFC 9864 asks for Ed25519 as the name; issuers still say EdDSA.
                warnings.simplefilter("ignore", SecurityWarning)
                token = jwt.decode(claim.token, key, algorithms=[algorithm])
        except BadSignatureError:
            return Denied(Cause.TOKEN_SIGNATURE, self.name)
        except (JoseError, ValueError, RecursionError):
            return Denied(Cause.TOKEN_MALFORMED, self.name)
        now = self._now()
        answer, until = judge_claims(
            token.claims, claim, source=self.name, settings=self._settings, now=now
        )
        if isinstance(answer, Admitted):
            last = until + self._settings.clock_skew
            return replace(answer, is_valid=lambda: self._now() < last)
        return answer


def _header(token: str) -> tuple[str, str] | None:
    """Return the algorithm and the key id that a token names; None if it is no token."""
    if len(token) > _LONGEST_TOKEN or token.count(".") != 2:  # noqa: PLR2004 - RFC 7515 §3.1
        return None
    encoded = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict):
        return None
    algorithm, key_id = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(key_id, str):
        return None
    return algorithm, key_id


def _usable_keys(answer: dict[str, Any]) -> dict[str, Key]:
    """Return public keys for signatures by their ids.

    Raises:
        TemporaryError: There is none.
    """
    keys: dict[str, Key] = {}
    listed = answer.get("keys")
    for number, each in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(each, dict) or each.get("kty") not in {"RSA", "EC", "OKP"}:
            continue
        if each.get("use", "sig") != "sig":
            continue
        try:
            (key,) = KeySet.import_key_set({"keys": [each]}).keys
        except (JoseError, ValueError, KeyError, TypeError):
            continue  # one key that is of no use must not take the others away
        keys[str(each.get("kid") or f"#{number}")] = key
    if not keys:
        raise TemporaryError("the issuer publishes no key that can be used")
    return keys
