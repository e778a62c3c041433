"""The DMARC policy record: what a domain owner asks receivers to do.

Parsing never raises. What the standard tolerates is tolerated and listed in ``problems``; what it
has dropped (``pct``, ``rf``, ``ri``, sizes after addresses) is read, and listed in ``obsolete``.
RFC 9989 §4.7, §4.8, §4.10.1; for the older tags RFC 7489 §6.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from pillarbox.mailauth.record_tags import RecordTags, parse_record_tags

__all__ = ["Policy", "Record", "ReportAddress", "is_dmarc_record", "parse_record"]


class Policy(Enum):
    """The handling requested for mail that fails; ``strictness`` orders the values."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def strictness(self) -> int:
        """0 for none, 2 for reject."""
        return _POLICIES.index(self)

    @property
    def one_below(self) -> Policy:
        """The policy that ``t=y`` leaves of this one (RFC 9989 §4.7)."""
        return _POLICIES[max(self.strictness - 1, 0)]


_POLICIES: Final = tuple(Policy)


@dataclass(frozen=True, slots=True)
class ReportAddress:
    """A report destination: one URI of ``rua`` or ``ruf``."""

    uri: str
    max_size: int | None = None  # octets; obsolete (RFC 9989 §4.8), but older receivers use it

    @property
    def mailbox(self) -> str:
        """The address of a ``mailto:`` URI, "" for any other scheme."""
        scheme, _, rest = self.uri.partition(":")
        return rest.partition("?")[0] if scheme.lower() == "mailto" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One DMARC policy record, with the defaults filled in."""

    text: str
    p: Policy = Policy.NONE
    sp: Policy | None = None
    np: Policy | None = None
    dkim_is_strict: bool = False  # adkim=s
    spf_is_strict: bool = False  # aspf=s
    psd: str = "u"  # "y": a public suffix; "n": an organizational domain; "u": not said
    is_testing: bool = False  # t=y
    failure_options: str = "0"  # fo
    aggregate: tuple[ReportAddress, ...] = ()  # rua
    failure: tuple[ReportAddress, ...] = ()  # ruf
    pct: int = 100  # obsolete
    applies: bool = True  # False: the policy is broken and nobody asks for reports (§4.10.1)
    problems: tuple[str, ...] = ()
    obsolete: tuple[str, ...] = ()

    def policy_for_subdomain(self, *, exists: bool) -> tuple[Policy, str]:
        """Return the policy for a name below the record's, and the tag it comes from.

        Args:
            exists: Whether DNS knows the name (RFC 9989 §3.2.13).
        """
        if not exists and self.np is not None:
            return self.np, "np"
        if self.sp is not None:
            return self.sp, "sp"
        return self.p, "p"


_KNOWN: Final = frozenset(
    {"v", "p", "sp", "np", "adkim", "aspf", "fo", "psd", "rua", "ruf", "t", "pct", "rf", "ri"}
)
_VERSION: Final = re.compile(r"[ \t]*v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s,!;]+")
_MAILTO: Final = re.compile(
    r"mailto:[^\s@,!;?]+@[A-Za-z0-9.\u0080-\U0010ffff-]+(?:\?\S*)?", re.IGNORECASE
)
_SIZE: Final = re.compile(r"(\d{1,18})([kmgt]?)", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MAX_URIS: Final = 20  # more are not read: each costs a report a day
_MAX_PROBLEMS: Final = 20
_LONGEST_CACHED: Final = 512
_MAX_TEXT: Final = 65_535  # what DNS can carry


def is_dmarc_record(text: str) -> bool:
    """Whether a TXT record starts with the version tag of this DMARC (RFC 9989 §4.7)."""
    return _VERSION.match(text) is not None


def parse_record(text: str) -> Record | None:
    """Read a TXT record.

    Returns:
        The record, or None for a text that is not a DMARC record.
    """
    if not is_dmarc_record(text):
        return None
    return _cached(text) if len(text) <= _LONGEST_CACHED else _parse(text)


def _parse(text: str) -> Record:
    tags = parse_record_tags(text[:_MAX_TEXT])
    notes = _Notes(tags)
    aggregate = notes.addresses("rua")
    failure = notes.addresses("ruf")
    policies_are_valid, p, sp, np = notes.policies()
    if not policies_are_valid:
        p, sp, np = Policy.NONE, None, None
    return Record(
        text=text,
        p=p,
        sp=sp,
        np=np,
        dkim_is_strict=notes.choice("adkim", "rs") == "s",
        spf_is_strict=notes.choice("aspf", "rs") == "s",
        psd=notes.choice("psd", "uyn"),
        is_testing=notes.choice("t", "ny") == "y",
        failure_options=notes.failure_options(),
        aggregate=aggregate,
        failure=failure,
        pct=notes.percentage(),
        applies=policies_are_valid or bool(aggregate),
        problems=notes.all_problems(),
        obsolete=notes.all_obsolete(),
    )


# The same few records apply to nearly all mail.
_cached = lru_cache(maxsize=1024)(_parse)


class _Notes:
    """Reads the tags of one record and collects the faults that it tolerates."""

    def __init__(self, tags: RecordTags) -> None:
        self._tags = tags
        self._problems: list[str] = [f"{part}; it is ignored" for part in tags.malformed]
        self._problems += [f"the tag {name} stands twice" for name in tags.duplicates]
        self._obsolete: list[str] = []

    def policies(self) -> tuple[bool, Policy, Policy | None, Policy | None]:
        """Return whether p, sp and np are valid, and their values."""
        values: dict[str, Policy | None] = {}
        is_valid = True
        for name in ("p", "sp", "np"):
            text = self._tags.get(name)
            try:
                values[name] = Policy(text.lower()) if name in self._tags.tags else None
            except ValueError:
                values[name] = None
                is_valid = False
                self._problems.append(f"{name}={text} is no policy: none, quarantine or reject")
        if "p" not in self._tags.tags:
            # RFC 9989 §4.7 treats it as p=none; RFC 7489 §6.6.3 is stricter.
            self._problems.append("p is missing, which counts as p=none")
        return is_valid, values["p"] or Policy.NONE, values["sp"], values["np"]

    def choice(self, name: str, letters: str) -> str:
        """Return the value of a tag that is one letter; the first one is the default."""
        value: str = self._tags.get(name, letters[0]).lower()
        if len(value) == 1 and value in letters:
            return value
        expected = ", ".join(letters[:-1]) + f" or {letters[-1]}"
        self._problems.append(f"{name}={value} is not {expected}; it counts as {letters[0]}")
        return letters[0]

    def failure_options(self) -> str:
        options = self._tags.get("fo", "0").lower()
        letters = [option.strip() for option in options.split(":")]
        if set(letters) <= set("01ds") and len(set(letters)) == len(letters):
            return ":".join(letters)
        self._problems.append(f"fo={options} is not made of 0, 1, d and s; it counts as 0")
        return "0"

    def percentage(self) -> int:
        value = self._tags.get("pct")
        if not value:
            return 100
        if value.isascii() and value.isdecimal() and int(value[:4]) <= 100:  # noqa: PLR2004 - percent
            return int(value[:4])
        self._problems.append(f"pct={value} is no number from 0 to 100")
        return 100

    def addresses(self, name: str) -> tuple[ReportAddress, ...]:
        """Return the valid URIs of rua or ruf."""
        if name not in self._tags.tags:
            return ()
        found = []
        parts = self._tags.get(name).split(",")
        for part in parts[:_MAX_URIS]:
            uri, mark, size = part.strip().partition("!")
            is_mail = uri.lower().startswith("mailto:")
            if (_MAILTO if is_mail else _URI).fullmatch(uri) is None:
                self._problems.append(f"{name}: {part.strip()!a} is no URI such as mailto:a@b.c")
                continue
            found.append(ReportAddress(uri, self._size(name, size) if mark else None))
        if len(parts) > _MAX_URIS:
            self._problems.append(f"{name} has {len(parts)} URIs; {_MAX_URIS} are read")
        return tuple(found)

    def _size(self, name: str, text: str) -> int | None:
        self._obsolete.append(f"the size !{text} in {name}")
        found = _SIZE.fullmatch(text)
        return int(found[1]) * _UNITS[found[2].lower()] if found else None

    def all_problems(self) -> tuple[str, ...]:
        unknown = [name for name in self._tags.tags if name not in _KNOWN]
        problems = self._problems + [f"unknown tag {name}; it is ignored" for name in unknown]
        return tuple(problems[:_MAX_PROBLEMS])

    def all_obsolete(self) -> tuple[str, ...]:
        tags = self._tags.tags
        gone = [f"{name}={tags[name]}" for name in ("pct", "rf", "ri") if name in tags]
        return tuple((gone + self._obsolete)[:_MAX_PROBLEMS])
