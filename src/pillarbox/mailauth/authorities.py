"""The port for asking every authoritative server for a name, bypassing all caches.

A cache cannot tell whether a record has arrived *everywhere*: one lagging server is enough for a
receiver to see the old record. ``pillarbox.dns`` implements it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pillarbox.mailauth.resolver import Answer

__all__ = ["Authorities", "ServerAnswer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAnswer:
    """What one authoritative server says."""

    server: str  # host name and address, for people
    answer: Answer[bytes]
    aliases: tuple[str, ...] | None = ()  # targets of the CNAMEs that were followed; None: unknown


class Authorities(Protocol):
    """Asks authoritative servers. The content of DNS never raises an exception."""

    async def txt(self, name: str) -> tuple[ServerAnswer, ...]:
        """Return the TXT records of a name as each authoritative server has them.

        CNAMEs are followed first; the servers are those of the zone that contains the last name. If
        no server is known, there is one answer that says why.
        """
        ...
