"""Saved searches, shown to everybody in the sidebar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from pillarbox.console.sandbox.place import LONGEST_SEARCH, Place
from pillarbox.errors import PermanentError
from pillarbox.inbox.port import Inbox

__all__ = ["SavedSearch", "SavedSearches"]

_KIND: Final = "console.search"
_MOST: Final = 100
_LONGEST_NAME: Final = 100  # characters


class _Kept(msgspec.Struct):
    q: str
    project: str | None = None


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search with a name."""

    name: str
    place: Place


class SavedSearches:
    """The searches that are kept."""

    def __init__(self, inbox: Inbox) -> None:
        """Keep them in ``inbox``."""
        self._inbox = inbox

    async def all(self) -> tuple[SavedSearch, ...]:
        """Return them by name."""
        kept = await self._inbox.settings(_KIND)
        found = ((name, msgspec.json.decode(value, type=_Kept)) for name, value in kept.items())
        return tuple(
            SavedSearch(name, Place(each.project, each.q))
            for name, each in sorted(found, key=lambda pair: pair[0].casefold())
        )

    async def put(self, name: str, place: Place) -> None:
        """Save a search, replacing one with the same name.

        Raises:
            PermanentError: It has no words or too many, or there are too many searches.
        """
        if not place.q:
            raise PermanentError("There is no search to save; type one first.")
        if len(name) > _LONGEST_NAME or len(place.q) > LONGEST_SEARCH:
            raise PermanentError(f"A name can have up to {_LONGEST_NAME} characters.")
        known = await self._inbox.settings(_KIND)
        if name not in known and len(known) >= _MOST:
            raise PermanentError(f"There can be up to {_MOST} saved searches; remove one first.")
        kept = msgspec.json.encode(_Kept(place.q, place.project))
        await self._inbox.put_setting(_KIND, name, kept)

    async def remove(self, name: str) -> None:
        """Delete a saved search, if it exists."""
        await self._inbox.put_setting(_KIND, name, None)
