"""What each line of an SMTP session is said to mean."""

from __future__ import annotations

import pytest

from pillarbox.diagnosis.dialog import DialogReader, explain_reply


def notes(*lines: str) -> list[str]:
    """Return the notes of a session; ``>`` stands before what the client says."""
    reader = DialogReader("It is taken.")
    return [
        reader.said(line[2:]) if line.startswith("> ") else reader.replied(line) for line in lines
    ]


def test_a_session_is_told_line_by_line() -> None:
    """What a line means depends on those before it."""
    told = notes(
        "220 mx.example ESMTP",
        "> EHLO me.example",
        "250-mx.example",
        "250-STARTTLS",
        "250-XUNKNOWN",
        "250 SIZE 1000",
        "> MAIL FROM:<>",
        "250 2.1.0 ok",
        "> DATA",
        "354 go",
        "> Subject: DATA",
        "> .",
        "250 2.0.0 queued",
        "> QUIT",
    )
    assert told[0].startswith("The server greets")
    assert told[2].startswith("The server gives its name")
    assert "RFC 3207" in told[3]
    assert told[4] == ""
    assert "largest message" in told[5]
    assert "nobody is notified" in told[6]
    assert told[10] == ""
    assert "complete" in told[11]
    assert told[12] == "It is taken."
    assert "goodbye" in told[13]


def test_a_message_in_pieces_is_taken_with_the_last_one() -> None:
    """Nobody is told that the server is responsible before it has the whole message."""
    told = notes("> BDAT 50", "250 chunk received", "> BDAT 14 LAST", "250 2.0.0 queued")
    assert "the last one" in told[1]
    assert told[3] == "It is taken."


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("550 5.1.1 nobody", "the mailbox does not exist"),
        ("452 4.2.2 full", "the mailbox is full"),
        ("599 odd", "Refused permanently"),
        ("what", ""),
    ],
)
def test_a_reply_is_told_by_its_codes(reply: str, words: str) -> None:
    """The code says what, the enhanced code what about; nonsense says nothing."""
    assert words in explain_reply(reply)
