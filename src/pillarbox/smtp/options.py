"""What a server connection offers, allows and refuses: fixed when a listener starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pillarbox.smtp.parameters import (
    AUTH_KEYWORDS,
    DSN_KEYWORDS,
    REQUIRETLS_KEYWORDS,
    SMTPUTF8_KEYWORDS,
    STANDARD_KEYWORDS,
)
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.registry import MECHANISMS, Trait

__all__ = ["ServerOptions", "hello_reply", "offered_keywords", "offered_mechanisms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Sizes are octets. A limit of 0 means that there is none, but for the sizes."""

    hostname: str
    banner: str = "ESMTP"  # what follows the name in the greeting

    max_message_size: int = 26_214_400
    max_command_line: int = 2_048  # its CRLF included; RFC 5321 §4.5.3.1.4 asks for 512
    max_text_line: int = 1_048_576  # without its CRLF; never below 998
    max_recipients: int = 1_000  # RFC 5321 §4.5.3.1.8 asks for 100
    max_messages: int = 0  # in one session
    max_errors: int = 20  # commands refused for good, then 421 4.7.0
    max_junk_commands: int = 100  # commands that do no work, between two messages

    starttls: bool = False
    require_tls: bool = False
    auth_mechanisms: tuple[str, ...] = ()  # in the order in which they are shown
    auth_before_tls: bool = False  # passwords and tokens in the clear; for loopback
    auth_challenges_before_tls: bool = False  # mechanisms that show no password (SCRAM, CRAM-MD5)
    new_nonce: Callable[[], str] | None = (
        None  # printable ASCII, random; SCRAM and CRAM-MD5 need it
    )
    token_scope: str = ""  # what a bearer token must be good for, told to a client with a wrong one
    token_discovery: str = ""  # URL of the issuer's OpenID configuration, told likewise
    require_auth: bool = False  # before MAIL

    smtputf8: bool = True
    chunking: bool = True
    dsn: bool = True

    accept_bare_lf_commands: bool = False
    normalize_line_ends: bool = False  # a lone LF in a content becomes CRLF
    check_early_talker: bool = False  # octets before the greeting are answered by 554

    def __post_init__(self) -> None:
        unknown = [name for name in self.auth_mechanisms if name not in MECHANISMS]
        if unknown:
            raise ValueError(f"no such SASL mechanism: {' '.join(unknown)}")
        traits = {MECHANISMS[name].trait for name in self.auth_mechanisms}
        if self.new_nonce is None and not traits <= {Trait.SHOWS}:
            raise ValueError("SCRAM and CRAM-MD5 need nonces")


@lru_cache(maxsize=256)
def offered_mechanisms(
    options: ServerOptions, *, is_encrypted: bool, has_binding: bool
) -> tuple[str, ...]:
    """Return the SASL mechanisms that a client may use now, in the order of the options.

    Args:
        options: What the listener offers in all.
        is_encrypted: TLS is up. Without it nothing is offered that shows a password or a
            token, unless the options say so.
        has_binding: TLS is up, and its channel binding is known.
    """
    shows = is_encrypted or options.auth_before_tls
    may_offer = {
        Trait.SHOWS: shows,
        Trait.CHALLENGES: shows or options.auth_challenges_before_tls,
        Trait.BINDS: has_binding,
    }
    return tuple(name for name in options.auth_mechanisms if may_offer[MECHANISMS[name].trait])


@lru_cache(maxsize=256)
def hello_reply(
    options: ServerOptions, *, is_extended: bool, is_encrypted: bool, has_binding: bool = False
) -> Reply:
    """Return the answer to EHLO or HELO (RFC 5321 §4.1.1.1)."""
    if not is_extended:
        return Reply(250, (options.hostname,))
    lines = [
        options.hostname,
        "PIPELINING",
        f"SIZE {options.max_message_size}",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
    ]
    if options.starttls and not is_encrypted:
        lines.append("STARTTLS")
    offered = offered_mechanisms(options, is_encrypted=is_encrypted, has_binding=has_binding)
    if offered:
        lines.append(" ".join(("AUTH", *offered)))
    if options.dsn:
        lines.append("DSN")
    if options.smtputf8:
        lines.append("SMTPUTF8")
    if options.chunking:
        lines.append("CHUNKING")
    if is_encrypted:
        lines.append("REQUIRETLS")  # RFC 8689 §2: never outside of TLS
    limits = [f"RCPTMAX={options.max_recipients}"] if options.max_recipients else []
    if options.max_messages:
        limits.append(f"MAILMAX={options.max_messages}")
    if limits:
        lines.append(" ".join(("LIMITS", *limits)))  # RFC 9422 §3
    return Reply(250, tuple(lines))


@lru_cache(maxsize=256)
def offered_keywords(options: ServerOptions, *, is_encrypted: bool) -> frozenset[str]:
    """Return the keywords of parameters that a client which said EHLO may use."""
    keywords = STANDARD_KEYWORDS
    if options.smtputf8:
        keywords |= SMTPUTF8_KEYWORDS
    if options.dsn:
        keywords |= DSN_KEYWORDS
    if options.auth_mechanisms:
        keywords |= AUTH_KEYWORDS
    if is_encrypted:
        keywords |= REQUIRETLS_KEYWORDS
    return keywords
