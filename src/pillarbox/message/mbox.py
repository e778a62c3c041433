"""The mbox format, many messages in one file, in all common variants (RFC 4155, mboxrd).

A message begins at a line ``From ``, sender, date, followed by a header field: most writers put an
empty line before it, some do not, and many leave ``From Russia with love`` in a text unquoted.
Reading removes one level of quoting (``>From``), as mboxrd and most others write it; writing adds
one to every such line, so that a message survives octet for octet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

__all__ = ["read_mbox", "write_mbox"]

# After an empty line, or at the beginning; Netscape and its descendants write no empty line, and
# "-" instead of a name. Then an optional time, and always the first field of the message. The
# pattern searches for "From " first, which is fast, and visits each line once, however many times
# it contains.
_BEGIN: Final = re.compile(
    rb"From (?:(?:(?<=\AFrom )|(?<=\A\xef\xbb\xbfFrom )|(?<=\n\nFrom )|(?<=\n\r\nFrom ))"
    rb"[^ \r\n]++(?:[ \t](?=[^\n]*?[0-9]{2}:[0-9]{2})[^\n]*+|[ \t]*+\r?)|(?<=\nFrom )-[^\n]*+)\n"
    rb"(?=[!-9;-~]++[ \t]*+:|>From )"
)
_QUOTED: Final = re.compile(rb"\n>(>*+From )")
_TO_QUOTE: Final = re.compile(rb"\n(>*+From )")


def read_mbox(octets: bytes) -> Iterator[bytes]:
    """Yield the messages of an mbox, with CRLF line ends and without their separator lines.

    What precedes the first separator is ignored; without a separator there are no messages.

    Args:
        octets: The file, with any line ends.
    """
    begins = _BEGIN.finditer(octets)
    begin = next(begins, None)
    while begin is not None:
        following = next(begins, None)
        end = len(octets) if following is None else following.start()
        mail = octets[begin.end() : end].replace(b"\r\n", b"\n")
        if mail.endswith(b"\n\n"):  # part of the next separator
            mail = mail[:-1]
        yield _QUOTED.sub(rb"\n\1", mail).replace(b"\n", b"\r\n")
        begin = following


def write_mbox(mails: Iterable[tuple[bytes, str, float]]) -> Iterator[bytes]:
    """Yield an mbox piece by piece.

    Args:
        mails: Octets of each mail, its reverse-path and when it came (seconds since 1970).
    """
    for octets, sender, at in mails:
        moment = datetime.fromtimestamp(at, UTC).strftime("%a %b %d %H:%M:%S %Y")
        who = re.sub(r"\s", "-", sender) or "MAILER-DAEMON"
        yield f"From {who} {moment}\n".encode()
        mail = octets.replace(b"\r\n", b"\n")
        yield _TO_QUOTE.sub(rb"\n>\1", mail if mail.endswith(b"\n") else mail + b"\n")
        yield b"\n"
