"""The possible results of a signature, in the terms of RFC 8601 §2.7.1."""

from __future__ import annotations

from enum import Enum

from pillarbox.errors import PermanentError

__all__ = ["Result", "Unverifiable"]


class Result(Enum):
    """The result of checking one signature."""

    NONE = "none"  # there is no signature
    PASS = "pass"  # noqa: S105 - the word of the RFC
    FAIL = "fail"  # it does not fit the message, or nobody may accept what it is made with
    POLICY = "policy"  # it fits, but we do not accept it: content was left out of it
    NEUTRAL = "neutral"  # it cannot be read, or says things that we do not know
    TEMPORARY_ERROR = "temperror"  # DNS did not answer; it may the next minute
    PERMANENT_ERROR = "permerror"  # it cannot be checked, now or later


class Unverifiable(PermanentError):  # noqa: N818 - reads as what it says
    """A signature that does not pass, or a key that cannot be used: the result and why."""

    def __init__(self, result: Result, reason: str, evidence: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason
        self.evidence = evidence  # each "what: value"
