"""The outcome of connections to port 25, and of those they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.checkup.catalog.hosting import Hosting
from pillarbox.checkup.facts.smtp import Failure, Target
from pillarbox.smtp.reply import Reply

__all__ = ["Attempt", "Port25Facts", "Role"]


class Role(Enum):
    """What an attempt is for."""

    SERVER = "mail server"  # port 25 of a server that takes mail from everybody
    OTHER = "other port"  # a port for submission, to compare with
    NOBODY = "nobody's address"  # port 25 of an address that nobody has


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One connection."""

    role: Role
    target: Target
    seconds: float
    failure: Failure | None = None  # None: it was opened, and greeted where that was awaited
    is_open: bool = False  # the connection came about, whatever was said then
    greeting: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Port25Facts:
    """All that was tried."""

    attempts: tuple[Attempt, ...]
    unresolved: tuple[str, ...] = ()  # hosts for which DNS had no answer
    hosting: Hosting | None = None

    def of(self, role: Role) -> tuple[Attempt, ...]:
        """Return the attempts of one role."""
        return tuple(one for one in self.attempts if one.role is role)
