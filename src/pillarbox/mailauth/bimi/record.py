"""The BIMI assertion record, which says where a domain's logo is.

Parsing never raises; faults are listed in ``problems``. The specification is the eleventh revision
of draft-brand-indicators-for-message-identification: ``l=`` the logo, ``a=`` the evidence (a mark
certificate), ``avp=`` which avatar comes first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pillarbox.mailauth.record_tags import parse_record_tags

__all__ = ["BimiRecord", "is_bimi_record", "is_selector", "parse_bimi_record"]

_VERSION: Final = re.compile(r"[ \t]*v[ \t]*=[ \t]*BIMI1[ \t]*(?:;|$)", re.IGNORECASE)
_SELECTOR: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_KNOWN: Final = frozenset({"v", "l", "a", "avp", "lps"})
_LONGEST_URL: Final = 2_000
_AVATARS: Final = frozenset({"brand", "personal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BimiRecord:
    """One assertion record."""

    text: str
    location: str = ""  # l=, an https URL; "" declines
    authority: str = ""  # a=, an https URL of the evidence; "" has none
    avatar: str = "brand"  # avp=
    problems: tuple[str, ...] = ()

    @property
    def declines(self) -> bool:
        """Whether the domain says that it wants no logo shown (l= and a= are there and empty)."""
        return not self.location and not self.authority and not self.problems


def is_bimi_record(text: str) -> bool:
    """Whether a TXT record starts with the version tag of BIMI."""
    return _VERSION.match(text) is not None


def is_selector(text: str) -> bool:
    """Whether a text can be the selector in the name of a record."""
    return _SELECTOR.fullmatch(text) is not None


def parse_bimi_record(text: str) -> BimiRecord | None:
    """Read a TXT record.

    Returns:
        The record, or None for a text that is not a BIMI record.
    """
    if not is_bimi_record(text):
        return None
    read = parse_record_tags(text)
    problems = [*read.malformed, *(f"the tag {name} stands twice" for name in read.duplicates)]
    if "l" not in read.tags:
        problems.append("l is missing")
    location = _url("l", read.get("l"), problems)
    authority = _url("a", read.get("a"), problems)
    if authority and not location:
        problems.append("a has evidence for a logo that l does not name")
    avatar = read.get("avp", "brand").lower()
    if avatar not in _AVATARS:
        problems.append(f"avp={avatar} is not brand or personal")
        avatar = "brand"
    problems += [f"unknown tag {name}" for name in read.tags if name.lower() not in _KNOWN]
    return BimiRecord(
        text=text,
        location=location,
        authority=authority,
        avatar=avatar,
        problems=tuple(problems[:20]),
    )


def _url(name: str, text: str, problems: list[str]) -> str:
    """Return a URL that can be fetched, or "" and add a problem."""
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        problems.append(f"{name}: {text[:80]!a} is no URL")
        return ""
    if parts.scheme.lower() != "https":
        problems.append(f"{name}: {text[:80]!a} does not start with https://")
    elif len(text) > _LONGEST_URL or not text.isascii() or not text.isprintable() or " " in text:
        problems.append(f"{name}: the URL is too long, or not in plain ASCII")
    elif _HOST.fullmatch(parts.hostname or "") is None or "@" in parts.netloc:
        problems.append(f"{name}: {text[:80]!a} names no host, or a user")
    elif port not in {None, 443}:
        problems.append(f"{name}: port {port} is not that of https")
    else:
        return text
    return ""
