"""Names for attachments that cannot hurt the one who saves them.

A sender chooses the name; it may climb out of a folder, hide its ending behind a character that
turns the direction of writing, or mean a device. ``safe_filename`` gives a plain last component of
at most 150 octets that each file system and each header field takes; ``shown_filename`` the
name as it was meant, with what cannot be seen made visible. RFC 2183 §2.3, RFC 6266 §4.3.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["safe_filename", "shown_filename"]

_MAX_OCTETS: Final = 150
_MAX_ENDING: Final = 20
# Controls, what turns or hides writing, what some file system or shell takes for its own.
_HIDDEN: Final = (
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\u061c\u00ad\U000e0000-\U000e007f"
)
_INVISIBLE: Final = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_HIDDEN}]")
_RESERVED: Final = re.compile(r'[<>:"|?*%;`$\\/]+')
_BLANKS: Final = re.compile(r"\s+")
_DEVICE: Final = re.compile(
    r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(?:\.|$)", re.IGNORECASE
)


def safe_filename(name: str) -> str:
    """Return a name that may be a file's in any folder; "" if nothing of it is left.

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


def shown_filename(name: str) -> str:
    """Return a name for display: whole, but with U+FFFD for each character that hides something."""
    return _INVISIBLE.sub("\ufffd", name)


def _cut(name: str) -> str:
    """Shorten a name, and keep its ending: programs go by it."""
    if len(name.encode()) <= _MAX_OCTETS:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > _MAX_ENDING:
        stem, dot, ending = name, "", ""
    room = _MAX_OCTETS - len((dot + ending).encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + dot + ending
