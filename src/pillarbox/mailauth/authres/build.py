"""Writes an Authentication-Results field (RFC 8601 §2.2; RFC 8617 §4.1.1; RFC 8616 §6).

Much of its content comes from strangers and must not break out of its place: values are quoted
where necessary, control characters become question marks, and comments lose their parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pillarbox.mailauth.authres.values import AuthenticationResults, MethodResult, Property
from pillarbox.smtp.address import ascii_domain

__all__ = ["arc_authentication_results", "authentication_results", "results_value"]

_LINE: Final = 78  # RFC 5322 §2.1.1
_FOLD: Final = "\r\n\t"
_LONGEST: Final = 400  # characters of one value; a line may have 998 octets (RFC 5322 §2.1.1)
_LONGEST_UTF8: Final = 200  # of up to four octets each
# RFC 2045 §5.1, the token of RFC 8601 §2.2, without "%" and "'", which break old parsers.
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$&*+.^_`{|}~\u00a1-\U0010ffff-]+")
# pvalue may also be [[local-part] "@"] domain-name, here with a local part that needs no quotes.
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$&*+./?^_`{|}~\u00a1-\U0010ffff-]*@[A-Za-z0-9._\u00a1-\U0010ffff-]+"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_COMMENT_SPECIALS: Final = re.compile(r"[()\\]")


def authentication_results(said: AuthenticationResults, *, is_utf8: bool = False) -> bytes:
    """Return the field with its CRLF.

    Args:
        said: The authserv-id and the results.
        is_utf8: Whether the message may have UTF-8 in its header (RFC 6532); otherwise
            domains are written in A-labels, and local parts that are not ASCII are left out.
    """
    return f"Authentication-Results: {results_value(said, is_utf8=is_utf8)}\r\n".encode()


def arc_authentication_results(
    said: AuthenticationResults, instance: int, *, is_utf8: bool = False
) -> bytes:
    """Return the ARC-Authentication-Results field of a set, with its CRLF."""
    value = results_value(said, is_utf8=is_utf8)
    return f"ARC-Authentication-Results: i={instance}; {value}\r\n".encode()


def results_value(said: AuthenticationResults, *, is_utf8: bool = False) -> str:
    """Return the value of the field, folded."""
    lines = [_token(said.authserv_id, is_utf8=is_utf8)]
    if not said.results:
        lines.append("none")
    for result in said.results:
        lines.extend(_fold(_words(result, is_utf8=is_utf8)))
    return (";" + _FOLD).join(lines)


def _words(result: MethodResult, *, is_utf8: bool) -> Iterable[str]:
    yield f"{result.method}={result.result}"
    if result.comment:
        yield f"({_COMMENT_SPECIALS.sub('?', _clean(result.comment, is_utf8=is_utf8))})"
    if result.reason:
        yield f"reason={_quoted(_clean(result.reason, is_utf8=is_utf8))}"
    for found in result.properties:
        yield f"{found.key}={_value(found, is_utf8=is_utf8)}"


def _fold(words: Iterable[str]) -> Iterable[str]:
    """Fold the words of one result into lines that are not too long."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) < _LINE:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    yield (_FOLD + " ").join(lines)


def _value(found: Property, *, is_utf8: bool) -> str:
    text = found.value
    if not is_utf8 and not text.isascii():
        local, at, domain = text.rpartition("@")
        # RFC 8616 §6: without UTF-8, a local part that needs it cannot be written.
        text = f"{local if local.isascii() else ''}{at}{ascii_domain(domain)}"
    text = _clean(text, is_utf8=is_utf8)
    return text if _ADDRESS.fullmatch(text) else _token(text, is_utf8=is_utf8)


def _token(text: str, *, is_utf8: bool) -> str:
    text = _clean(text, is_utf8=is_utf8)
    return text if _TOKEN.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _clean(text: str, *, is_utf8: bool) -> str:
    if len(text) <= _LONGEST and text.isascii() and text.isprintable():
        return text  # the usual case
    text = _CONTROL.sub("?", text[:_LONGEST] if text.isascii() else text[:_LONGEST_UTF8])
    return text.encode("utf-8" if is_utf8 else "ascii", "replace").decode()
