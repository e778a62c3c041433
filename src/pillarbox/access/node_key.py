"""The key with which a node hashes and encrypts stored secrets.

It comes from the configuration (``auth.key``), which nodes that share a store require, or is
created once in the node's directory, in a file that only its user can read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pillarbox.config.private_file import read_private
from pillarbox.errors import PermanentError

__all__ = ["NodeKey", "read_node_key"]

_FILE: Final = "auth.key"
_OCTETS: Final = 32
_NONCE_OCTETS: Final = 12  # of AES-GCM; random, for a few thousand secrets


class NodeKey:
    """Keys for each purpose, made of one."""

    __slots__ = ("_key", "clients", "former", "is_configured", "scram")

    def __init__(self, material: bytes, *, is_configured: bool) -> None:
        """Derive the keys from ``material``, which has at least 128 random bits."""
        self._key = hashlib.blake2b(material, digest_size=_OCTETS).digest()
        self.is_configured = is_configured
        self.former = self._derived(b"former secret")
        """Hashes what is kept of former secrets."""
        self.scram = self._derived(b"scram salt")
        """Makes the salts of unknown users."""
        self.clients = self._derived(b"clients")
        """Hashes what is remembered of clients, and of the users and senders they named."""

    def seal(self, name: str, secret: str) -> bytes:
        """Encrypt the secret of a credential, bound to its name.

        Raises:
            PermanentError: The key was not configured; one beside the store protects nothing.
        """
        if not self.is_configured:
            raise PermanentError("a secret can only be kept reversibly with auth.key configured")
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        box = AESGCM(self._derived(b"sealed secret"))
        return nonce + box.encrypt(nonce, secret.encode(), name.encode())

    def unseal(self, name: str, sealed: bytes) -> str | None:
        """Decrypt the secret of a credential; None if it was sealed under another key or name."""
        box = AESGCM(self._derived(b"sealed secret"))
        nonce, rest = sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:]
        try:
            return box.decrypt(nonce, rest, name.encode()).decode()
        except (InvalidTag, ValueError):
            return None

    def _derived(self, purpose: bytes) -> bytes:
        return hashlib.blake2b(purpose, key=self._key, digest_size=_OCTETS).digest()


def read_node_key(configured: str, directory: Path) -> NodeKey:
    """Return the configured key, or the one in ``directory``, which is made if it is not there.

    Raises:
        PermanentError: The file cannot be used.
    """
    if configured:
        return NodeKey(configured.encode(), is_configured=True)
    path = directory / _FILE
    with contextlib.suppress(FileExistsError):
        _make(path)
    material = read_private(path)
    if len(material) < _OCTETS:
        raise PermanentError(f"{path} is damaged: it must hold {_OCTETS} octets or more")
    return NodeKey(material, is_configured=False)


def _make(path: Path) -> None:
    """Make the file, whole from the first moment that it can be seen."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_OCTETS))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        finally:
            draft.unlink()
    except FileExistsError:
        raise
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}") from error
