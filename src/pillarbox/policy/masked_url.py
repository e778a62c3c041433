"""A URL as it is shown to people: where it leads, without the secrets in it.

Programs put tokens into queries, and people put passwords before the host.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["masked_url"]

_MASK: Final = "***"
_USER: Final = re.compile(r"(?<=://)[^/?#]*(?=@)")
_VALUE: Final = re.compile(r"(?<==)[^&#]+")


def masked_url(url: str) -> str:
    """Return a URL without its user and the values of its query; other text as it is."""
    if "://" not in url:
        return url
    place, mark, query = url.partition("?")
    return _USER.sub(_MASK, place, count=1) + mark + _VALUE.sub(_MASK, query)
