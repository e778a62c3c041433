"""Annotates the lines of a caught session, in a sentence for beginners."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from pillarbox.diagnosis.dialog import DialogReader
from pillarbox.sandbox.transcript import Line, Transcript

__all__ = ["annotated"]

_CAUGHT: Final = (
    "The message is caught and kept, under this id. From here on the server is responsible for it."
)
_WITHOUT_QUIT: Final = (
    "The client went away without QUIT. Most programs that do this have given up, or crashed."
)
_UNTRUSTED: Final = (
    "The client broke off the TLS handshake: most likely it does not trust the certificate, which "
    "nobody has signed. Give it the certificate as an authority (`pillarbox sandbox --json` names "
    "the file), have it not ask for TLS on this port, or offer no STARTTLS."
)
_HAPPENINGS: Final = (
    ("TLS: ", "From here on, everything is encrypted; the client begins anew with EHLO."),
    ("logged in", "The client has shown who it is; the user name may choose the project."),
    ("the login", "The client is told only that it failed; this is why."),
    ("on purpose", "The sandbox was told to behave so, to show what the client makes of it."),
    ("connection ended: failing on purpose", "This end is what was asked for, and no accident."),
    ("connection ended: lost in the TLS handshake", _UNTRUSTED),
    ("connection ended: TLS: TLSV1_ALERT_UNKNOWN_CA", _UNTRUSTED),
    ("connection ended: TLS: SSLV3_ALERT_BAD_CERTIFICATE", _UNTRUSTED),
    ("connection ended: TLS: SSLV3_ALERT_CERTIFICATE_UNKNOWN", _UNTRUSTED),
    ("connection ended: lost", _WITHOUT_QUIT),
    ("connection ended: end of input", _WITHOUT_QUIT),
    ("connection ended: time-out", "The client said nothing for too long."),
    ("connection ended", "The server ended the connection."),
)


def annotated(transcript: Transcript) -> Transcript:
    """Return a transcript with a note at each line that has something to explain."""
    lines: list[Line] = []
    reader = DialogReader(_CAUGHT)
    for line in transcript.lines:
        note = _note(reader, line)
        lines.append(replace(line, note=note) if note else line)
    return replace(transcript, lines=tuple(lines))


def _note(reader: DialogReader, line: Line) -> str:
    if line.direction == "C":
        return reader.said(line.text)
    if line.direction == "S":
        return reader.replied(line.text)
    return next((note for start, note in _HAPPENINGS if line.text.startswith(start)), "")
