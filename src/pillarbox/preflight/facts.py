"""The facts about a message that take I/O to find out, as values.

``None`` always means: not asked. What is unknown is never held against a message.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["AuthenticationFacts", "Facts", "LinkAnswer", "MethodFact", "SpamRule", "SpamVerdict"]


class MethodFact(Struct, frozen=True, kw_only=True):
    """What one check of authentication came to, in the words of RFC 8601."""

    method: str  # "spf", "dkim", "dmarc", "arc", "iprev"
    result: str  # "pass", "fail", "none", "temperror" …; "skipped" where it cannot be told
    subject: str = ""  # the domain, address or selector that it is about
    reason: str = ""  # a sentence or two
    fix: str = ""  # what to do about it; "" for what is always to be done
    is_aligned: bool | None = None  # with the author's domain; None: not a matter of it
    evidence: tuple[str, ...] = ()


class AuthenticationFacts(Struct, frozen=True, kw_only=True):
    """Who sent it, as a receiver would see it."""

    methods: tuple[MethodFact, ...]
    is_local: bool = False  # the client is this machine, so that its address says nothing


class LinkAnswer(Struct, frozen=True, kw_only=True):
    """What came of asking for one link."""

    url: str
    status: int | None = None  # of the last answer; None: there was none
    problem: str = ""  # why there was no answer, "" where there was one
    final_url: str = ""  # where redirects led, "" where there were none
    is_refused: bool = False  # we did not ask: not a public address, or not http


class SpamRule(Struct, frozen=True):
    """One rule of a filter that fired."""

    name: str
    score: float
    description: str = ""


class SpamVerdict(Struct, frozen=True, kw_only=True):
    """What a content filter says."""

    filter: str  # "rspamd", "SpamAssassin"
    score: float
    threshold: float  # from which it takes a mail for spam
    rules: tuple[SpamRule, ...] = ()
    problem: str = ""  # why it did not answer; then the score says nothing


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of a mail beside its octets."""

    now: float | None = None  # seconds since 1970
    authentication: AuthenticationFacts | None = None
    links: tuple[LinkAnswer, ...] | None = None
    spam: tuple[SpamVerdict, ...] | None = None
    is_rehearsal: bool = False  # it was caught on its way to nobody, from a program that is tried
