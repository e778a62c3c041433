"""The port of a DKIM key store."""

from __future__ import annotations

from typing import Protocol

from pillarbox.keyring.kept_key import KeptKey

__all__ = ["KeyStore"]


class KeyStore(Protocol):
    """Stores keys. A key is identified by its domain and selector."""

    async def load(self) -> tuple[KeptKey, ...]:
        """Return all keys, by domain and then in the order they were made.

        Raises:
            PillarboxError: They cannot be read.
        """
        ...

    async def keep(self, key: KeptKey) -> None:
        """Store a key, replacing one with the same name; it is on disk when this returns.

        Raises:
            PillarboxError: It cannot be stored.
        """
        ...
