"""The life of a recipient in the queue, as a table.

Everything that decides whether a recipient may go from this state to that one is in this file.
``docs/queue.md`` draws its diagram from ``TRANSITIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from msgspec import Struct

from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.envelope import TlsRequired

__all__ = ["FINAL_STATES", "TRANSITIONS", "Cause", "QueueFor", "QueueKey", "RecipientState"]


class RecipientState(IntEnum):
    """The state of one recipient of one message. The numbers are stored; never reuse one."""

    QUEUED = 0  # due at its next attempt
    IN_FLIGHT = 1  # an attempt has been started, and its mark is on disk
    DELIVERED = 2  # the remote said 250 to the final dot, or a local store kept it
    UNCERTAIN = 3  # the final dot was sent and no reply came: it may be there
    BOUNCED = 4  # a permanent failure, or too old
    HELD = 5  # by an operator, by policy, or because it crashed us three times
    SUPPRESSED = 6  # not tried, because the recipient must not be mailed
    CANCELED = 7  # not tried, because an operator said so


class Cause(IntEnum):
    """Why a recipient changes its state."""

    ATTEMPT_STARTED = 0
    ACCEPTED_BY_PEER = 1
    DEFERRED = 2
    REFUSED = 3
    EXPIRED = 4
    NO_REPLY_TO_FINAL_DOT = 5
    RETRY_DUE = 6
    RECOVERED_AFTER_CRASH = 7
    CRASHED_TOO_OFTEN = 8
    HELD_BY_OPERATOR = 9
    RELEASED = 10
    CANCELED_BY_OPERATOR = 11
    SUPPRESSED_BY_POLICY = 12


_S = RecipientState

# Only what is listed can happen; a missing key is a defect in the caller.
TRANSITIONS: Final[dict[RecipientState, dict[Cause, RecipientState]]] = {
    _S.QUEUED: {
        Cause.ATTEMPT_STARTED: _S.IN_FLIGHT,
        Cause.REFUSED: _S.BOUNCED,  # no route, null MX: known without an attempt
        Cause.DEFERRED: _S.QUEUED,  # no answer from DNS: known without an attempt
        Cause.EXPIRED: _S.BOUNCED,
        Cause.HELD_BY_OPERATOR: _S.HELD,
        Cause.CRASHED_TOO_OFTEN: _S.HELD,
        Cause.CANCELED_BY_OPERATOR: _S.CANCELED,
        Cause.SUPPRESSED_BY_POLICY: _S.SUPPRESSED,
    },
    _S.IN_FLIGHT: {
        Cause.ACCEPTED_BY_PEER: _S.DELIVERED,
        Cause.DEFERRED: _S.QUEUED,
        Cause.REFUSED: _S.BOUNCED,
        Cause.EXPIRED: _S.BOUNCED,
        Cause.NO_REPLY_TO_FINAL_DOT: _S.UNCERTAIN,
        Cause.RECOVERED_AFTER_CRASH: _S.QUEUED,
        Cause.CRASHED_TOO_OFTEN: _S.HELD,
    },
    _S.UNCERTAIN: {  # where the policy is "try again"; otherwise it stays, and is final
        Cause.RETRY_DUE: _S.IN_FLIGHT,
        Cause.EXPIRED: _S.BOUNCED,
        Cause.HELD_BY_OPERATOR: _S.HELD,
        Cause.CANCELED_BY_OPERATOR: _S.CANCELED,
    },
    _S.HELD: {
        Cause.RELEASED: _S.QUEUED,
        Cause.CANCELED_BY_OPERATOR: _S.CANCELED,
        Cause.EXPIRED: _S.BOUNCED,
    },
    _S.DELIVERED: {},
    _S.BOUNCED: {},
    _S.SUPPRESSED: {},
    _S.CANCELED: {},
}

FINAL_STATES: Final = frozenset(state for state, row in TRANSITIONS.items() if not row)


class QueueKey(Struct, frozen=True, gc=False):
    """What separates mail in the queue, so that no sender or destination delays another.

    ``lane`` is a tenant or a stream ("" until there are several), with a suffix if its mail has its
    own TLS requirements; ``destination`` is the recipient's domain in A-labels and lower case;
    ``route`` and ``source`` are the names of the configured route and source address.
    """

    lane: str
    destination: str
    route: str
    source: str

    @property
    def tls_required(self) -> TlsRequired:
        """The TLS requirements of this mail's senders."""
        mark = self.lane.rpartition("+")[2] if "+" in self.lane else ""
        return _TLS_BY_MARK.get(mark, TlsRequired.BY_POLICY)

    def apart(self, required: TlsRequired) -> QueueKey:
        """Return the parallel queue for mail with this TLS requirement.

        It uses its own connections, and neither waits for the other.
        """
        if required is TlsRequired.BY_POLICY:
            return self
        lane = f"{self.lane}+{_MARKS[required]}"
        return QueueKey(lane, self.destination, self.route, self.source)


_MARKS: Final = {TlsRequired.YES: "requiretls", TlsRequired.NO: "tls-optional"}
_TLS_BY_MARK: Final = {mark: required for required, mark in _MARKS.items()}

QueueFor = Callable[[ReversePath, Mailbox], QueueKey]
"""Says in which queue a sender's mail for a recipient waits."""
