"""Delivery into Maildirs: directories with ``tmp``, ``new`` and ``cur``, one file per message.

A message counts as delivered when the file in ``new`` and its directory entries are on disk (fsync
of the file, then of the directories). File names are unique across processes. A path cannot leave
the configured directory, whatever a local part contains. A full disk is a deferral, never a loss.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Final

from pillarbox.deliver.transport import UNBOUNDED, Peer
from pillarbox.net.transaction import Content, RecipientOutcome, Transaction, TransactionResult
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.envelope import Envelope
from pillarbox.smtp.reply import Reply

__all__ = ["MaildirTransport", "mailbox_path"]

_KEPT: Final = RecipientOutcome(
    is_delivered=True, stage=Stage.FINAL, reply=Reply.of(250, "2.1.5", "In the mailbox")
)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9!#$&'*+=?^_`{|}~.@-]")
_LONGEST_NAME: Final = 120  # octets, so that {address} fits into the 255 of file systems
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def mailbox_path(template: Path, address: Mailbox) -> Path:
    """Return the directory of a recipient: ``{domain}``, ``{local}``, ``{address}`` replaced.

    Characters with a meaning to the file system are written as ``%XX``, so that two addresses never
    share a directory and none leaves the template's.
    """
    local, domain = _safe(address.local_part.lower()), _safe(address.ascii_domain)
    values = {"{local}": local, "{domain}": domain, "{address}": f"{local}@{domain}"}
    path = str(template)
    return Path(re.sub(r"\{(?:local|domain|address)\}", lambda found: values[found[0]], path))


def _safe(text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    safe = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", octets.decode("latin-1"))
    if len(safe) > _LONGEST_NAME:
        digest = blake2b(octets, digest_size=8).hexdigest()
        safe = f"{safe[: _LONGEST_NAME - 18]}%~{digest}"  # "%~" has no other meaning
    # No "." or "..", no hidden directories, no empty name.
    return f"%2E{safe[1:]}" if safe.startswith(".") else safe or "%"


class MaildirTransport:
    """A transport that is its own carrier; files are written in threads."""

    is_final = True
    takes_long_lines = True
    is_usable = True
    bounds = UNBOUNDED

    def __init__(
        self, template: Path, now: Callable[[], float], threads: ThreadPoolExecutor
    ) -> None:
        """Deliver below ``template``.

        Args:
            template: The directory of a recipient, with placeholders.
            now: The wall clock (seconds), for the names of files.
            threads: Where files are written.
        """
        self._template = template
        self._now = now
        self._threads = threads
        self._number = 0
        self._host = socket.gethostname().replace("/", "\\057").replace(":", "\\072")
        self.peer = Peer(host="maildir", address=str(template))

    async def open(self) -> MaildirTransport:
        """Return itself."""
        return self

    async def close(self) -> None:
        """Do nothing: nothing is open between two messages."""

    async def carry(self, transaction: Transaction) -> TransactionResult:
        """Write a message into the directory of each recipient."""
        outcomes = [
            await self._deliver(transaction.envelope, number, transaction.content)
            for number in range(len(transaction.envelope.recipients))
        ]
        return TransactionResult(outcomes=tuple(outcomes), is_reusable=True)

    async def _deliver(self, envelope: Envelope, number: int, content: Content) -> RecipientOutcome:
        address = envelope.recipients[number].address
        self._number += 1
        name = f"{self._now():.6f}.P{os.getpid()}Q{self._number}.{self._host}"
        delivery = _Delivery(mailbox_path(self._template, address), name)
        try:
            trace = _trace(envelope, address)
            if content.octets is not None:
                await self._run(delivery.whole, trace, content.octets)
            else:
                await self._run(delivery.begin, trace)
                await self._copy(delivery, content)
                await self._run(delivery.finish)
        except OSError as error:
            await self._run(delivery.abandon)
            return _failure(error)
        except BaseException:
            await asyncio.shield(self._run(delivery.abandon))
            raise
        return _KEPT

    async def _copy(self, delivery: _Delivery, content: Content) -> None:
        if content.read is None:
            return
        kept_back = b""
        async for chunk in content.read():
            octets = kept_back + chunk
            kept_back = b"\r" if octets.endswith(b"\r") else b""  # its LF may come next
            await self._run(delivery.write, _unix(octets[: len(octets) - len(kept_back)]))
        if kept_back:
            await self._run(delivery.write, kept_back)

    def _run(self, work: Callable[..., None], *arguments: bytes) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


class _Delivery:
    """One file on its way from ``tmp`` to ``new``."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._temporary = folder / "tmp" / name
        self._final = folder / "new" / name
        self._file = -1

    def whole(self, trace: bytes, octets: bytes) -> None:
        """Write a message that is in memory."""
        self.begin(trace)
        self.write(_unix(octets))
        self.finish()

    def begin(self, trace: bytes) -> None:
        _make_folder(self._folder)
        for part in ("tmp", "new", "cur"):
            _make_folder(self._folder / part)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._temporary, flags, 0o600)
        self.write(trace)

    def write(self, octets: bytes) -> None:
        view = memoryview(octets)
        while view:
            view = view[os.write(self._file, view) :]

    def finish(self) -> None:
        os.fsync(self._file)
        os.close(self._file)
        self._file = -1
        # A link fails where a rename would replace what is there.
        os.link(self._temporary, self._final)
        self._temporary.unlink()
        _sync_folder(self._folder / "new")

    def abandon(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._temporary.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Create a directory and its parents durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _trace(envelope: Envelope, address: Mailbox) -> bytes:
    """Return the fields that final delivery adds before the message (RFC 5321 §4.4)."""
    sender = envelope.reverse_path
    return_path = "" if sender is None else str(sender)
    return f"Return-Path: <{return_path}>\nDelivered-To: {address}\n".encode()


def _unix(octets: bytes) -> bytes:
    """Convert octets to the line ends that programs expect in a Maildir."""
    return octets.replace(b"\r\n", b"\n")


def _failure(error: OSError) -> RecipientOutcome:
    words = os.strerror(error.errno) if error.errno else str(error)
    if error.errno == errno.EDQUOT:
        reply = Reply.of(452, "4.2.2", "The mailbox is full")
    elif error.errno in _FULL:
        reply = Reply.of(452, "4.3.1", "No room for the message on disk")
    else:
        reply = Reply.of(451, "4.3.0", "The message could not be written")
    return RecipientOutcome(
        is_delivered=False, stage=Stage.FINAL, reply=reply, reason=words, is_local=True
    )
