"""The frame around every page of the sandbox: projects, tags, how full it is, shortcuts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.hues import TagEntry
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.saved import SavedSearch
from pillarbox.search.words import MAIL_WORDS, WORDS

__all__ = ["ProjectEntry", "Shell", "make_shell"]

_MOST_TAGS: Final = 100
_SHOWN_TAGS: Final = 12
_SHORTCUTS: Final = (
    ("j or k", "Next and previous message"),
    ("Enter or o", "Open it"),
    ("Esc", "Back to the list, or close"),
    ("x", "Select"),
    ("u", "Mark as unread, or as read"),
    ("t", "Tags"),
    ("#", "Delete"),
    ("c", "Compare the two selected messages"),
    ("z", "Undo"),
    ("[ or ]", "The message's previous and next view"),
    ("/", "Search"),
    ("g i", "All mail"),
    ("g u", "Unread mail"),
    ("n", "New message: a sample, your own, or files"),
    ("?", "This list"),
)
_SEARCH_WORDS: Final = tuple(
    (row.example, row.meaning) for row in WORDS if row.word in MAIL_WORDS or not row.word.value
)


@dataclass(frozen=True, slots=True)
class ProjectEntry:
    """A project as the rail shows it."""

    name: str
    title: str
    total: int
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Everything around a page."""

    place: Place
    page: str  # which one: "list", "mail", "rules", …
    label: str
    version: str
    total: int
    unread: int
    octets: int
    cap: int  # messages, 0 for no cap
    max_age: float  # seconds, 0 for none
    is_in_memory: bool
    can_release: bool
    projects: tuple[ProjectEntry, ...]
    tags: tuple[TagEntry, ...]
    searches: tuple[SavedSearch, ...]
    rules: int  # that are in force
    shortcuts: tuple[tuple[str, str], ...] = _SHORTCUTS
    search_words: tuple[tuple[str, str], ...] = _SEARCH_WORDS

    @property
    def shown_tags(self) -> tuple[TagEntry, ...]:
        """The tags that stand in the rail without being asked for: those of most mails."""
        if len(self.tags) <= _SHOWN_TAGS:
            return self.tags
        most = sorted(self.tags, key=lambda tag: -tag.count)[:_SHOWN_TAGS]
        return tuple(tag for tag in self.tags if tag in most)

    @property
    def kept(self) -> int:
        """How many mails there are in all."""
        return self.total

    def at(self, name: str) -> bool:
        """Whether an entry of the rail is where somebody is."""
        if name == "all":
            return self.page == "list" and self.place == Place()
        if name == "unread":
            return self.page == "list" and self.place == Place(q="is:unread")
        return self.page == name


async def make_shell(desk: Desk, place: Place, page: str = "list") -> Shell:
    """Return what stands around a page, as it is now."""
    sandbox = desk.sandbox
    await desk.hues.load()
    known = sandbox.projects.all()
    info, tags = await asyncio.gather(sandbox.info(), sandbox.tags(place.project))
    counts = await asyncio.gather(*(sandbox.inbox.counts(project.name) for project in known))
    return Shell(
        place=place,
        page=page,
        label=info.label,
        version=info.version,
        total=info.counts.total,
        unread=info.counts.unread,
        octets=info.counts.octets,
        cap=info.cap.max_messages,
        max_age=info.cap.max_age,
        is_in_memory=not info.database,
        can_release=info.can_release,
        projects=tuple(
            ProjectEntry(project.name, project.title or project.name, count.total, count.unread)
            for project, count in zip(known, counts, strict=True)
        ),
        tags=tuple(desk.hues.entry(tag.tag, tag.count) for tag in tags[:_MOST_TAGS]),
        searches=await desk.searches.all(),
        rules=sum(not state.is_spent for state in sandbox.failing.rules()),
    )
