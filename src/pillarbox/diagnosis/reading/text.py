"""From any text to what it says happened.

A bounce mail gives an observation for each recipient; everything else gives one for the last
line that says something, or for the whole text.
"""

from __future__ import annotations

from typing import Final

from pillarbox.diagnosis.observation import Observation, Source
from pillarbox.diagnosis.phrase import flatten
from pillarbox.diagnosis.provider import provider_of
from pillarbox.diagnosis.reading.bounce import is_message, read_bounce
from pillarbox.diagnosis.reading.codes import find_reply, find_stage, join_lines

__all__ = ["MAX_OCTETS", "read"]

MAX_OCTETS: Final = 4 * 1024 * 1024


def read(octets: bytes) -> tuple[Observation, ...]:
    """Return what a text says happened; none where it is empty.

    Args:
        octets: A reply, a log line, an error, a bounce mail; the first four mebibytes count.
    """
    octets = octets[:MAX_OCTETS]
    if is_message(octets):
        return read_bounce(octets)
    text = octets.decode("utf-8", "replace").strip()
    if not text:
        return ()
    joined = join_lines(text)
    said = find_reply(joined)
    return (
        Observation(
            source=Source.REPLY if said.code else Source.TEXT,
            text=said.text,
            code=said.code,
            enhanced=said.enhanced,
            stage=find_stage(joined),
            provider=provider_of("", flatten(joined)),
        ),
    )
