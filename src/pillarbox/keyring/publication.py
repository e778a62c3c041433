"""The DNS record of a key, in formats for copying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pillarbox.keyring.kept_key import KeptKey

__all__ = ["Publication", "publication", "zone_strings"]

_STRING: Final = 255  # octets of one string of a TXT record (RFC 1035 §3.3)
_TTL: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The DNS records that publish a key."""

    name: str  # where receivers look it up
    value: str  # the record's text, for a form with fields
    target: str = ""  # where the record is, if the name is an alias

    @property
    def zone_lines(self) -> tuple[str, ...]:
        """The records as lines of a master file with absolute names (RFC 1035 §5.1)."""
        owner = self.target or self.name
        record = f"{owner}. {_TTL} IN TXT {zone_strings(self.value)}"
        if not self.target:
            return (record,)
        return (f"{self.name}. {_TTL} IN CNAME {self.target}.", record)


def publication(key: KeptKey, delegate: str = "") -> Publication:
    """Return the records that publish a key.

    Args:
        key: The key.
        delegate: The zone that holds the record, if the domain only has an alias. The whole name is
            prepended to it, so that one zone can serve many domains.
    """
    target = f"{key.name}.{delegate.strip('.')}" if delegate else ""
    return Publication(name=key.name, value=key.record, target=target)


def zone_strings(value: str) -> str:
    """Return a text as the strings of a TXT record, in parentheses if there are several."""
    pieces = [value[at : at + _STRING] for at in range(0, len(value), _STRING)] or [""]
    strings = ['"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces]
    if len(strings) == 1:
        return strings[0]
    return f"( {' '.join(strings)} )"
