"""Parses the tags of a DNS policy record, ``v=DMARC1; p=none``, with the required tolerance.

DMARC and BIMI ignore faults in a record, whereas a fault in a signature invalidates the whole list
(``tag_list``). So parsing never raises: malformed tags are listed beside the valid ones, and the
first of repeated tags counts. RFC 9989 §4.8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

__all__ = ["RecordTags", "parse_record_tags"]

# RFC 6376 §3.2: tag-name = ALPHA *ALNUMPUNC. The hyphen is our addition: extensions use it.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_FOLD: Final = re.compile(r"[ \t\r\n]+")
_BLANKS: Final = " \t\r\n"
_SHOWN: Final = 40  # characters of a bad tag that a problem quotes


@dataclass(frozen=True, slots=True)
class RecordTags:
    """The tags of a record, each with its first value, and what is wrong with the record."""

    tags: dict[str, str] = field(default_factory=dict)  # in the order of the record
    malformed: tuple[str, ...] = ()  # one phrase for each part that is not a tag
    duplicates: tuple[str, ...] = ()  # the names that are repeated

    def get(self, name: str, default: str = "") -> str:
        """Return the value of a tag."""
        return self.tags.get(name, default)


def parse_record_tags(text: str) -> RecordTags:
    """Read ``name=value`` parts between semicolons; the last part may be empty.

    Args:
        text: The record. Folds count as blanks; blanks around names and values are ignored.
    """
    tags: dict[str, str] = {}
    malformed: list[str] = []
    duplicates: list[str] = []
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        name = name.strip(_BLANKS)
        if not equals:
            if name:
                malformed.append(f'"{_shown(name)}" has no equals sign')
        elif _NAME.fullmatch(name) is None:
            malformed.append(f'"{_shown(name)}" is no name of a tag')
        elif name in tags:
            duplicates.append(name)
        else:
            tags[name] = _unfold(value)
    return RecordTags(tags, tuple(malformed), tuple(duplicates))


def _unfold(value: str) -> str:
    value = value.strip(_BLANKS)
    return _FOLD.sub(" ", value) if "\n" in value or "\r" in value else value


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
