"""The life of a DKIM key, as a table.

A key must not sign before everybody can see its record, and its record must stay as long as mail
that it signed may still be on its way. Everything that decides whether a key may go from this state
to that one is in this file. ``docs/dkim.md`` explains the states.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["KEY_TRANSITIONS", "KeyCause", "KeyState", "next_state", "settled_at"]


class KeyState(Enum):
    """The state of a key. The words are stored."""

    MADE = "made"  # nobody can see its record yet
    PUBLISHED = "published"  # some authoritative servers have its record
    SEEN = "seen"  # all of them have it: the key may sign
    SIGNING = "signing"
    RESTING = "resting"  # signs no more; mail that it signed may be on its way
    RETIRED = "retired"  # the private half is destroyed; the record may go


class KeyCause(Enum):
    """Why a key changes its state."""

    SEEN_SOMEWHERE = "seen somewhere"
    SEEN_EVERYWHERE = "seen everywhere"
    RECORD_LOST = "record lost"
    ACTIVATED = "activated"
    FORCED = "forced"  # an operator says that it may sign, whatever DNS says
    REPLACED = "replaced"
    MAIL_SETTLED = "mail settled"
    REVOKED = "revoked"  # an operator says that it is to be destroyed now


_S = KeyState
_C = KeyCause

# Only what is listed can happen; anything else changes nothing.
KEY_TRANSITIONS: Final[dict[KeyState, dict[KeyCause, KeyState]]] = {
    _S.MADE: {
        _C.SEEN_SOMEWHERE: _S.PUBLISHED,
        _C.SEEN_EVERYWHERE: _S.SEEN,
        _C.FORCED: _S.SIGNING,
        _C.REVOKED: _S.RETIRED,
    },
    _S.PUBLISHED: {
        _C.SEEN_EVERYWHERE: _S.SEEN,
        _C.RECORD_LOST: _S.MADE,
        _C.FORCED: _S.SIGNING,
        _C.REVOKED: _S.RETIRED,
    },
    _S.SEEN: {
        _C.SEEN_SOMEWHERE: _S.PUBLISHED,
        _C.RECORD_LOST: _S.MADE,
        _C.ACTIVATED: _S.SIGNING,
        _C.FORCED: _S.SIGNING,
        _C.REVOKED: _S.RETIRED,
    },
    _S.SIGNING: {  # a lost record is reported, and the key keeps signing
        _C.REPLACED: _S.RESTING,
        _C.REVOKED: _S.RETIRED,
    },
    _S.RESTING: {
        _C.FORCED: _S.SIGNING,  # back, because the new key was a mistake
        _C.MAIL_SETTLED: _S.RETIRED,
        _C.REVOKED: _S.RETIRED,
    },
    _S.RETIRED: {},
}

_MARGIN: Final = 86_400.0  # seconds in which receivers may look again at what they have taken


def next_state(state: KeyState, cause: KeyCause) -> KeyState | None:
    """Return the state that follows, or None where the cause changes nothing."""
    return KEY_TRANSITIONS[state].get(cause)


def settled_at(resting_since: float, queue_lifetime: float) -> float:
    """Return when no mail that a key signed can be on its way any more.

    Args:
        resting_since: When it signed for the last time, seconds since 1970.
        queue_lifetime: How long a message is retried, in seconds.
    """
    return resting_since + queue_lifetime + _MARGIN
