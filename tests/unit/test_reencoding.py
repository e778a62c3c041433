"""Contents that cannot be sent as they are become such that can, and read the same."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from hypothesis import given, strategies as st

from pillarbox.message.reencoding import in_seven_bits, with_short_lines

LONG = "<p>" + "wörd " * 500 + "</p>"
HEAD = "From: a@example.org\r\nSubject: x\r\n"


def text_of(content: bytes) -> str:
    """Return the text as another program reads it."""
    message = message_from_bytes(content, policy=policy.default)
    body = message.get_body(("html", "plain"))
    assert body is not None
    return str(body.get_content())


def longest(content: bytes) -> int:
    """Return the octets of the longest line."""
    return max(map(len, content.split(b"\r\n")))


@pytest.mark.parametrize("encoding", ["", "Content-Transfer-Encoding: 8bit\r\n"])
@pytest.mark.parametrize("end", ["", "\r\n", "\r\nmore\r\n"])
def test_a_long_line_is_encoded_and_reads_the_same(encoding: str, end: str) -> None:
    """With one line end, none, or an encoding that is replaced."""
    head = f"{HEAD}MIME-Version: 1.0\r\n{encoding}Content-Type: text/html; charset=utf-8\r\n\r\n"
    short = with_short_lines((head + LONG + end).encode())
    assert short is not None
    assert longest(short) <= 76
    assert short.lower().count(b"content-transfer-encoding") == 1
    assert text_of(short).replace("\r\n", "\n").rstrip("\n") == (LONG + end).replace(
        "\r\n", "\n"
    ).rstrip("\n")


def test_only_the_parts_with_long_lines_are_encoded() -> None:
    """The other parts of a multipart stay as they are, octet by octet."""
    plain = "Content-Type: text/plain\r\n\r\nshort = 7bit\r\n"
    content = (
        f'{HEAD}MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n'
        f"--b\r\n{plain}--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{LONG}\r\n--b--\r\n"
    )
    short = with_short_lines(content.encode())
    assert short is not None
    assert plain.encode() in short
    assert text_of(short).rstrip() == LONG
    assert longest(short) <= 76


def test_8bit_parts_are_encoded_and_read_the_same() -> None:
    """Attachments that are encoded already stay, signatures by DKIM stand in nobody's way."""
    content = (
        f"DKIM-Signature: v=1\r\n{HEAD}MIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße = alles\r\n"
        "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n"
        "--b--\r\n"
    )
    plain = in_seven_bits(content.encode())
    assert plain is not None
    assert plain.isascii()
    assert text_of(plain).rstrip() == "Grüße = alles"
    assert b"base64\r\n\r\neA==\r\n" in plain


def test_8bit_octets_that_are_no_part_cannot_be_encoded() -> None:
    """Those of a header, of a message within, or of what its author has signed."""
    for head in (
        "X: é\r\n",
        "Content-Type: message/rfc822\r\n",
        "Content-Type: multipart/signed\r\n",
    ):
        assert in_seven_bits(f"{HEAD}{head}\r\né\r\n".encode()) is None


def test_a_mail_without_mime_becomes_mime() -> None:
    """The encoding would mean nothing otherwise."""
    short = with_short_lines(f"{HEAD}\r\n{'x' * 2_000}\r\n".encode())
    assert short is not None
    assert b"MIME-Version: 1.0\r\n" in short
    assert text_of(short).strip() == "x" * 2_000


@pytest.mark.parametrize(
    "head",
    [
        "DKIM-Signature: v=1; d=example.org\r\n",
        'Content-Type: multipart/signed; boundary="b"\r\n',
        "Content-Type: message/rfc822\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        f"X-Long: {'y' * 1_000}\r\n",
    ],
)
def test_what_must_not_be_touched_is_left_alone(head: str) -> None:
    """Signed as it stands, a message within, encoded already, or a long line of the header."""
    assert with_short_lines(f"{HEAD}{head}\r\n{'x' * 2_000}\r\n".encode()) is None


@given(
    st.lists(
        st.sampled_from(
            [b"--b\r\n", b"--b--\r\n", b"\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n",
             b"Content-Type: text/plain\r\n", b"Content-Transfer-Encoding: 8bit\r\n",
             b"x" * 1_200, b"caf\xe9=", b"From ", b":"]
        ),
        max_size=12,
    )
)  # fmt: skip
def test_anything_is_left_alone_or_made_short(pieces: list[bytes]) -> None:
    """Whatever comes in, nothing is raised and no long line goes out."""
    short = with_short_lines(b"".join(pieces))
    assert short is None or longest(short) <= 998
    plain = in_seven_bits(b"".join(pieces))
    assert plain is None or plain.isascii()
