"""Bearer tokens for logging in to smart hosts: from a file, or from their issuer.

A ``FileToken`` is read for each connection, so that whoever renews it just writes the file. A
``GrantedToken`` is requested when first used, cached in memory, and requested again a minute before
it expires, or once a server has refused it.

RFC 6750 (tokens), RFC 6749 §4.4 (client credentials), §6 (refresh tokens).
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from pillarbox.config.private_file import read_private
from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.smtp.client_replies import printable

__all__ = ["FileToken", "GrantedToken", "TokenGrant", "TokenSource", "TokenUnavailable"]

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1
_MAX_TOKEN: Final = 9_000  # octets; in base64 it has to fit into one line (RFC 4954 §4.1)
_MAX_ANSWER: Final = 64 * 1024
_MAX_WORDS: Final = 200  # characters of an issuer's explanation that are reported
_TIMEOUT: Final = 10.0  # seconds; a stopping node waits for the thread
_MARGIN: Final = 60.0  # seconds before its end at which a token is renewed
_DEFAULT_LIFETIME: Final = 300.0  # if the issuer does not state one


class TokenUnavailable(TemporaryError):  # noqa: N818 - a token is missing, it does not err
    """There is no token now; the message says why."""


class TokenSource(Protocol):
    """The source of a route's token."""

    async def current(self) -> str:
        """Return a token that should be valid now.

        Raises:
            TokenUnavailable: There is none.
        """
        ...

    def refused(self) -> None:
        """Note that a server refused the token."""
        ...


@dataclass(frozen=True, slots=True)
class FileToken:
    """A token from a file."""

    path: Path

    async def current(self) -> str:
        """Read the file.

        Raises:
            TokenUnavailable: It cannot be read, others can read it, or it contains no token.
        """
        try:
            octets = await asyncio.to_thread(read_private, self.path)
        except PermanentError as error:
            raise TokenUnavailable(f"no token: {error}") from error
        return _checked(octets.decode("latin-1").strip(), f"no token: {self.path}")

    def refused(self) -> None:
        """Do nothing: the file is read each time, and may have a new token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """How to request a token: with a refresh token, or with client credentials."""

    url: str  # the token endpoint
    client: str
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""

    def form(self, refresh_token: str) -> bytes:
        """Return the request, the client's name and secret in its body (RFC 6749 §2.3.1)."""
        fields = {"grant_type": "client_credentials", "client_id": self.client}
        if refresh_token:
            fields |= {"grant_type": "refresh_token", "refresh_token": refresh_token}
        if self.client_secret:
            fields["client_secret"] = self.client_secret
        if self.scope:
            fields["scope"] = self.scope
        return urllib.parse.urlencode(fields).encode("ascii")


class GrantedToken:
    """A token from an issuer; routes do not share tokens."""

    def __init__(self, grant: TokenGrant) -> None:
        self._grant = grant
        # RFC 6749 §6: the issuer may give a new one each time, and end the old one.
        self._refresh_token = grant.refresh_token
        self._token = ""
        self._good_until = 0.0
        self._asking = asyncio.Lock()

    async def current(self) -> str:
        """Return the cached token, or request one; concurrent callers share one request.

        Raises:
            TokenUnavailable: The issuer cannot be reached, or refuses.
        """
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if not self._token or now >= self._good_until:
                answer = await asyncio.to_thread(self._ask)
                self._token = _checked(str(answer.get("access_token", "")), self._words("answers"))
                self._good_until = now + _lifetime(answer.get("expires_in"))
                self._refresh_token = str(answer.get("refresh_token") or self._refresh_token)
            return self._token

    def refused(self) -> None:
        """Request a new token the next time."""
        self._token = ""

    def _ask(self) -> dict[str, Any]:
        try:
            return self._answer()
        except (OSError, http.client.HTTPException) as error:  # URLError, time-outs, no HTTP
            words = str(error) or type(error).__name__
            raise TokenUnavailable(self._words(f"cannot be asked: {_shown(words)}")) from error

    def _answer(self) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the configuration names the scheme
            self._grant.url,
            self._grant.form(self._refresh_token),
            {"Accept": "application/json", "User-Agent": "pillarbox"},
        )
        try:
            with _OPENER.open(request, timeout=_TIMEOUT) as response:
                return _read(response.read(_MAX_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                told = _read(error.read(_MAX_ANSWER))
            words = " ".join(str(told.get(key, "")) for key in ("error", "error_description"))
            reason = self._words(f"says {error.code} {_shown(words)}".rstrip())
            raise TokenUnavailable(reason) from error

    def _words(self, words: str) -> str:
        return f"no token: {self._grant.url} {words}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: a secret is sent only to the configured URL."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect: it becomes an error."""


_OPENER: Final = urllib.request.build_opener(_NoRedirects)


def _read(octets: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(octets)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _shown(words: str) -> str:
    return printable(words.strip().encode("utf-8", "replace"))[:_MAX_WORDS]


def _checked(token: str, where: str) -> str:
    if len(token) > _MAX_TOKEN or not _TOKEN.fullmatch(token):
        raise TokenUnavailable(f"{where} without a bearer token")
    return token


def _lifetime(seconds: Any) -> float:
    try:
        lifetime = float(seconds)
    except (TypeError, ValueError):
        lifetime = _DEFAULT_LIFETIME
    # Use most of a short lifetime; never request a token for each connection.
    return max(lifetime - _MARGIN, lifetime / 2, 1.0)
