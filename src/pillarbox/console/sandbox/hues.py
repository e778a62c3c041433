"""The colors of tags: derived from their names unless chosen explicitly.

Choices are stored in the inbox, so that everybody sees the same. A tag without a choice has the
same color in every sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zlib import crc32

from pillarbox.inbox.port import Inbox

__all__ = ["HUES", "Hues", "TagEntry"]

HUES: Final = 8
"""How many colors there are (``--tag-0`` and on in tokens.css)."""

_KIND: Final = "console.hue"


@dataclass(frozen=True, slots=True)
class TagEntry:
    """A tag as pages show it."""

    name: str
    hue: int  # which of the colors; the same one wherever the tag stands
    search: str  # finds its mail
    count: int = 0


class Hues:
    """Which color each tag has."""

    def __init__(self, inbox: Inbox) -> None:
        """Store choices in ``inbox``."""
        self._inbox = inbox
        self._chosen: dict[str, int] | None = None  # None: not read yet

    async def load(self) -> None:
        """Load the stored choices once."""
        if self._chosen is None:
            kept = await self._inbox.settings(_KIND)
            self._chosen = {tag: int(value) % HUES for tag, value in kept.items()}

    async def choose(self, tag: str, hue: int | None) -> None:
        """Set the color of a tag; None: the one derived from its name."""
        await self.load()
        chosen = self._chosen if self._chosen is not None else {}
        if hue is None or hue == _of_name(tag):
            if chosen.pop(tag, None) is not None:
                await self._inbox.put_setting(_KIND, tag, None)
        else:
            chosen[tag] = hue % HUES
            await self._inbox.put_setting(_KIND, tag, b"%d" % chosen[tag])

    def entry(self, tag: str, count: int = 0) -> TagEntry:
        """Return a tag for display; before ``load``, with the color of its name."""
        quoted = tag if tag.isalnum() else '"' + tag.replace('"', "") + '"'
        hue = (self._chosen or {}).get(tag, _of_name(tag))
        return TagEntry(tag, hue, f"tag:{quoted}", count)


def _of_name(tag: str) -> int:
    return (crc32(tag.encode()) >> 11) % HUES
