"""Address lists of From, Sender, To, Cc and Bcc (RFC 5322 §3.4, RFC 6532 §3.2).

The parser is strict where tolerance has been abused: text that two parsers could read as different
addresses is an error, never a guess (CVE-2023-27043). Encoded words are not decoded, so they cannot
smuggle in an ``@``. Time is linear, and nesting costs no stack. Obsolete routes, empty list
elements and dots in unquoted names are accepted, because old mail has them (RFC 5322 §4.4). Nothing
is raised: an error is a value with its position.

Strategy: comments are replaced by blanks first, because they nest. Then one pattern matches an
element, with quantifiers that never backtrack, so that each character is visited a few times at
most: possessive ones on characters, atomic groups around repeated groups, because CPython before
3.11.5 matches a possessive group wrongly.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from pillarbox.smtp.address import Mailbox

__all__ = ["Address", "AddressList", "parse_address_list"]


class Address(Struct, frozen=True, gc=False):
    """One address of a list."""

    mailbox: Mailbox
    name: str = ""  # the display name, unquoted; encoded words (RFC 2047) stay encoded
    group: str = ""  # the group that contains it


class AddressList(Struct, frozen=True):
    """The parsed value of a field; with an ``error``, there are no addresses."""

    addresses: tuple[Address, ...] = ()
    has_group: bool = False  # RFC 5322 §3.4: an empty one, too
    error: str = ""

    @property
    def mailboxes(self) -> tuple[Mailbox, ...]:
        """The bare addresses."""
        return tuple(address.mailbox for address in self.addresses)


class _SyntaxError(Exception):
    """Leaves the parser; never leaves this module."""


# RFC 5322 §3.2.3 and RFC 6532 §3.2.
_BLANKS: Final = r"[ \t\r\n]*+"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a0-\U0010ffff-]++"
_QUOTED: Final = r'"(?>(?:[^"\\\x00]++|\\[^\x00])*)"'
_WORD: Final = f"(?:{_ATOM}|{_QUOTED})"
_LOCAL_PART: Final = rf"{_WORD}(?>(?:{_BLANKS}\.{_BLANKS}{_WORD})*)"
_DOMAIN: Final = rf"(?:\[[^\[\]\\\x00-\x20]*+\]|{_ATOM}(?>(?:{_BLANKS}\.{_BLANKS}{_ATOM})*))"
_ROUTE: Final = rf"(?>(?:[,@](?:(?<=,)|{_BLANKS}{_DOMAIN}){_BLANKS})+):{_BLANKS}"  # obs-route, §4.4
_ELEMENT: Final = re.compile(
    rf"(?:(?P<local>{_LOCAL_PART}){_BLANKS}@{_BLANKS}(?P<domain>{_DOMAIN})"
    rf"|(?P<name>(?>(?:(?:{_WORD}|\.){_BLANKS})*))"
    rf"(?:<{_BLANKS}(?>(?:{_ROUTE})?)"
    rf"(?P<angle_local>{_LOCAL_PART}){_BLANKS}@{_BLANKS}(?P<angle_domain>{_DOMAIN}){_BLANKS}>"
    rf"|(?P<group>:)))"
    rf"{_BLANKS}"
)
_SEPARATORS: Final = re.compile(r"[ \t\r\n,]*+")  # obs-addr-list: elements may be empty
_RUN: Final = re.compile(r"[ \t\r\n]+")
_WORDS: Final = re.compile(rf'({_BLANKS})(?:"((?>(?:[^"\\]++|\\.)*))"|([^" \t\r\n]++))', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_OUTSIDE: Final = re.compile(r'(?:[^"(]++|"(?>(?:[^"\\]++|\\.)*)"?)+', re.DOTALL)
_FLAT_COMMENTS: Final = re.compile(r"(?:\((?>(?:[^()\\]++|\\.)*)\))+", re.DOTALL)
_PARENTHESES: Final = re.compile(r"\\.|\(++|\)++", re.DOTALL)

_LONGEST_CACHED: Final = 512
_LONGEST: Final = 100 * 1024  # as long as a header field may be (``HeaderLimits``)
_SHOWN: Final = 20


def parse_address_list(value: bytes) -> AddressList:
    """Read the value of an address field.

    Args:
        value: The field's value, possibly still folded.
    """
    return _cached(value) if len(value) <= _LONGEST_CACHED else _parse(value)


def _parse(value: bytes) -> AddressList:
    if len(value) > _LONGEST:
        return AddressList(error=f"longer than {_LONGEST} octets")
    try:
        return _read(value.decode())
    except UnicodeDecodeError as error:
        return AddressList(error=f"not UTF-8 at octet {error.start}")
    except _SyntaxError as error:
        return AddressList(error=str(error))


# Senders repeat: a submission server sees the same From over and over.
_cached = lru_cache(maxsize=1024)(_parse)


def _read(text: str) -> AddressList:
    if "\x00" in text:  # RFC 5322 §4: not allowed anywhere, not even in a comment
        raise _unexpected(text, text.index("\x00"))
    if "(" in text:
        text = _without_comments(text)
    addresses: list[Address] = []
    group: str | None = None
    has_group = False
    position = _end_of(_SEPARATORS, text, 0)
    while position < len(text):
        ends_group = group is not None and text[position] == ";"
        found = None if ends_group else _ELEMENT.match(text, position)
        if ends_group:
            group = None
            position = _end_of(_RUN, text, position + 1)
        elif found is None or (found["group"] and (group is not None or not found["name"])):
            raise _unexpected(text, position)
        elif found["group"]:
            group, has_group = _phrase(found["name"]), True
            position = _end_of(_SEPARATORS, text, found.end())
            continue
        else:
            addresses.append(_address(found, group or ""))
            position = found.end()
        if position < len(text) and (
            text[position] != "," and (ends_group or text[position] != ";")
        ):
            raise _unexpected(text, position)
        position = _end_of(_SEPARATORS, text, position)
    if group is not None:
        raise _SyntaxError("a group is not closed")
    return AddressList(tuple(addresses), has_group)


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Return the end of a pattern's match; ``position`` if it does not match."""
    found = pattern.match(text, position)
    return position if found is None else found.end()


