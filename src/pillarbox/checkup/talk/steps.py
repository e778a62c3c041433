r"""The steps of ``pillarbox talk``, typed or from a script, each parsed from a line. Pure.

A line is sent as it is, unless it begins with a mark::

    EHLO me.example              sent
    < 250 STARTTLS               the last reply has to have this code and these words
    < 4xx                        or be of this class
    /starttls                    STARTTLS, the handshake, and EHLO again
    /auth PLAIN ann              log in by a mechanism; the password is asked for
    /pipe RSET | NOOP | QUIT     several commands in one packet
    /data mail.eml               DATA, the file with its dots stuffed, and the final dot
    /bdat mail.eml 1000          BDAT in pieces of 1000 octets, the last one with LAST
    /text Hello                  a message of one line by DATA
    /raw NOOP\r\nNOOP\n          these octets, with \r \n \t \0 \xNN as in Python
    /b64 \0ann\0secret           these octets in base64: an answer to AUTH
    /wait 1.5                    seconds
    # ...                        nothing
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pillarbox.errors import PermanentError

__all__ = [
    "MARKS",
    "Authenticate",
    "Expect",
    "Pipeline",
    "Raw",
    "Say",
    "SecureNow",
    "SendContent",
    "Step",
    "StepReader",
    "Wait",
    "parse_step",
]

MARKS: Final = {
    "/starttls": "STARTTLS, the handshake, and EHLO again",
    "/auth": "log in: /auth [MECHANISM] USER",
    "/pipe": "several commands in one packet: /pipe RSET | NOOP",
    "/data": "send a file by DATA",
    "/bdat": "send a file by BDAT: /bdat FILE [OCTETS]",
    "/text": "send a message of one line by DATA",
    "/raw": "send octets as they are: /raw NOOP\\r\\n",
    "/b64": "send octets in base64, as answers to AUTH are",
    "/wait": "wait some seconds",
    "/help": "what can be said",
    "/end": "close the connection without QUIT",
}
"""What can be said besides commands, and what it does."""

_EXPECTED: Final = re.compile(r"(?P<code>[2-5](?:\d\d|xx|\dx))(?:\s+(?P<words>.*))?")
_ESCAPE: Final = re.compile(r"\\(?:([rnt0\\])|x([0-9A-Fa-f]{2}))")
_ESCAPED: Final = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
_MAX_PIECE: Final = 100_000_000
_LONGEST_WAIT: Final = 600.0
_AUTH_WORDS: Final = 2


@dataclass(frozen=True, slots=True)
class Say:
    """One line for the server."""

    line: str


@dataclass(frozen=True, slots=True)
class Expect:
    """What the last reply has to be."""

    code: str  # "250", "25x" or "4xx"
    words: str = ""

    def fits(self, code: int, text: str) -> bool:
        """Whether a reply is so; upper and lower case do not matter."""
        digits = zip(self.code, str(code), strict=True)
        is_code = all(wanted in {"x", digit} for wanted, digit in digits)
        return is_code and self.words.casefold() in text.casefold()

    def __str__(self) -> str:
        return f"{self.code} {self.words}".rstrip()


@dataclass(frozen=True, slots=True)
class SecureNow:
    """STARTTLS, the handshake, and EHLO again."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Log in."""

    mechanism: str  # "" for the best
    user: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Several lines in one packet."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SendContent:
    """A message, by DATA or BDAT."""

    file: str = ""
    text: str = ""  # instead of a file
    uses_bdat: bool = False
    piece: int = 0  # octets of each BDAT; 0 for all in one


