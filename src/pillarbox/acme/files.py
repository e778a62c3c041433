"""Files that hold keys and certificates: the account key, and how all of them are written."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pillarbox.errors import PermanentError

__all__ = ["account_key", "write"]


def write(path: Path, content: bytes, mode: int) -> None:
    """Put a file in place; readers see the old one or the new one, never half of it.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.new")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)


def account_key(directory: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key of our account with the authority; one is made the first time.

    Raises:
        PermanentError: The file holds no such key.
        OSError: It cannot be read or written.
    """
    path = directory / "account.key"
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        encoded = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write(path, encoded, 0o600)
        return made
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise PermanentError(f"{path} is not the key of an account: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PermanentError(f"{path} is not the key of an account")
    return key
