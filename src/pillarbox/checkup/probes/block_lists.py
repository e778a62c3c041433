"""Queries block lists about a domain and its sending addresses, within their terms of use.

Each list gets a few queries, one after another with a pause between. A list that declines to
answer, or that lists what no list may list, is not queried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from pillarbox.checkup.catalog.block_lists import BlockList, block_lists
from pillarbox.checkup.facts.listing import Listing
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.policy.dns_lists import question, reading

__all__ = ["ask_lists"]

_PAUSE: Final = 0.1  # seconds between two questions to one list
_MOST: Final = 6  # questions to one list
_LONGEST_TEXT: Final = 200
# RFC 5782 §5: never listed, so that a list which lists them lists everything.
_NEVER_ADDRESS: Final = "127.0.0.1"
_NEVER_DOMAIN: Final = "invalid"


async def ask_lists(
    addresses: Iterable[str], domain: str, resolver: Resolver, *, seconds: float = 8.0
) -> tuple[Listing, ...]:
    """Return what all lists say.

    Args:
        addresses: Those that send; public ones only.
        domain: The domain itself.
        resolver: Asks DNS.
        seconds: For each list; what it has not said by then is not known.
    """
    given = tuple(addresses)[:_MOST]
    answers = await asyncio.gather(
        *(
            _ask_list(one, given if one.of == "addresses" else (domain,), resolver, seconds)
            for one in block_lists()
        )
    )
    return tuple(listing for found in answers for listing in found)


async def _ask_list(
    one: BlockList, subjects: tuple[str, ...], resolver: Resolver, seconds: float
) -> list[Listing]:
    found: list[Listing] = []
    try:
        async with asyncio.timeout(seconds):
            for subject in subjects:
                if found:
                    await asyncio.sleep(_PAUSE)
                found.append(await _listing(one, subject, resolver))
                if found[-1].refusal:
                    break
    except TimeoutError:
        rest = subjects[len(found)]
        found.append(Listing(list=one, subject=rest, refusal="no answer in time"))
    return found


async def _listing(one: BlockList, subject: str, resolver: Resolver) -> Listing:
    listing = await _ask(one, subject, resolver)
    if listing.codes and await _lists_everything(one, resolver):
        return Listing(list=one, subject=subject, refusal="it lists everything, so nothing")
    return listing


async def _ask(one: BlockList, subject: str, resolver: Resolver) -> Listing:
    name = _name(one, subject)
    answer = await resolver.a(name)
    if answer.outcome is Outcome.UNAVAILABLE:
        return Listing(list=one, subject=subject, refusal=answer.reason or "no answer")
    meaning = reading(answer.records, ())
    if meaning.refusal or not meaning.codes:
        return Listing(list=one, subject=subject, refusal=meaning.refusal)
    texts = (await resolver.txt(name)).records
    text = texts[0].decode("ascii", "replace")[:_LONGEST_TEXT] if texts else ""
    return Listing(list=one, subject=subject, codes=meaning.codes, text=text)


def _name(one: BlockList, subject: str) -> str:
    return f"{subject}.{one.zone}" if one.of == "domains" else question(subject, one.zone)


async def _lists_everything(one: BlockList, resolver: Resolver) -> bool:
    never = _NEVER_DOMAIN if one.of == "domains" else _NEVER_ADDRESS
    answer = await resolver.a(_name(one, never))
    return bool(reading(answer.records, ()).codes)