def _address(found: re.Match[str], group: str) -> Address:
    local_part, domain = found.group("local", "domain")
    if local_part is not None:
        return Address(Mailbox(_joined(local_part), _joined(domain)), "", group)
    name, local_part, domain = found.group("name", "angle_local", "angle_domain")
    return Address(Mailbox(_joined(local_part), _joined(domain)), _phrase(name), group)


def _joined(words: str) -> str:
    """Return a local part or a domain, unquoted and without the blanks around its dots."""
    if '"' in words:
        return "".join(_unquoted(quoted) + other for _, quoted, other in _WORDS.findall(words))
    return _RUN.sub("", words)


def _phrase(words: str) -> str:
    """Return a display name, unquoted; obs-phrase allows dots."""
    words = words.strip(" \t\r\n")
    if '"' not in words:
        return _RUN.sub(" ", words)
    return "".join(
        f"{' ' if blanks else ''}{_unquoted(quoted)}{other}"
        for blanks, quoted, other in _WORDS.findall(words)
    )


def _unquoted(text: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


def _without_comments(text: str) -> str:
    """Replace comments by blanks, so that positions do not change."""
    parts: list[str] = []
    position = 0
    while position < len(text):
        if found := _OUTSIDE.match(text, position):
            parts.append(found[0])
            position = found.end()
            continue
        found = _FLAT_COMMENTS.match(text, position)
        end = _end_of_nested(text, position) if found is None else found.end()
        parts.append(" " * (end - position))
        position = end
    return "".join(parts)


def _end_of_nested(text: str, position: int) -> int:
    """Return the offset after the comment that begins at ``position``."""
    depth = 0
    for found in _PARENTHESES.finditer(text, position):
        start, end = found.span()
        if text[start] == "(":
            depth += end - start
        elif text[start] == ")":
            if end - start >= depth:
                return start + depth
            depth -= end - start
    raise _SyntaxError("a comment is not closed")


def _unexpected(text: str, position: int) -> _SyntaxError:
    shown = text[position : position + _SHOWN]
    return _SyntaxError(f"no address at character {position}: {shown!a}")
