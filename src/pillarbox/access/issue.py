"""Creates, rotates and revokes credentials: what is shown once, and what is stored.

Every function maps a credential to its successor; the caller saves it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pillarbox.access.hashes import LONGEST_SECRET, PasswordHasher, hash_key, make_former
from pillarbox.access.node_key import NodeKey
from pillarbox.errors import PermanentError
from pillarbox.policy.autopsy import KEY_MARK
from pillarbox.policy.senders import Senders
from pillarbox.smtp.sasl.scram_verifier import make_verifier
from pillarbox.store.credentials import Credential, CredentialKind, Secret

__all__ = ["FORMER_KEPT", "Forms", "Issued", "Issuer", "prefix_of"]

FORMER_KEPT: Final = 5
"""Former secrets of which something is kept for the autopsy."""

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH: Final = 8
_SECRET_LENGTH: Final = 40  # characters of 5 bits: 200 bits
_SALT_OCTETS: Final = 16
_LONGEST_NAME: Final = 200
_RESERVED: Final = frozenset({"apikey"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """What else is kept of a secret, beyond its hash."""

    scram: bool = False  # a verifier for SCRAM-SHA-256
    reversible: bool = False  # the secret itself, encrypted, for CRAM-MD5


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential to save, and the secret to show once ("" if somebody chose it)."""

    credential: Credential
    secret: str = field(repr=False)


class Issuer:
    """Makes credentials; hashing a password takes some 30 ms, so call it on a thread."""

    def __init__(self, key: NodeKey) -> None:
        """Hash and encrypt under ``key``."""
        self._key = key

    def create(self, draft: Credential, password: str, forms: Forms, now: float) -> Issued:
        """Make a new credential.

        Args:
            draft: It, without secrets.
            password: The password that somebody chose; "" for one made here.
            forms: What else to keep of the secret.
            now: The wall clock.

        Raises:
            PermanentError: The name, a sender pattern or the password cannot be used.
        """
        _check(draft)
        secret, shown = self._secret(draft, password, forms, now)
        created = replace(draft, created_at=now, secrets=(secret,), generation=0)
        return Issued(created, shown)

    def rotate(
        self,
        credential: Credential,
        *,
        password: str = "",
        forms: Forms,
        overlap: float,
        by: str,
        now: float,
    ) -> Issued:
        """Give a credential a new secret; the old one holds for ``overlap`` seconds more.

        Raises:
            PermanentError: The credential was revoked, or the password cannot be used.
        """
        if credential.revoked_at is not None:
            raise PermanentError(f"{credential.name} was revoked; add a new credential")
        secret, shown = self._secret(replace(credential, created_by=by), password, forms, now)
        old = (self._ended(each, now + overlap, by, now) for each in credential.secrets)
        rotated = replace(credential, secrets=_kept((secret, *old)))
        return Issued(rotated, shown)

    def revoke(self, credential: Credential, *, by: str, now: float) -> Credential:
        """End a credential now; what is kept can still tell the operator what was tried.

        Raises:
            PermanentError: It was revoked before.
        """
        if credential.revoked_at is not None:
            raise PermanentError(f"{credential.name} was revoked before")
        ended = tuple(self._former(each, now, by) for each in credential.secrets)
        return replace(credential, revoked_at=now, revoked_by=by, secrets=_kept(ended))

    def settled(self, credential: Credential, now: float) -> Credential:
        """Return a credential of whose ended secrets nothing is kept that lets anybody in."""
        if all(each.is_former or each.is_valid(now) for each in credential.secrets):
            return credential
        secrets_ = tuple(
            each if each.is_valid(now) else self._former(each, each.ends_at or now, each.ended_by)
            for each in credential.secrets
        )
        return replace(credential, secrets=_kept(secrets_))

    def _secret(
        self, credential: Credential, password: str, forms: Forms, now: float
    ) -> tuple[Secret, str]:
        is_chosen = credential.kind is CredentialKind.PASSWORD and bool(password)
        secret, prefix = (password, "") if is_chosen else _new_secret()
        if is_chosen and len(secret.encode()) > LONGEST_SECRET:
            raise PermanentError(f"a password has at most {LONGEST_SECRET} octets")
        scram = ""
        if forms.scram:
            scram = str(make_verifier(secret, secrets.token_bytes(_SALT_OCTETS)))
        made = Secret(
            prefix=prefix,
            verifier=PasswordHasher.hash(secret) if is_chosen else hash_key(secret),
            scram=scram,
            sealed=self._key.seal(credential.name, secret) if forms.reversible else b"",
            created_at=now,
            created_by=credential.created_by,
        )
        return made, "" if is_chosen else secret

    def _ended(self, secret: Secret, ends_at: float, by: str, now: float) -> Secret:
        if secret.is_former:
            return secret
        if secret.ends_at is not None and secret.ends_at <= ends_at:
            ends_at, by = secret.ends_at, secret.ended_by or by  # it was to end before that
        if ends_at <= now:
            return self._former(secret, ends_at, by)
        return replace(secret, ends_at=ends_at, ended_by=by)

    def _former(self, secret: Secret, ended_at: float, by: str) -> Secret:
        if secret.is_former:
            return secret
        return Secret(
            prefix=secret.prefix,
            verifier=make_former(secret.verifier, self._key.former),
            created_at=secret.created_at,
            created_by=secret.created_by,
            ends_at=ended_at,
            ended_by=by,
            is_former=True,
        )


def prefix_of(secret: str) -> str:
    """Return the visible start of a key, "" for what is none."""
    if not secret.startswith(KEY_MARK):
        return ""
    head, mark, _ = secret[len(KEY_MARK) :].partition("_")
    return KEY_MARK + head if mark and len(head) == _ID_LENGTH else ""


def _new_secret() -> tuple[str, str]:
    """Return a new key and its visible start: ``pb_k7f3m2q9_...``."""
    prefix = KEY_MARK + _random(_ID_LENGTH)
    return f"{prefix}_{_random(_SECRET_LENGTH)}", prefix


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _kept(secrets_: Sequence[Secret]) -> tuple[Secret, ...]:
    live = [each for each in secrets_ if not each.is_former]
    former = [each for each in secrets_ if each.is_former]
    former.sort(key=lambda secret: -(secret.ends_at or 0.0))
    return (*live, *former[:FORMER_KEPT])


def _check(credential: Credential) -> None:
    name = credential.name
    if not name or not name.isprintable() or name != name.strip() or len(name) > _LONGEST_NAME:
        raise PermanentError(f"a name is printable text of {_LONGEST_NAME} characters at most")
    if name.casefold() in _RESERVED:
        raise PermanentError(f"{name!r} is what clients say that have a key: take another name")
    if name.startswith(KEY_MARK):
        raise PermanentError(f"a name does not begin like a key: {KEY_MARK}")
    if (credential.kind is CredentialKind.APP_PASSWORD) != bool(credential.account):
        raise PermanentError("an app password, and nothing else, needs an account to log in to")
    Senders(credential.senders)  # raises if one is malformed
