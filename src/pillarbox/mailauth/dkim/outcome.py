"""The possible results of a signature, in the terms of RFC 8601 §2.7.1."""

from __future__ import annotations

from enum import Enum

from pillarbox.errors import PermanentError

__all__ = ["Result", "Unverifiable"]


class Result(Enum):
    """The result of checking one signature."""

    NONE = "none"  # there is no signature
    PASS = "pass"  # noqa: S105 - the word of the RFC
    FAIL = "fail"  # it does not match the message, or uses an algorithm that must not be accepted
    POLICY = "policy"  # it matches, but we do not accept it: it does not cover all content
    NEUTRAL = "neutral"  # it cannot be parsed, or has unknown values
    TEMPORARY_ERROR = "temperror"  # DNS did not answer; a later check may succeed
    PERMANENT_ERROR = "permerror"  # it can never be checked


class Unverifiable(PermanentError):  # noqa: N818 - reads as what it says
    """A signature that does not pass, or a key that cannot be used: the result and why."""

    def __init__(self, result: Result, reason: str, evidence: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason
        self.evidence = evidence  # each "what: value"
