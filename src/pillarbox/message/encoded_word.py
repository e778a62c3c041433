"""Encoded words: how header fields carry text that is not ASCII (RFC 2047, RFC 6532).

Tolerant, as mail programs are: blanks within a word, a word in the middle of another, characters
split between two words, and raw UTF-8 are accepted. All input decodes to one line of text without
control characters, so no word can introduce a line end or a NUL. Nothing is raised; time is linear.
Addresses are never decoded here: see ``message.people``.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from pillarbox.message.charset import decode_octets, guess_text

__all__ = ["decode_text", "one_line"]

# RFC 2047 §2; RFC 2231 §5 adds a language after an asterisk. The text ends at the next "?=", which
# is searched for separately, so that many unterminated words cost no extra time.
_BEGINNING: Final = re.compile(rb"=\?([^?\s\x00-\x1f]{1,64}+)\?([bBqQ])\?")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f\u0085\u2028\u2029]+")
_MARKED: Final = (b"utf-16", b"utf-32")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]+")


def decode_text(value: bytes) -> str:
    """Return the value of an unstructured field as people read it, in one line.

    Args:
        value: What follows the field's colon; folds may still be in it.
    """
    if b"\r\n" in value:
        # RFC 5322 §2.2.3 removes only the CRLF, but the remaining indentation is never intended.
        value = b" ".join(filter(None, (line.strip(b" \t") for line in value.split(b"\r\n"))))
    value = value.strip(b" \t\r\n")
    if b"=?" in value:
        return one_line("".join(_pieces(value)))
    return one_line(guess_text(value))


def one_line(text: str) -> str:
    """Return a text with control characters and line separators replaced by blanks."""
    # Nearly every text is printable, and that test is much faster than a search.
    return text if text.isprintable() else _CONTROLS.sub(" ", text).strip()


def _pieces(value: bytes) -> list[str]:
    """Split a value at its encoded words, and decode them."""
    pieces: list[str] = []
    position = 0
    run: list[bytes] = []  # decoded octets of words that follow each other in one character set
    run_charset = b""
    while (found := _next_word(value, position)) is not None:
        start, end, charset, octets = found
        between = value[position:start]
        # RFC 2047 §6.2: blanks between two encoded words are not shown. A character may be
        # split between two words, though §5 forbids it, so their octets are decoded together.
        is_joined = bool(run_charset) and not between.strip(b" \t\r\n")
        if not is_joined or charset != run_charset:
            pieces.append(_text(run, run_charset))
            run = []
        if not is_joined:
            pieces.append(guess_text(between))
        run.append(octets)
        run_charset = charset
        position = end
    pieces.extend((_text(run, run_charset), guess_text(value[position:])))
    return pieces


def _next_word(value: bytes, position: int) -> tuple[int, int, bytes, bytes] | None:
    """Return where the next encoded word starts and ends, its character set and its octets."""
    found = _BEGINNING.search(value, position)
    if found is None:
        return None
    end = value.find(b"?=", found.end())
    if end < 0:
        return None
    charset, encoding = found[1].partition(b"*")[0].lower(), found[2]
    text = value[found.end() : end]
    octets = _from_q(text) if encoding in b"qQ" else _from_base64(text)
    return found.start(), end + 2, charset, octets


def _text(run: list[bytes], charset: bytes) -> str:
    label = charset.decode("ascii", "replace")
    # If each word begins with a byte order mark, no character is split.
    whole = run if charset.startswith(_MARKED) else (b"".join(run),)
    return "".join(decode_octets(octets, label) for octets in whole)


def _from_q(text: bytes) -> bytes:
    return binascii.a2b_qp(text.replace(b"\r\n", b""), header=True)  # RFC 2047 §4.2


def _from_base64(text: bytes) -> bytes:
    letters = _NOT_BASE64.sub(b"", text)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
