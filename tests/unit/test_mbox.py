"""Mailboxes in one file, as others write them and as we do."""

from __future__ import annotations

import time

import pytest

from pillarbox.message.mbox import read_mbox, write_mbox

FIRST = b"From ann@example.org Sat Nov 21 10:00:00 2026\n"
MAIL = b"Subject: one\n\nHello.\n"


def read(octets: bytes) -> list[bytes]:
    return [mail.replace(b"\r\n", b"\n") for mail in read_mbox(octets)]


@pytest.mark.parametrize(
    ("octets", "mails"),
    [
        (FIRST + MAIL, [MAIL]),
        (FIRST + MAIL + b"\n" + FIRST + MAIL, [MAIL, MAIL]),
        ((FIRST + MAIL + b"\n" + FIRST + MAIL).replace(b"\n", b"\r\n"), [MAIL, MAIL]),
        (b"\xef\xbb\xbf" + FIRST + MAIL, [MAIL]),
        (b"From - \n" + MAIL + b"From - Sat Nov 21 10:00:00 2026\n" + MAIL, [MAIL, MAIL]),
        (b"noise\n\n" + FIRST + MAIL, [MAIL]),
        (b"From ann@example.org\n" + MAIL, [MAIL]),
        (b"", []),
        (b"\n", []),
        (MAIL, []),
    ],
)
def test_mails_are_told_apart(octets: bytes, mails: list[bytes]) -> None:
    """With and without an empty line, with CRLF, with a mark of UTF-8; what is none has none."""
    assert read(octets) == mails


@pytest.mark.parametrize(
    "line",
    [b"From Russia with love\n", b"From Russia with love\nYear: 1963\n", b"From here, 10:00\nno\n"],
)
def test_a_text_may_begin_with_from(line: bytes) -> None:
    """A line that nobody quoted is no separator without a time, and a field behind it."""
    mail = MAIL + b"\n" + line
    assert read(FIRST + mail) == [mail]


@pytest.mark.parametrize(
    "octets",
    [b"From a " + b"00:00 " * 100_000 + b"\n\n", b"\nFrom " * 100_000, b"\n\n>>>>" * 100_000],
)
def test_no_file_takes_longer_than_it_is_long(octets: bytes) -> None:
    """A line of times once took the cube of its length: 48 KB, 17 seconds."""
    begin = time.perf_counter()
    assert read(octets) == []
    assert time.perf_counter() - begin < 5


def test_one_level_of_quoting_is_taken_off() -> None:
    """Mboxrd quotes what is quoted once more; mboxo does not, and cannot be told from it."""
    assert read(FIRST + MAIL + b"\n>From here\n>>From there\n") == [
        MAIL + b"\nFrom here\n>From there\n"
    ]


def test_what_is_written_has_a_sender_and_a_time() -> None:
    """The separator names the reverse-path without blanks, or the daemon of bounces."""
    text = b"".join(write_mbox([(MAIL, "", 0.0), (MAIL, "a b@example.org", 86_400.0)]))
    assert text.startswith(b"From MAILER-DAEMON Thu Jan 01 00:00:00 1970\nSubject")
    assert b"\n\nFrom a-b@example.org Fri Jan 02 00:00:00 1970\n" in text
