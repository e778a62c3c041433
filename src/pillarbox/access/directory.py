"""All credentials of the store in memory, so that a login never waits for the disk.

``refresh`` loads what changed since it last ran; ``follow`` does so every two seconds, to see what
other nodes saved, and writes back when credentials were last used. While the store is down, the
credentials in memory stay valid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.access.issue import prefix_of
from pillarbox.errors import PillarboxError
from pillarbox.store.credentials import (
    Credential,
    CredentialKind,
    CredentialStore,
    CredentialUse,
    Secret,
)

__all__ = ["Directory"]

_EVERY: Final = 2.0  # seconds between checks for changes
_MOST_USES: Final = 100_000


class Directory:
    """The credentials as last saved."""

    def __init__(self, store: CredentialStore, now: Callable[[], float]) -> None:
        """Start empty until the first ``refresh``; ``now`` is the wall clock."""
        self.store = store
        self.now = now
        self.is_loaded = False
        self.generation = 0
        self.password_secrets = 0
        """The largest number of password hashes that one user name can require checking."""
        self._by_name: dict[str, Credential] = {}
        self._by_prefix: dict[str, str] = {}  # visible start of a secret: name
        self._by_account: dict[str, list[str]] = {}
        self._folded: dict[str, str] = {}  # user names without case
        self._uses: dict[str, CredentialUse] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Credential]:
        return iter(self._by_name.values())

    # --- looking ------------------------------------------------------------------

    def get(self, name: str) -> Credential | None:
        """Return a credential by its name."""
        return self._by_name.get(name)

    def by_key(self, secret: str) -> Credential | None:
        """Return the credential whose current or former key has this visible start."""
        return self._by_name.get(self._by_prefix.get(prefix_of(secret), ""))

    def by_prefix(self, prefix: str) -> Credential | None:
        """Return the credential with a secret of this visible start."""
        return self._by_name.get(self._by_prefix.get(prefix, ""))

    def knows(self, user: str) -> bool:
        """Whether a user name belongs to somebody."""
        return user in self._by_name or user in self._by_account

    def as_spelled(self, user: str) -> str:
        """Return a user name in its stored case; unchanged if it is unknown."""
        return user if self.knows(user) else self._folded.get(user.casefold(), user)

    def users(self) -> Iterator[str]:
        """Yield all user names."""
        yield from self._folded.values()

    def is_valid(self, name: str, secret: Secret) -> bool:
        """Whether a credential and this secret of it are still valid."""
        now, credential = self.now(), self._by_name.get(name)
        return (
            credential is not None
            and credential.revoked_at is None
            and (credential.expires_at is None or now < credential.expires_at)
            and any(
                each.verifier == secret.verifier and each.is_valid(now)
                for each in credential.secrets
            )
        )

    # --- changing -----------------------------------------------------------------

    def used(self, name: str, client: str) -> None:
        """Note that a credential was used; stored with the next batch."""
        if len(self._uses) < _MOST_USES or name in self._uses:
            self._uses[name] = CredentialUse(name, self.now(), client)

    async def refresh(self) -> None:
        """Load what was saved since the last call.

        Raises:
            StoreUnavailable: The store is down; the loaded credentials stay valid.
        """
        changes = await self.store.changed_since(self.generation)
        for credential in changes.credentials:
            self._take(credential)
        self.generation = changes.generation
        self.is_loaded = True
        if changes.credentials:
            self.password_secrets = max(map(_password_secrets, self), default=0)

    async def flush_uses(self) -> None:
        """Write when credentials were last used.

        Raises:
            StoreUnavailable: The store is down; the next call writes them.
        """
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            await self.store.note_uses(tuple(uses.values()))
        except PillarboxError:
            self._uses = {**uses, **self._uses}
            raise

    async def follow(self) -> None:
        """Refresh and write uses periodically until canceled."""
        while True:
            for step in (self.refresh, self.flush_uses):
                try:
                    await step()
                except PillarboxError:
                    continue  # the store is down, and its users report that
            await asyncio.sleep(_EVERY)

    def _take(self, credential: Credential) -> None:
        name = credential.name
        old = self._by_name.get(name)
        if old is not None and old.account in self._by_account:
            self._by_account[old.account].remove(name)
        self._by_name[name] = credential
        self._folded.setdefault(name.casefold(), name)
        if credential.account:
            self._by_account.setdefault(credential.account, []).append(name)
            self._folded.setdefault(credential.account.casefold(), credential.account)
        for secret in credential.secrets:
            if secret.prefix:
                self._by_prefix[secret.prefix] = name


def _password_secrets(credential: Credential) -> int:
    """Return how many slow hashes a credential has that may still be valid."""
    if credential.kind is not CredentialKind.PASSWORD or credential.revoked_at is not None:
        return 0
    return sum(not each.is_former and not each.prefix for each in credential.secrets)
