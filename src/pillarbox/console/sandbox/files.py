"""Attachments as pages show them: names, sizes, hashes, pictures, invitations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from pillarbox.message.calendar import CalendarEvent, CalendarTime
from pillarbox.message.mail import Attachment, Mail
from pillarbox.message.people import Person

__all__ = ["PICTURES", "EventView", "FileView", "events_of", "files_of"]

PICTURES: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"}
)
"""Image types shown inline. Only the browser decodes them, never the server."""

_MOST_HASHED: Final = 64 * 1024 * 1024  # octets of one mail
_LONGEST_SUFFIX: Final = 5
_METHODS: Final = {
    "REQUEST": "Invitation",
    "CANCEL": "Canceled",
    "REPLY": "Answer to an invitation",
    "PUBLISH": "Published event",
    "COUNTER": "Proposal of another time",
}
_MONTHS: Final = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """One attachment or inline part."""

    name: str  # to save it by
    shown: str
    suffix: str
    media_type: str
    size: int
    path: str  # where it is downloaded, below the root
    picture: str  # the path for display, "" if not an image
    is_inline: bool
    hashes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event of an invitation."""

    title: str
    method: str
    month: str
    day: str
    facts: tuple[tuple[str, str], ...]


def files_of(name: str, mail: Mail, *, hashes: bool = False) -> tuple[FileView, ...]:
    """Return the files of a mail; hashes are computed only if they are shown."""
    budget = _MOST_HASHED if hashes else 0
    files = []
    for each in mail.attachments:
        files.append(_file(name, each, budget, is_inline=False))
        budget -= each.size
    for each in mail.inlines:
        files.append(_file(name, each, budget, is_inline=True))
        budget -= each.size
    return tuple(files)


def events_of(mail: Mail) -> tuple[EventView, ...]:
    """Return the events of a mail's invitations."""
    return tuple(_event(event) for event in mail.calendar)


def _file(name: str, each: Attachment, budget: int, *, is_inline: bool) -> FileView:
    path = f"/mail/{name}/part/{each.number}"
    saved = each.saved_as
    dot = each.filename.rfind(".")
    suffix = each.filename[dot + 1 :] if dot >= 0 else each.media_type.partition("/")[2]
    return FileView(
        name=saved,
        shown=each.shown_name or saved,
        suffix=suffix[:_LONGEST_SUFFIX],
        media_type=each.media_type,
        size=each.size,
        path=path,
        picture=f"{path}?show=1" if each.media_type in PICTURES else "",
        is_inline=is_inline,
        hashes=_hashes(each.content) if each.size <= budget else (),
    )


def _hashes(content: bytes) -> tuple[tuple[str, str], ...]:
    return (
        ("SHA-256", hashlib.sha256(content).hexdigest()),
        ("SHA-1", hashlib.sha1(content, usedforsecurity=False).hexdigest()),
        ("MD5", hashlib.md5(content, usedforsecurity=False).hexdigest()),
    )


def _event(event: CalendarEvent) -> EventView:
    start = event.start
    facts = [
        ("When", _span(start, event.end)),
        ("Lasts", event.duration if event.end is None else ""),
        ("Where", event.location),
        ("Who asks", _shown(event.organizer)),
        ("Who is asked", ", ".join(_shown(one.person) for one in event.attendees)),
        ("Repeats", event.recurrence),
        ("Status", event.status.capitalize()),
        ("About", event.description),
    ]
    month = start.text[5:7] if start else ""
    return EventView(
        title=event.summary,
        method=_METHODS.get(event.method, "Event"),
        month=_MONTHS[int(month) - 1] if month in _NUMBERS else "",
        day=start.text[8:10].lstrip("0") if start else "?",
        facts=tuple((name, value) for name, value in facts if value),
    )


_NUMBERS: Final = frozenset(f"{number:02}" for number in range(1, 13))


def _span(start: CalendarTime | None, end: CalendarTime | None) -> str:
    if start is None:
        return ""
    shown = _time(start)
    if end is not None and not (end.is_day and start.is_day):
        same_day = end.text[:10] == start.text[:10]
        shown += f" to {end.text[11:16] if same_day and not end.is_day else _time(end)}"
    return f"{shown} {start.zone}".rstrip()


def _time(time: CalendarTime) -> str:
    return time.text[:16].replace("T", " ")


def _shown(person: Person | None) -> str:
    if person is None:
        return ""
    return f"{person.name} <{person.address}>" if person.name else person.address
