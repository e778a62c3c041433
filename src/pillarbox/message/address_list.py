"""Address lists of From, Sender, To, Cc and Bcc (RFC 5322 §3.4, RFC 6532 §3.2).

The parser is strict where laxness has been abused: what two readers could take for two
different addresses is an error and no guess (CVE-2023-27043). Encoded words are never
decoded, so none can smuggle an ``@``. Time is linear, and nesting costs no stack. Obsolete
routes, empty list elements and dots in unquoted names are read, because old mail has them
(RFC 5322 §4.4). Nothing is raised: an error is a value with its position.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from pillarbox.smtp.address import Mailbox

__all__ = ["Address", "AddressList", "parse_address_list"]


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a list."""

    mailbox: Mailbox
    name: str = ""  # the display name, unquoted; encoded words (RFC 2047) stay encoded
    group: str = ""  # the group that it stands in


@dataclass(frozen=True, slots=True)
class AddressList:
    """What a field's value says; with an ``error`` there are no addresses."""

    addresses: tuple[Address, ...] = ()
    has_group: bool = False  # RFC 5322 §3.4: an empty one, too
    error: str = ""

    @property
    def mailboxes(self) -> tuple[Mailbox, ...]:
        """The bare addresses."""
        return tuple(address.mailbox for address in self.addresses)


class _Token(NamedTuple):
    kind: str  # "atom", "quoted", "literal", "end", or the special character itself
    text: str
    position: int
    is_apart: bool  # whether a blank or a comment stands before it


class _SyntaxError(Exception):
    """Leaves the parser; never leaves this module."""


# RFC 5322 §3.2.3 and RFC 6532 §3.2; the dot is a token of its own.
_TOKEN: Final = re.compile(
    r"(?P<blank>[ \t\r\n]++)"
    r"|(?P<atom>[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a0-\U0010ffff-]++)"
    r'|"(?P<quoted>(?:[^"\\\x00]|\\[^\x00])*+)"'
    r"|\[(?P<literal>[^\[\]\\\x00-\x20]*+)\]"
    r"|(?P<special>[.,:;<>@(])"
)
_COMMENT: Final = re.compile(r"[^()\\\x00]++|\\[^\x00]|[()]")
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_LONGEST_CACHED: Final = 512
_LONGEST: Final = 100 * 1024  # as long as a header field may be (``HeaderLimits``)


def parse_address_list(value: bytes) -> AddressList:
    """Read the value of an address field.

    Args:
        value: The field's value; folds may still be in it.
    """
    return _cached(value) if len(value) <= _LONGEST_CACHED else _parse(value)


def _parse(value: bytes) -> AddressList:
    if len(value) > _LONGEST:
        return AddressList(error=f"longer than {_LONGEST} octets")
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return AddressList(error=f"not UTF-8 at octet {error.start}")
    try:
        return _Parser(_tokens(text)).read()
    except _SyntaxError as error:
        return AddressList(error=str(error))


# Senders repeat: a submission server sees the same From over and over.
_cached = lru_cache(maxsize=1024)(_parse)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, is_apart = 0, True
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _SyntaxError(f"unexpected {text[position]!a} at character {position}")
        kind = found.lastgroup or ""
        start, position = position, found.end()
        if found[0] == "(":
            position = _skip_comment(text, position)
            is_apart = True
        elif kind == "blank":
            is_apart = True
        else:
            part = found[kind]
            if kind == "quoted" and "\\" in part:
                part = _QUOTED_PAIR.sub(r"\1", part)
            tokens.append(_Token(part if kind == "special" else kind, part, start, is_apart))
            is_apart = False
    tokens.append(_Token("end", "", position, is_apart))
    return tokens


def _skip_comment(text: str, position: int) -> int:
    """Return the offset behind a comment whose "(" has been read; comments nest."""
    depth = 1
    while depth:
        found = _COMMENT.match(text, position)
        if found is None:
            raise _SyntaxError("a comment is not closed")
        position = found.end()
        depth += (found[0] == "(") - (found[0] == ")")
    return position


