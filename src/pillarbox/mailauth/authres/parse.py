"""Parses an Authentication-Results field (RFC 8601 §2.2).

Time is linear, and nested comments need no recursion. A malformed field gives None; nothing is
raised. The result must not be trusted unless the field is known to come from a trusted host and is
not forged: see ``forged``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pillarbox.mailauth.authres.values import AuthenticationResults, MethodResult, Property

__all__ = ["authserv_words", "parse_authserv_id", "parse_results"]

_TOKEN: Final = re.compile(
    r"(?P<blank>[ \t\r\n]++)"
    r'|"(?P<quoted>(?>(?:[^"\\]++|\\.)*))"'
    r"|(?P<special>[(;=])"
    # Laxer than the grammar, in which only pvalue may have "@" and "/" without quotes.
    r'|(?P<word>[^ \t\r\n()";=\x00-\x1f\x7f]++)',
    re.DOTALL,
)
_COMMENT: Final = re.compile(r"[^()\\]++|\\.|[()]", re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_LONGEST: Final = 100 * 1024  # as long as a header field may be (``HeaderLimits``)
_MAX_RESULTS: Final = 200
_MAX_PROPERTIES: Final = 1_000


class _Token(NamedTuple):
    kind: str  # "word", "quoted", or the special character itself
    text: str


class _SyntaxError(Exception):
    """Leaves the parser; never leaves this module."""


def parse_results(value: bytes) -> AuthenticationResults | None:
    """Read a field's value; of an ARC field, what follows the instance.

    Args:
        value: The octets after the colon, possibly still folded.

    Returns:
        The parsed field; None if it is malformed.
    """
    try:
        tokens = list(_tokens(_text(value)))
        return _Parser(tokens).read()
    except _SyntaxError:
        return None


def parse_authserv_id(value: bytes) -> str | None:
    """Read the authserv-id, whatever follows; None if even that is malformed."""
    words = authserv_words(value)
    return words[0] if words else None


def authserv_words(value: bytes) -> tuple[str, ...]:
    """Return the words before the first semicolon: the authserv-id, and perhaps a version.

    Args:
        value: The octets behind the colon.

    Returns:
        The words without comments; () if they are malformed.
    """
    words: list[str] = []
    try:
        for token in _tokens(_text(value)):
            if token.kind not in {"word", "quoted"}:
                return tuple(words) if token.kind == ";" else ()
            words.append(token.text)
    except _SyntaxError:
        return ()
    return tuple(words)


def _text(value: bytes) -> str:
    if len(value) > _LONGEST:
        raise _SyntaxError
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _SyntaxError from None


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _SyntaxError
        position = found.end()
        kind = found.lastgroup or ""
        if found[0] == "(":
            position = _skip_comment(text, position)
        elif kind == "quoted":
            yield _Token(kind, _QUOTED_PAIR.sub(r"\1", found["quoted"]))
        elif kind != "blank":
            yield _Token(found[0] if kind == "special" else kind, found[0])


def _skip_comment(text: str, position: int) -> int:
    depth = 1
    while depth:
        found = _COMMENT.match(text, position)
        if found is None:
            raise _SyntaxError
        position = found.end()
        depth += (found[0] == "(") - (found[0] == ")")
    return position


class _Parser:
    """Reads tokens from left to right; never goes back."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._properties = 0

    def read(self) -> AuthenticationResults:
        authserv_id = self._take_value()
        if self._kind() in {"word", "quoted"}:  # the version, which is 1
            self._take_value()
        results: list[MethodResult] = []
        while self._kind() == ";":
            self._next += 1
            if self._kind() == "":
                break  # a trailing semicolon is common
            result = self._read_result()
            if result is not None:
                results.append(result)
            if len(results) > _MAX_RESULTS:
                raise _SyntaxError
        if self._next != len(self._tokens):
            raise _SyntaxError
        return AuthenticationResults(authserv_id, tuple(results))

    def _kind(self, ahead: int = 0) -> str:
        place = self._next + ahead
        return self._tokens[place].kind if place < len(self._tokens) else ""

    def _take_value(self) -> str:
        if self._kind() not in {"word", "quoted"}:
            raise _SyntaxError
        self._next += 1
        return self._tokens[self._next - 1].text

    def _read_result(self) -> MethodResult | None:
        method = self._take_value().lower()
        if method == "none" and self._kind() != "=":
            return None
        method = method.partition("/")[0]  # a version of the method
        self._take_equals()
        result = self._take_value().lower()
        reason = ""
        properties: list[Property] = []
        while self._kind() in {"word", "quoted"}:
            name = self._take_value()
            self._take_equals()
            value = self._take_pvalue()
            kind, dot, key = name.lower().partition(".")
            if dot:
                properties.append(Property(kind.strip(), key.strip(), value))
            elif kind == "reason":
                reason = value
            self._properties += 1
            if self._properties > _MAX_PROPERTIES:
                raise _SyntaxError
        return MethodResult(method, result, tuple(properties), reason)

    def _take_equals(self) -> None:
        if self._kind() != "=":
            raise _SyntaxError
        self._next += 1

    def _take_pvalue(self) -> str:
        """Take a value that may contain an equals sign, as in base64 or a VERP address."""
        if self._kind() in {"", ";"}:
            return ""  # laxer than the RFC: some writers omit what they do not know
        is_quoted = self._kind() == "quoted"
        parts = [] if self._kind() == "=" else [self._take_value()]
        if is_quoted and self._kind() == "word" and self._tokens[self._next].text[0] == "@":
            parts.append(self._take_value())  # a quoted local part is a token of its own
        while self._kind() == "=":
            self._next += 1
            parts.append("=")
            if self._kind() in {"word", "quoted"} and self._kind(1) != "=":
                parts.append(self._take_value())
        return "".join(parts)
