"""Parses the Date field (RFC 5322 §3.3, §4.3).

Tolerant: the day of the week may be wrong, the seconds and the zone may be missing, obsolete zone
names are known. Anything else is None; nothing is raised.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import date
from typing import Final

__all__ = ["read_date"]

_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905 - as it is read
_DATE: Final = re.compile(
    r"(?:[a-z]{3,9}\.?,?)?[ \t]*+(?P<day>[0-9]{1,2})[ \t-]++(?P<month>[a-z]{3})[a-z]{0,6}[ \t-]++"
    r"(?P<year>[0-9]{2,4})[ \t]++(?P<hour>[0-9]{1,2})[:.](?P<minute>[0-9]{2})(?:[:.](?P<second>[0-9]{2}))?"
    r"(?:[.,][0-9]{1,9})?[ \t]*+(?:(?P<offset>[+-][0-9]{4})|(?P<zone>[a-z]{1,5}))?",
    re.IGNORECASE,
)
# RFC 5322 §4.3: the names with a known offset; all others count as -0000.
_ZONES: Final = {"edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7,
                 "pst": -8, "cet": 1, "cest": 2, "bst": 1, "jst": 9}  # fmt: skip
_LONGEST: Final = 200
_FIRST_YEAR: Final = 1900
_LEAP_SECOND: Final = 60


def read_date(value: bytes) -> float | None:
    """Return the seconds since 1970 that a date means, or None.

    Args:
        value: The field's value, unfolded.
    """
    text = value[:_LONGEST].decode("ascii", "replace").strip()
    if "(" in text:
        text = _without_comments(text)
    found = _DATE.match(text)
    if found is None or found["month"].lower() not in _MONTHS:
        return None
    year = _year(found["year"])
    month = _MONTHS.index(found["month"].lower()) + 1
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if hour > 23 or minute > 59 or second > _LEAP_SECOND or year < _FIRST_YEAR:  # noqa: PLR2004 - a clock's face
        return None
    try:
        date(year, month, int(found["day"]))
    except ValueError:
        return None
    day = timegm((year, month, int(found["day"]), hour, minute, second, 0, 0, 0))
    return float(day - _offset(found["offset"], found["zone"]))


def _without_comments(text: str) -> str:
    """Return a date without its comments, which nest (RFC 5322 §3.2.2)."""
    kept: list[str] = []
    depth = 0
    for character in text:
        depth += character == "("
        if not depth:
            kept.append(character)
        depth -= character == ")" and depth > 0
    return "".join(kept)


def _year(text: str) -> int:
    year = int(text)
    # RFC 5322 §4.3: two digits below 50 are of this century, all others count from 1900.
    if len(text) == 4:  # noqa: PLR2004 - digits of a year
        return year
    return year + (2000 if len(text) == 2 and year < 50 else 1900)  # noqa: PLR2004 - RFC 5322 §4.3


def _offset(numeric: str | None, zone: str | None) -> int:
    """Return the seconds that a zone is ahead of UTC."""
    if numeric is None:
        return _ZONES.get((zone or "").lower(), 0) * 3600
    seconds = int(numeric[1:3]) * 3600 + int(numeric[3:]) * 60
    return -seconds if numeric[0] == "-" else seconds
