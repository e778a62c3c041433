"""Settings of who may log in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["AuthSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Who may log in."""

    file: Path | None = setting(
        "File with a line `user:argon2id hash` for each who may log in; made by "
        "`pillarbox auth hash`. Must not be readable by others.",
        None,
    )
    mechanisms: tuple[str, ...] = setting(
        "SASL mechanisms to offer, the first one first: PLAIN, LOGIN, SCRAM-SHA-256-PLUS, "
        "SCRAM-SHA-256, OAUTHBEARER, XOAUTH2, CRAM-MD5.",
        ("PLAIN", "LOGIN"),
    )
    challenges_before_tls: bool = setting(
        "Offer SCRAM-SHA-256 and CRAM-MD5, which show no password, before TLS as well.", False
    )
    token_scope: str = setting(
        "Scope that a bearer token has to be good for; told to who shows a wrong one.", ""
    )
    token_discovery: str = setting(
        "URL of the OpenID configuration of who issues tokens; told likewise.", ""
    )
    hash_workers: int = setting("Passwords that are hashed at the same time.", 2)
    cache_seconds: float = setting(
        "How long a verified password is remembered, as a keyed hash in memory.",
        300.0,
        unit=Unit.SECONDS,
    )
