"""Settings of authentication."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["AuthSettings", "SourceKind", "SourceSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Authentication of clients."""

    file: Path | None = setting(
        "Password file with a line `user:argon2id hash` per user; `pillarbox auth hash` makes "
        "one. Dovecot's `user:{ARGON2ID}hash:...` is accepted too. Must not be readable by "
        "others.",
        None,
    )
    sources: tuple[str, ...] = setting(
        "User sources in the order in which they are asked: `store` (`pillarbox credential`), "
        "`file` (auth.file), and names of [auth_source.NAME]. Default: all, in that order.",
        (),
    )
    key: str = setting(
        "Key for hashing former secrets and encrypting reversible ones: 32 characters or "
        "more, the same on all nodes that share a store. Default: generated, in auth.key in "
        "node.directory. Preferably set as key_file.",
        "",
        secret=True,
    )
    mechanisms: tuple[str, ...] = setting(
        "SASL mechanisms to offer, in this order: PLAIN, LOGIN, SCRAM-SHA-256-PLUS, "
        "SCRAM-SHA-256, OAUTHBEARER, XOAUTH2, CRAM-MD5.",
        ("PLAIN", "LOGIN"),
    )
    challenges_before_tls: bool = setting(
        "Offer SCRAM-SHA-256 and CRAM-MD5, which do not reveal the password, before TLS as well.",
        False,
    )
    token_scope: str = setting(
        "Scope that a bearer token must have; told to clients that present a wrong token.", ""
    )
    token_discovery: str = setting(
        "URL of the token issuer's OpenID configuration; told to clients that present a wrong "
        "token.",
        "",
    )
    hash_workers: int = setting("Number of passwords hashed concurrently.", 2)
    cache_seconds: float = setting(
        "How long a verified password is cached, as a keyed hash in memory.",
        300.0,
        unit=Unit.SECONDS,
    )


class SourceKind(Enum):
    """What knows users, beside the store and the user file."""

    LDAP = "ldap"  # a directory server, by bind (RFC 4513); Active Directory is one
    JWKS = "jwks"  # an OpenID issuer whose tokens we verify by its published keys (RFC 7519)
    INTROSPECTION = "introspection"  # an OAuth server that is asked about each token (RFC 7662)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """An additional source of users: `[auth_source.NAME]`.

    While it does not answer, logins that only it could decide get 454 4.7.0.
    """

    kind: SourceKind = setting("`ldap`, `jwks` or `introspection`.")
    url: str = setting(
        "ldap: `ldaps://HOST` or `ldap://HOST`; jwks: the URL of the keys (default: found by the "
        "issuer's OpenID configuration); introspection: the URL to ask.",
        "",
    )
    ca: Path | None = setting("PEM file of the authorities to trust. Default: the system's.", None)
    timeout: float = setting("For one question.", 5.0, unit=Unit.SECONDS)
    workers: int = setting("Number of concurrent queries.", 4)
    start_tls: bool | None = setting(
        "ldap: speak TLS on an `ldap://` connection. Default: yes, but to loopback.", None
    )
    bind_dn: str = setting(
        'ldap: the DN to bind as, such as "uid={user},ou=people,dc=example,dc=org" or '
        '"{user}@ad.example.org"; with search_base, the DN that may search.',
        "",
    )
    bind_password: str = setting(
        "ldap: password of the DN that may search; preferably set as bind_password_file.",
        "",
        secret=True,
    )
    search_base: str = setting(
        "ldap: search for the user below this DN first, and bind as the entry found.", ""
    )
    search_filter: str = setting(
        "ldap: the search filter; exactly one entry must match. For Active Directory: "
        '"(&(objectClass=user)(userPrincipalName={user}))".',
        "(mail={user})",
    )
    identity_attribute: str = setting(
        "ldap: attribute of the entry that becomes the user's identity in policy and events. "
        "Default: the name that the client gave.",
        "",
    )
    issuer: str = setting("jwks, introspection: the `iss` that a token must have.", "")
    audiences: tuple[str, ...] = setting(
        "jwks, introspection: one of these must be in the token's `aud`.", ()
    )
    algorithms: tuple[str, ...] = setting(
        "jwks: algorithms of signatures; never `none` or HS256, whose key is no secret here.",
        ("RS256", "ES256", "EdDSA"),
    )
    scope: str = setting("jwks, introspection: scope that a token must have.", "")
    identity_claim: str = setting(
        "jwks, introspection: claim that becomes the user's identity in policy and events.", "email"
    )
    clock_skew: float = setting(
        "jwks: how far the issuer's clock may be off.", 60.0, unit=Unit.SECONDS
    )
    client_id: str = setting("introspection: our client id.", "")
    client_secret: str = setting(
        "introspection: its secret; preferably set as client_secret_file.", "", secret=True
    )
