"""What submission puts right in a message."""

from __future__ import annotations

import pytest

from pillarbox.message.header import scan_header
from pillarbox.message.submission import check_submission, fix_submission

AT = 1_795_233_600


def fixed(content: bytes) -> bytes:
    return fix_submission(scan_header(content), message_id=b"<1@h>", at=AT).apply(content)


def test_complete_message_stays_as_it_is() -> None:
    """A message that lacks nothing is the very same object afterward."""
    content = b"Date: x\r\nMessage-ID: <a@b>\r\nFrom: a@b\r\n\r\n\r\nbody\xff"
    assert fixed(content) is content


def test_missing_date_and_message_id_are_added_in_front() -> None:
    """RFC 6409 §8.2, §8.3: what is missing is added, all else is untouched."""
    content = b"From: a@b\r\nX:  odd \r\n  folds\r\n\r\nbody"
    assert fixed(content) == (
        b"Message-ID: <1@h>\r\nDate: Sat, 21 Nov 2026 04:00:00 +0000\r\n" + content
    )


def test_bcc_and_return_path_are_removed_wherever_they_stand() -> None:
    """F14: no copy of a message shows Bcc, folded or resent; Return-Path is ours to write."""
    content = (
        b"Return-Path: <x@y>\r\nDate: x\r\nBCC: a@b,\r\n c@d\r\nMessage-ID: <a@b>\r\n"
        b"Resent-Bcc: q@r\r\nBcc: z@z\r\n\r\nBcc: in the body\r\n"
    )
    assert fixed(content) == (b"Date: x\r\nMessage-ID: <a@b>\r\n\r\nBcc: in the body\r\n")


@pytest.mark.parametrize(
    ("content", "body"),
    [(b"just text\r\n", b"just text\r\n"), (b"From: a@b\r\ntext\r\n", b"text\r\n"), (b"", b"")],
)
def test_body_is_set_apart_from_the_header(content: bytes, body: bytes) -> None:
    """The empty line behind the header is put in where it is missing."""
    result = fixed(content)
    header = scan_header(result)
    assert result[header.size :] == body
    assert result[header.size - 4 : header.size] == b"\r\n\r\n"


def test_mbox_line_is_taken_off() -> None:
    """A "From " line would end the header for the next reader."""
    assert b"From ann" not in fixed(b"From ann Sat\r\nSubject: x\r\n\r\nbody")


@pytest.mark.parametrize(
    ("header", "is_taken"),
    [
        (b"From: a@b\r\n", True),
        (b"From: Ann <a@b>\r\n", True),
        (b"From: a@b, c@d\r\nSender: a@b\r\n", True),
        (b"From: a@b, c@d\r\n", False),
        (b"From: a@b\r\nFrom: c@d\r\n", False),
        (b"From: g: a@b;\r\n", False),
        (b"From: \r\n", False),
        (b"From: a@b)c@d\r\n", False),
        (b"Subject: x\r\n", False),
    ],
)
def test_originator_fields_must_be_sound(header: bytes, is_taken: bool) -> None:
    """F04: on submission a message has one From that everybody reads alike."""
    reply = check_submission(scan_header(header + b"\r\n"))
    assert (reply is None) == is_taken
    assert is_taken or (reply.code == 550 and str(reply.enhanced) == "5.6.0")
