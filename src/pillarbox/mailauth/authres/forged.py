"""Finds Authentication-Results fields that claim to be ours (RFC 8601 §5).

A field with our name in mail from outside is a forgery, or left over from an earlier passage. It
must be removed, so that later readers of the message can trust our name.
"""

from __future__ import annotations

from typing import Final

from pillarbox.mailauth.authres.parse import authserv_words
from pillarbox.message.header import Header
from pillarbox.smtp.address import ascii_domain

__all__ = ["forged_fields"]

_NAME: Final = b"authentication-results"


def forged_fields(header: Header, authserv_id: str) -> tuple[slice, ...]:
    """Return the positions of the fields with our name, which are to be removed.

    A field whose authserv-id cannot be parsed counts if our name is anywhere in it: another parser
    may be able to read it.

    Args:
        header: The scanned header.
        authserv_id: Our name, as we write it into our own fields.

    Returns:
        The octets of each such field, its CRLF included, in the order of the header.
    """
    if _NAME not in header:
        return ()
    ours = _normal(authserv_id)
    return tuple(
        slice(field.start, field.end)
        for field in header.fields
        if field.name == _NAME and _is_ours(field.value, ours)
    )


def _is_ours(value: bytes, ours: str) -> bool:
    words = authserv_words(value)
    if not words:
        return ours.encode() in value.lower()
    if _normal(words[0]) == ours:
        return True
    # "mx.(x)example.org" is not a name, but a parser that drops comments first takes it for one.
    return len(words) > 1 and _normal("".join(words)).startswith(ours)


def _normal(name: str) -> str:
    return ascii_domain(name.strip()).rstrip(".")
