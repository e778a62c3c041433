"""MTA-STS as values: the DNS record, the policy, host matching, expiry (RFC 8461).

Nothing is fetched here: the fetcher requests ``policy_url``, takes no more than
``MAX_POLICY_OCTETS`` within ``FETCH_SECONDS``, follows no redirect (§3.3), and passes the text to
``parse_policy``. An unusable policy raises ``StsError``, which carries its TLS report result type.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.smtp.address import ascii_domain
from pillarbox.smtp.domain import is_domain

__all__ = [
    "FETCH_SECONDS",
    "MAX_AGE_SECONDS",
    "MAX_POLICY_OCTETS",
    "RETRY_SECONDS",
    "CachedPolicy",
    "Mode",
    "Policy",
    "StsError",
    "StsRecord",
    "is_policy_media_type",
    "needs_fetch",
    "parse_policy",
    "parse_record",
    "policy_host",
    "policy_url",
    "record_name",
]

MAX_POLICY_OCTETS: Final = 65_536  # RFC 8461 §3.3: "such as 64 kilobytes"
MAX_AGE_SECONDS: Final = 31_557_600  # RFC 8461 §3.2: about a year; more counts as this
FETCH_SECONDS: Final = 60.0  # RFC 8461 §3.3: "one minute is suggested"
RETRY_SECONDS: Final = 300.0  # RFC 8461 §3.3: not again for five minutes after a failure
_ID_LENGTH: Final = 20  # of at most 32 (RFC 8461 §3.1)
_MAX_PATTERNS: Final = 200  # a domain has a handful of exchangers; its policy is not a list of all
# The key of a policy is that of a field: a letter or a digit first (RFC 8461 §3.2).
_LINE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*")
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_FIELD: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([\x21-\x3a\x3c\x3e-\x7e]+)")


class StsError(ValueError):
    """A record or a policy that cannot be used, though one is published."""

    def __init__(self, message: str, *, result_type: str = "sts-policy-invalid") -> None:
        """Say what is wrong, and the result type of RFC 8460 §4.3.2."""
        super().__init__(message)
        self.result_type = result_type


class Mode(Enum):
    """The mode of a policy (RFC 8461 §3.2, §5)."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StsRecord:
    """The TXT record that says there is a policy, and which one (RFC 8461 §3.1)."""

    id: str

    def __str__(self) -> str:
        return f"v=STSv1; id={self.id};"

    @classmethod
    def of(cls, policy: Policy) -> StsRecord:
        """Return the record of a policy; its id changes exactly when the policy does."""
        return cls(hashlib.sha256(str(policy).encode()).hexdigest()[:_ID_LENGTH])


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy (RFC 8461 §3.2)."""

    mode: Mode
    max_age: int  # seconds
    mx: tuple[str, ...] = ()  # patterns in lower case and A-labels

    def matches(self, host: str) -> bool:
        """Whether a mail exchanger matches the policy (RFC 8461 §4.1).

        ``*.example.org`` matches exactly one more label, so neither ``example.org`` nor two labels.
        """
        name = ascii_domain(host).rstrip(".")
        label, _, above = name.partition(".")
        return name in self.mx or (bool(label and above) and f"*.{above}" in self.mx)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the policy, as served and as quoted in TLS reports."""
        patterns = (f"mx: {pattern}" for pattern in self.mx)
        mode, age = f"mode: {self.mode.value}", f"max_age: {self.max_age}"
        return "version: STSv1", mode, *patterns, age

    def __str__(self) -> str:
        return "".join(f"{line}\r\n" for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedPolicy:
    """A fetched policy. A store needs only ``str(policy)`` and these fields."""

    domain: str
    id: str  # of the record at the time it was fetched
    fetched_at: float  # seconds since 1970
    policy: Policy

    @property
    def expires_at(self) -> float:
        """When it expires, in seconds since 1970."""
        return self.fetched_at + self.policy.max_age

    def is_live(self, now: float) -> bool:
        """Whether it is still in force; a clock that was set back does not end it."""
        return now < self.expires_at


def record_name(domain: str) -> str:
    """Return the name of a policy domain's record."""
    return f"_mta-sts.{ascii_domain(domain)}"


def policy_host(domain: str) -> str:
    """Return the host that serves the policy; its certificate must match it (§3.3)."""
    return f"mta-sts.{ascii_domain(domain)}"


def policy_url(domain: str) -> str:
    """Return the URL of the policy."""
    return f"https://{policy_host(domain)}/.well-known/mta-sts.txt"


def parse_record(records: Sequence[bytes]) -> StsRecord | None:
    """Return the record among the TXT records of ``_mta-sts``, or None (RFC 8461 §3.1).

    Raises:
        StsError: There is more than one, or it cannot be parsed. By the RFC, the domain then counts
            as having no policy; a cached policy stays in force.
    """
    found = [record for record in records if _begins_record(record)]
    if not found:
        return None
    if len(found) > 1:
        raise StsError(f"there are {len(found)} MTA-STS records, not one")
    fields = found[0].decode("ascii", "replace").split(";")
    if not fields[-1].strip(" \t"):
        fields.pop()
    values: dict[str, str] = {}
    for field in fields[1:]:
        read = _FIELD.fullmatch(field.strip(" \t"))
        if read is None:
            raise StsError(
                f"the MTA-STS record has a part that is no field: {field.strip()[:40]!r}"
            )
        values.setdefault(read[1], read[2])
    if _ID.fullmatch(values.get("id", "")) is None:
        raise StsError("the MTA-STS record has no id of 1 to 32 letters and digits")
    return StsRecord(values["id"])


def parse_policy(body: bytes) -> Policy:
    """Read a policy (RFC 8461 §3.2).

    Raises:
        StsError: It cannot be used.
    """
    if len(body) > MAX_POLICY_OCTETS:
        raise StsError(f"the policy is longer than {MAX_POLICY_OCTETS} octets")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise StsError("the policy is not UTF-8") from None
    values, patterns = _fields(text)
    if values.get("version") != "STSv1":
        raise StsError('the policy has no "version: STSv1"')
    mode = _mode(values.get("mode", ""))
    if not patterns and mode is not Mode.NONE:
        raise StsError("the policy names no mail exchanger")
    return Policy(mode=mode, max_age=_max_age(values.get("max_age", "")), mx=patterns)


def is_policy_media_type(content_type: str) -> bool:
    """Whether a Content-Type is valid for a policy: text/plain with any parameters (§3.2)."""
    return content_type.partition(";")[0].strip().lower() == "text/plain"


def needs_fetch(
    cached: CachedPolicy | None, record: StsRecord | None, now: float, *, failed_at: float = 0.0
) -> bool:
    """Whether to fetch the policy before a delivery (RFC 8461 §3.3, §5.1).

    Either way, a cached policy stays in force until it expires or a new one was fetched: an
    attacker who blocks DNS or HTTPS must not be able to end it.

    Args:
        cached: The policy fetched before.
        record: The record in DNS; None if there is none or DNS does not answer.
        now: Seconds since 1970.
        failed_at: When a fetch last failed, in seconds since 1970; 0 if never.
    """
    if record is None or now - failed_at < RETRY_SECONDS:
        return False
    return cached is None or cached.id != record.id or not cached.is_live(now)


def _begins_record(record: bytes) -> bool:
    version, semicolon, _ = record.partition(b";")
    return bool(semicolon) and version.rstrip(b" \t") == b"v=STSv1"


def _fields(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the first value of each key, and all patterns."""
    values: dict[str, str] = {}
    patterns: dict[str, None] = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip(" \t"):
            continue
        read = _LINE.fullmatch(line)
        if read is None:
            raise StsError(f"the policy has a line that is no field: {line[:40]!r}")
        if read[1] == "mx":
            patterns[_pattern(read[2])] = None
            if len(patterns) > _MAX_PATTERNS:
                raise StsError(f"the policy names more than {_MAX_PATTERNS} mail exchangers")
        else:
            values.setdefault(read[1], read[2])
    return values, tuple(patterns)


def _pattern(value: str) -> str:
    star = "*." if value.startswith("*.") else ""
    name = value.removeprefix("*.").rstrip(".")
    if not is_domain(name):
        raise StsError(f"the policy names a mail exchanger that cannot be: {value[:40]!r}")
    return star + ascii_domain(name)


def _mode(value: str) -> Mode:
    try:
        return Mode(value)
    except ValueError:
        raise StsError(f"the policy has an unknown mode {value[:40]!r}") from None


def _max_age(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise StsError("the policy has no max_age in seconds")
    digits = value.lstrip("0")
    return MAX_AGE_SECONDS if len(digits) > 10 else min(int(digits or "0"), MAX_AGE_SECONDS)  # noqa: PLR2004 - 1*10DIGIT (RFC 8461 §3.2)
