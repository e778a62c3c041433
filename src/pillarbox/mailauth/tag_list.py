"""The ``name=value; name=value`` lists of DKIM signatures, DKIM keys and ARC (RFC 6376 §3.2).

A list is parsed completely or not at all: a violation of its grammar raises ``TagListError``, which
says what is wrong. Time is linear in the octets, whatever they are.
"""

from __future__ import annotations

import re
from typing import Final

from pillarbox.errors import PermanentError

__all__ = ["TagListError", "parse_tag_list"]

_BLANKS: Final = " \t\r\n"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# RFC 6376 §3.2: VALCHAR is %x21-3A / %x3C-7E, with folding between; RFC 8616 §5 adds UTF-8.
_OCTETS: Final = re.compile("[\t\r\n -~\u0080-\U0010ffff]*")
_SHOWN: Final = 40


class TagListError(PermanentError):
    """A tag list that breaks the grammar; the message says where."""


def parse_tag_list(octets: bytes) -> dict[str, str]:
    """Return the tags in their order, values without outer blanks.

    Args:
        octets: The list: a field's value, possibly folded, or a TXT record.

    Raises:
        TagListError: It is not a tag list, or repeats a tag (which invalidates all of it).
    """
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise TagListError("it is not UTF-8") from None
    if not _OCTETS.fullmatch(text):
        raise TagListError("it has control characters")
    tags: dict[str, str] = {}
    specs = text.split(";")
    if len(specs) > 1 and not specs[-1].strip(_BLANKS):
        specs.pop()  # an optional trailing semicolon
    for spec in specs:
        name, equals, value = spec.partition("=")
        name, value = name.strip(_BLANKS), value.strip(_BLANKS)
        if not equals or not _NAME.fullmatch(name):
            raise TagListError(f"{_shown(spec)} is not name=value")
        if name in tags:
            raise TagListError(f"the tag {name}= stands there twice")
        tags[name] = value
    return tags


def _shown(spec: str) -> str:
    return ascii(spec.strip(_BLANKS)[:_SHOWN])
