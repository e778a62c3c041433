"""The two forms of canonicalization (RFC 6376 §3.4).

*Simple* takes the octets as they are, *relaxed* tolerates what mail servers do to white space. A
body comes in chunks, cut anywhere; what is not yet decided (blanks and empty lines that may turn
out to be the end) is stored as a count, so that memory does not grow with the body. Line ends are
CRLF; a lone CR or LF is content like any other octet. Nothing is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

__all__ = ["BodyCanonicalizer", "Canonicalization", "canonical_field"]

_CRLF: Final = b"\r\n"
_BLOCK: Final = _CRLF * 4096


class Canonicalization(Enum):
    """How octets are normalized before they are hashed."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


def canonical_field(line: bytes, canonicalization: Canonicalization) -> bytes:
    """Return a header field as it is hashed.

    Args:
        line: The field as in the message, folds included, with or without its last CRLF.
        canonicalization: Simple or relaxed.
    """
    if not line.endswith(_CRLF):  # of a message that ends within its header
        line += _CRLF
    if canonicalization is Canonicalization.SIMPLE:
        return line
    name, _, value = line[:-2].partition(b":")
    # RFC 6376 §3.4.2: inside a field, each CRLF is followed by a blank.
    value = _single_blanks(value.replace(_CRLF, b"")).strip(b" ")
    return b"%b:%b\r\n" % (name.rstrip(b" \t").lower(), value)


def _single_blanks(octets: bytes) -> bytes:
    """Replace each run of blanks by one space; each pass halves the runs, so few are needed."""
    if b"\t" in octets:
        octets = octets.replace(b"\t", b" ")
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    return octets


class BodyCanonicalizer:
    """Canonicalizes one body, chunk by chunk."""

    __slots__ = ("_blank", "_empty_lines", "_is_relaxed", "_return", "_write", "_wrote")

    def __init__(self, canonicalization: Canonicalization, write: Callable[[bytes], None]) -> None:
        """Pass the canonical octets to ``write`` as soon as they are decided."""
        self._is_relaxed = canonicalization is Canonicalization.RELAXED
        self._write = write
        self._wrote = False
        self._empty_lines = 0  # line ends that count only if something follows
        self._blank = False  # relaxed: a blank that counts only if the line continues
        self._return = False  # a CR whose LF may come with the next chunk

    def feed(self, chunk: bytes) -> None:
        """Take the next octets of the body."""
        if not chunk:
            return
        if self._return:
            chunk = b"\r" + chunk
        self._return = chunk.endswith(b"\r")
        if self._return:
            chunk = chunk[:-1]
        if self._is_relaxed:
            chunk = self._relax(chunk)
        content, line_ends = _split_line_ends(chunk)
        if content:
            self._write_content(content)
        self._empty_lines += line_ends

    def end(self) -> None:
        """Write the rest: an unterminated line gets its CRLF, trailing empty lines are dropped."""
        if self._return:  # a lone CR, which is content
            self._write_content(b" \r" if self._blank else b"\r")
            self._return = self._blank = False
        # RFC 6376 §3.4.3: an empty body is one CRLF in simple; §3.4.4: it is empty in relaxed.
        if self._wrote or not self._is_relaxed:
            self._write(_CRLF)

    def _relax(self, chunk: bytes) -> bytes:
        if self._blank:
            chunk = b" " + chunk
        chunk = _single_blanks(chunk)
        if b" \r\n" in chunk:
            chunk = chunk.replace(b" \r\n", _CRLF)
        self._blank = chunk.endswith(b" ")
        if self._blank:
            chunk = chunk[:-1]
        return chunk

    def _write_content(self, content: bytes) -> None:
        octets = len(_CRLF) * self._empty_lines
        while octets > len(_BLOCK):
            self._write(_BLOCK)
            octets -= len(_BLOCK)
        if octets:
            self._write(_BLOCK[:octets])
        self._write(content)
        self._empty_lines = 0
        self._wrote = True


def _split_line_ends(chunk: bytes) -> tuple[bytes, int]:
    """Split off the CRLFs at the end, and count them. The chunk does not end with a CR."""
    if not chunk.endswith(_CRLF):
        return chunk, 0
    size = len(chunk.rstrip(_CRLF))
    # Of the CRs and LFs at the end, only those that alternate are line ends.
    broken = max(chunk.rfind(b"\r\r", size), chunk.rfind(b"\n\n", size))
    if broken >= 0:
        size = broken + 1
    if chunk.startswith(b"\n", size):
        size += 1
    return chunk[:size], (len(chunk) - size) // 2
