"""Invitations: the events of a text/calendar part, as far as readers see them.

A small parser for untrusted input: it expands no recurrence and looks up no time zone, so work
stays proportional to the input. Malformed parts are skipped; nothing is raised; events, attendees
and texts are bounded. RFC 5545 §3.1, §3.2, §3.3.11, §3.6.1; RFC 5546 §1.4.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from pillarbox.message.encoded_word import one_line
from pillarbox.message.people import Person

__all__ = ["Attendee", "CalendarEvent", "CalendarTime", "read_calendar"]

_MAX_EVENTS: Final = 20
_MAX_ATTENDEES: Final = 200
_MAX_LINES: Final = 5_000
_MAX_TEXT: Final = 4_000
_LONGEST: Final = 512 * 1024

_FOLD: Final = re.compile(r"\r?\n[ \t]")
# RFC 5545 §3.1: name *(";" param) ":" value; a parameter in quotation marks may hold a colon.
_LINE: Final = re.compile(
    r'([A-Za-z0-9-]{1,60})((?>(?:;[A-Za-z0-9-]{1,60}=(?:"[^"]*+"|[^";:,]*+)(?>(?:,(?:"[^"]*+"|[^";:,]*+))*))*)):(.*+)'
)
_PARAMETER: Final = re.compile(r';([A-Za-z0-9-]{1,60})=("[^"]*+"|[^";:,]*+)')
_TIME: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})?(Z)?)?")
_ESCAPE: Final = re.compile(r"\\([\\;,nN])")


class CalendarTime(Struct, frozen=True):
    """When something begins or ends, as the sender's clock shows it."""

    text: str  # "2026-11-21" for a whole day, else "2026-11-21T10:00:00"
    zone: str  # "UTC", a name such as "Europe/Berlin", or "" for the reader's own time

    @property
    def is_day(self) -> bool:
        """Whether it is a date without a time."""
        return "T" not in self.text


class Attendee(Struct, frozen=True):
    """Someone who is invited."""

    person: Person
    role: str  # "REQ-PARTICIPANT", ...; "" if nothing is said
    answer: str  # "NEEDS-ACTION", "ACCEPTED", "DECLINED", ...; "" if nothing is said


class CalendarEvent(Struct, frozen=True, kw_only=True):
    """One event of a calendar."""

    method: str  # of the calendar, in upper case: "REQUEST", "CANCEL", ...; "" without one
    uid: str
    summary: str
    description: str
    location: str
    start: CalendarTime | None
    end: CalendarTime | None
    duration: str  # as written, if given instead of an end
    organizer: Person | None
    attendees: tuple[Attendee, ...]
    status: str  # "CONFIRMED", "CANCELLED", ...
    recurrence: str  # the rule as it is written; "" for an event that happens once
    sequence: int  # of the event's versions
    url: str


class _Property(Struct, frozen=True):
    """One content line."""

    value: str
    parameters: dict[str, str]


def read_calendar(text: str) -> tuple[CalendarEvent, ...]:
    """Return the events of a calendar.

    Args:
        text: The content of a text/calendar part.
    """
    method = ""
    events: list[CalendarEvent] = []
    depth = 0  # of components within an event, such as an alarm
    event: dict[str, list[_Property]] | None = None
    lines = _FOLD.sub("", text[:_LONGEST]).splitlines()[:_MAX_LINES]
    for line in lines:
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            continue
        name, value = found[1].upper(), found[3]
        component = value.strip().upper()
        if name == "BEGIN" and event is None:
            event = {} if component == "VEVENT" else None
        elif name == "BEGIN":
            depth += 1
        elif name == "END" and depth:
            depth -= 1
        elif name == "END" and event is not None:
            events.append(_event(event, method))
            event = None
            if len(events) >= _MAX_EVENTS:
                break
        elif event is None:
            method = component if name == "METHOD" else method
        elif not depth:
            event.setdefault(name, []).append(_Property(value, _parameters(found[2])))
    return tuple(events)


def _event(properties: dict[str, list[_Property]], method: str) -> CalendarEvent:
    def text(name: str) -> str:
        return _text(properties[name][0].value) if name in properties else ""

    def time(name: str) -> CalendarTime | None:
        return _time(properties[name][0]) if name in properties else None

    organizers = properties.get("ORGANIZER", [])
    sequence = text("SEQUENCE").strip()
    return CalendarEvent(
        method=method,
        uid=one_line(text("UID")),
        summary=one_line(text("SUMMARY")),
        description=text("DESCRIPTION"),
        location=one_line(text("LOCATION")),
        start=time("DTSTART"),
        end=time("DTEND"),
        duration=one_line(text("DURATION")),
        organizer=_person(organizers[0]) if organizers else None,
        attendees=tuple(
            Attendee(
                _person(each),
                each.parameters.get("ROLE", "").upper(),
                each.parameters.get("PARTSTAT", "").upper(),
            )
            for each in properties.get("ATTENDEE", [])[:_MAX_ATTENDEES]
        ),
        status=one_line(text("STATUS")).upper(),
        recurrence=one_line(text("RRULE")),
        sequence=int(sequence[:9]) if sequence[:9].isdecimal() else 0,
        url=one_line(text("URL")),
    )


def _parameters(text: str) -> dict[str, str]:
    return {found[1].upper(): found[2].strip('"') for found in _PARAMETER.finditer(text)}


def _person(found: _Property) -> Person:
    value = found.value.strip()
    address = value[7:] if value[:7].lower() == "mailto:" else found.parameters.get("EMAIL", value)
    return Person(one_line(address), one_line(found.parameters.get("CN", "")))


def _time(found: _Property) -> CalendarTime | None:
    """Read DTSTART or DTEND (RFC 5545 §3.3.4, §3.3.5); None if invalid."""
    parts = _TIME.match(found.value.strip())
    if parts is None:
        return None
    year, month, day, hour, minute, second, utc = parts.groups()
    text = f"{year}-{month}-{day}"
    if hour is None:
        return CalendarTime(text, "")
    zone = "UTC" if utc else one_line(found.parameters.get("TZID", ""))
    return CalendarTime(f"{text}T{hour}:{minute}:{second or '00'}", zone)


def _text(value: str) -> str:
    """Return a text without its escapes (RFC 5545 §3.3.11)."""
    return _ESCAPE.sub(lambda each: "\n" if each[1] in "nN" else each[1], value[:_MAX_TEXT])
