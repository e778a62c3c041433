"""Credentials in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pillarbox.store.credentials import Changes, Credential, CredentialConflict, CredentialUse
from pillarbox.store.memory.disk import MemoryDisk

__all__ = ["MemoryCredentials"]


class MemoryCredentials:
    """Keeps credentials on a ``MemoryDisk``."""

    def __init__(self, disk: MemoryDisk, check: Callable[[], None]) -> None:
        """Keep them on ``disk``; ``check`` raises where the store cannot be used."""
        self._disk = disk
        self._check = check

    async def changed_since(self, generation: int) -> Changes:
        """Return every credential that was saved after a generation."""
        self._check()
        found = (each for each in self._disk.credentials.values() if each.generation > generation)
        return Changes(
            self._disk.credential_generation,
            tuple(sorted(found, key=lambda credential: credential.generation)),
        )

    async def save(self, credential: Credential) -> int:
        """Save a credential, if it is still as the caller has seen it."""
        self._check()
        disk = self._disk
        kept = disk.credentials.get(credential.name)
        if (kept.generation if kept else 0) != credential.generation:
            raise CredentialConflict(f"{credential.name} was changed by somebody else")
        disk.credential_generation += 1
        disk.credentials[credential.name] = replace(
            credential, generation=disk.credential_generation
        )
        return disk.credential_generation

    async def note_uses(self, uses: Sequence[CredentialUse]) -> None:
        """Note last uses."""
        self._check()
        for use in uses:
            known = self._disk.credential_uses.get(use.name)
            if known is None or known.at < use.at:
                self._disk.credential_uses[use.name] = use

    async def uses(self) -> tuple[CredentialUse, ...]:
        """Return the last use of each credential that was ever used."""
        self._check()
        return tuple(self._disk.credential_uses.values())
