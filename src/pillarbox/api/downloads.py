"""Message content as a response: bytes written by a stranger, served from our origin.

Guarantees: a browser never runs or renders them as a page of ours. The few safe raster image types
may be shown inline; everything else is a download, and what a browser could run is served without
its type. A file name taken from the message has no control character and no path (RFC 6266,
RFC 8187).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from pillarbox.web.security import API_POLICY

__all__ = ["SHOWN_TYPES", "content_disposition", "download"]

SHOWN_TYPES: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"}
)
"""What a browser shows and cannot run."""

_NEVER: Final = re.compile(r"html|xml|svg|xsl|script|mathml|multipart|x-shockwave|java")
_MEDIA_TYPE: Final = re.compile(
    r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
)
_OPAQUE: Final = "application/octet-stream"
_UNSAFE: Final = re.compile(
    r'[\x00-\x1f\x7f-\x9f"\\/:*?<>|\u200b-\u200f\u202a-\u202e\u2066-\u2069]'
)
_LONGEST_NAME: Final = 200
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def download(
    content: bytes,
    *,
    filename: str,
    media_type: str,
    is_shown: bool = False,
    fallback: str = "attachment.bin",
) -> Response:
    """Return a part of a mail.

    Args:
        content: Its octets, decoded.
        filename: As the mail names it; "" where it does not.
        media_type: As the mail names it.
        is_shown: Whether a picture may be shown instead of being downloaded.
        fallback: The name where there is none that can be used.
    """
    kind = _harmless(media_type)
    disposition = "inline" if is_shown and kind in SHOWN_TYPES else "attachment"
    return Response(
        content,
        headers={
            "Content-Type": kind,
            "Content-Disposition": content_disposition(disposition, filename, fallback),
            "Content-Security-Policy": API_POLICY,
            "X-Content-Type-Options": "nosniff",
        },
    )


def content_disposition(disposition: str, filename: str, fallback: str) -> str:
    """Return the field's value, with a name in ASCII and one in UTF-8 where they differ."""
    name = _safe_name(filename) or fallback
    plain = name.encode("ascii", "replace").decode("ascii").replace("?", "_").replace("%", "_")
    field = f'{disposition}; filename="{plain}"'
    if plain != name:
        field += f"; filename*=UTF-8''{quote(name, safe='')}"
    return field


def _harmless(media_type: str) -> str:
    kind = media_type.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(kind) or _NEVER.search(kind):
        return _OPAQUE
    return f"{kind}; charset=utf-8" if kind == "text/plain" else kind


def _safe_name(filename: str) -> str:
    """Return a name that is no path, hides nothing, and means nothing to any system."""
    name = _UNSAFE.sub("_", filename.replace("\\", "/").rpartition("/")[2])
    name = name.encode("utf-8", "ignore").decode().strip(" .-")
    if len(name) > _LONGEST_NAME:
        stem, dot, suffix = name.rpartition(".")
        keeps_suffix = dot and len(suffix) <= 10  # noqa: PLR2004 - longer is no suffix
        name = f"{stem[: _LONGEST_NAME - 12]}.{suffix}" if keeps_suffix else name[:_LONGEST_NAME]
    return f"_{name}" if _RESERVED.match(name) else name
