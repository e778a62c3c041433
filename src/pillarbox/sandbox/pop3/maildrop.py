"""A maildrop as one session sees it: numbered when it was opened, and marked for deletion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from pillarbox.store.port import MessageId

__all__ = ["Item", "Maildrop"]


class Item(Struct, frozen=True, gc=False):
    """One mail of a maildrop."""

    message: MessageId
    size: int  # octets, every line end counted as two (RFC 1939 §11)
    uid: str  # never another mail's (RFC 1939 §7)


class Maildrop:
    """The mails that were there when the session began, oldest first, from number 1."""

    def __init__(self, items: Sequence[Item] = ()) -> None:
        """Open a maildrop."""
        self._items = tuple(items)
        self._deleted: set[int] = set()

    @property
    def count(self) -> int:
        """How many mails are not marked as deleted."""
        return len(self._items) - len(self._deleted)

    @property
    def octets(self) -> int:
        """Their octets."""
        return sum(item.size for _, item in self)

    @property
    def deleted(self) -> tuple[Item, ...]:
        """What is marked as deleted."""
        return tuple(self._items[number - 1] for number in sorted(self._deleted))

    def __iter__(self) -> Iterator[tuple[int, Item]]:
        """Go through the mails that are not marked, with their numbers."""
        for number, item in enumerate(self._items, 1):
            if number not in self._deleted:
                yield number, item

    def get(self, number: int) -> Item | None:
        """Return a mail; None where there is none, or it is marked."""
        if not 1 <= number <= len(self._items) or number in self._deleted:
            return None
        return self._items[number - 1]

    def delete(self, number: int) -> None:
        """Mark a mail, which ``get`` returns."""
        self._deleted.add(number)

    def reset(self) -> None:
        """Take all marks away."""
        self._deleted.clear()