@dataclass(frozen=True, slots=True)
class Raw:
    """Octets as they are, or in base64 as a line."""

    octets: bytes
    in_base64: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for some seconds."""

    seconds: float


Step = Say | Expect | SecureNow | Authenticate | Pipeline | SendContent | Raw | Wait


def parse_step(line: str) -> Step | None:
    """Return what a line means, None for an empty one or a remark.

    Raises:
        PermanentError: It begins with a mark, and is not what may follow that.
    """
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    if text.startswith("<"):
        return _expect(text[1:].strip())
    if not text.startswith("/"):
        return Say(text)
    mark, _, rest = text.partition(" ")
    reader = _READERS.get(mark.lower())
    if reader is None:
        raise PermanentError(f"{mark} is none of {', '.join(sorted(_READERS))}")
    return reader(rest.strip())


class StepReader:
    """Reads a script line by line: what follows DATA is content, blank lines and marks too."""

    def __init__(self) -> None:
        self._is_content = False
        self._has_content = False

    def read(self, line: str) -> Step | None:
        """Return what the next line means, None for an empty one or a remark.

        Raises:
            PermanentError: It begins with a mark, and is not what may follow that.
        """
        # The reply to DATA may be looked at before the content begins.
        if self._is_content and (self._has_content or not line.strip().startswith("<")):
            self._has_content = True
            self._is_content = line != "."
            return Say(line)
        step = parse_step(line)
        self._is_content = (
            isinstance(step, Say) and step.line.upper() == "DATA"
        ) or self._is_content
        self._has_content = False
        return step


def _expect(text: str) -> Step:
    found = _EXPECTED.fullmatch(text)
    if found is None:
        raise PermanentError(f"< {text}: a code such as 250, 25x or 4xx has to follow, then words")
    return Expect(found["code"], (found["words"] or "").strip())


def _secure(rest: str) -> Step:
    if rest:
        raise PermanentError("/starttls stands alone")
    return SecureNow()


def _auth(rest: str) -> Step:
    words = rest.split(maxsplit=1)
    if not words:
        raise PermanentError("/auth: a user name has to follow, after a mechanism if you want one")
    if len(words) == _AUTH_WORDS:
        return Authenticate(words[0].upper(), words[1])
    return Authenticate("", words[0])


def _pipeline(rest: str) -> Step:
    lines = tuple(part.strip() for part in rest.split("|") if part.strip())
    if not lines:
        raise PermanentError("/pipe: commands have to follow, with | between them")
    return Pipeline(lines)


def _data(rest: str) -> Step:
    if not rest:
        raise PermanentError("/data: a file has to follow")
    return SendContent(file=rest)


def _bdat(rest: str) -> Step:
    file, _, piece = rest.rpartition(" ")
    if not file or not (piece.isascii() and piece.isdigit()):
        file, piece = rest, "0"
    if not file or int(piece) > _MAX_PIECE:
        raise PermanentError("/bdat: a file has to follow, and perhaps the octets of a piece")
    return SendContent(file=file, uses_bdat=True, piece=int(piece))


def _text(rest: str) -> Step:
    return SendContent(text=unescaped(rest))


def _raw(rest: str) -> Step:
    return Raw(_octets(rest))


def _base64(rest: str) -> Step:
    return Raw(_octets(rest), in_base64=True)


def _octets(text: str) -> bytes:
    """Return octets: those of escapes as they are, everything else in UTF-8."""
    parts, at = [], 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[at : match.start()].encode())
        letter, code = match.groups()
        parts.append(_ESCAPED[letter].encode() if letter else bytes.fromhex(code))
        at = match.end()
    return b"".join((*parts, text[at:].encode()))


def unescaped(text: str) -> str:
    """Return a text with its escapes replaced."""
    return _octets(text).decode("utf-8", "replace")


def _wait(rest: str) -> Step:
    try:
        seconds = float(rest)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_WAIT:
        raise PermanentError(f"/wait: seconds have to follow, at most {_LONGEST_WAIT:.0f}")
    return Wait(seconds)


_READERS: Final = {
    "/starttls": _secure,
    "/auth": _auth,
    "/pipe": _pipeline,
    "/data": _data,
    "/bdat": _bdat,
    "/text": _text,
    "/raw": _raw,
    "/b64": _base64,
    "/wait": _wait,
}
