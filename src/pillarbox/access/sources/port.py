"""The port that every user source implements."""

from __future__ import annotations

from typing import Protocol

from pillarbox.access.answers import Answer
from pillarbox.smtp.sasl.claims import Claim

__all__ = ["Examinable", "Source"]


class Source(Protocol):
    """A place that knows users: the store, a file, a directory server, an issuer of tokens.

    What it promises: a user that is unknown costs as much as a wrong password, and an answer
    about a source that is down, or that cannot be trusted, is ``SOURCE_DOWN``.
    """

    name: str

    def takes(self, claim: Claim) -> bool:
        """Whether it can judge such a claim."""
        ...

    def at_once(self, claim: Claim) -> Answer | None:
        """Judge a claim where that takes microseconds; None where it takes longer."""
        ...

    async def judge(self, claim: Claim) -> Answer:
        """Judge a claim for which ``at_once`` had no answer."""
        ...

    def refresh(self) -> bool:
        """Follow what is outside, quickly; return whether remembered logins are to be forgotten."""
        ...

    def close(self) -> None:
        """Give up threads and connections."""
        ...


class Examinable(Protocol):
    """A source whose passwords the autopsy may try; never one that counts failures."""

    name: str

    def knows(self, user: str) -> bool:
        """Whether the user exists."""
        ...

    def verify(self, user: str, password: str) -> bool:
        """Check a password; slow, to be called on a thread."""
        ...
