"""Converts an operator's filters to a selection of the store."""

from __future__ import annotations

from typing import Final

from pillarbox.control.protocol import Filter
from pillarbox.errors import PermanentError
from pillarbox.policy.queue import RecipientState
from pillarbox.smtp.address import ascii_domain
from pillarbox.store.ids import parse_id
from pillarbox.store.port import Change, Selection

__all__ = ["CHANGES", "selection_of", "states_of"]

_S = RecipientState

CHANGES: Final[dict[str, frozenset[RecipientState]]] = {
    Change.RETRY.value: frozenset({_S.QUEUED, _S.UNCERTAIN}),
    Change.HOLD.value: frozenset({_S.QUEUED, _S.UNCERTAIN}),
    Change.RELEASE.value: frozenset({_S.HELD}),
    Change.CANCEL.value: frozenset({_S.QUEUED, _S.UNCERTAIN, _S.HELD}),
}
"""The states in which a recipient can be changed (``policy.queue.TRANSITIONS``)."""


def states_of(chosen: Filter, allowed: frozenset[RecipientState]) -> list[str]:
    """Return the names of the states that are both requested and allowed.

    Raises:
        PermanentError: There are none, so nothing could match.
    """
    asked = allowed if chosen.states is None else allowed & _states(chosen.states)
    if not asked:
        names = ", ".join(sorted(state.name.lower() for state in allowed))
        raise PermanentError(f"only recipients in these states can be changed so: {names}")
    return sorted(state.name.lower() for state in asked)


def selection_of(chosen: Filter, now: float) -> Selection:
    """Return the selection for a filter at this wall-clock time.

    Raises:
        PermanentError: It has an invalid state or message id.
    """
    messages = chosen.messages
    return Selection(
        messages=None if messages is None else frozenset(map(parse_id, messages)),
        recipient=chosen.recipient,
        recipient_domain=None if chosen.domain is None else ascii_domain(chosen.domain),
        sender=chosen.sender,
        states=None if chosen.states is None else _states(chosen.states),
        accepted_before=None if chosen.older is None else now - chosen.older,
        accepted_after=None if chosen.newer is None else now - chosen.newer,
        message_id_header=chosen.message_id,
    )


def _states(names: list[str]) -> frozenset[RecipientState]:
    known = {state.name.lower(): state for state in RecipientState}
    for name in names:
        if name not in known:
            raise PermanentError(f"{name!r} is not a state; there are {', '.join(known)}")
    return frozenset(known[name] for name in names)
