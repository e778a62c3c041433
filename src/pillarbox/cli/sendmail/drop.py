"""The drop directory: messages stored while the server is not reachable.

Guarantees: a message is there whole and on disk, or not at all; nobody but its owner can
read it. One file a message: a line of JSON with the envelope, then the content.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pillarbox.cli.sendmail.submission import Submission

__all__ = ["drop_directory", "dropped", "keep", "read"]

_SYSTEM: Final = Path("/var/spool/pillarbox/drop")


def drop_directory(environ: Mapping[str, str]) -> Path:
    """Return where this user's messages are kept.

    ``$PILLARBOX_SENDMAIL_DROP``, the system's directory where it may be written to, or the
    user's own state directory.
    """
    if named := environ.get("PILLARBOX_SENDMAIL_DROP"):
        return Path(named)
    if os.access(_SYSTEM, os.W_OK | os.X_OK):
        return _SYSTEM
    home = environ.get("HOME", "/")
    return Path(environ.get("XDG_STATE_HOME") or f"{home}/.local/state", "pillarbox", "drop")


def keep(directory: Path, submission: Submission) -> Path:
    """Write a message durably and return its file.

    Raises:
        OSError: It could not be written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = secrets.token_hex(12)
    part, path = directory / f".{name}", directory / f"{name}.mail"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(submission.envelope()).encode() + b"\n")
            file.write(submission.content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _sync(directory)
    return path


def dropped(directory: Path) -> Iterator[Path]:
    """Yield the kept messages that this user can read, the oldest first."""
    try:
        paths = sorted(directory.glob("*.mail"), key=lambda path: path.stat().st_mtime)
    except OSError:
        return
    yield from (path for path in paths if os.access(path, os.R_OK))


def read(path: Path) -> Submission | None:
    """Return a kept message, or None for a file that is not one."""
    head, _, content = path.read_bytes().partition(b"\n")
    try:
        envelope = json.loads(head)
        return Submission(
            sender=str(envelope["sender"]),
            recipients=[str(address) for address in envelope["recipients"]],
            content=content,
            notify=str(envelope["notify"]),
            ret=str(envelope["ret"]),
            envelope_id=str(envelope["envelope_id"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
