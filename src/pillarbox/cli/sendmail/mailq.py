"""``mailq``: the queue in the format that people and scripts know from other servers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pillarbox.cli.access import reach
from pillarbox.config.loader import load
from pillarbox.control import protocol as p
from pillarbox.events.text import escape

__all__ = ["mailq", "mailq_lines"]

_HEADING: Final = "-Queue ID-     --Size-- ----Arrival Time---- -Sender/Recipient-------"
_MARKS: Final = {"in_flight": "*", "held": "!"}
_EVERYTHING: Final = 1_000_000
_KIB: Final = 1024


def mailq(environ: Mapping[str, str]) -> None:
    """Print the queue of the configured node.

    Raises:
        PillarboxError: It cannot be read.
    """
    with reach(load(None, environ)) as access:
        rows = access.run(p.ListQueue(limit=_EVERYTHING))
        for line in mailq_lines(row for row in rows if isinstance(row, p.MessageRow)):
            print(line)


def mailq_lines(messages: Iterable[p.MessageRow]) -> Iterator[str]:
    """Yield the lines of the list: a block for each message, and a summary."""
    count = octets = 0
    for message in messages:
        if not count:
            yield _HEADING
        count += 1
        octets += message.size
        yield from _block(message)
        yield ""
    if not count:
        yield "Mail queue is empty"
        return
    yield f"-- {-(-octets // _KIB)} Kbytes in {count} Request{'' if count == 1 else 's'}."


def _block(message: p.MessageRow) -> Iterator[str]:
    states = {recipient.state for recipient in message.recipients}
    mark = next((mark for state, mark in _MARKS.items() if state in states), " ")
    at = time.ctime(message.accepted_at)[:19]
    sender = escape(message.sender) or "MAILER-DAEMON"
    yield f"{message.message}{mark} {message.size:>8} {at}  {sender}"
    reason = ""
    for recipient in message.recipients:
        if recipient.last_reply != reason:
            reason = recipient.last_reply
            if reason:
                yield f"({escape(reason)})"
        yield f"{'':45}{escape(recipient.address)}"
