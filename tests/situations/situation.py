"""What a broken situation is, and whether the commands see through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pillarbox.checkup.remark import Remark, Status

__all__ = ["Healthy", "Situation", "Told", "of_remarks"]

_BLAMED = frozenset({Status.FAIL, Status.WARN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a command says of a situation."""

    cause: str  # the code, or the id, of what it says first
    fix: str
    words: str = ""  # what it says first, in words
    blamed: tuple[str, ...] = ()  # the codes of all that it wants put right


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Something that is broken in one way."""

    name: str
    command: str  # the one that has to see through it
    look: Callable[[], Told]
    cause: str  # what has to be said first
    fix: str  # a word of a fix that works
    said: str = ""  # what has to be in the words of the cause, where its code covers several
    mended: Callable[[], Told] | None = None  # the same situation, once that fix is made

    def verdict(self) -> str:
        """Return what is wrong with what is said, "" if nothing is."""
        told = self.look()
        if told.cause != self.cause:
            return f"{told.cause or 'nothing'} ({told.words}) and not {self.cause}; {told.blamed}"
        if self.said.casefold() not in told.words.casefold():
            return f"it does not say {self.said!r}: {told.words!r}"
        if self.fix.casefold() not in told.fix.casefold():
            return f"the fix does not say {self.fix!r}: {told.fix!r}"
        if self.mended is None:
            return ""
        after = self.mended()
        return f"the fix does not help: {after.words}" if self.cause in after.blamed else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """Something in which nothing is broken."""

    name: str
    command: str
    look: Callable[[], Told]

    def verdict(self) -> str:
        """Return what is blamed, "" if nothing is."""
        told = self.look()
        return f"blamed: {', '.join(told.blamed)} ({told.words})" if told.blamed else ""


def of_remarks(remarks: Iterable[Remark]) -> Told:
    """Return what the remarks of a check say, the first of them first."""
    said = tuple(remarks)
    first = next((one for one in said if one.status is not Status.PASS), None)
    return Told(
        cause=first.code if first else "",
        fix=f"{first.fix} {' '.join(one.value for one in first.publish)}" if first else "",
        words=first.what if first else "",
        blamed=tuple(one.code for one in said if one.status in _BLAMED),
    )
