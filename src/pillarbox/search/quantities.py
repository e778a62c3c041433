"""Times and sizes as people write them in a query."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

__all__ = ["parse_moment", "parse_octets"]

_OCTETS: Final = re.compile(r"([0-9]{1,15}(?:[.,][0-9]{1,6})?)\s*(?:([kmgt])(?:i?b)?|b)?")
_FACTORS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}

_AGO: Final = re.compile(
    r"([0-9]{1,6})\s*(?:(s)(?:ec(?:ond)?s?)?|(mo)(?:n(?:th)?s?)?|(m)(?:in(?:ute)?s?)?"
    r"|(h)(?:(?:ou)?rs?)?|(d)(?:ays?)?|(w)(?:(?:ee)?ks?)?|(y)(?:(?:ea)?rs?)?)(?:\s+ago)?"
)
_SECONDS: Final = {
    "s": 1,
    "m": 60,
    "h": 3_600,
    "d": 86_400,
    "w": 7 * 86_400,
    "mo": 30 * 86_400,
    "y": 365 * 86_400,
}
_DAYS_BACK: Final = {"today": 0, "yesterday": 1}
_SINCE_1970: Final = re.compile(r"[0-9]{9,11}")
_DATE: Final = re.compile(r"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}")


def parse_octets(text: str) -> float | None:
    """Read a size: ``2000``, ``50k``, ``1.5 MB``; a kilobyte has 1,024 octets.

    Returns:
        Octets; None if the text is not a size.
    """
    found = _OCTETS.fullmatch(text.strip().lower())
    if found is None:
        return None
    return float(found[1].replace(",", ".")) * _FACTORS[found[2] or ""]


def parse_moment(text: str, *, now: float, zone: tzinfo) -> float | None:
    """Read a time: a day means its first moment, and a length how long ago.

    Returns:
        Seconds since 1970; None if the text is not a time.
    """
    text = text.strip().lower()
    if text == "now":
        return now
    if text in _DAYS_BACK:
        day = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return (day - timedelta(days=_DAYS_BACK[text])).timestamp()
    if ago := _AGO.fullmatch(text):
        unit = next(filter(None, ago.groups()[1:]))
        return now - int(ago[1]) * _SECONDS[unit]
    if _SINCE_1970.fullmatch(text):
        return float(text)
    return _calendar(text.upper(), zone)


def _calendar(text: str, zone: tzinfo) -> float | None:
    """Read a date, or a date and a time, as ISO 8601 writes them; a little laxer in dates."""
    if _DATE.fullmatch(text):
        year, month, day = re.split("[-/]", text)
        text = f"{year}-{month:0>2}-{day:0>2}"
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        return None
