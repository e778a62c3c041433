"""Checks the links of a message with their servers, within bounds, and only public ones.

HEAD comes first, because a GET may do something: confirm, unsubscribe, use up a one-time link. Only
if a server does not support HEAD, GET follows, and its body is not read. A link that looks like an
unsubscribe link is not requested at all.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from pillarbox.net.guarded import AddressRefused, GuardedClient
from pillarbox.net.https import FetchFailed
from pillarbox.preflight.facts import LinkAnswer

__all__ = ["MAX_LINKS", "ask_links"]

MAX_LINKS: Final = 50
_AT_ONCE: Final = 8
_PATIENCE: Final = 5.0  # seconds for one hop
_TOTAL: Final = 20.0  # seconds for all links
_WITHOUT_HEAD: Final = frozenset({400, 403, 404, 405, 501})
_ACTS: Final = re.compile(r"unsub|opt-?out|abmeld|abbestell|desinscri|darse-de-baja", re.IGNORECASE)


async def ask_links(urls: Sequence[str], client: GuardedClient) -> tuple[LinkAnswer, ...]:
    """Request links, and return the outcome of each, in order.

    Args:
        urls: The links, each once; those after the first fifty are not requested.
        client: Makes the requests.
    """
    gate = asyncio.Semaphore(_AT_ONCE)
    answers: dict[str, LinkAnswer] = {}

    async def ask(url: str) -> None:
        async with gate:
            answers[url] = await _ask(url, client)

    asked = urls[:MAX_LINKS]
    try:
        async with asyncio.timeout(_TOTAL), asyncio.TaskGroup() as group:
            for url in asked:
                group.create_task(ask(url))
    except TimeoutError:
        pass  # what was not answered by then is said below
    late = f"checking all links took more than {_TOTAL:g} s"
    rest = tuple(
        LinkAnswer(url=url, problem=f"only {MAX_LINKS} links are requested", is_refused=True)
        for url in urls[MAX_LINKS:]
    )
    return (*(answers.get(url) or LinkAnswer(url=url, problem=late) for url in asked), *rest)


async def _ask(url: str, client: GuardedClient) -> LinkAnswer:
    if _ACTS.search(url):
        return LinkAnswer(
            url=url, problem="requesting it might unsubscribe somebody", is_refused=True
        )
    try:
        reached = await client.request("HEAD", url, patience=_PATIENCE)
        if reached.fetched.status in _WITHOUT_HEAD:
            reached = await client.request("GET", url, patience=_PATIENCE, wants_body=False)
    except AddressRefused as error:
        return LinkAnswer(url=url, problem=str(error), is_refused=True)
    except FetchFailed as error:
        return LinkAnswer(url=url, problem=str(error))
    return LinkAnswer(
        url=url,
        status=reached.fetched.status,
        final_url=reached.url if reached.url != url else "",
    )
