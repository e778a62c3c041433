"""The parameters of Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183, RFC 2231).

Values are read as senders write them: quoted or not, in pieces (``name*0``), with a character set
(``name*``), as encoded words, in raw UTF-8. Of a repeated parameter the first counts. Nothing is
raised; time is linear, and the number of pieces is bounded.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from pillarbox.message.charset import decode_octets
from pillarbox.message.encoded_word import decode_text, one_line

__all__ = ["read_media_type", "read_parameters", "read_token"]

_LONGEST: Final = 64 * 1024  # octets of a value that are examined
_MAX_PIECES: Final = 200
_TOKEN: Final = re.compile(rb"[ \t\r\n]*+([!#-'*+.0-9A-Z^-~-]++)")
_TYPE: Final = re.compile(
    rb"[ \t\r\n]*+([!#-'*+.0-9A-Z^-~-]++)[ \t\r\n]*+/[ \t\r\n]*+([!#-'*+.0-9A-Z^-~-]++)"
)
_FLAT_COMMENT: Final = re.compile(rb"\([^()]*+\)")
# A parameter begins after a semicolon or, if that is missing, after a run of blanks. An unquoted
# value extends to the next semicolon or parameter, because file names contain blanks.
_PARAMETER: Final = re.compile(
    rb"(?:;|(?<![ \t\r\n;])(?=[ \t\r\n]))[ \t\r\n]*+([!#-'*+.0-9A-Z^-~-]++)[ \t\r\n]*+=[ \t\r\n]*+"
    rb'(?:"((?>(?:[^"\\]++|\\.)*))"|'
    rb"((?>(?:[^; \t\r\n]++|[ \t\r\n]++(?![!#-'*+.0-9A-Z^-~-]++[ \t]*+=))*)))",
    re.DOTALL,
)
_QUOTED_PAIR: Final = re.compile(rb'\\(["\\])')
_PIECE: Final = re.compile(r"([^*]++)(?:\*([0-9]{1,4}))?(\*)?")
_COMMENT: Final = re.compile(rb"[ \t\r\n]+\(.*", re.DOTALL)
# Values without blanks: anything after one was meant as a comment.
_WORDS: Final = frozenset({"charset", "format", "delsp", "type", "method"})


def read_token(value: bytes) -> str:
    """Return the first word of a field in lower case, such as ``inline``; "" without one."""
    found = _TOKEN.match(value)
    return "" if found is None else found[1].decode("ascii").lower()


def read_media_type(value: bytes) -> str:
    """Return ``type/subtype`` in lower case; "" if the field does not begin with both."""
    found = _TYPE.match(value)
    if found is None and b"(" in value:
        found = _TYPE.match(_FLAT_COMMENT.sub(b"", value.partition(b";")[0]))
    return "" if found is None else f"{found[1].decode('ascii')}/{found[2].decode('ascii')}".lower()


def read_parameters(value: bytes) -> dict[str, str]:
    """Return the parameters of a field by their names in lower case.

    Args:
        value: The field's value; folds may still be in it.
    """
    if b"=" not in value:
        return {}
    value = value[:_LONGEST]
    semicolon, equals = value.find(b";"), value.find(b"=")
    if semicolon < 0 or semicolon > equals:  # the first semicolon is missing
        first = _TYPE.match(value) or _TOKEN.match(value)
        start = first.end() if first else 0
    else:
        start = semicolon
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bytes, bool]]] = {}
    count = 0
    for found in _PARAMETER.finditer(value, start):
        name = found[1].decode("ascii").lower()
        text = _value(name, found[2], found[3])
        if "*" not in name:
            if text:
                plain.setdefault(name, decode_text(text))
            continue
        parts = _PIECE.fullmatch(name)
        count += 1
        if parts is not None and count <= _MAX_PIECES:
            number = int(parts[2] or 0)
            pieces.setdefault(parts[1], {}).setdefault(number, (text, parts[3] is not None))
    for name, numbered in pieces.items():
        plain[name] = _joined(numbered)  # RFC 2231 §4: the extended form takes precedence
    return plain


def _value(name: str, quoted: bytes | None, bare: bytes | None) -> bytes:
    if quoted is not None:
        # Only necessary backslashes are removed: many senders write Windows paths in quotes.
        return _QUOTED_PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted
    text = (bare or b"").strip(b" \t\r\n")
    if name in _WORDS and b"(" in text:
        text = _COMMENT.sub(b"", text)
    return text.strip(b"'\"") if name in _WORDS else text.strip(b'"')


def _joined(numbered: dict[int, tuple[bytes, bool]]) -> str:
    """Put the pieces of a value together, and decode those that are percent-encoded."""
    charset = ""
    octets: list[bytes] = []
    for place, number in enumerate(sorted(numbered)):
        text, is_encoded = numbered[number]
        if place == 0 and is_encoded and text.count(b"'") >= 2:  # noqa: PLR2004 - charset'language'text
            label, _, rest = text.partition(b"'")
            charset, text = label.decode("ascii", "replace"), rest.partition(b"'")[2]
        octets.append(unquote_to_bytes(text) if is_encoded else text)
    whole = b"".join(octets)
    if not charset and b"=?" in whole:
        return decode_text(whole)
    return one_line(decode_octets(whole, charset))
