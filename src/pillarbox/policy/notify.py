"""Which delivery status notification is due to whom (RFC 3461 §4.1, §5.2, §6).

None is ever due to the null reverse-path (RFC 3461 §6.1), so that notifications cannot loop.
"""

from __future__ import annotations

from typing import Final

from pillarbox.message.dsn import Action
from pillarbox.policy.recipients import LocalDomains, ResolutionKind
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.envelope import Notify

__all__ = ["action_for_delivery", "addressees", "is_dsn_owed"]

# RFC 3461 §4.1: a sender that says nothing hears of failures and, if we like, of delays.
_UNSAID: Final = Notify.FAILURE | Notify.DELAY

_WANTED_BY: Final = {
    Action.FAILED: Notify.FAILURE,
    Action.DELAYED: Notify.DELAY,
    Action.DELIVERED: Notify.SUCCESS,
    Action.RELAYED: Notify.SUCCESS,
    Action.EXPANDED: Notify.SUCCESS,
}


def is_dsn_owed(action: Action, reverse_path: ReversePath, notify: Notify | None) -> bool:
    """Return whether the sender must be notified.

    Args:
        action: What happened to the recipient.
        reverse_path: Who would be notified.
        notify: What the sender asked for this recipient; None if it did not say.
    """
    if reverse_path is None:
        return False
    wanted = _UNSAID if notify is None else notify
    return Notify.NEVER not in wanted and _WANTED_BY[action] in wanted


def addressees(sender: Mailbox, local: LocalDomains) -> tuple[Mailbox, ...]:
    """Return the recipients of a notification for a sender: an alias of ours is expanded.

    A sender in a local domain that does not exist is not notified: there would be no place to put
    the notification, and its null sender cannot be told of the failure.
    """
    resolution = local.resolve(sender)
    if resolution.kind is ResolutionKind.NOT_LOCAL:
        return (sender,)
    return tuple(destination.address for destination in resolution.destinations)


def action_for_delivery(*, is_final: bool, dsn_passed_on: bool) -> Action | None:
    """Return the action that a successful delivery reports, or None if it is not ours to report.

    Args:
        is_final: Whether the message is in the recipient's mailbox (Maildir, LMTP), and not with
            another server (RFC 3461 §5.2.2).
        dsn_passed_on: Whether the next server took over the duty to notify (§5.2.1).
    """
    if is_final:
        return Action.DELIVERED
    return None if dsn_passed_on else Action.RELAYED
