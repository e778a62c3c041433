"""What a block list says of an address or a domain."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.checkup.catalog.block_lists import BlockList

__all__ = ["Listing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one list says of one address or domain."""

    list: BlockList
    subject: str
    codes: tuple[str, ...] = ()  # () where it is not listed
    text: str = ""  # what the list says about it
    refusal: str = ""  # why there is no answer; nothing is known then
