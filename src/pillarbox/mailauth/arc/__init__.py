"""ARC (RFC 8617): what the handlers of a message say they saw.

Messages that arrive in chunks::

    prepared = arc.prepare(header)
    body = dkim.BodyHashes(prepared.wanted | sealer.wanted)
    body.feed(chunk)  # again and again
    chain = await prepared.conclude(body, resolver)
    fields = sealer.seal(header, body, chain=chain, said=results, now=now)
"""

from __future__ import annotations

from pillarbox.mailauth.arc.sealing import Sealer
from pillarbox.mailauth.arc.sets import MAX_SETS, ArcSet
from pillarbox.mailauth.arc.trust import Voucher, find_voucher
from pillarbox.mailauth.arc.validation import (
    Chain,
    ChainStatus,
    PreparedChain,
    prepare,
    validate,
)

__all__ = [
    "MAX_SETS",
    "ArcSet",
    "Chain",
    "ChainStatus",
    "PreparedChain",
    "Sealer",
    "Voucher",
    "find_voucher",
    "prepare",
    "validate",
]
