"""An assessment as JSON, to be stored beside its message.

Of the client support only the features that the message uses are stored: the test data is the same
for all messages, and is joined again when it is read.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from pillarbox import __version__
from pillarbox.preflight.assessment import Assessment, ClientSupport
from pillarbox.preflight.clients.support import features, join_uses

__all__ = ["from_json", "to_json"]

_EDITION: Final = __version__  # the rules change with it


class _Kept(Struct, frozen=True):
    """How an assessment is written; what another release wrote is judged anew."""

    edition: str
    assessment: Assessment  # without ``clients``
    uses: tuple[tuple[str, int, tuple[int, ...]], ...] | None  # None: there is no HTML


_DECODER: Final = msgspec.json.Decoder(_Kept)


def to_json(assessment: Assessment) -> bytes:
    """Write an assessment down."""
    clients = assessment.clients
    uses = tuple((use.slug, use.count, use.lines) for use in clients.features)
    return msgspec.json.encode(
        _Kept(
            _EDITION,
            msgspec.structs.replace(assessment, clients=ClientSupport()),
            uses if clients.clients else None,
        )
    )


def from_json(kept: bytes) -> Assessment | None:
    """Read what ``to_json`` wrote; None where another release wrote it."""
    try:
        read = _DECODER.decode(kept)
    except msgspec.DecodeError:
        return None
    if read.edition != _EDITION or read.uses is None:
        return read.assessment if read.edition == _EDITION else None
    if any(slug not in features() for slug, _, _ in read.uses):
        return None
    return msgspec.structs.replace(read.assessment, clients=join_uses(read.uses))
