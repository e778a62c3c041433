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
from pillarbox.diagnosis.reading.client import read_client_error
from pillarbox.diagnosis.reading.codes import find_reply, find_stage, join_lines
from pillarbox.diagnosis.reading.log import read_log_line

__all__ = ["MAX_OCTETS", "read"]

MAX_OCTETS: Final = 4 * 1024 * 1024
_MAX_REPLY: Final = 64 * 1024
_MAX_LOG: Final = 256 * 1024
_MAX_LOGGED: Final = 20


def read(octets: bytes) -> tuple[Observation, ...]:
    """Return what a text says happened; none where it is empty.

    Args:
        octets: A reply, a log line, an error, a bounce mail; the first four mebibytes count.
    """
    octets = octets[:MAX_OCTETS]
    if is_message(octets) and (found := read_bounce(octets)):
        return found
    text = octets.decode("utf-8", "replace").strip()
    if not text:
        return ()
    logged = _logged(text)
    if logged:
        return logged
    return (read_client_error(text) or _reply(text),)


def _logged(text: str) -> tuple[Observation, ...]:
    """Return what the last lines of a log say, one observation for each recipient at most."""
    found: dict[tuple[str, str], Observation] = {}
    for line in text[-_MAX_LOG:].split("\n"):
        observation = read_log_line(line)
        if observation is not None and (observation.code or observation.text):
            key = (observation.recipient, observation.host)
            found.pop(key, None)  # what came last counts, in its place
            found[key] = observation
    return tuple(found.values())[-_MAX_LOGGED:]


def _reply(text: str) -> Observation:
    text = text[:_MAX_REPLY]
    joined = join_lines(text)
    said = find_reply(joined)
    return Observation(
        source=Source.REPLY if said.code else Source.TEXT,
        text=said.text,
        code=said.code,
        enhanced=said.enhanced,
        stage=find_stage(joined),
        provider=provider_of("", flatten(joined)),
    )
