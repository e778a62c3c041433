r"""Wire conversations as text: the parser of ``*.dialog`` files.

The first line is a sentence. Then, one step a line:

* ``C: text``: the client sends the text and CRLF; ``\\r``, ``\\n``, ``\\0``, ``\\t`` and
  ``\\xHH`` are escapes, and a final ``\\`` leaves the CRLF out;
* ``{{text}}`` within what the client or the server says stands for its base64;
* ``S: 250 2.1.0``: the server's next reply has this code and enhanced code; a text in
  quotes must be contained in it;
* ``S...``: any replies until the next step;
* ``T: name``: something happens beside the wire (``tls``: the handshake; ``closed``: the
  server has closed);
* ``O: name = value``: an option of the server, in TOML, before the first step;
* ``#`` begins a comment.
"""

from __future__ import annotations

import re
import tomllib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))")
_SIMPLE = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"t": b"\t", b"\\": b"\\"}
_BASE64 = re.compile(rb"\{\{(.*?)\}\}(?!\})")
_REPLY = re.compile(r'(\d{3}(?: \d\.\d+\.\d+)?)(?: "(.*)")?')


@dataclass(frozen=True)
class Step:
    """One line of a dialog: who does what."""

    line: int
    kind: str  # "C", "S", "S...", "T"
    octets: bytes = b""  # of C
    code: str = ""  # of S
    text: str = ""  # of S and T


@dataclass(frozen=True)
class Dialog:
    """A file, read."""

    name: str
    sentence: str
    options: dict[str, Any]
    steps: tuple[Step, ...]


def read_dialog(path: Path) -> Dialog:
    """Read one file."""
    sentence, *rest = path.read_text(encoding="utf-8").splitlines()
    options = "\n".join(line[3:] for line in rest if line.startswith("O: "))
    return Dialog(path.stem, sentence, tomllib.loads(options), tuple(_steps(rest)))


def _steps(lines: list[str]) -> Iterator[Step]:
    for number, line in enumerate(lines, 2):
        if not line.strip() or line.startswith(("#", "O: ")):
            continue
        kind, _, rest = line.partition(" ")
        if kind == "S...":
            yield Step(number, "S...")
        elif kind == "C:":
            yield Step(number, "C", octets=_octets(rest))
        elif kind == "S:" and (match := _REPLY.fullmatch(rest)):
            text = _unescape((match[2] or "").encode()).decode()
            yield Step(number, "S", code=match[1], text=text)
        elif kind == "T:":
            yield Step(number, "T", text=rest)
        else:
            raise ValueError(f"line {number} is no step: {line}")


def _octets(text: str) -> bytes:
    octets = text.encode("utf-8")
    has_end = not octets.endswith(b"\\") or octets.endswith(b"\\\\")
    if not has_end:
        octets = octets[:-1]
    octets = _unescape(octets)
    return octets + b"\r\n" if has_end else octets


def _unescape(octets: bytes) -> bytes:
    octets = _BASE64.sub(lambda match: b64encode(_unescape(match[1])), octets)
    return _ESCAPE.sub(
        lambda match: bytes([int(match[1], 16)]) if match[1] else _SIMPLE[match[2]], octets
    )


def replies_in(octets: bytes) -> list[str]:
    """Return the last line of each reply in what a server sent."""
    lines = octets.decode("utf-8").splitlines()
    return [line for line in lines if line[3:4] == " "]


def matches(step: Step, reply: str) -> bool:
    """Whether a reply is what a step expects."""
    return (reply + " ").startswith(step.code + " ") and step.text in reply
