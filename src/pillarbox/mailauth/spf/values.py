"""The values of an SPF check: the result and the steps to it (RFC 7208 §2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

__all__ = ["Limits", "Result", "Spf", "Step", "Tried"]


class Result(Enum):
    """The results of ``check_host()``, in the words of RFC 7208 §2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - the word of the RFC
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Tried(Enum):
    """The outcome of one term."""

    MATCH = "match"
    NO_MATCH = "no match"
    FOLLOWED = "followed"  # a redirect, or the record of an include: its terms come next
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one check may cost (RFC 7208 §4.6.4)."""

    terms: int = 10  # that query DNS
    voids: int = 2  # queries whose name or data does not exist
    names: int = 10  # mail exchangers of one mx, host names of one ptr
    seconds: float = 20.0


class Step(NamedTuple):
    """One evaluated term, in evaluation order."""

    depth: int  # 0: the record of the domain itself; an include or a redirect goes one deeper
    domain: str  # whose record the term stands in
    term: str  # as written; "" is the look-up of the record itself
    target: str  # the name or network, with macros expanded
    tried: Tried
    note: str  # what was found, in words
    lookups: int  # DNS lookups so far
    voids: int  # void lookups so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Spf:
    """The result of a check."""

    result: Result
    domain: str  # whose policy was asked for, in A-labels
    sender: str  # local-part@domain, as macros see it
    ip: str
    helo: str = ""
    identity: str = "mailfrom"  # or "helo" (RFC 7208 §2.3, §2.4)
    mechanism: str = ""  # the directive that decided, as written; "default" without one
    reason: str = ""  # in words
    problem: str = ""  # for an error: the offending term or name
    explanation: str = ""  # the domain owner's explanation of a fail (exp=); untrusted text
    lookups: int = 0
    voids: int = 0
    steps: tuple[Step, ...] = ()
