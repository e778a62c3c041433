"""The credentials port: who may log in with what, as every store keeps it.

Nothing here can be used to log in: of a secret there is a hash, or less. Each node also holds the
credentials in memory (``changed_since`` yields the difference), so that a login never waits for the
disk.

What every adapter promises:

* **One writer wins.** A credential is saved as a whole, and only if it is still as the caller last
  saw it; otherwise ``CredentialConflict`` is raised and nothing has changed.
* **Changes are numbered.** Each save gives the credential a generation higher than all before it,
  in the order in which they become visible.
* **Saved means durable**, as for mail. The time of last use may be lost in a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from pillarbox.errors import TemporaryError

__all__ = [
    "Changes",
    "Credential",
    "CredentialConflict",
    "CredentialKind",
    "CredentialStore",
    "CredentialUse",
    "Secret",
]


class CredentialConflict(TemporaryError):  # noqa: N818 - reads as what it says
    """Somebody else has saved the credential since it was read."""


class CredentialKind(Enum):
    """What a client presents."""

    PASSWORD = "password"  # noqa: S105 - chosen by a person; the user name is the credential's
    APP_PASSWORD = "app-password"  # noqa: S105 - made by us, for one program of an account
    KEY = "key"  # made by us; it says by itself which credential it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret of a credential: current, still accepted, or former."""

    prefix: str = ""  # its visible start, by which it is found; "" for a chosen password
    verifier: str = field(repr=False)  # a hash of it (``receive.hashes``); "" where scram is all
    scram: str = field(default="", repr=False)  # SCRAM-SHA-256 verifier; "": none was asked for
    sealed: bytes = field(default=b"", repr=False)  # the secret itself, encrypted (CRAM-MD5)
    created_at: float
    created_by: str
    ends_at: float | None = None  # not valid from here on; None: it has no end
    ended_by: str = ""  # who has set that end by rotation; "" for an end it was made with
    is_former: bool = False  # the verifier can only tell that it was this one, to the operator

    def is_valid(self, now: float) -> bool:
        """Whether it can be used to log in (if its credential allows it)."""
        return not self.is_former and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Somebody or something that may log in."""

    name: str  # unique; what the relay policy and the events call it
    kind: CredentialKind
    account: str = ""  # the user name of an app password; "" otherwise
    project: str = ""
    is_sandbox: bool = False
    scopes: tuple[str, ...] = ()  # what it may be used for; empty: everything
    senders: tuple[str, ...] = ()  # patterns of addresses it may send as
    created_at: float
    created_by: str
    expires_at: float | None = None
    revoked_at: float | None = None
    revoked_by: str = ""
    secrets: tuple[Secret, ...] = ()  # the newest first
    generation: int = 0  # given by the store; 0: not saved yet


@dataclass(frozen=True, slots=True)
class CredentialUse:
    """When, and from where, a credential was last used."""

    name: str
    at: float  # wall clock
    client: str  # the peer's address


@dataclass(frozen=True, slots=True)
class Changes:
    """What has been saved since a generation."""

    generation: int
    credentials: tuple[Credential, ...]


class CredentialStore(Protocol):
    """Where credentials are kept. All methods raise ``StoreUnavailable`` when it is down."""

    async def changed_since(self, generation: int) -> Changes:
        """Return every credential saved after a generation; 0 returns all."""
        ...

    async def save(self, credential: Credential) -> int:
        """Save a credential, replacing the one with its name and ``generation``.

        Returns:
            Its new generation.

        Raises:
            CredentialConflict: The store has another one with that name, or a newer one.
        """
        ...

    async def note_uses(self, uses: Sequence[CredentialUse]) -> None:
        """Record last uses; one that is older than the recorded one changes nothing."""
        ...

    async def uses(self) -> tuple[CredentialUse, ...]:
        """Return the last use of each credential that was ever used."""
        ...
