"""Keys as files: ``DOMAIN/SELECTOR.pem`` in a directory, readable only by their owner.

A file is a PEM file that other programs can read, too; the lines before the key record its life.
It is replaced atomically, so readers never see a partial file. Keys are encrypted if there is a
passphrase. A file that others can read is refused.
"""

from __future__ import annotations

import asyncio
import base64
import os
import stat
from pathlib import Path
from typing import Final

from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.mailauth.dkim import SigningKey, read_private_key, write_private_key
from pillarbox.mailauth.dkim.algorithm import Algorithm
from pillarbox.policy.key_life import KeyState

__all__ = ["KeyFiles"]

_TITLE: Final = "DKIM key of pillarbox"
_SUFFIX: Final = ".pem"
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_OTHERS: Final = stat.S_IWGRP | stat.S_IRWXO


class KeyFiles:
    """Stores keys in a directory."""

    def __init__(self, folder: Path, passphrase: str = "") -> None:
        """Store keys below ``folder``, encrypted with ``passphrase`` if there is one."""
        self._folder = folder
        self._passphrase = passphrase.encode() or None

    async def load(self) -> tuple[KeptKey, ...]:
        """Return all keys, by domain and then in the order they were made.

        Raises:
            PermanentError: A file can be read by others, or is not one of our keys.
            TemporaryError: The directory cannot be read.
        """
        return await asyncio.to_thread(self._load)

    async def keep(self, key: KeptKey) -> None:
        """Store a key, replacing one with the same name; it is on disk when this returns.

        Raises:
            TemporaryError: The file cannot be written.
        """
        await asyncio.to_thread(self._keep, key)

    def _load(self) -> tuple[KeptKey, ...]:
        try:
            paths = sorted(self._folder.glob(f"*/*{_SUFFIX}"))
            keys = [self._read(path) for path in paths]
        except OSError as error:
            raise TemporaryError(f"cannot read the keys in {self._folder}: {error}") from error
        return tuple(sorted(keys, key=lambda key: (key.domain, key.made_at, key.selector)))

    def _read(self, path: Path) -> KeptKey:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OTHERS:
                raise PermanentError(
                    f"{path} has mode {stat.S_IMODE(mode):04o}; others must not reach it: "
                    f"chmod 600 {path}"
                )
            octets = file.read()
        try:
            return _parse(octets, self._passphrase)
        except (KeyError, ValueError) as error:
            raise PermanentError(f"{path} is not a key that pillarbox keeps: {error}") from error
        except PermanentError as error:
            raise PermanentError(f"{path}: {error}") from error

    def _keep(self, key: KeptKey) -> None:
        folder = self._folder / key.domain
        path = folder / f"{key.selector}{_SUFFIX}"
        try:
            for each in (self._folder.parent, self._folder, folder):  # each with its mode
                each.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            _replace(path, _show(key, self._passphrase))
        except OSError as error:
            raise TemporaryError(f"cannot write {path}: {error.strerror}") from error


def _show(key: KeptKey, passphrase: bytes | None) -> bytes:
    lines = (
        _TITLE,
        f"domain: {key.domain}",
        f"selector: {key.selector}",
        f"algorithm: {key.algorithm.value}",
        f"public: {base64.b64encode(key.public).decode('ascii')}",
        f"state: {key.state.value}",
        f"made: {int(key.made_at)}",
        f"since: {int(key.since)}",
        "",
    )
    pem = b"" if key.private is None else write_private_key(key.private.private_key, passphrase)
    return "\n".join(lines).encode("ascii") + pem


def _parse(octets: bytes, passphrase: bytes | None) -> KeptKey:
    head, dashes, _ = octets.decode("ascii").partition("-----BEGIN")
    title, *lines = head.splitlines() or [""]
    if title != _TITLE:
        raise ValueError("it does not begin with its title")
    facts = dict(line.split(": ", 1) for line in lines if line)
    domain, selector = facts["domain"], facts["selector"]
    private = None
    if dashes:
        private = SigningKey(domain, selector, read_private_key(octets, passphrase))
    return KeptKey(
        domain=domain,
        selector=selector,
        algorithm=Algorithm(facts["algorithm"]),
        public=base64.b64decode(facts["public"], validate=True),
        private=private,
        state=KeyState(facts["state"]),
        made_at=float(facts["made"]),
        since=float(facts["since"]),
    )


def _replace(path: Path, octets: bytes) -> None:
    """Write a new file, sync it, and rename it over the old one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
