"""A user source's answer to a claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pillarbox.policy.autopsy import Cause
from pillarbox.policy.senders import NOBODY, Senders

__all__ = ["TEMPORARY", "Admitted", "Answer", "Denied"]

TEMPORARY = frozenset({Cause.SOURCE_DOWN, Cause.BUSY})
"""Causes that say nothing about the claim: the client may try again (454 4.7.0)."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The client may come in."""

    identity: str  # the credential: what policy and events call the client
    source: str  # who knows it
    credential: str = ""  # its name in the store, "" where it is from elsewhere
    claimed: str = ""  # the user name that the client gave
    senders: Senders = NOBODY  # whose addresses it may use, beyond what the configuration says
    project: str = ""
    is_sandbox: bool = False
    scopes: tuple[str, ...] = ()
    is_valid: Callable[[], bool] = field(default=_always, repr=False)
    """Whether it may still come in; asked at each transaction, so it must be quick."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The client may not come in, or not now."""

    cause: Cause
    source: str = ""
    detail: str = ""  # for the operator; never a secret
    credential: str = ""  # whose it is, where that is known
    changed_at: float | None = None  # when that was revoked, rotated or ran out

    @property
    def is_temporary(self) -> bool:
        """Whether the claim was not judged at all."""
        return self.cause in TEMPORARY


Answer = Admitted | Denied
