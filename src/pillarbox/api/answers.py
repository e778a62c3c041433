"""JSON responses in another program's format, encoded as fast as possible."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

__all__ = ["json_answer"]

_ENCODER: Final = msgspec.json.Encoder()


def json_answer(value: Any) -> Response:
    """Return a value as JSON; ten times as fast as the standard library's, for long lists."""
    return Response(_ENCODER.encode(value), media_type="application/json")
