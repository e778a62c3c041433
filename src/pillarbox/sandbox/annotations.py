"""Annotates the lines of a caught session, in a sentence for beginners."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from pillarbox.diagnosis.dialog import DialogReader
from pillarbox.sandbox.transcript import Line, Transcript

__all__ = ["annotated"]

_CAUGHT: Final = (
    "The message is caught and stored under this id. From here on, the server is responsible for "
    "it."
)
_WITHOUT_QUIT: Final = (
    "The client disconnected without QUIT. Most programs that do this have given up, or crashed."
)
_UNTRUSTED: Final = (
    "The client aborted the TLS handshake: most likely it does not trust the certificate, which "
    "is self-signed. Add the certificate to those it trusts (`pillarbox sandbox --json` names the "
    "file), turn off TLS for this port in the client, or do not offer STARTTLS."
)
_HAPPENINGS: Final = (
    ("TLS: ", "From here on, everything is encrypted; the client starts over with EHLO."),
    ("logged in", "The client has proved who it is; the user name may select the project."),
    ("the login", "The client learns only that the login failed; this is the reason."),
    ("on purpose", "The sandbox was asked to behave this way, to show how the client reacts."),
    ("connection ended: failing on purpose", "This was requested; it is no accident."),
    ("connection ended: lost in the TLS handshake", _UNTRUSTED),
    ("connection ended: TLS: TLSV1_ALERT_UNKNOWN_CA", _UNTRUSTED),
    ("connection ended: TLS: SSLV3_ALERT_BAD_CERTIFICATE", _UNTRUSTED),
    ("connection ended: TLS: SSLV3_ALERT_CERTIFICATE_UNKNOWN", _UNTRUSTED),
    ("connection ended: lost", _WITHOUT_QUIT),
    ("connection ended: end of input", _WITHOUT_QUIT),
    ("connection ended: time-out", "The client was silent for too long."),
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
