"""Delivery to nowhere: every message counts as delivered."""

from __future__ import annotations

from typing import Final

from pillarbox.deliver.transport import UNBOUNDED, Peer
from pillarbox.net.transaction import RecipientOutcome, Transaction, TransactionResult
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import Reply

__all__ = ["DiscardTransport"]

_DISCARDED: Final = RecipientOutcome(
    is_delivered=True, stage=Stage.FINAL, reply=Reply.of(250, "2.0.0", "Discarded")
)


class DiscardTransport:
    """A transport that is its own carrier, because there is nothing to open."""

    is_final = True
    takes_long_lines = True
    is_usable = True
    bounds = UNBOUNDED
    peer = Peer(host="discard")

    async def open(self) -> DiscardTransport:
        """Return itself."""
        return self

    async def carry(self, transaction: Transaction) -> TransactionResult:
        """Discard a message."""
        return TransactionResult(
            outcomes=(_DISCARDED,) * len(transaction.envelope.recipients), is_reusable=True
        )

    async def close(self) -> None:
        """Do nothing."""
