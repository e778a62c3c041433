"""A user source's answer to a claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pillarbox.policy.autopsy import Cause
from pillarbox.policy.senders import NOBODY, Senders

__all__ = ["TEMPORARY", "Admitted", "Answer", "Denied"]

TEMPORARY = frozenset({Cause.SOURCE_DOWN, Cause.BUSY})
"""Causes unrelated to the claim itself: the client may try again (454 4.7.0)."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The login succeeds."""

    identity: str  # the client's name in policy and events
    source: str  # the source that knows it
    credential: str = ""  # its name in the store, "" if it is from elsewhere
    claimed: str = ""  # the user name that the client gave
    senders: Senders = NOBODY  # the addresses it may send from, beyond the configured ones
    project: str = ""
    is_sandbox: bool = False
    scopes: tuple[str, ...] = ()
    is_valid: Callable[[], bool] = field(default=_always, repr=False)
    """Whether it is still valid; called for each transaction, so it must be fast."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The login fails, or cannot be decided now."""

    cause: Cause
    source: str = ""
    detail: str = ""  # for the operator; never a secret
    credential: str = ""  # the credential, if known
    changed_at: float | None = None  # when it was revoked or rotated, or expired

    @property
    def is_temporary(self) -> bool:
        """Whether the claim could not be verified at all."""
        return self.cause in TEMPORARY


Answer = Admitted | Denied
