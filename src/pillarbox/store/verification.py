"""The possible faults of a store, as findings."""

from __future__ import annotations

from pillarbox.findings import Finding, Level
from pillarbox.store.ids import show_id
from pillarbox.store.port import MessageId

__all__ = ["body_damaged", "lost_recipient", "structure_damaged"]


def structure_damaged(detail: str) -> Finding:
    """Say that the database itself is damaged."""
    return Finding(
        level=Level.ERROR,
        code="PB-STORE-001",
        what=f"The file is damaged: {detail}",
        why="Mail in the damaged part cannot be read, and may be lost.",
        fix="Stop the node and restore a copy.",
    )


def lost_recipient(message: MessageId, position: int, check: str) -> Finding:
    """Say that a recipient will never be tried; ``check`` is what it failed."""
    return Finding(
        level=Level.ERROR,
        code="PB-STORE-002",
        what=f"Recipient {position} of {show_id(message)}: {check.replace('_', ' ')}.",
        why="It will never be delivered.",
        fix="Restore a copy, or send the message again.",
    )


def body_damaged(message: MessageId) -> Finding:
    """Say that a body is not what was accepted."""
    return Finding(
        level=Level.ERROR,
        code="PB-STORE-003",
        what=f"The body of {show_id(message)} is missing or does not match its checksum.",
        why="The message cannot be delivered.",
        fix="Send the message again, and check the disk.",
    )