class _Parser:
    """Reads tokens from left to right; never goes back."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._group: str | None = None
        self._has_group = False
        self._addresses: list[Address] = []

    def read(self) -> AddressList:
        while self._peek().kind != "end":
            if self._peek().kind == ",":  # obs-addr-list: empty elements
                self._take()
            elif self._peek().kind == ";" and self._group is not None:
                self._end_group()
            else:
                self._read_element()
        if self._group is not None:
            raise _SyntaxError("a group is not closed")
        return AddressList(tuple(self._addresses), self._has_group)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, kind: str = "") -> _Token:
        token = self._tokens[self._next]
        if kind and token.kind != kind:
            raise _unexpected(token)
        self._next += 1
        return token

    def _end_group(self) -> None:
        self._take(";")
        self._group = None
        if self._peek().kind not in {",", "end"}:
            raise _unexpected(self._peek())

    def _read_element(self) -> None:
        """Read a mailbox, or the start of a group, and see that a separator follows."""
        words = self._take_words()
        kind = self._peek().kind
        if kind == ":" and self._group is None:
            self._take()
            self._group = _phrase(words, self._peek())
            self._has_group = True
            return
        if kind == "<":
            self._take()
            name = _phrase(words, self._peek()) if words else ""
            mailbox = self._read_angle_address()
        elif kind == "@":
            name, mailbox = "", self._read_domain(_local_part(words, self._peek()))
        else:
            raise _unexpected(self._peek())
        self._addresses.append(Address(mailbox, name, self._group or ""))
        if self._peek().kind not in {",", ";", "end"}:
            raise _unexpected(self._peek())

    def _take_words(self) -> list[_Token]:
        start = self._next
        while self._peek().kind in {"atom", "quoted", "."}:
            self._next += 1
        return self._tokens[start : self._next]

    def _read_angle_address(self) -> Mailbox:
        if self._peek().kind in {"@", ","}:
            self._skip_route()
        mailbox = self._read_domain(_local_part(self._take_words(), self._peek()))
        self._take(">")
        return mailbox

    def _skip_route(self) -> None:
        """Skip obs-route, ``@a,@b:`` (RFC 5322 §4.4): nobody is routed by it any more."""
        while self._peek().kind != ":":
            if self._peek().kind == ",":
                self._take()
            else:
                self._read_domain("route")
        self._take(":")

    def _read_domain(self, local_part: str) -> Mailbox:
        self._take("@")
        if self._peek().kind == "literal":
            return Mailbox(local_part, f"[{self._take().text}]")
        words = self._take_words()
        _require_dot_atom(words, self._peek())
        if any(word.kind == "quoted" for word in words):
            raise _unexpected(words[0])
        return Mailbox(local_part, "".join(word.text for word in words))


def _unexpected(token: _Token) -> _SyntaxError:
    if token.kind == "end":
        return _SyntaxError("the list ends too early")
    return _SyntaxError(f"unexpected {token.text[:20]!a} at character {token.position}")


def _require_dot_atom(words: list[_Token], following: _Token) -> None:
    """See that words and dots take turns, and that a word is at both ends."""
    if len(words) % 2 == 0:
        raise _unexpected(following)
    for number, word in enumerate(words):
        if (word.kind == ".") != (number % 2 == 1):
            raise _unexpected(word)


def _local_part(words: list[_Token], following: _Token) -> str:
    _require_dot_atom(words, following)
    return "".join(word.text for word in words)


def _phrase(words: list[_Token], following: _Token) -> str:
    """Return a display name; obs-phrase allows dots, and nothing makes a group's name empty."""
    if not words:
        raise _unexpected(following)
    return "".join(
        f" {word.text}" if number and word.is_apart else word.text
        for number, word in enumerate(words)
    )
