"""What a ``MemoryStore`` leaves behind when it is closed, or when its process "dies"."""

from __future__ import annotations

from dataclasses import dataclass, field

from pillarbox.store.credentials import Credential, CredentialUse
from pillarbox.store.notes import Note
from pillarbox.store.port import JournalEntry, KeptMessage, MessageId

__all__ = ["MemoryDisk"]


@dataclass(slots=True)
class MemoryDisk:
    """The part that survives: open another store on it to see what a restart would see."""

    messages: dict[MessageId, KeptMessage] = field(default_factory=dict)  # without contents
    bodies: dict[MessageId, list[bytes]] = field(default_factory=dict)
    chunks: dict[MessageId, dict[int, bytes]] = field(default_factory=dict)  # not yet kept
    final_at: dict[MessageId, float] = field(default_factory=dict)
    journal: list[JournalEntry] = field(default_factory=list)
    epochs: dict[str, int] = field(default_factory=dict)  # by node
    notes: dict[tuple[str, str], Note] = field(default_factory=dict)
    credentials: dict[str, Credential] = field(default_factory=dict)
    credential_uses: dict[str, CredentialUse] = field(default_factory=dict)
    credential_generation: int = 0
    is_clean: bool = True
    capacity: int | None = None  # octets of bodies; None: no limit

    def used(self) -> int:
        """Return the octets of all bodies and chunks."""
        kept = sum(len(chunk) for body in self.bodies.values() for chunk in body)
        coming = sum(len(chunk) for body in self.chunks.values() for chunk in body.values())
        return kept + coming
