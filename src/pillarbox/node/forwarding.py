"""Builds sender rewriting from the configuration: its secret, its domain, and the way back."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pillarbox.config.private_file import read_private
from pillarbox.config.settings import ListenerKind, Settings
from pillarbox.deliver.forwarding import Forwarding
from pillarbox.errors import PermanentError
from pillarbox.mailauth.srs import SenderRewriter, SrsRefused, is_rewritten
from pillarbox.smtp.address import Mailbox, ascii_domain
from pillarbox.smtp.reply import Reply

__all__ = ["Rewriting"]

_NOT_OURS: Final = Reply.of(550, "5.7.1", "This return address is not valid, or not any more")
_SECRET_OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The sender rewriting of a node."""

    domain: str
    rewriter: SenderRewriter
    now: Callable[[], float]

    @classmethod
    def prepare(cls, settings: Settings, now: Callable[[], float]) -> Rewriting | None:
        """Return the configured rewriting; None if nothing can be forwarded.

        Raises:
            PermanentError: The secret cannot be used or stored.
        """
        srs = settings.srs
        domain = srs.domain or next(iter(settings.domain), "")
        if not srs.enabled or not domain:
            return None
        secret = srs.secret or _kept_secret(settings.node.directory / "srs.key")
        keys = [text.encode() for text in (secret, *srs.old_secrets)]
        rewriter = SenderRewriter(ascii_domain(domain), keys, max_age=srs.lifetime)
        return cls(ascii_domain(domain), rewriter, now)

    def returned(self, recipient: Mailbox) -> Mailbox | Reply | None:
        """Return the original sender of a rewritten address, or why it is refused."""
        if recipient.ascii_domain != self.domain or not is_rewritten(recipient):
            return None
        try:
            return self.rewriter.reverse(recipient, now=self.now())
        except SrsRefused:
            return _NOT_OURS

    def forwarding(self, settings: Settings, is_local: Callable[[str], bool]) -> Forwarding:
        """Return the rewriter for senders of mail from mx listeners."""
        origins = [
            name for name, listener in settings.listener.items() if listener.kind is ListenerKind.MX
        ]
        return Forwarding(self.rewriter, is_local=is_local, origins=origins, now=self.now)


def _kept_secret(path: Path) -> str:
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = secrets.token_hex(_SECRET_OCTETS)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(made)
            return made
    except OSError as error:
        raise PermanentError(f"cannot keep a secret in {path}: {error.strerror}") from error
    return read_private(path).decode("ascii", "replace").strip()
