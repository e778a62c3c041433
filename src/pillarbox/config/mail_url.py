"""URLs that name a mail server: ``EMAIL_URL``, ``SMTP_URL``, ``MAILER_DSN``.

=========================  ============================================================
``smtp://HOST``            STARTTLS where offered; required with a user name or port 587
``smtp+starttls://HOST``   STARTTLS required; ``smtp+tls`` means the same
``smtps://HOST``           TLS from the first octet; ``smtp+ssl`` means the same
=========================  ============================================================

``smtps://...:587`` is STARTTLS, as Django users mean it. User name and password are decoded
from percent encoding. ``?tls=never|may|require``, ``ca=FILE``, ``servername=NAME`` and
``timeout=SECONDS`` may follow. On loopback nothing is required.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pillarbox.config.endpoints import is_loopback
from pillarbox.config.settings.sending import TlsMode
from pillarbox.errors import PermanentError

__all__ = ["MailUrl", "MailUrlInvalid", "parse_mail_url"]

_SUBMISSION: Final = 587
_SUBMISSIONS: Final = 465
_SMTP: Final = 25
_LONGEST: Final = 2_000
_LONGEST_TIMEOUT: Final = 3_600.0
_IMPLICIT: Final = frozenset({"smtps", "smtp+ssl"})
_BY_COMMAND: Final = frozenset({"smtp+starttls", "smtp+tls"})
_SCHEMES: Final = frozenset({"smtp"}) | _IMPLICIT | _BY_COMMAND
_TLS: Final = {
    "never": TlsMode.NONE,
    "may": TlsMode.OPPORTUNISTIC,
    "require": TlsMode.STARTTLS,
}
_OPTIONS: Final = frozenset({"tls", "ca", "servername", "timeout"})


class MailUrlInvalid(PermanentError):  # noqa: N818 - reads as what it says
    """A text names no mail server; the message says why, without the password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailUrl:
    """A mail server, and how to speak to it."""

    host: str
    port: int
    tls: TlsMode
    user: str = ""
    password: str = field(default="", repr=False)
    tls_name: str = ""  # that the certificate must be for; "": the host
    ca: Path | None = None  # PEM file of the authorities to trust
    timeout: float | None = None  # seconds
    warning: str = ""  # what its writer may have meant otherwise

    def __str__(self) -> str:
        """Return it without the password."""
        scheme = "smtps" if self.tls is TlsMode.IMPLICIT else "smtp"
        user = f"{self.user}:***@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{user}{host}:{self.port}"


def parse_mail_url(text: str) -> MailUrl:
    """Return the server that a URL names.

    Raises:
        MailUrlInvalid: It names none, or not in a way that can be meant.
    """
    if len(text) > _LONGEST or any(ord(each) <= 0x20 or ord(each) == 0x7F for each in text):  # noqa: PLR2004
        raise MailUrlInvalid("the URL is too long, or has spaces or control characters")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise MailUrlInvalid("the URL is malformed; write smtp://user:password@host:587") from None
    if parts.scheme not in _SCHEMES:
        known = ", ".join(sorted(_SCHEMES))
        raise MailUrlInvalid(f"{parts.scheme[:20] or 'no scheme'}: write one of {known}")
    if not host or parts.path not in {"", "/"} or parts.fragment:
        raise MailUrlInvalid("the URL has no host, or a path; write smtp://user:password@host:587")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    options = _options(parts)
    implicit = parts.scheme in _IMPLICIT and port != _SUBMISSION
    if port is None:
        port = _SUBMISSIONS if implicit else _SUBMISSION if user else _SMTP
    return MailUrl(
        host=host,
        port=port,
        tls=_tls_mode(parts.scheme, host, port, options, has_user=bool(user), implicit=implicit),
        user=user,
        password=password,
        tls_name=options.get("servername", ""),
        ca=Path(options["ca"]) if options.get("ca") else None,
        timeout=_seconds(options["timeout"]) if "timeout" in options else None,
        warning=_warning(parts.scheme, port),
    )


def _tls_mode(
    scheme: str, host: str, port: int, options: dict[str, str], *, has_user: bool, implicit: bool
) -> TlsMode:
    asked = options.get("tls")
    if implicit:
        if asked is not None and asked != "require":
            raise MailUrlInvalid(f"tls={asked} does not go with {scheme}")
        return TlsMode.IMPLICIT
    if asked is not None:
        if asked not in _TLS:
            raise MailUrlInvalid(f"tls={asked[:20]}: write never, may or require")
        return _TLS[asked]
    if scheme != "smtp":
        return TlsMode.STARTTLS
    if is_loopback(host):
        return TlsMode.OPPORTUNISTIC
    return TlsMode.STARTTLS if has_user or port == _SUBMISSION else TlsMode.OPPORTUNISTIC


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = set(options) - _OPTIONS
    if unknown:
        known = ", ".join(sorted(_OPTIONS))
        raise MailUrlInvalid(f"{min(unknown)[:20]}: there is no such option, but {known}")
    return options


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise MailUrlInvalid(f"timeout={text[:20]}: write seconds, up to {_LONGEST_TIMEOUT:.0f}")
    return seconds


def _warning(scheme: str, port: int) -> str:
    if scheme in _IMPLICIT and port == _SUBMISSION:
        return f"{scheme}://...:587 is taken as STARTTLS; write smtp+starttls:// to say so"
    return ""
