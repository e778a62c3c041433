"""What the outcomes of a transaction mean for the transaction itself."""

from __future__ import annotations

from pillarbox.net.transaction import RecipientOutcome, TransactionResult
from pillarbox.policy.replies import classify
from pillarbox.smtp.client_outcome import Stage

__all__ = ["is_for_another_transaction", "was_gone"]


def was_gone(result: TransactionResult) -> bool:
    """Whether the peer had closed the connection before anything of the message was sent."""
    if result.is_reusable or not result.outcomes:
        return False
    for outcome in result.outcomes:
        if outcome.is_delivered or outcome.is_local or outcome.stage is not Stage.MAIL:
            return False
        if outcome.reply is not None and outcome.reply.code != 421:  # noqa: PLR2004 - it closes
            return False
    return True


def is_for_another_transaction(outcome: RecipientOutcome, result: TransactionResult) -> bool:
    """Whether a recipient exceeded the recipient limit of a transaction that worked for others."""
    if outcome.stage is not Stage.RECIPIENT or outcome.is_local:
        return False
    if not classify(outcome.stage, outcome.reply).has_too_many_recipients:
        return False
    return any(other.is_delivered for other in result.outcomes)
