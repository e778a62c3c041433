"""Many mails in one file: the mbox format, read as written by anybody (RFC 4155, mboxrd).

A mail begins at a line that starts with ``From `` at the beginning or behind an empty line.
Reading takes one level of quoting off (``>From``), as mboxrd and most others write it; writing
puts one on every such line, so that what is written is read back octet for octet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

__all__ = ["read_mbox", "write_mbox"]

_BEGIN: Final = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*+\n")
_QUOTED: Final = re.compile(rb"^>(>*+From )", re.MULTILINE)
_TO_QUOTE: Final = re.compile(rb"^(>*+From )", re.MULTILINE)


def read_mbox(octets: bytes) -> Iterator[bytes]:
    """Yield the mails of an mbox, with CRLF line ends and without their separator lines.

    What stands before the first separator is passed over.
    """
    begins = list(_BEGIN.finditer(octets))
    ends = [begin.start() for begin in begins[1:]] + [len(octets)]
    for begin, end in zip(begins, ends, strict=True):
        mail = octets[begin.end() : end].replace(b"\r\n", b"\n")
        if mail.endswith(b"\n\n"):  # the empty line before the next separator is none of the mail
            mail = mail[:-1]
        yield _QUOTED.sub(rb"\1", mail).replace(b"\n", b"\r\n")


def write_mbox(mails: Iterable[tuple[bytes, str, float]]) -> Iterator[bytes]:
    """Yield an mbox piece by piece.

    Args:
        mails: Octets of each mail, its reverse-path and when it came (seconds since 1970).
    """
    for octets, sender, at in mails:
        moment = datetime.fromtimestamp(at, UTC).strftime("%a %b %d %H:%M:%S %Y")
        who = re.sub(r"\s", "-", sender) or "MAILER-DAEMON"
        yield f"From {who} {moment}\n".encode()
        mail = _TO_QUOTE.sub(rb">\1", octets.replace(b"\r\n", b"\n"))
        yield mail if mail.endswith(b"\n") else mail + b"\n"
        yield b"\n"
