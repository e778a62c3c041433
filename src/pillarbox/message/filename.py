"""Safe file names for attachments.

The sender chooses the name; it may contain ``..``, hide its extension with a bidirectional control,
or name a device. ``safe_filename`` returns a plain last component of at most 150 octets that every
file system and header field accepts; ``shown_filename`` returns the intended name, with invisible
characters made visible. RFC 2183 §2.3, RFC 6266 §4.3.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["made_up_filename", "safe_filename", "shown_filename"]

_MAX_OCTETS: Final = 150
_MAX_ENDING: Final = 20
# Control characters, bidirectional and invisible ones, and those special to file systems or shells.
_HIDDEN: Final = (
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\u061c\u00ad\U000e0000-\U000e007f"
)
_INVISIBLE: Final = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_HIDDEN}]")
_RESERVED: Final = re.compile(r'[<>:"|?*%;`$\\/]+')
_SLASHES: Final = re.compile(r"[\\/]+")
_BLANKS: Final = re.compile(r"\s+")
_DEVICE: Final = re.compile(
    r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(?:\.|$)", re.IGNORECASE
)

# The usual extensions; for other types, the main type decides.
_ENDINGS: Final = {
    "message/rfc822": ".eml", "message/global": ".eml", "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt", "message/feedback-report": ".txt",
    "text/html": ".html", "text/calendar": ".ics", "text/csv": ".csv", "text/vcard": ".vcf",
    "text/x-vcard": ".vcf", "text/xml": ".xml", "text/rfc822-headers": ".txt", "text": ".txt",
    "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp",
    "image/svg+xml": ".svg", "image/tiff": ".tif", "image/bmp": ".bmp", "image/avif": ".avif",
    "audio/mpeg": ".mp3", "audio/ogg": ".ogg", "audio/wav": ".wav", "video/mp4": ".mp4",
    "application/pdf": ".pdf", "application/zip": ".zip", "application/gzip": ".gz",
    "application/json": ".json", "application/xml": ".xml", "application/ics": ".ics",
    "application/pgp-signature": ".asc", "application/pgp-keys": ".asc",
    "application/pkcs7-signature": ".p7s", "application/pkcs7-mime": ".p7m",
    "application/x-pkcs7-signature": ".p7s", "application/x-pkcs7-mime": ".p7m",
    "application/ms-tnef": ".dat", "application/msword": ".doc",
}  # fmt: skip


def safe_filename(name: str) -> str:
    """Return a name that is safe in any directory; "" if nothing is left of it.

    Args:
        name: The decoded name as the sender gave it, perhaps with a path.
    """
    name = _INVISIBLE.sub("", name)
    name = name.replace("\\", "/").rpartition("/")[2]
    name = _BLANKS.sub(" ", _RESERVED.sub("_", name)).strip(" .")
    name = name.lstrip("-~. ")
    if _DEVICE.match(name):
        name = f"_{name}"
    return _cut(name)


def made_up_filename(number: int, media_type: str, title: str = "") -> str:
    """Return a name for a part that has none.

    Args:
        number: The number of the part.
        media_type: In lower case.
        title: Its title, such as the subject of an attached message.
    """
    ending = _ENDINGS.get(media_type) or _ENDINGS.get(media_type.partition("/")[0], ".bin")
    stem = safe_filename(_SLASHES.sub("_", title)) or f"part-{number}"
    return _cut(stem + ending)


def shown_filename(name: str) -> str:
    """Return the full name for display, with U+FFFD for each deceptive character."""
    return _INVISIBLE.sub("\ufffd", name)


def _cut(name: str) -> str:
    """Shorten a name but keep its extension, which programs depend on."""
    if len(name.encode()) <= _MAX_OCTETS:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > _MAX_ENDING:
        stem, dot, ending = name, "", ""
    room = _MAX_OCTETS - len((dot + ending).encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + dot + ending
