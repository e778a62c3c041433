"""The resources that new mail must not exhaust: disk, machine memory, the content budget."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.intake.budget import ByteBudget
from pillarbox.intake.memory import MemoryGuard
from pillarbox.intake.refusals import NO_MEMORY, NO_ROOM
from pillarbox.intake.reserve import DiskReserve
from pillarbox.smtp.reply import Reply

__all__ = ["Guards"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Asked before a message may begin."""

    reserve: DiskReserve
    memory: MemoryGuard
    budget: ByteBudget

    def refusal(self, now: float) -> Reply | None:
        """Return why no new message may begin, or None.

        Args:
            now: The monotonic clock, seconds.
        """
        if self.reserve.is_low:
            return NO_ROOM
        if self.memory.is_short(now):
            return NO_MEMORY
        return None
